SELECT * FROM main.t
