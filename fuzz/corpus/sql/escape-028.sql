UPDATE _tenon_migration SET name = 'x'
