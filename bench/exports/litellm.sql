-- jsonl json csv
-- The table of spend logs as it is: most rows of OpenAI's shape, a third of Anthropic's, one in a hundred failed.
WITH drawn AS (SELECT i, pick(i, 1, 100) AS kind, 200 + pick(i, 2, 4000) AS asked, pick(i, 3, 900) AS answered, pick(i, 4, 40) AS team, moment(i) AS starts FROM range($rows) r(i))
SELECT 'chatcmpl-' || md5(i::VARCHAR) AS request_id, 'acompletion' AS call_type, md5(team::VARCHAR) AS api_key,
  CASE WHEN kind % 10 = 0 THEN '9.5e-05'::JSON ELSE (asked * 0.00000025 + answered * 0.000002)::DECIMAL(18,9)::VARCHAR::JSON END AS spend,
  asked + answered AS total_tokens, asked AS prompt_tokens, answered AS completion_tokens,
  strftime(starts, '%Y-%m-%dT%H:%M:%S.') || (100000 + pick(i, 5, 800000)) || 'Z' AS "startTime", strftime(starts + INTERVAL 2 SECOND, '%Y-%m-%dT%H:%M:%S.000000Z') AS "endTime",
  strftime(starts, '%Y-%m-%dT%H:%M:%S.250000Z') AS "completionStartTime", CASE WHEN kind < 66 THEN 'gpt-4o-mini' ELSE 'claude-sonnet-4-5' END AS model, 'model-' || team AS model_id,
  'small' AS model_group, CASE WHEN kind < 66 THEN 'openai' ELSE 'anthropic' END AS custom_llm_provider, 'https://api.example.com/v1/' AS api_base, 'user-' || pick(i, 6, 5000) AS "user",
  to_json({'user_api_key': md5(team::VARCHAR), 'user_api_key_alias': 'key-' || team, 'user_api_key_team_id': 'team-' || team, 'user_api_key_project_id': NULL, 'user_api_key_org_id': NULL, 'requester_ip_address': '10.0.0.1', 'status': 'success',
    'usage_object': CASE WHEN kind < 66 THEN to_json({'prompt_tokens': asked, 'completion_tokens': answered, 'total_tokens': asked + answered, 'prompt_tokens_details': {'cached_tokens': CASE WHEN kind < 30 THEN 128 ELSE 0 END, 'audio_tokens': 0}, 'completion_tokens_details': {'reasoning_tokens': 0, 'audio_tokens': 0}})
      ELSE to_json({'prompt_tokens': asked, 'completion_tokens': answered, 'cache_read_input_tokens': 100, 'cache_creation_input_tokens': 50, 'prompt_tokens_details': {'cached_tokens': 100}}) END}) AS metadata,
  'False' AS cache_hit, '' AS cache_key, to_json(['User-Agent: AsyncOpenAI', 'team-' || team]) AS request_tags, 'team-' || team AS team_id, NULL AS organization_id, '' AS end_user,
  '{}'::JSON AS messages, '{}'::JSON AS response, CASE WHEN kind = 99 THEN 'failure' ELSE 'success' END AS status
FROM drawn
