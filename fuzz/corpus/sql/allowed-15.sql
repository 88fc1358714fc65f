SELECT x.a FROM t AS x, u JOIN w ON u.a = w.a
