-- Events on their way: what happened, to whom it is still to be told, and what could not be told.

-- Databases of plugins whose outbox may hold events. A row is written before the first event and goes when the outbox was
-- found empty, so that a start need not open every database to find those that a kill left behind.
CREATE TABLE event_outbox (
    tenant TEXT NOT NULL CHECK (tenant <> ''),
    plugin TEXT NOT NULL CHECK (plugin <> ''),
    PRIMARY KEY (tenant, plugin)
) STRICT;

CREATE TABLE event (
    -- Rising in the order in which events arrived here.
    sequence       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id             TEXT    NOT NULL UNIQUE CHECK (id <> ''),
    -- Empty for what concerns the whole installation.
    tenant         TEXT    NOT NULL,
    source         TEXT    NOT NULL CHECK (source <> ''),
    topic          TEXT    NOT NULL CHECK (topic <> ''),
    key            TEXT,
    subject        TEXT,
    -- When it was published.
    at_us          INTEGER NOT NULL,
    correlation_id TEXT    NOT NULL,
    hops           INTEGER NOT NULL CHECK (hops >= 0),
    -- JSON.
    data           TEXT    NOT NULL,
    -- When it arrived here.
    stored_at_us   INTEGER NOT NULL
) STRICT;

CREATE INDEX event_of ON event (tenant, sequence);
CREATE INDEX event_stored ON event (stored_at_us);

-- One event that one subscriber is still to be told.
CREATE TABLE delivery (
    -- Rising in the order of the events.
    sequence      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    event         INTEGER NOT NULL REFERENCES event (sequence),
    tenant        TEXT    NOT NULL CHECK (tenant <> ''),
    -- The plugin.
    subscriber    TEXT    NOT NULL CHECK (subscriber <> ''),
    key           TEXT,
    -- 1 while another of the same tenant, subscriber and key comes before it.
    behind        INTEGER NOT NULL CHECK (behind IN (0, 1)),
    -- Attempts that failed.
    attempts      INTEGER NOT NULL CHECK (attempts >= 0),
    -- Not before then.
    due_us        INTEGER NOT NULL,
    -- Somebody delivers it until then.
    leased_us     INTEGER,
    -- Tells one lease from another.
    lease         TEXT,
    -- Since when it waits for its subscriber to be there; absent while that is.
    waiting_us    INTEGER,
    last_error    TEXT,
    UNIQUE (event, subscriber)
) STRICT;

CREATE INDEX delivery_due ON delivery (tenant, due_us, sequence) WHERE behind = 0;
CREATE INDEX delivery_key ON delivery (tenant, subscriber, key, sequence);

-- What could not be delivered.
CREATE TABLE dead_letter (
    sequence   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    event      INTEGER NOT NULL REFERENCES event (sequence),
    tenant     TEXT    NOT NULL CHECK (tenant <> ''),
    subscriber TEXT    NOT NULL CHECK (subscriber <> ''),
    attempts   INTEGER NOT NULL CHECK (attempts >= 0),
    error      TEXT    NOT NULL,
    died_at_us INTEGER NOT NULL,
    UNIQUE (event, subscriber)
) STRICT;

CREATE INDEX dead_letter_of ON dead_letter (tenant, sequence);
CREATE INDEX dead_letter_died ON dead_letter (died_at_us);

-- What other systems have sent, by the key they gave it, so that sending it again changes nothing.
CREATE TABLE event_request (
    tenant    TEXT    NOT NULL CHECK (tenant <> ''),
    principal TEXT    NOT NULL CHECK (principal <> ''),
    key       TEXT    NOT NULL CHECK (key <> ''),
    -- Of the body, as 64 lower-case hexadecimal digits.
    sha256    TEXT    NOT NULL CHECK (length(sha256) = 64),
    -- The event's id.
    event     TEXT    NOT NULL,
    at_us     INTEGER NOT NULL,
    PRIMARY KEY (tenant, principal, key)
) STRICT;

CREATE INDEX event_request_at ON event_request (at_us);
