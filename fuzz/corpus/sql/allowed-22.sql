UPDATE t SET a = a + 1, (b, c) = (1, 2) FROM u WHERE u.id = t.id RETURNING a
