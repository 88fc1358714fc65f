-- What is done to several tenants at once is one entry of the whole, and for each tenant an entry that tells what it was
-- for that tenant alone. Whoever reads the whole reads no parts beside it.
ALTER TABLE audit ADD COLUMN part_of INTEGER REFERENCES audit (sequence);

-- How often a version could not come to a tenant or go from it: no call counts that.
ALTER TABLE plugin_stat ADD COLUMN lifecycle_failures INTEGER NOT NULL DEFAULT 0;
