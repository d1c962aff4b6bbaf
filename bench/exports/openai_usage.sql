-- json {"object": "page", "data": [ ... ], "has_more": false, "next_page": null}
-- Hourly buckets, grouped by project, key and model: forty results each.
SELECT {'object': 'bucket', 'start_time': 1782864000 + 3600 * (i % 700), 'end_time': 1782867600 + 3600 * (i % 700), 'results': list_transform(range(40), lambda k: {
  'object': 'organization.usage.completions.result', 'input_tokens': 1000 + pick(i * 40 + k, 1, 90000), 'output_tokens': pick(i * 40 + k, 2, 9000), 'input_cached_tokens': pick(i * 40 + k, 3, 900),
  'input_audio_tokens': 0, 'output_audio_tokens': 0, 'num_model_requests': 1 + pick(i * 40 + k, 4, 99), 'project_id': 'proj_' || i // 700, 'user_id': NULL::VARCHAR, 'api_key_id': 'key_' || k, 'model': one_of(k, 5, ['gpt-4o-2024-08-06', 'gpt-4o-mini', 'o4-mini']),
  'batch': k % 9 = 0, 'service_tier': NULL::VARCHAR})} AS element
FROM range($rows // 40) r(i)
