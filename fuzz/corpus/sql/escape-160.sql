SELECT lower(a) OVER () FROM t
