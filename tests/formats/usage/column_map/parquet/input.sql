SELECT * FROM (VALUES (1, 1782864000.5::DOUBLE, 1800::INTEGER, ['a']), (2, 1782864000::DOUBLE, 7::INTEGER, []))
  AS t(id, seconds, secs, labels)
