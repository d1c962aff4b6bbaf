-- csv parquet
-- Hourly and monthly charges of FOCUS 1.2, as clouds write them: mostly use at list price, some under a commitment, a few taxes and credits.
WITH drawn AS (SELECT i, pick(i, 1, 100) AS kind, pick(i, 2, 40) AS service, pick(i, 3, 12) AS account, pick(i, 4, 9) AS region,
  date_trunc('hour', moment(i)) AS starts, (pick(i, 5, 100000000) / 1000000)::DECIMAL(18,6) AS cost FROM range($rows) r(i))
SELECT 'AWS' AS ProviderName, 'AWS' AS PublisherName, 'AWS' AS InvoiceIssuerName, 'INV-2026-07-0002' AS InvoiceId,
  '100000000002' AS BillingAccountId, 'ExampleCorp' AS BillingAccountName, 'Payer Account' AS BillingAccountType,
  (200000000000 + account)::VARCHAR AS SubAccountId, 'account-' || account AS SubAccountName, 'Linked Account' AS SubAccountType,
  '2026-07-01T00:00:00Z' AS BillingPeriodStart, '2026-08-01T00:00:00Z' AS BillingPeriodEnd,
  strftime(starts, '%Y-%m-%dT%H:%M:%SZ') AS ChargePeriodStart, strftime(starts + INTERVAL 1 HOUR, '%Y-%m-%dT%H:%M:%SZ') AS ChargePeriodEnd,
  CASE WHEN kind < 96 THEN 'Usage' WHEN kind < 98 THEN 'Tax' WHEN kind < 99 THEN 'Credit' ELSE 'Purchase' END AS ChargeCategory,
  CASE WHEN kind = 50 THEN 'Correction' END AS ChargeClass, 'Instance hours of type ' || service AS ChargeDescription,
  'Usage-Based' AS ChargeFrequency, CASE WHEN kind = 98 THEN -cost ELSE cost END AS BilledCost,
  CASE WHEN kind = 98 THEN -cost WHEN kind < 20 THEN cost * 0.7 ELSE cost END AS EffectiveCost, cost AS ListCost, cost AS ContractedCost,
  0.0230000000 AS ListUnitPrice, 0.0207000000 AS ContractedUnitPrice, CASE WHEN kind < 20 THEN 'Committed' ELSE 'Standard' END AS PricingCategory,
  (pick(i, 6, 10000) / 10000)::DECIMAL(18,4) AS PricingQuantity, 'Hours' AS PricingUnit, 'USD' AS BillingCurrency,
  (pick(i, 6, 10000) / 10000)::DECIMAL(18,4) AS ConsumedQuantity, 'Hours' AS ConsumedUnit, 'Service ' || service AS ServiceName,
  'Compute' AS ServiceCategory, 'Virtual Machines' AS ServiceSubcategory, 'SKU-' || left(md5(service::VARCHAR), 24) AS SkuId,
  'Compute' AS SkuMeter, 'SPRICE-' || left(md5(service::VARCHAR), 24) AS SkuPriceId,
  'arn:aws:ec2:us-west-2:' || (200000000000 + account) || ':instance/i-' || left(md5((i % 50000)::VARCHAR), 17) AS ResourceId,
  'instance-' || i % 50000 AS ResourceName, 'Instance' AS ResourceType, 'us-west-' || region AS RegionId, 'US West ' || region AS RegionName,
  NULL::VARCHAR AS AvailabilityZone, CASE WHEN kind < 20 THEN 'sp-' || account END AS CommitmentDiscountId,
  CASE WHEN kind < 20 THEN 'Used' END AS CommitmentDiscountStatus,
  CASE WHEN kind % 4 > 0 THEN '{"Environment":"' || one_of(i, 7, ['dev', 'prod', 'staging']) || '","CostCenter":"cc-' || pick(i, 8, 40)
    || '","Owner":"team-' || pick(i, 8, 40) || '"}' END AS Tags
FROM drawn
