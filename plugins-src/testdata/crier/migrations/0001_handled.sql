CREATE TABLE handled (
    number  INTEGER PRIMARY KEY,
    event   TEXT NOT NULL,
    topic   TEXT NOT NULL,
    key     TEXT,
    source  TEXT NOT NULL,
    data    TEXT NOT NULL,
    hops    INTEGER NOT NULL,
    attempt INTEGER NOT NULL
);

CREATE TABLE note (
    number INTEGER PRIMARY KEY,
    text   TEXT NOT NULL
);
