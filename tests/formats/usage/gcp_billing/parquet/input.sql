SELECT '01-AB' AS billing_account_id, {'month': '202607'} AS invoice, 'regular' AS cost_type, {'id': 'C7', 'description': 'Vertex AI'} AS service,
  {'id': 'S1', 'description': 'Gemini 2.5 Pro Text Output'} AS sku, TIMESTAMPTZ '2026-07-18 22:00:00+00' AS usage_start_time,
  {'id': 'p-search', 'name': 'Search', 'labels': [{'key': 'env', 'value': 'prod'}]} AS project,
  [{'key': 'team', 'value': 'search'}] AS labels, {'region': 'us-central1'} AS location, price::DOUBLE AS cost, 'USD' AS currency,
  [{'name': 'CUD', 'amount': less::DOUBLE, 'type': 'COMMITTED_USAGE_DISCOUNT'}] AS credits
FROM (VALUES (4.2, -1.2), (0.1, -1e-7)) AS lines (price, less)
