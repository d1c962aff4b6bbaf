-- csv
-- Cost details of an enterprise agreement by the day.
WITH drawn AS (SELECT i, pick(i, 1, 100) AS kind, pick(i, 2, 40) AS service, pick(i, 3, 12) AS account, moment(i) AS day,
  (pick(i, 5, 100000000) / 100000000)::DECIMAL(18,9) AS cost FROM range($rows) r(i))
SELECT 'Lorem' AS InvoiceSectionName, 'example.com' AS AccountName, 'user.one@example.com' AS AccountOwnerId, 'e18e1552-c6dd-45d1-973c-' || (999999999000 + account) AS SubscriptionId,
  'sub-' || account AS SubscriptionName, 'rg-' || service AS ResourceGroup, 'CentralUS' AS ResourceLocation, strftime(day, '%m/%d/%Y') AS Date, 'Product ' || service AS ProductName,
  CASE WHEN kind < 5 THEN 'Cognitive Services' ELSE 'Virtual Machines' END AS MeterCategory, CASE WHEN kind < 5 THEN 'Azure OpenAI' ELSE 'DSv2 Series' END AS MeterSubCategory,
  md5(service::VARCHAR) AS MeterId, CASE WHEN kind < 5 THEN 'gpt-4o-0806-' || one_of(i, 6, ['Inp', 'Outp']) || '-glbl Tokens' ELSE 'DS' || service || ' v2' END AS MeterName, 'Iowa' AS MeterRegion,
  CASE WHEN kind < 5 THEN '1K' WHEN kind < 70 THEN '1 Hour' ELSE '10K' END AS UnitOfMeasure, (pick(i, 7, 1000000) / 1000)::DECIMAL(18,3) AS Quantity,
  CASE WHEN kind % 50 = 0 THEN '5.64902E-05' ELSE cost::VARCHAR END AS EffectivePrice, CASE WHEN kind % 50 = 0 THEN '5.64902E-05' ELSE cost::VARCHAR END AS CostInBillingCurrency, NULL AS CostCenter,
  'Microsoft.Compute' AS ConsumedService, '/subscriptions/e18e1552/resourceGroups/rg-' || service || '/providers/Microsoft.Compute/virtualMachines/vm-' || i % 50000 AS ResourceId,
  CASE WHEN kind % 2 = 0 THEN '"team": "team-' || pick(i, 8, 40) || '","env": "prod","app": "search"' END AS Tags, 'MS-AZR-00XXP' AS OfferId, '{  "UsageType": "ComputeHR",  "ImageType": "Canonical"}' AS AdditionalInfo,
  NULL AS ServiceInfo1, NULL AS ServiceInfo2, 'vm-' || i % 50000 AS ResourceName, NULL AS ReservationId, NULL AS ReservationName, 0.1 AS UnitPrice, NULL AS ProductOrderId, NULL AS ProductOrderName, NULL AS Term,
  'Azure' AS PublisherType, NULL AS PublisherName, 'Usage' AS ChargeType, 'UsageBased' AS Frequency, CASE WHEN kind < 90 THEN 'OnDemand' ELSE 'SavingsPlan' END AS PricingModel, NULL AS AvailabilityZone,
  '12345678' AS BillingAccountId, 'Example LTD.' AS BillingAccountName, 'USD' AS BillingCurrencyCode, '7/1/2026' AS BillingPeriodStartDate, '7/31/2026' AS BillingPeriodEndDate, '12345678' AS BillingProfileId,
  'Example LTD.' AS BillingProfileName, NULL AS InvoiceSectionId, 'TRUE' AS IsAzureCreditEligible, 'ABC-1234' AS PartNumber, '0.40000' AS PayGPrice, NULL AS PlanName, 'Compute' AS ServiceFamily
FROM drawn
