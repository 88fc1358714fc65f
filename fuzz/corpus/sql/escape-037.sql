SELECT * FROM t ORDER BY (SELECT sql FROM sqlite_master)
