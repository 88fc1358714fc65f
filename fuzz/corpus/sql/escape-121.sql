SELECT :name
