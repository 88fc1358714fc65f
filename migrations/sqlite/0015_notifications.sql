-- What plugins tell people, who has read it, and up to where what happened is no longer kept.

CREATE TABLE notification (
    -- Rising in the order in which notifications arrived here.
    sequence       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id             TEXT    NOT NULL UNIQUE CHECK (id <> ''),
    tenant         TEXT    NOT NULL CHECK (tenant <> ''),
    -- `everyone`, or `role:` or `user:` with a name.
    recipient      TEXT    NOT NULL CHECK (recipient <> ''),
    plugin         TEXT    NOT NULL CHECK (plugin <> ''),
    kind           TEXT    NOT NULL CHECK (kind <> ''),
    title          TEXT    NOT NULL CHECK (title <> ''),
    body           TEXT    NOT NULL,
    link           TEXT,
    -- JSON.
    data           TEXT,
    -- When the plugin told it.
    at_us          INTEGER NOT NULL,
    correlation_id TEXT    NOT NULL,
    -- When it arrived here.
    stored_at_us   INTEGER NOT NULL
) STRICT;

CREATE INDEX notification_of ON notification (tenant, sequence);
CREATE INDEX notification_to ON notification (tenant, recipient, sequence);
CREATE INDEX notification_stored ON notification (stored_at_us);

-- Who has read what.
CREATE TABLE notification_read (
    notification INTEGER NOT NULL REFERENCES notification (sequence) ON DELETE CASCADE,
    reader       TEXT    NOT NULL CHECK (reader <> ''),
    at_us        INTEGER NOT NULL,
    PRIMARY KEY (notification, reader)
) STRICT, WITHOUT ROWID;

-- The last event and the last notification of each tenant that was removed, so that whoever comes back for what was
-- missed learns that some of it is gone. Kept by the triggers below, whoever removes something.
CREATE TABLE stream_gone (
    tenant   TEXT    NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('event', 'notification')),
    sequence INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER event_gone AFTER DELETE ON event BEGIN
    INSERT INTO stream_gone (tenant, kind, sequence) VALUES (old.tenant, 'event', old.sequence)
    ON CONFLICT (tenant, kind) DO UPDATE SET sequence = max(sequence, excluded.sequence);
END;

CREATE TRIGGER notification_gone AFTER DELETE ON notification BEGIN
    INSERT INTO stream_gone (tenant, kind, sequence) VALUES (old.tenant, 'notification', old.sequence)
    ON CONFLICT (tenant, kind) DO UPDATE SET sequence = max(sequence, excluded.sequence);
END;
