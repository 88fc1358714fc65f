SELECT sum(a) OVER (ORDER BY (SELECT 1 FROM sqlite_master)) FROM t
