SELECT 'AWS' AS ProviderName, TIMESTAMPTZ '2026-07-01 00:00:00+00' AS ChargePeriodStart, 'Usage' AS ChargeCategory,
  1.25::DECIMAL(18,6) AS BilledCost, 0.1::DOUBLE AS EffectiveCost, 'USD' AS BillingCurrency, 'Bedrock' AS ServiceName,
  MAP {'team': 'search', 'app': 'x'} AS Tags, NULL::VARCHAR AS ChargeClass
