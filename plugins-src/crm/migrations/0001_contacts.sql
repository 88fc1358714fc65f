-- The highest number given to each kind of row. Counters only rise, so that the id of a deleted row is
-- never given to another.
CREATE TABLE counter (
    kind TEXT NOT NULL PRIMARY KEY,
    used INTEGER NOT NULL
);

-- Times are microseconds since 1970-01-01T00:00:00Z.
CREATE TABLE contact (
    id INTEGER NOT NULL PRIMARY KEY,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    email TEXT NOT NULL,
    -- The email in lower case: what makes it unique whatever its case.
    email_key TEXT NOT NULL,
    phone TEXT,
    company TEXT,
    job_title TEXT,
    -- First name, last name and email in lower case, one a line: what a search looks through.
    search_text TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX contact_email_key ON contact (email_key);

CREATE TABLE contact_tag (
    contact_id INTEGER NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (contact_id, tag)
);

CREATE INDEX contact_tag_by_tag ON contact_tag (tag, contact_id);
