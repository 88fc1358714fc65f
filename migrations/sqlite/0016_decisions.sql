-- Rises with every decision, grant and setting, whoever changes it: so that another process on this database sees that it
-- has to read them again.
CREATE TABLE decision (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL
) STRICT;

INSERT INTO decision (one, revision) VALUES (1, 0);

CREATE TRIGGER decision_tenant_plugin_insert AFTER INSERT ON tenant_plugin BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_tenant_plugin_update AFTER UPDATE ON tenant_plugin BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_tenant_plugin_delete AFTER DELETE ON tenant_plugin BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_rollout_insert AFTER INSERT ON rollout BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_rollout_update AFTER UPDATE ON rollout BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_rollout_delete AFTER DELETE ON rollout BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_plugin_grant_insert AFTER INSERT ON plugin_grant BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_plugin_grant_update AFTER UPDATE ON plugin_grant BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_plugin_grant_delete AFTER DELETE ON plugin_grant BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_tenant_config_insert AFTER INSERT ON tenant_config BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_tenant_config_update AFTER UPDATE ON tenant_config BEGIN
    UPDATE decision SET revision = revision + 1;
END;

CREATE TRIGGER decision_tenant_config_delete AFTER DELETE ON tenant_config BEGIN
    UPDATE decision SET revision = revision + 1;
END;
