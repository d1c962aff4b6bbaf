-- jsonl
-- What a collector's file exporter writes: a batch of spans a line, ten spans of one service; two in five are calls of a model.
SELECT [{'resource': {'attributes': [{'key': 'service.name', 'value': {'stringValue': 'service-' || pick(i, 1, 40)}}, {'key': 'deployment.environment.name', 'value': {'stringValue': 'prod'}}, {'key': 'cloud.region', 'value': {'stringValue': 'eu-west-1'}},
    {'key': 'telemetry.sdk.language', 'value': {'stringValue': 'python'}}]}, 'scopeSpans': [{'scope': {'name': 'opentelemetry.instrumentation.openai', 'version': '0.40'}, 'spans': list_transform(range(10), lambda k: {
  'traceId': md5((i * 2 + k // 5)::VARCHAR), 'spanId': left(md5((i * 10 + k)::VARCHAR || 's'), 16), 'parentSpanId': CASE WHEN k % 5 = 0 THEN '' ELSE left(md5((i * 10 + k - k % 5)::VARCHAR || 's'), 16) END,
  'name': CASE WHEN k % 5 > 2 THEN 'chat gpt-4o' ELSE 'GET /answer' END, 'kind': 3, 'startTimeUnixNano': (1782898200000000000 + i * 1000000000 + k * 1000)::VARCHAR, 'endTimeUnixNano': (1782898201000000000 + i * 1000000000 + k * 1000)::VARCHAR,
  'attributes': CASE WHEN k % 5 > 2 THEN [{'key': 'gen_ai.operation.name', 'value': {'stringValue': 'chat'}::JSON}, {'key': 'gen_ai.provider.name', 'value': {'stringValue': 'openai'}::JSON}, {'key': 'gen_ai.request.model', 'value': {'stringValue': 'gpt-4o'}::JSON},
      {'key': 'gen_ai.response.model', 'value': {'stringValue': 'gpt-4o-2024-08-06'}::JSON}, {'key': 'gen_ai.response.id', 'value': {'stringValue': 'chatcmpl-' || md5((i * 10 + k)::VARCHAR)}::JSON}, {'key': 'gen_ai.usage.input_tokens', 'value': {'intValue': (100 + pick(i * 10 + k, 2, 9000))::VARCHAR}::JSON},
      {'key': 'gen_ai.usage.output_tokens', 'value': {'intValue': pick(i * 10 + k, 3, 900)::VARCHAR}::JSON}, {'key': 'gen_ai.usage.cache_read.input_tokens', 'value': {'intValue': '64'}::JSON}, {'key': 'server.address', 'value': {'stringValue': 'api.openai.com'}::JSON}]
    ELSE [{'key': 'http.route', 'value': {'stringValue': '/answer'}::JSON}, {'key': 'http.request.method', 'value': {'stringValue': 'GET'}::JSON}, {'key': 'http.response.status_code', 'value': {'intValue': '200'}::JSON}] END,
  'status': {'code': 1}})}]}] AS "resourceSpans"
FROM range($rows // 10) r(i)
