CREATE TABLE ticket (
    number INTEGER PRIMARY KEY,
    title TEXT NOT NULL
);
