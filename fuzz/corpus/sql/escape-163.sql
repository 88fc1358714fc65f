SELECT a::jsonb FROM t
