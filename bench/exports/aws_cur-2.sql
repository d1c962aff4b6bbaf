-- parquet
-- CUR 2.0 by the hour, with split cost allocation data of pods.
WITH drawn AS (SELECT i, pick(i, 1, 100) AS kind, pick(i, 2, 40) AS service, pick(i, 3, 12) AS account,
  date_trunc('hour', moment(i // 100)) AS starts, pick(i, 5, 1000000) / 1e7 AS cost FROM range($rows) r(i))
SELECT left(md5(i::VARCHAR), 32) AS identity_line_item_id, '1234567' AS bill_invoice_id, '100000000002' AS bill_payer_account_id, (200000000000 + account)::VARCHAR AS line_item_usage_account_id,
  'account-' || account AS line_item_usage_account_name,
  CASE WHEN kind < 67 THEN 'Usage' WHEN kind < 97 THEN 'SavingsPlanCoveredUsage' WHEN kind < 99 THEN 'Tax' ELSE 'Fee' END AS line_item_line_item_type,
  starts AS line_item_usage_start_date, starts + INTERVAL 1 HOUR AS line_item_usage_end_date,
  CASE WHEN kind < 5 THEN 'AmazonBedrock' WHEN kind < 60 THEN 'AmazonEC2' ELSE 'AmazonS3' END AS line_item_product_code,
  CASE WHEN kind < 5 THEN 'USE1-Claude4.6Sonnet-' || one_of(i, 6, ['input-tokens', 'output-tokens', 'cache-read-input-token-count']) WHEN kind < 60 THEN 'USW2-BoxUsage:m5.' || service || 'xlarge' ELSE 'USW2-Requests-Tier' || service % 3 END AS line_item_usage_type,
  'RunInstances' AS line_item_operation, CASE WHEN kind < 60 THEN 'i-' || left(md5((i // 10 % 50000)::VARCHAR), 17) END AS line_item_resource_id,
  pick(i, 7, 100000) / 1000 AS line_item_usage_amount, 'USD' AS line_item_currency_code, cost AS line_item_unblended_cost, 0.023 AS line_item_unblended_rate,
  cost AS line_item_blended_cost, 'hours of type ' || service AS line_item_line_item_description, CASE WHEN kind < 5 THEN '1K tokens' WHEN kind < 60 THEN 'Hrs' ELSE 'Requests' END AS pricing_unit,
  cost AS pricing_public_on_demand_cost, 'us-west-2' AS product_region_code, 0.0 AS reservation_effective_cost, NULL::VARCHAR AS reservation_reservation_a_r_n,
  CASE WHEN kind BETWEEN 67 AND 96 THEN cost * 0.7 END AS savings_plan_savings_plan_effective_cost,
  NULL::VARCHAR AS split_line_item_parent_resource_id, NULL::DOUBLE AS split_line_item_split_cost, NULL::DOUBLE AS split_line_item_unused_cost,
  CASE WHEN kind % 2 = 0 THEN MAP {'user_team': 'team-' || pick(i, 8, 40), 'user_env': 'prod'} ELSE MAP {} END AS resource_tags,
  MAP {'product_name': 'Amazon Elastic Compute Cloud', 'region': 'us-west-2'} AS product
FROM drawn
