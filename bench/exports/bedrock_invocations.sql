-- jsonl
-- Invocations without their bodies, as the log keeps them when only metadata is delivered.
SELECT 'ModelInvocationLog' AS schemaType, '1.0' AS schemaVersion, strftime(moment(i), '%Y-%m-%dT%H:%M:%SZ') AS timestamp, '1234567890' || (10 + pick(i, 1, 9)) AS accountId,
  {'arn': 'arn:aws:sts::123456789012:assumed-role/' || one_of(i, 2, ['search', 'support', 'agents']) || '/session-' || pick(i, 3, 90)} AS identity, one_of(i, 4, ['us-east-1', 'eu-central-1']) AS region,
  uuid_of(i) AS requestId, one_of(i, 5, ['Converse', 'ConverseStream', 'InvokeModel']) AS operation,
  one_of(i, 6, ['anthropic.claude-sonnet-4-20250514-v1:0', 'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0', 'amazon.nova-pro-v1:0']) AS modelId,
  {'inputContentType': 'application/json', 'inputTokenCount': 10 + pick(i, 7, 90000), 'cacheReadInputTokenCount': pick(i, 8, 9000), 'cacheWriteInputTokenCount': 0} AS input,
  {'outputContentType': 'application/json', 'outputTokenCount': 1 + pick(i, 9, 4000)} AS output, {'team': 'team-' || pick(i, 10, 40), 'feature': one_of(i, 11, ['ask', 'draft'])} AS requestMetadata, 'us-east-1' AS inferenceRegion
FROM range($rows) r(i)
