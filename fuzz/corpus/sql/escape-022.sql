VACUUM INTO '/tmp/stolen.sqlite'
