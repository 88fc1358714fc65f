-- What each tenant used of each plugin, by the hour, and how much it may where that is not the default.

CREATE TABLE usage_hour (
    -- Hours since 1970.
    hour   INTEGER NOT NULL,
    tenant TEXT    NOT NULL,
    plugin TEXT    NOT NULL CHECK (plugin <> ''),
    -- `calls`, `cpu` and the like.
    quota  TEXT    NOT NULL,
    -- In the quota's unit: CPU time in microseconds.
    amount INTEGER NOT NULL,
    PRIMARY KEY (hour, tenant, plugin, quota)
) STRICT, WITHOUT ROWID;

CREATE TABLE tenant_quota (
    tenant    TEXT    NOT NULL REFERENCES tenant (id),
    -- Empty for every plugin.
    plugin    TEXT    NOT NULL,
    quota     TEXT    NOT NULL,
    amount    INTEGER NOT NULL CHECK (amount >= 0),
    set_by    TEXT    NOT NULL,
    set_at_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, plugin, quota)
) STRICT;
