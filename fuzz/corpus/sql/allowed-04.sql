SELECT a FROM t WHERE b = $2 AND c = $1
