-- csv
-- The console's table of costs: a row for each key, model and kind of token of a day.
SELECT strftime(TIMESTAMP '2026-07-01' + to_days(i % 90), '%Y-%m-%d') AS usage_date_utc, one_of(i, 1, ['Claude Sonnet 4.5', 'Claude Haiku 4.5', 'Claude Opus 4.5']) AS model,
  'Workspace ' || pick(i, 2, 40) AS workspace, 'key-' || i // 90 AS api_key, one_of(i, 3, ['standard', 'standard', 'batch']) AS usage_type, '≤ 200k' AS context_window,
  one_of(i, 4, ['input_no_cache', 'input_cache_read', 'input_cache_write_5m', 'output']) AS token_type, (1 + pick(i, 5, 900000)) / 100 AS cost_usd, (1 + pick(i, 5, 900000)) / 100 AS list_price_usd,
  'tokens' AS cost_type, 'global' AS inference_geo, 'standard' AS speed, 'apikey_' || i // 90 AS api_key_id, 'active' AS api_key_status
FROM range($rows) r(i)
