WITH x AS (SELECT * FROM sqlite_schema) SELECT * FROM x
