SELECT max(a, b) FROM t
