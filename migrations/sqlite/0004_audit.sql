-- Who changed what. Nothing refers to it and it refers to nothing: an entry outlives the tenant it names.
CREATE TABLE audit (
    sequence       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at_us          INTEGER NOT NULL,
    actor          TEXT    NOT NULL,
    tenant         TEXT,
    operation      TEXT    NOT NULL,
    target         TEXT    NOT NULL,
    -- JSON, without secrets.
    before         TEXT,
    after          TEXT,
    -- `done`, or the code of the error.
    outcome        TEXT    NOT NULL,
    correlation_id TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_by_tenant ON audit (tenant, sequence);

CREATE TRIGGER audit_is_never_altered BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
