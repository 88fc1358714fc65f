SELECT Load_Extension($1, $2)
