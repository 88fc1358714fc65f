-- One more kind of grant: to read a namespace of another plugin's shared data. A table's checks cannot be changed, so it is
-- made anew.
CREATE TABLE plugin_grant_new (
    plugin        TEXT    NOT NULL CHECK (plugin <> ''),
    kind          TEXT    NOT NULL CHECK (kind IN ('service', 'permission', 'event', 'host', 'trace', 'namespace')),
    -- `crm:deals`, `plugin.crm.deals.read`, `sale.created`, `api.example.com:8443`, `api.example.com`, `crm.events`.
    value         TEXT    NOT NULL CHECK (value <> ''),
    granted_by    TEXT    NOT NULL,
    granted_at_us INTEGER NOT NULL,
    PRIMARY KEY (plugin, kind, value)
) STRICT;

INSERT INTO plugin_grant_new SELECT plugin, kind, value, granted_by, granted_at_us FROM plugin_grant;
DROP TABLE plugin_grant;
ALTER TABLE plugin_grant_new RENAME TO plugin_grant;

-- The triggers went with the old table.

CREATE TRIGGER decision_plugin_grant_insert AFTER INSERT ON plugin_grant BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_plugin_grant_update AFTER UPDATE ON plugin_grant BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_plugin_grant_delete AFTER DELETE ON plugin_grant BEGIN
    UPDATE decision SET revision = revision + 1;
END;
