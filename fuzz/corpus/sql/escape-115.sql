SELECT t._rowid_ FROM t
