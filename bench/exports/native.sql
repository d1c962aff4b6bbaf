-- csv jsonl parquet
SELECT md5(i::VARCHAR) AS usage_id, strftime(moment(i), '%Y-%m-%dT%H:%M:%SZ') AS ts, 'team-' || pick(i, 1, 40) AS team,
  CASE WHEN pick(i, 2, 2) = 0 THEN 'cc-' || pick(i, 1, 40) END AS cost_center, 'inference' AS workload_type,
  'model-' || pick(i, 3, 9) AS model, 'provider-' || pick(i, 3, 3) AS provider, 'feature-' || pick(i, 4, 36) AS feature,
  CASE WHEN pick(i, 5, 10) > 0 THEN 'action_' || pick(i, 5, 4) END AS action, 1 + pick(i, 6, 300) AS requests,
  pick(i, 7, 100000) AS input_tokens, pick(i, 8, 5000) AS cached_input_tokens, pick(i, 9, 500) AS cache_write_tokens,
  pick(i, 10, 9000) AS output_tokens, CASE WHEN pick(i, 5, 10) = 0 THEN 'h100' END AS gpu_sku,
  CASE WHEN pick(i, 5, 10) = 0 THEN (pick(i, 11, 9000) / 1000)::DECIMAL(18,3) END AS gpu_hours,
  'user-' || pick(i, 12, 5000) AS user
FROM range($rows) r(i)
