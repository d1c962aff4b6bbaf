-- jsonl
-- A gateway's log of answers: OpenAI's chat, its responses, Anthropic's, Gemini's.
WITH drawn AS (SELECT i, pick(i, 1, 100) AS kind, 10 + pick(i, 2, 4000) AS asked, pick(i, 3, 900) AS answered, moment(i) AS answered_at FROM range($rows) r(i))
SELECT 'gateway/' || kind AS source, strftime(answered_at, '%a, %d %b %Y %H:%M:%S GMT') AS date,
  CASE WHEN kind < 50 THEN 'https://api.openai.com/v1/chat/completions' WHEN kind < 70 THEN 'https://api.openai.com/v1/responses' WHEN kind < 90 THEN 'https://api.anthropic.com/v1/messages'
    ELSE 'https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent' END AS uri,
  CASE WHEN kind < 90 THEN 'gpt-4o-mini' END AS request_model, 'resp-' || md5(i::VARCHAR) AS response_id, CASE WHEN kind < 70 THEN 'gpt-4o-mini-2024-07-18' WHEN kind < 90 THEN 'claude-sonnet-4-5' ELSE 'gemini-2.5-flash' END AS response_model,
  CASE WHEN kind < 70 THEN 'default' END AS service_tier, NULL AS openai_organization, 'req_' || md5(i::VARCHAR || 'r') AS request_id, kind % 2 = 0 AS streamed,
  [{'usage': CASE WHEN kind < 50 THEN to_json({'prompt_tokens': asked, 'completion_tokens': answered, 'total_tokens': asked + answered, 'prompt_tokens_details': {'cached_tokens': 0, 'audio_tokens': 0}, 'completion_tokens_details': {'reasoning_tokens': 0, 'audio_tokens': 0, 'accepted_prediction_tokens': 0, 'rejected_prediction_tokens': 0}})
    WHEN kind < 70 THEN to_json({'input_tokens': asked, 'input_tokens_details': {'cached_tokens': 0}, 'output_tokens': answered, 'output_tokens_details': {'reasoning_tokens': 0}, 'total_tokens': asked + answered})
    WHEN kind < 90 THEN to_json({'input_tokens': asked, 'cache_creation_input_tokens': 0, 'cache_read_input_tokens': 0, 'output_tokens': answered, 'service_tier': 'standard'})
    ELSE to_json({'promptTokenCount': asked, 'candidatesTokenCount': answered, 'totalTokenCount': asked + answered + 5, 'thoughtsTokenCount': 5}) END}] AS usage, '{}'::JSON AS amzn
FROM drawn
