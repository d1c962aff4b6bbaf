-- csv
-- A table of LiteLLM's daily spend by team, as PostgreSQL's COPY writes it: a row for each team, key and model of a day.
SELECT uuid_of(i) AS id, 'team-' || pick(i, 1, 60) AS team_id, CAST(CAST(moment(i) AS DATE) AS VARCHAR) AS date, 'hash' || i AS api_key,
  one_of(i, 2, ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-5']) AS model, one_of(i, 2, ['large', 'small', 'claude']) AS model_group,
  one_of(i, 2, ['openai', 'azure', 'anthropic']) AS custom_llm_provider, '/chat/completions' AS endpoint, NULL AS mcp_namespaced_tool_name,
  1000 + pick(i, 3, 900000) AS prompt_tokens, 100 + pick(i, 4, 90000) AS completion_tokens, pick(i, 5, 1000) AS cache_read_input_tokens,
  0 AS cache_creation_input_tokens, (1 + pick(i, 6, 1000000)) / 1e5 AS spend, 10 AS api_requests, 9 AS successful_requests, 1 AS failed_requests
FROM range($rows) r(i)
