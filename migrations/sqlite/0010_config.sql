-- What each tenant has set of each plugin's configuration.

CREATE TABLE tenant_config (
    tenant        TEXT    NOT NULL REFERENCES tenant (id),
    plugin        TEXT    NOT NULL CHECK (plugin <> ''),
    -- A JSON object: for each key {"plain": value}, or {"sealed": text} for a secret.
    entries       TEXT    NOT NULL,
    -- Rises with each change; who changes a row says which one was read.
    revision      INTEGER NOT NULL CHECK (revision > 0),
    updated_at_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, plugin)
) STRICT;
