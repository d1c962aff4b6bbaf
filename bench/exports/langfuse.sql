-- csv parquet
-- Langfuse's export of observations: four calls and a span around them in each trace, half of them of a cached prompt.
SELECT uuid_of(i) AS id, uuid_of(-1 - i // 5) AS trace_id, 'p-1' AS project_id, 'production' AS environment, CASE WHEN i % 5 = 0 THEN 'SPAN' ELSE 'GENERATION' END AS type,
  CASE WHEN i % 5 > 0 THEN uuid_of(i - i % 5) END AS parent_observation_id, strftime(moment(i // 5), '%Y-%m-%d %H:%M:%S') || '.123456' AS start_time,
  CASE WHEN i % 5 = 0 THEN 'answer a question' ELSE 'completion' END AS name, 'DEFAULT' AS level,
  CASE WHEN i % 5 > 0 THEN one_of(i, 1, ['gpt-4o-2024-08-06', 'gpt-4o-mini', 'claude-sonnet-4-5']) END AS provided_model_name,
  CASE WHEN i % 5 > 0 THEN '{"input":' || pick(i, 2, 9000) || ',"input_cached_tokens":' || 1000 * pick(i, 3, 2) || ',"output":' || pick(i, 4, 900) || '}' ELSE '{}' END AS usage_details,
  CASE WHEN i % 5 > 0 THEN '{"total":' || (1 + pick(i, 5, 100000)) / 1e6 || '}' ELSE '{}' END AS cost_details, CASE WHEN i % 5 > 0 THEN (1 + pick(i, 5, 100000)) / 1e6 END AS total_cost,
  'user-' || pick(i // 5, 6, 5000) AS user_id, 'ask' AS trace_name, '["beta"]' AS tags
FROM range($rows) r(i)
