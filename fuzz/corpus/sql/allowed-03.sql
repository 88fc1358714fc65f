SELECT c.* FROM contact AS c
