-- json {"data": [ ... ], "has_more": false, "next_page": null}
-- Hourly buckets, grouped by workspace, key and model: forty results each.
SELECT {'starting_at': strftime(TIMESTAMP '2026-07-01' + to_hours(i % 700), '%Y-%m-%dT%H:%M:%SZ'), 'ending_at': strftime(TIMESTAMP '2026-07-01' + to_hours(1 + i % 700), '%Y-%m-%dT%H:%M:%SZ'), 'results': list_transform(range(40), lambda k: {
  'uncached_input_tokens': pick(i * 40 + k, 1, 90000), 'cache_read_input_tokens': pick(i * 40 + k, 3, 9000), 'cache_creation': {'ephemeral_5m_input_tokens': pick(i * 40 + k, 4, 900), 'ephemeral_1h_input_tokens': 0}, 'output_tokens': pick(i * 40 + k, 2, 9000),
  'server_tool_use': {'web_search_requests': 0}, 'api_key_id': 'apikey_' || k, 'workspace_id': 'wrkspc_' || i // 700, 'model': one_of(k, 5, ['claude-sonnet-4-5', 'claude-haiku-4-5']), 'service_tier': 'standard', 'context_window': '0-200k', 'inference_geo': 'us'})} AS element
FROM range($rows // 40) r(i)
