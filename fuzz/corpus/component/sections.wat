(component
  (@custom "tenon:manifest" "{\"id\":\"demo\",\"name\":\"Demo\",\"version\":\"1.0.0\"}")
  (@custom "tenon:migration:0002_b" "CREATE TABLE b (id INTEGER PRIMARY KEY)")
  (@custom "tenon:migration:0001_a" "CREATE TABLE a (id INTEGER PRIMARY KEY)")
  (@custom "tenon:demo" "INSERT INTO a (id) VALUES (1)")
  (core module (@custom "other" "x")))
