-- json {"object": "page", "data": [ ... ], "has_more": false, "next_page": null}
-- Daily buckets, grouped by project and line item: thirty costs each, with the digits of a float as the API writes them.
SELECT {'object': 'bucket', 'start_time': 1782864000 + 86400 * (i % 90), 'end_time': 1782950400 + 86400 * (i % 90), 'results': list_transform(range(30), lambda k: {
  'object': 'organization.costs.result', 'amount': {'value': CAST(pick(i * 30 + k, 1, 90000000) / 1e6 AS DECIMAL(18, 6)), 'currency': 'usd'},
  'line_item': one_of(k, 5, ['gpt-4o-2024-08-06, input', 'gpt-4o-2024-08-06, output', 'gpt-4o-mini-2024-07-18, cached input']) || ' ' || k, 'project_id': 'proj_' || i // 90, 'organization_id': 'org-A1b2C3d4',
  'project_name': 'Project ' || i // 90, 'organization_name': 'Example', 'user_id': NULL::VARCHAR, 'api_key_id': NULL::VARCHAR})} AS element
FROM range($rows // 30) r(i)
