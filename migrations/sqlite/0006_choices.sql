-- What was decided about plugins: by each tenant, and by operators for all of them.

CREATE TABLE tenant_plugin (
    tenant        TEXT    NOT NULL REFERENCES tenant (id),
    plugin        TEXT    NOT NULL CHECK (plugin <> ''),
    enabled       INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    -- The only versions the tenant wants, as `^1.0.0`.
    pin           TEXT,
    -- Rises with each change; who changes a row says which one was read.
    revision      INTEGER NOT NULL CHECK (revision > 0),
    updated_at_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, plugin)
) STRICT;

CREATE TABLE rollout (
    plugin        TEXT    NOT NULL PRIMARY KEY CHECK (plugin <> ''),
    -- What those get who take part; the others have what was before.
    version       TEXT    NOT NULL,
    previous      TEXT,
    percent       INTEGER NOT NULL CHECK (percent BETWEEN 0 AND 100),
    -- A JSON array of the tenants that take part whatever the percentage.
    tenants       TEXT    NOT NULL,
    revision      INTEGER NOT NULL CHECK (revision > 0),
    updated_at_us INTEGER NOT NULL
) STRICT;
