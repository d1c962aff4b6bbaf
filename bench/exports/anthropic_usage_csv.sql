-- csv
-- The console's table of usage: a row for each key and model of a day.
SELECT strftime(TIMESTAMP '2026-07-01' + to_days(i % 90), '%Y-%m-%d') AS usage_date_utc, one_of(i, 1, ['claude-sonnet-4-5-20250929', 'claude-haiku-4-5-20251001', 'claude-opus-4-5-20251101']) AS model_version,
  'key-' || i // 90 AS api_key, 'Workspace ' || pick(i, 2, 40) AS workspace, one_of(i, 3, ['standard', 'standard', 'batch']) AS usage_type, '≤ 200k' AS context_window,
  pick(i, 4, 9000000) AS usage_input_tokens_no_cache, pick(i, 5, 9000) AS usage_input_tokens_cache_write_5m, 0 AS usage_input_tokens_cache_write_1h,
  pick(i, 6, 900000) AS usage_input_tokens_cache_read, pick(i, 7, 900000) AS usage_output_tokens, 0 AS web_search_count, 'global' AS inference_geo, 'standard' AS speed
FROM range($rows) r(i)
