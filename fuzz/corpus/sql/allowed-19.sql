INSERT INTO t (a, b) VALUES ($1, $2), (3, NULL) ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE t.b < 5 RETURNING *
