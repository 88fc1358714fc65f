-- API keys. Of the secret only a keyed hash is here, whose key lies outside the database.
CREATE TABLE api_key (
    -- Rising in the order in which keys were made.
    sequence      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- The public part of the key's text.
    id            TEXT    NOT NULL UNIQUE CHECK (id <> ''),
    -- None for an operator's key.
    tenant        TEXT    REFERENCES tenant (id),
    name          TEXT    NOT NULL,
    role          TEXT    NOT NULL CHECK (role <> ''),
    -- Patterns beyond those of the role, as a JSON array of texts.
    permissions   TEXT    NOT NULL,
    -- HMAC-SHA-256 of id and secret.
    mac           BLOB    NOT NULL CHECK (length(mac) = 32),
    created_at_us INTEGER NOT NULL,
    -- As the audit log names it.
    created_by    TEXT    NOT NULL,
    expires_at_us INTEGER,
    revoked_at_us INTEGER,
    -- To the minute.
    used_at_us    INTEGER,
    -- Higher with every change but that of `used_at_us`, so that every host on this database hears of it.
    revision      INTEGER NOT NULL
) STRICT;

CREATE INDEX api_key_by_tenant ON api_key (tenant, sequence);

CREATE INDEX api_key_by_revision ON api_key (revision);
