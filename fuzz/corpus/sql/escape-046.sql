SELECT main.t.a FROM t
