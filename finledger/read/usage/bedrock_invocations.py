"""Amazon Bedrock's model invocation log, as it is delivered to S3 or CloudWatch (JSON lines): a row a call.

The log names the caller and the model, not the price: a call is priced by its tokens, and refused where it says none. A call
that failed has an `errorCode` and no counts; models of embeddings, images and rankings have none by nature. An inference profile
is known by its ARN: `model` is its last part, `resource` the whole of it, for rules to look at.
"""

from __future__ import annotations

from finledger.read.usage._declared import Column, Reader, fixed, sql
from finledger.read.usage._in_utc import in_utc

_NO_OUTPUT, _NO_TOKENS = "embed", "image|canvas|reel|stability|luma|rerank"


def _stated(count: str, without: str) -> Column:
    """A count that a call must have, unless it failed or its model has none."""
    needed = f"{{1}} IS NULL AND NOT regexp_matches(coalesce({{2}}, ''), '{without}')"
    return sql(f"CASE WHEN {{0}} IS NULL AND {needed} THEN '(blank)' ELSE {{0}} END", count, "errorCode", "modelId")


READER = Reader(
    title="Amazon Bedrock model invocation log (JSON lines)",
    grain="request",
    needs=("schemaType", "timestamp", "requestId", "operation", "modelId", "input"),
    columns={
        "usage_id": "requestId",
        "request_id": "requestId",
        "ts": in_utc("timestamp"),
        "provider": fixed("bedrock"),
        "model": sql("regexp_extract({0}, '[^/]+$')", "modelId"),
        "requests": fixed("1"),
        "input_tokens": _stated("input.inputTokenCount", _NO_TOKENS),
        "cached_input_tokens": "input.cacheReadInputTokenCount",
        "cache_write_tokens": "input.cacheWriteInputTokenCount",
        "output_tokens": _stated("output.outputTokenCount", f"{_NO_OUTPUT}|{_NO_TOKENS}"),
        "status": "errorCode|status",
        "user": "identity.arn",
        "call_type": "operation",
        "account": "accountId",
        "region": "inferenceRegion|region",
        "resource": "modelId",
        "tag": "requestMetadata",
    },
    m5="inputTokenCount leaves out what was read from and written to the cache.",
)
