SELECT * FROM json_tree
