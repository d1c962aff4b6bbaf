"""Amazon Bedrock's model invocation log, as it is delivered to S3 or CloudWatch (JSON lines): a row a call.

The log names the caller and the model, not the price: a call is priced by its tokens. A call that failed has an `errorCode` and
no counts. An inference profile is known by its ARN: `model` is its last part, `resource` the whole of it, for rules to look at.
"""

from __future__ import annotations

from finledger.read.usage._declared import Reader, fixed, sql
from finledger.read.usage._in_utc import in_utc

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
        "input_tokens": "input.inputTokenCount",
        "cached_input_tokens": "input.cacheReadInputTokenCount",
        "cache_write_tokens": "input.cacheWriteInputTokenCount",
        "output_tokens": "output.outputTokenCount",
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
