-- The types of an interface as text, of which the holder of a claim of that kind is the hash. With it, later
-- versions can be compared with what is no longer there. NULL for the other kinds of claims, for texts over
-- loader.types_bytes, and until the plugin is next loaded for what an earlier host wrote down.
ALTER TABLE claim ADD COLUMN types TEXT;
