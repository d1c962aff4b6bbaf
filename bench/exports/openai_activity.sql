-- csv
-- The console's activity: a row for each user, model and hour.
SELECT 'org-A1b2C3d4E5f6G7h8' AS organization_id, 'Example' AS organization_name, 1 + pick(i, 1, 90) AS n_requests, 'completion' AS operation, 100 + pick(i, 2, 900000) AS n_context_tokens_total,
  pick(i, 3, 90000) AS n_generated_tokens_total, 'text' AS usage_type, one_of(i, 4, ['gpt-4o-2024-08-06', 'gpt-4o-mini-2024-07-18', 'o4-mini-2025-04-16']) AS model,
  1782864000 + 3600 * (i % 2000) AS timestamp, 'user' || i // 2000 || '@example.com' AS user, 'proj_' || pick(i, 5, 40) AS project_id, 'Project ' || pick(i, 5, 40) AS project_name
FROM range($rows) r(i)
