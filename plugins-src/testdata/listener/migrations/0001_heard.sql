CREATE TABLE heard (
    number  INTEGER PRIMARY KEY,
    topic   TEXT NOT NULL,
    source  TEXT NOT NULL,
    subject TEXT,
    data    TEXT NOT NULL
);
