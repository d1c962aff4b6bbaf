-- csv
-- The same bill as BigQuery writes a query of it to CSV: names joined by "_", labels and credits as JSON.
WITH drawn AS (SELECT i, pick(i, 1, 100) AS kind, pick(i, 2, 40) AS service, pick(i, 3, 12) AS project, date_trunc('hour', moment(i)) AS starts,
  pick(i, 5, 100000000) / 1e8 AS cost FROM range($rows) r(i))
SELECT '01-AB' AS billing_account_id, '202607' AS invoice_month, CASE WHEN kind < 97 THEN 'regular' ELSE 'tax' END AS cost_type, 'Compute Engine' AS service_description,
  'A2 Instance Core ' || service AS sku_description, strftime(starts, '%Y-%m-%d %H:%M:%S UTC') AS usage_start_time, strftime(starts + INTERVAL 1 HOUR, '%Y-%m-%d %H:%M:%S UTC') AS usage_end_time,
  3600.0 AS usage_amount, 'seconds' AS usage_unit, 'p-' || project AS project_id, 'Project ' || project AS project_name, 'us-central1' AS location_region,
  '//compute/vm-' || i % 50000 AS resource_global_name,
  CASE WHEN kind % 2 = 0 THEN '[{"key":"team","value":"team-' || pick(i, 7, 40) || '"},{"key":"k8s-namespace","value":"ns-' || pick(i, 8, 9) || '"}]' ELSE '[]' END AS labels,
  cost, 'USD' AS currency, CASE WHEN kind % 5 = 0 THEN '[{"name":"CUD","type":"COMMITTED_USAGE_DISCOUNT","amount":' || -cost / 2 || '}]' ELSE '[]' END AS credits
FROM drawn
