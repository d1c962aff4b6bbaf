-- json {"data": [ ... ], "has_more": false, "next_page": null}
-- Daily buckets, grouped by workspace and description: thirty costs each, in cents.
SELECT {'starting_at': strftime(TIMESTAMP '2026-07-01' + to_days(i % 90), '%Y-%m-%dT00:00:00Z'), 'ending_at': strftime(TIMESTAMP '2026-07-02' + to_days(i % 90), '%Y-%m-%dT00:00:00Z'), 'results': list_transform(range(30), lambda k: {
  'currency': 'USD', 'amount': CAST(CAST(pick(i * 30 + k, 1, 9000000) / 100 AS DECIMAL(12, 2)) AS VARCHAR) || pick(i * 30 + k, 2, 99), 'workspace_id': 'wrkspc_' || i // 90,
  'description': one_of(k, 5, ['Claude Sonnet 4.5 Usage - Input Tokens', 'Claude Sonnet 4.5 Usage - Output Tokens', 'Claude Haiku 4.5 Usage - Input Tokens, Cache Hit']) || ' ' || k,
  'cost_type': 'tokens', 'context_window': '0-200k', 'model': one_of(k, 5, ['claude-sonnet-4-5', 'claude-sonnet-4-5', 'claude-haiku-4-5']), 'service_tier': 'standard',
  'token_type': one_of(k, 5, ['uncached_input_tokens', 'output_tokens', 'cache_read_input_tokens']), 'inference_geo': 'us'})} AS element
FROM range($rows // 30) r(i)
