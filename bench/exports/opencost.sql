-- csv
-- OpenCost's daily CSV: a row for each container of a day, most of them without a GPU, two labels as columns.
SELECT CAST(DATE '2026-07-01' + CAST(i % 31 AS INTEGER) AS VARCHAR) AS "Date", 'ns-' || pick(i, 1, 40) AS "Namespace", 'deployment' AS "ControllerKind",
  'app-' || pick(i, 2, 400) AS "ControllerName", 'app-' || pick(i, 2, 400) || '-' || left(md5('' || i // 31), 10) AS "Pod", 'main' AS "Container",
  (1 + pick(i, 3, 1000000)) / 1e7 AS "CPUCost", (1 + pick(i, 4, 1000000)) / 1e8 AS "RAMCost", 0 AS "NetworkCost", 0 AS "PVCost",
  CASE WHEN pick(i, 5, 20) = 0 THEN (1 + pick(i, 6, 1000000)) / 1e5 ELSE 0 END AS "GPUCost",
  round((1 + pick(i, 3, 1000000)) / 1e7 + (1 + pick(i, 4, 1000000)) / 1e8 + CASE WHEN pick(i, 5, 20) = 0 THEN (1 + pick(i, 6, 1000000)) / 1e5 ELSE 0 END, 8) AS "TotalCost",
  '{"app":"app-' || pick(i, 2, 400) || '","team":"team-' || pick(i, 1, 12) || '"}' AS "Labels", 'app-' || pick(i, 2, 400) AS "Label_app", 'team-' || pick(i, 1, 12) AS "Label_team"
FROM range($rows) r(i)
