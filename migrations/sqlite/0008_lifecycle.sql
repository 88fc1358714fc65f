-- What plugins went through: installed once, activated for each tenant, and how they failed and were used.

CREATE TABLE installation (
    plugin          TEXT    NOT NULL PRIMARY KEY CHECK (plugin <> ''),
    -- The version whose on-install ran.
    version         TEXT    NOT NULL,
    installed_at_us INTEGER NOT NULL
) STRICT;

-- Which versions run for a tenant: its data was moved to them and their on-activate has ended well.
CREATE TABLE activation (
    tenant          TEXT    NOT NULL REFERENCES tenant (id),
    plugin          TEXT    NOT NULL CHECK (plugin <> ''),
    version         TEXT    NOT NULL,
    activated_at_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, plugin, version)
) STRICT;

-- The last failures of each plugin.
CREATE TABLE plugin_error (
    sequence       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at_us          INTEGER NOT NULL,
    plugin         TEXT    NOT NULL CHECK (plugin <> ''),
    version        TEXT    NOT NULL,
    -- Absent for what concerns no tenant: on-install and on-uninstall.
    tenant         TEXT,
    -- What failed: `on-activate`, `migrations`, `call` and the like.
    hook           TEXT    NOT NULL,
    message        TEXT    NOT NULL,
    backtrace      TEXT,
    correlation_id TEXT
) STRICT;

CREATE INDEX plugin_error_of ON plugin_error (plugin, sequence);

CREATE TABLE plugin_stat (
    tenant          TEXT    NOT NULL,
    plugin          TEXT    NOT NULL CHECK (plugin <> ''),
    activations     INTEGER NOT NULL,
    calls           INTEGER NOT NULL,
    failures        INTEGER NOT NULL,
    last_used_at_us INTEGER,
    PRIMARY KEY (plugin, tenant)
) STRICT;
