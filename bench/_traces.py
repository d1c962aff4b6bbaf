"""A month of calls as an LLM service has them, as columns for bench.allocate: skewed clients, tokens and hours (bench/generate.py);
and the same calls as spans, five to a trace.

The first span of each trace is its root and names a team with its feature; the others name one of six tools' teams, and no
feature. What is published has calls and no traces: the length of a trace is ours.
"""

from __future__ import annotations

from bench.generate import CLIENTS, HOURS, INPUT_DECILES, OUTPUT_DECILES, between, one_of

TEAM = one_of("hash(i // 5 + 2000000000)", CLIENTS, 30)
CALLER = {
    "team": (f"'team-' || {TEAM}", "'team-' || hash(i + 2000000000) % 6"),
    "cost_center": ("NULL", "NULL"),
    "feature": (f"'feature-' || ({TEAM} * 2 + hash(i // 5 + 5000000000) % 2)", "NULL"),
}
CALLS = {
    **{name: f"CASE WHEN i % 5 = 0 THEN {root} ELSE {child} END" for name, (root, child) in CALLER.items()},
    "ts": "TIMESTAMP '2026-07-01' + to_days((hash(i // 5 + 1000000000) % 31)::INTEGER)"
    f" + to_hours({one_of('hash(i // 5 + 1500000000)', HOURS)}) + to_seconds((hash(i + 1600000000) % 3600)::BIGINT)",
    "requests": "1",
    "input_tokens": between("hash(i + 8000000000)", INPUT_DECILES),
    "cached_input_tokens": "0",
    "cache_write_tokens": "0",
    "output_tokens": between("hash(i + 11000000000)", OUTPUT_DECILES),
}
TRACES = {
    "trace_id": "md5('t' || (i // 5)::VARCHAR)",
    "span_id": "substr(md5('s' || i::VARCHAR), 1, 16)",
    "parent_span_id": "CASE WHEN i % 5 > 0 THEN substr(md5('s' || (i // 5 * 5)::VARCHAR), 1, 16) END",
}
