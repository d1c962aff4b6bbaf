SELECT '01-AB' AS billing_account_id, 'USD' AS currency, TIMESTAMPTZ '2026-07-01 00:00:00+00' AS usage_start_time, 'regular' AS cost_type,
  {'month': '202607'} AS invoice, {'id': 'S1', 'description': 'Gemini 2.5 Flash GA Text Input - Predictions'} AS sku, cost,
  [{'name': 'CUD', 'amount': credit}] AS credits, {'amount': amount, 'unit': 'count'} AS usage
FROM (VALUES
  (1::DOUBLE, 0::DOUBLE, 5::DOUBLE), ('nan', 0, 5), ('inf', 0, 5), (NULL, 0, 5), (1, 'nan', 5), (1, '-inf', 5), (1, NULL, 5),
  (1, 0, 'nan'), (1, 0, 'inf'), (1, 0, -5), (1, 0, NULL), (1, 0, 1e300), (1, 0, 5e18), (-1, 0, 1.5), (99999999999999999999, 1, 5)
) AS lines (cost, credit, amount)
