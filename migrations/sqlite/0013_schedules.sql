-- What plugins do by the clock: how far each schedule has got for each tenant, and its runs.

CREATE TABLE schedule (
    tenant     TEXT    NOT NULL CHECK (tenant <> ''),
    plugin     TEXT    NOT NULL CHECK (plugin <> ''),
    name       TEXT    NOT NULL CHECK (name <> ''),
    -- Its cron pattern and time zone. With others it begins anew.
    definition TEXT    NOT NULL CHECK (definition <> ''),
    -- It is decided what becomes of all its ticks up to then.
    decided_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, plugin, name)
) STRICT;

CREATE TABLE schedule_run (
    -- A UUID of version 7, so that later runs have higher ones.
    id             TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    tenant         TEXT    NOT NULL CHECK (tenant <> ''),
    plugin         TEXT    NOT NULL CHECK (plugin <> ''),
    name           TEXT    NOT NULL CHECK (name <> ''),
    -- The version of the plugin that ran; absent until it did.
    version        TEXT,
    -- When it was due; of a run by hand, when it was asked for.
    tick_us        INTEGER NOT NULL,
    -- Who asked for it; absent for the clock.
    asked_by       TEXT,
    -- Ticks before this one that have passed without a run.
    passed         INTEGER NOT NULL CHECK (passed >= 0),
    -- `open` until it is over.
    state          TEXT    NOT NULL CHECK (state IN ('open', 'done', 'failed', 'skipped', 'lost')),
    -- How often it was begun.
    attempts       INTEGER NOT NULL CHECK (attempts >= 0),
    -- Tells one lease from another; absent when nobody has it.
    lease          TEXT,
    -- While it is open: nobody else begins it before then.
    leased_us      INTEGER,
    begun_at_us    INTEGER,
    ended_at_us    INTEGER,
    -- Why it failed, was skipped or got lost.
    error          TEXT,
    correlation_id TEXT    NOT NULL
) STRICT;

-- A tick has one run, whichever process comes first.
CREATE UNIQUE INDEX schedule_run_tick ON schedule_run (tenant, plugin, name, tick_us) WHERE asked_by IS NULL;
-- One run at a time.
CREATE UNIQUE INDEX schedule_run_open ON schedule_run (tenant, plugin, name) WHERE state = 'open';
CREATE INDEX schedule_run_of ON schedule_run (tenant, plugin, name, id);
CREATE INDEX schedule_run_ended ON schedule_run (ended_at_us);
