SELECT substring(a FROM 2 FOR 3) FROM t
