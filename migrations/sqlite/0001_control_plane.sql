-- The control plane: which tenants there are, and what the host loaded at its last start or swap.
--
-- migrations/postgres holds a twin of every file here, with the same tables, columns and keys; only the
-- types differ (INTEGER is BIGINT there, a 0-or-1 INTEGER is BOOLEAN). Times are microseconds since
-- 1970-01-01T00:00:00Z, because both databases compare, index and partition whole numbers alike.

CREATE TABLE tenant (
    id            TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    -- Who brought it in: the demo data, a request under --dev, or an operator.
    origin        TEXT    NOT NULL CHECK (origin IN ('demo', 'dev', 'operator')),
    created_at_us INTEGER NOT NULL
) STRICT;

CREATE TABLE plugin (
    id               TEXT    NOT NULL CHECK (id <> ''),
    version          TEXT    NOT NULL CHECK (version <> ''),
    -- Of the whole file, as 64 lower-case hexadecimal digits.
    sha256           TEXT    NOT NULL CHECK (length(sha256) = 64),
    file_name        TEXT    NOT NULL,
    -- JSON as the file carries it; kept as text, so that the order of its fields survives.
    manifest         TEXT    NOT NULL,
    status           TEXT    NOT NULL CHECK (status IN ('active', 'inactive', 'error', 'uninstalling')),
    -- Why it is not active.
    reason           TEXT,
    first_seen_at_us INTEGER NOT NULL,
    loaded_at_us     INTEGER NOT NULL,
    PRIMARY KEY (id, version)
) STRICT;

CREATE TABLE rejected_file (
    file_name  TEXT    NOT NULL PRIMARY KEY,
    -- Absent when the file could not be read to its end.
    sha256     TEXT    CHECK (length(sha256) = 64),
    reason     TEXT    NOT NULL,
    seen_at_us INTEGER NOT NULL
) STRICT;

-- What a plugin offers: a WIT package it exports, as `crm:deals` in the version of the package.
CREATE TABLE service (
    plugin_id      TEXT NOT NULL,
    plugin_version TEXT NOT NULL,
    name           TEXT NOT NULL,
    version        TEXT NOT NULL,
    PRIMARY KEY (plugin_id, plugin_version, name, version),
    FOREIGN KEY (plugin_id, plugin_version) REFERENCES plugin (id, version) ON DELETE CASCADE
) STRICT;

CREATE INDEX service_by_name ON service (name, version);

CREATE TABLE service_endpoint (
    plugin_id             TEXT    NOT NULL,
    plugin_version        TEXT    NOT NULL,
    service               TEXT    NOT NULL,
    service_version       TEXT    NOT NULL,
    method                TEXT    NOT NULL,
    path                  TEXT    NOT NULL,
    -- Its place in the manifest, from 0.
    position              INTEGER NOT NULL,
    -- The exported function it calls; absent when the plugin's own HTTP handler answers.
    function              TEXT,
    -- A JSON array of texts.
    permissions           TEXT    NOT NULL,
    rate_limit_per_minute INTEGER CHECK (rate_limit_per_minute > 0),
    cache_ttl_s           INTEGER CHECK (cache_ttl_s > 0),
    description           TEXT,
    PRIMARY KEY (plugin_id, plugin_version, service, service_version, method, path),
    FOREIGN KEY (plugin_id, plugin_version, service, service_version)
        REFERENCES service (plugin_id, plugin_version, name, version) ON DELETE CASCADE
) STRICT;

-- What a plugin needs: an interface of a service, in the version its WIT was built against. The provider
-- is the one resolution chose; its three columns are all set or all NULL.
CREATE TABLE plugin_import (
    plugin_id                TEXT    NOT NULL,
    plugin_version           TEXT    NOT NULL,
    service                  TEXT    NOT NULL,
    interface                TEXT    NOT NULL,
    service_version          TEXT    NOT NULL,
    -- The manifest's range, as `^1.0.0`.
    requirement              TEXT    NOT NULL,
    required                 INTEGER NOT NULL CHECK (required IN (0, 1)),
    -- What the plugin needs it for, in its author's words.
    reason                   TEXT,
    provider_id              TEXT,
    provider_version         TEXT,
    provider_service_version TEXT,
    PRIMARY KEY (plugin_id, plugin_version, service, interface, service_version),
    FOREIGN KEY (plugin_id, plugin_version) REFERENCES plugin (id, version) ON DELETE CASCADE,
    FOREIGN KEY (provider_id, provider_version) REFERENCES plugin (id, version),
    CHECK ((provider_id IS NULL) = (provider_version IS NULL)
       AND (provider_id IS NULL) = (provider_service_version IS NULL))
) STRICT;

CREATE INDEX plugin_import_by_provider
    ON plugin_import (provider_id, provider_version, service, provider_service_version);
