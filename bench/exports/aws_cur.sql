-- csv
-- A legacy report by the hour: some 60 columns, most of them empty; half of the rows use, a third under a savings plan.
WITH drawn AS (SELECT i, pick(i, 1, 100) AS kind, pick(i, 2, 40) AS service, pick(i, 3, 12) AS account,
  date_trunc('hour', moment(i)) AS starts, (pick(i, 5, 1000000000) / 10000000000)::DECIMAL(18,10) AS cost FROM range($rows) r(i))
SELECT left(md5(i::VARCHAR), 32) AS "identity/LineItemId", '2026-07-01T00:00:00Z/2026-07-01T01:00:00Z' AS "identity/TimeInterval",
  '1234567' AS "bill/InvoiceId", 'Amazon Web Services, Inc.' AS "bill/InvoicingEntity", 'AWS' AS "bill/BillingEntity", 'Anniversary' AS "bill/BillType",
  '100000000002' AS "bill/PayerAccountId", '2026-07-01T00:00:00.000Z' AS "bill/BillingPeriodStartDate", '2026-08-01T00:00:00.000Z' AS "bill/BillingPeriodEndDate",
  200000000000 + account AS "lineItem/UsageAccountId",
  CASE WHEN kind < 65 THEN 'Usage' WHEN kind < 95 THEN 'SavingsPlanCoveredUsage' WHEN kind < 97 THEN 'SavingsPlanNegation' WHEN kind < 99 THEN 'Tax' ELSE 'Fee' END AS "lineItem/LineItemType",
  strftime(starts, '%Y-%m-%dT%H:%M:%SZ') AS "lineItem/UsageStartDate", strftime(starts + INTERVAL 1 HOUR, '%Y-%m-%dT%H:%M:%SZ') AS "lineItem/UsageEndDate",
  CASE WHEN kind < 5 THEN 'AmazonBedrock' WHEN kind < 60 THEN 'AmazonEC2' ELSE 'AmazonS3' END AS "lineItem/ProductCode",
  CASE WHEN kind < 5 THEN 'USE1-Claude4.6Sonnet-' || one_of(i, 6, ['input-tokens', 'output-tokens', 'cache-read-input-token-count']) WHEN kind < 60 THEN 'USW2-BoxUsage:m5.' || service || 'xlarge' ELSE 'USW2-Requests-Tier' || service % 3 END AS "lineItem/UsageType",
  'RunInstances' AS "lineItem/Operation", 'us-west-2a' AS "lineItem/AvailabilityZone",
  CASE WHEN kind < 60 THEN 'i-' || left(md5((i % 50000)::VARCHAR), 17) END AS "lineItem/ResourceId",
  (pick(i, 7, 100000) / 1000)::DECIMAL(18,10) AS "lineItem/UsageAmount", NULL AS "lineItem/NormalizationFactor", NULL AS "lineItem/NormalizedUsageAmount",
  'USD' AS "lineItem/CurrencyCode", 0.0230000000 AS "lineItem/UnblendedRate", cost AS "lineItem/UnblendedCost", 0.0230000000 AS "lineItem/BlendedRate", cost AS "lineItem/BlendedCost",
  '$0.023 per hour of type ' || service AS "lineItem/LineItemDescription", NULL AS "lineItem/TaxType", 'Amazon Web Services, Inc.' AS "lineItem/LegalEntity",
  'Amazon Elastic Compute Cloud' AS "product/ProductName", NULL AS "product/availability", NULL AS "product/durability", NULL AS "product/eventType", NULL AS "product/fromLocation",
  NULL AS "product/group", NULL AS "product/groupDescription", 'US West (Oregon)' AS "product/location", 'AWS Region' AS "product/locationType", NULL AS "product/overhead",
  'Compute Instance' AS "product/productFamily", 'us-west-2' AS "product/region", 'us-west-2' AS "product/regionCode", 'AmazonEC2' AS "product/servicecode", NULL AS "product/storageClass",
  NULL AS "product/toLocation", NULL AS "product/transferType", NULL AS "product/volumeType", NULL AS "pricing/RateCode", NULL AS "pricing/RateId", 'USD' AS "pricing/currency",
  cost AS "pricing/publicOnDemandCost", 0.0230000000 AS "pricing/publicOnDemandRate", 'OnDemand' AS "pricing/term",
  CASE WHEN kind < 5 THEN '1K tokens' WHEN kind < 60 THEN 'Hrs' ELSE 'Requests' END AS "pricing/unit",
  NULL AS "reservation/EffectiveCost", NULL AS "reservation/SubscriptionId", NULL AS "reservation/ReservationARN", NULL AS "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod", NULL AS "reservation/UnusedRecurringFee",
  NULL AS "savingsPlan/TotalCommitmentToDate", CASE WHEN kind BETWEEN 65 AND 96 THEN 'arn:aws:savingsplans::1' END AS "savingsPlan/SavingsPlanARN", NULL AS "savingsPlan/UsedCommitment",
  CASE WHEN kind BETWEEN 65 AND 94 THEN (cost * 0.7)::DECIMAL(18,10) END AS "savingsPlan/SavingsPlanEffectiveCost",
  CASE WHEN kind % 2 = 0 THEN 'team-' || pick(i, 8, 40) END AS "resourceTags/user:team", CASE WHEN kind % 2 = 0 THEN 'prod' END AS "resourceTags/user:env"
FROM drawn
