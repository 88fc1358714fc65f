-- Who came first. Unlike the tables of plugins, this one is never emptied by a start: what is in it outlives
-- the file that brought it. An operator may delete rows; nothing refers to them.
CREATE TABLE claim (
    -- release: an id and version belong to the bytes of one file.
    -- service: a WIT package belongs to one plugin id.
    -- types:   an interface at a version has one set of types.
    kind          TEXT    NOT NULL CHECK (kind IN ('release', 'service', 'types')),
    -- `crm 1.0.0`, `crm:contacts` or `crm:contacts/contacts@1.0.0`.
    name          TEXT    NOT NULL CHECK (name <> ''),
    -- A SHA-256 in hexadecimal, a plugin id, or again a SHA-256.
    holder        TEXT    NOT NULL CHECK (holder <> ''),
    -- Who made the claim, as `crm 1.0.0`, and from which file.
    plugin        TEXT    NOT NULL,
    file_name     TEXT    NOT NULL,
    claimed_at_us INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT;
