ATTACH DATABASE '/etc/passwd' AS x
