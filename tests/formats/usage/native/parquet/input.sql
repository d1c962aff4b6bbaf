SELECT * FROM (VALUES
  ('a', TIMESTAMP '2026-07-01 00:00:00', 5::INTEGER, 7::UBIGINT, 1.50::DECIMAL(9,2), 0.1::DOUBLE, 'USD', ['eval:x','y'], DATE '2026-07-01'),
  ('b', TIMESTAMP '2026-07-01 00:00:00.25', NULL, NULL, NULL, 0.30000000000000004::DOUBLE, 'USD', NULL, NULL),
  ('c', TIMESTAMP '2026-07-01 00:00:00', -1, 18446744073709551615, NULL, 1e300::DOUBLE, 'USD', NULL, NULL)
) AS t(usage_id, ts, input_tokens, output_tokens, billed_cost, effective_cost, billed_currency, tag, x_day)
