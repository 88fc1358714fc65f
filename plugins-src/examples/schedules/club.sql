CREATE TABLE member (
    name TEXT PRIMARY KEY
);
CREATE TABLE daily_count (
    day TEXT PRIMARY KEY,
    members INTEGER NOT NULL
);
