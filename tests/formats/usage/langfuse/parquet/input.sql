SELECT 'q-1' AS id, 't-1' AS trace_id, 'GENERATION' AS type, TIMESTAMP '2026-07-01 09:30:00.5' AS start_time, 'gpt-4o' AS provided_model_name,
  MAP {'input': 126, 'input_cached_tokens': 1024, 'output': 82, 'total': 1232} AS usage_details, MAP {'total': 0.001::DECIMAL(18,12)} AS cost_details, 0.001::DECIMAL(18,12) AS total_cost
