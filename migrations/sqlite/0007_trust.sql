-- Whose signatures count, and for which plugins.
CREATE TABLE trusted_key (
    -- What the operator calls it.
    name        TEXT    NOT NULL PRIMARY KEY CHECK (name <> ''),
    -- `ed25519:` and the key in Base64.
    public_key  TEXT    NOT NULL UNIQUE CHECK (public_key <> ''),
    -- JSON: the patterns of plugin ids it may sign.
    plugins     TEXT    NOT NULL,
    added_at_us INTEGER NOT NULL
) STRICT;

-- The highest version of each plugin that ever took calls. It outlives the file, and is never lowered by the host. An
-- operator may delete rows; nothing refers to them.
CREATE TABLE highest_version (
    plugin  TEXT NOT NULL PRIMARY KEY CHECK (plugin <> ''),
    version TEXT NOT NULL
) STRICT;

-- The versions that did not go away since they were loaded: those below the highest may be loaded again.
CREATE TABLE kept_version (
    plugin    TEXT NOT NULL CHECK (plugin <> ''),
    version   TEXT NOT NULL,
    file_name TEXT NOT NULL,
    PRIMARY KEY (plugin, version)
) STRICT;
