-- jsonl parquet
-- The detailed export of BigQuery: use by the hour, with labels on half of the rows and a discount on a fifth.
WITH drawn AS (SELECT i, pick(i, 1, 100) AS kind, pick(i, 2, 40) AS service, pick(i, 3, 12) AS project, date_trunc('hour', moment(i)) AS starts,
  pick(i, 5, 100000000) / 1e8 AS cost FROM range($rows) r(i))
SELECT '01-AB' AS billing_account_id, {'month': '202607'} AS invoice, CASE WHEN kind < 97 THEN 'regular' ELSE 'tax' END AS cost_type, {'id': '6F81', 'description': 'Compute Engine'} AS service,
  {'id': 'S' || service, 'description': CASE WHEN kind < 5 THEN 'Gemini 2.5 Flash GA Text ' || one_of(i, 6, ['Input', 'Output']) || ' - Predictions' ELSE 'A2 Instance Core ' || service END} AS sku,
  strftime(starts, '%Y-%m-%d %H:%M:%S UTC') AS usage_start_time, strftime(starts + INTERVAL 1 HOUR, '%Y-%m-%d %H:%M:%S UTC') AS usage_end_time,
  {'id': 'p-' || project, 'name': 'Project ' || project, 'number': '123' || project, 'labels': [{'key': 'env', 'value': 'prod'}]} AS project,
  CASE WHEN kind % 2 = 0 THEN [{'key': 'team', 'value': 'team-' || pick(i, 7, 40)}, {'key': 'k8s-namespace', 'value': 'ns-' || pick(i, 8, 9)}] ELSE [] END AS labels,
  [{'key': 'compute.googleapis.com/machine_spec', 'value': 'a2-highgpu-1g'}] AS system_labels, {'location': 'us-central1', 'region': 'us-central1', 'country': 'US'} AS location,
  {'name': 'vm-' || i % 50000, 'global_name': '//compute/vm-' || i % 50000} AS resource, cost, 'USD' AS currency, 1.0 AS currency_conversion_rate,
  CASE WHEN kind % 5 = 0 THEN [{'id': 'c1', 'full_name': 'CUD', 'type': 'COMMITTED_USAGE_DISCOUNT', 'name': 'CUD', 'amount': -cost / 2}] ELSE [] END AS credits,
  {'amount': 3600.0, 'unit': CASE WHEN kind < 5 THEN 'count' ELSE 'seconds' END, 'amount_in_pricing_units': 1.0, 'pricing_unit': CASE WHEN kind < 5 THEN 'count' ELSE 'hour' END} AS usage,
  [] ::STRUCT("key" VARCHAR, "value" VARCHAR)[] AS tags, '2026-07-19 01:00:00 UTC' AS export_time
FROM drawn
