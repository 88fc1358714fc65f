SELECT a::text, trim(LEADING 'x' FROM a) FROM t
