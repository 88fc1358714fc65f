-- A rollout is a pile of steps, so that a new one leaves the others what they have, and going back goes to what was before.

CREATE TABLE rollout_pile (
    plugin        TEXT    NOT NULL PRIMARY KEY CHECK (plugin <> ''),
    -- What tenants have that take part in no step: this version, or the highest below it that works.
    base          TEXT    NOT NULL,
    -- A JSON array, the oldest first: `{"version": …, "percent": …, "tenants": […]}`.
    steps         TEXT    NOT NULL CHECK (json_valid(steps)),
    -- Whether files decide again; then the steps are kept for the way back alone.
    ended         INTEGER NOT NULL CHECK (ended IN (0, 1)),
    revision      INTEGER NOT NULL CHECK (revision > 0),
    updated_at_us INTEGER NOT NULL
) STRICT;

-- Where tenants outside had nothing, the version of the rollout was the only one: they have it too from now on.
INSERT INTO rollout_pile (plugin, base, steps, ended, revision, updated_at_us)
SELECT plugin, coalesce(previous, version),
       json_array(json_object('version', version, 'percent', percent, 'tenants', json(tenants))),
       0, revision, updated_at_us
FROM rollout;

-- Its triggers go with it.
DROP TABLE rollout;

ALTER TABLE rollout_pile RENAME TO rollout;

CREATE TRIGGER decision_rollout_insert AFTER INSERT ON rollout BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_rollout_update AFTER UPDATE ON rollout BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_rollout_delete AFTER DELETE ON rollout BEGIN
    UPDATE decision SET revision = revision + 1;
END;
