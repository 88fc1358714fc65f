//! The control plane's statements. They run as they are on SQLite and on PostgreSQL: `$n` placeholders,
//! standard `ON CONFLICT`, no function of one database only. What differs belongs to the implementation.

pub(super) const TENANT_INSERT: &str =
    "INSERT INTO tenant (id, origin, created_at_us) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING";

pub(super) const TENANT_FETCH: &str = "SELECT id, origin, created_at_us FROM tenant WHERE id = $1";

pub(super) const TENANT_LIST: &str = "SELECT id, origin, created_at_us FROM tenant ORDER BY id";

pub(super) const TENANT_PAGE: &str =
    "SELECT id, origin, created_at_us FROM tenant WHERE ($1 IS NULL OR id > $1) ORDER BY id LIMIT $2";

pub(super) const PLUGIN_KEYS: &str = "SELECT id, version FROM plugin";

/// Everything but `first_seen_at_us` follows the file.
pub(super) const PLUGIN_UPSERT: &str = "\
    INSERT INTO plugin (id, version, sha256, file_name, manifest, status, reason, first_seen_at_us, loaded_at_us) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
    ON CONFLICT (id, version) DO UPDATE SET \
        sha256 = excluded.sha256, file_name = excluded.file_name, manifest = excluded.manifest, \
        status = excluded.status, reason = excluded.reason, loaded_at_us = excluded.loaded_at_us";

pub(super) const PLUGIN_DELETE: &str = "DELETE FROM plugin WHERE id = $1 AND version = $2";

pub(super) const PLUGIN_LIST: &str = "\
    SELECT id, version, sha256, file_name, manifest, status, reason, first_seen_at_us, loaded_at_us \
    FROM plugin ORDER BY id, version";

pub(super) const PLUGIN_FETCH: &str = "\
    SELECT id, version, sha256, file_name, manifest, status, reason, first_seen_at_us, loaded_at_us \
    FROM plugin WHERE id = $1 AND version = $2";

pub(super) const PLUGIN_STATUS_SET: &str = "UPDATE plugin SET status = $3, reason = $4 WHERE id = $1 AND version = $2";

pub(super) const IMPORT_CLEAR: &str = "DELETE FROM plugin_import";

pub(super) const IMPORT_INSERT: &str = "\
    INSERT INTO plugin_import (plugin_id, plugin_version, service, interface, service_version, requirement, \
        required, reason, provider_id, provider_version, provider_service_version) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

pub(super) const IMPORT_LIST: &str = "\
    SELECT service, interface, service_version, requirement, required, reason, \
        provider_id, provider_version, provider_service_version \
    FROM plugin_import WHERE plugin_id = $1 AND plugin_version = $2 \
    ORDER BY service, interface, service_version";

/// The endpoints go with their services.
pub(super) const SERVICE_CLEAR: &str = "DELETE FROM service";

pub(super) const SERVICE_INSERT: &str =
    "INSERT INTO service (plugin_id, plugin_version, name, version) VALUES ($1, $2, $3, $4)";

pub(super) const SERVICE_LIST: &str = "\
    SELECT service.name, service.version, service.plugin_id, service.plugin_version, plugin.status, plugin.reason \
    FROM service JOIN plugin ON plugin.id = service.plugin_id AND plugin.version = service.plugin_version \
    ORDER BY service.name, service.version, service.plugin_id, service.plugin_version";

pub(super) const ENDPOINT_INSERT: &str = "\
    INSERT INTO service_endpoint (plugin_id, plugin_version, service, service_version, method, path, position, \
        function, permissions, rate_limit_per_minute, cache_ttl_s, description) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

pub(super) const ENDPOINT_LIST: &str = "\
    SELECT service AS of_service, service_version AS of_version, plugin_id AS of_plugin_id, \
        plugin_version AS of_plugin_version, method, path, function, permissions, rate_limit_per_minute, \
        cache_ttl_s, description \
    FROM service_endpoint ORDER BY plugin_id, plugin_version, service, service_version, position";

pub(super) const CONSUMER_LIST: &str = "\
    SELECT service AS of_service, provider_service_version AS of_version, provider_id AS of_plugin_id, \
        provider_version AS of_plugin_version, plugin_id, plugin_version, interface, requirement, required \
    FROM plugin_import WHERE provider_id IS NOT NULL \
    ORDER BY plugin_id, plugin_version, interface, service_version";

pub(super) const REJECTED_FILE_CLEAR: &str = "DELETE FROM rejected_file";

pub(super) const REJECTED_FILE_INSERT: &str =
    "INSERT INTO rejected_file (file_name, sha256, reason, seen_at_us) VALUES ($1, $2, $3, $4)";

pub(super) const REJECTED_FILE_LIST: &str =
    "SELECT file_name, sha256, reason, seen_at_us FROM rejected_file ORDER BY file_name";

pub(super) const CLAIM_UPSERT: &str = "\
    INSERT INTO claim (kind, name, holder, plugin, file_name, claimed_at_us, types) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) \
    ON CONFLICT (kind, name) DO UPDATE SET \
        holder = excluded.holder, plugin = excluded.plugin, file_name = excluded.file_name, \
        claimed_at_us = excluded.claimed_at_us, types = excluded.types";

pub(super) const CLAIM_DELETE: &str = "DELETE FROM claim WHERE kind = $1 AND name = $2";

pub(super) const CLAIM_LIST: &str =
    "SELECT kind, name, holder, plugin, file_name, claimed_at_us, types FROM claim ORDER BY kind, name";

pub(super) const PING: &str = "SELECT count(*) FROM tenant";
