-- What operators granted to plugins of what their manifests ask for. A grant belongs to the id, so that what was
-- granted goes on in the next version.
CREATE TABLE plugin_grant (
    plugin        TEXT    NOT NULL CHECK (plugin <> ''),
    kind          TEXT    NOT NULL CHECK (kind IN ('service', 'permission', 'event', 'host')),
    -- `crm:deals`, `plugin.crm.deals.read`, `sale.created`, `api.example.com`.
    value         TEXT    NOT NULL CHECK (value <> ''),
    granted_by    TEXT    NOT NULL,
    granted_at_us INTEGER NOT NULL,
    PRIMARY KEY (plugin, kind, value)
) STRICT;
