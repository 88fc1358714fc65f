DELETE FROM t WHERE a IN (SELECT name FROM sqlite_master)
