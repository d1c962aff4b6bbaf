-- jsonl
-- A page of the API a line, as a loop over pages writes them: a day of hourly buckets, with five keys each.
SELECT 'page' AS object, list_transform(range(24), lambda h: {'object': 'bucket', 'start_time': 1782864000 + 3600 * (24 * (i % 90) + h), 'end_time': 1782867600 + 3600 * (24 * (i % 90) + h), 'results': list_transform(range(5), lambda k: {
  'object': 'organization.usage.completions.result', 'input_tokens': 1000 + pick(i * 120 + h * 5 + k, 1, 90000), 'output_tokens': pick(i * 120 + h * 5 + k, 2, 9000), 'input_cached_tokens': pick(i * 120 + h * 5 + k, 3, 900),
  'input_audio_tokens': 0, 'output_audio_tokens': 0, 'num_model_requests': 1 + pick(i * 120 + h * 5 + k, 4, 99), 'project_id': 'proj_' || i // 90, 'user_id': NULL::VARCHAR, 'api_key_id': 'key_' || k,
  'model': one_of(k, 5, ['gpt-4o-2024-08-06', 'gpt-4o-mini', 'o4-mini']), 'batch': k = 4, 'service_tier': NULL::VARCHAR})}) AS data, i + 1 < $rows // 120 AS has_more, 'page_' || md5('' || i) AS next_page
FROM range($rows // 120) r(i)
