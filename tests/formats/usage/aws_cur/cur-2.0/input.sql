SELECT '111122223333' AS bill_payer_account_id, '444455556666' AS line_item_usage_account_id, 'ml' AS line_item_usage_account_name,
  kind AS line_item_line_item_type, TIMESTAMP '2026-07-18 22:00:00' AS line_item_usage_start_date, service AS line_item_product_code,
  usage_type AS line_item_usage_type, used::DOUBLE AS line_item_usage_amount, 'USD' AS line_item_currency_code,
  cost::DOUBLE AS line_item_unblended_cost, unit AS pricing_unit, 'us-east-1' AS product_region_code,
  saved::DOUBLE AS savings_plan_savings_plan_effective_cost, MAP {'user_team': 'search', 'aws_eks_namespace': 'rag'} AS resource_tags,
  MAP {'product_name': 'x'} AS product
FROM (VALUES
  ('Usage', 'AmazonBedrock', 'USE1-Claude4.6Sonnet-input-tokens-batch', 1234.567, 1.8518505, '1K tokens', NULL),
  ('SavingsPlanCoveredUsage', 'AmazonSageMaker', 'ml.g5.xlarge', 1, 1.408, 'Hours', 0.9),
  ('SavingsPlanNegation', 'AmazonSageMaker', 'ml.g5.xlarge', 1, -1.408, NULL, NULL)
) AS lines (kind, service, usage_type, used, cost, unit, saved)
