//! Writes a registry snapshot over SQLite's open transaction, row by row.
//!
//! A plugin version that stays is updated in place, never deleted and made anew, so that what refers to it
//! survives every start.

use std::collections::HashSet;

use sqlx::{Error, SqliteConnection};

use super::audit;
use super::rows::{Claim, Endpoint, Import, Plugin, PluginRecord, RegistrySnapshot, RejectedFile, ServiceRecord};
use super::statements as sql;

/// Makes the registry's tables equal to the snapshot.
pub(super) async fn replace(db: &mut SqliteConnection, snapshot: &RegistrySnapshot) -> Result<(), Error> {
    for statement in [sql::IMPORT_CLEAR, sql::SERVICE_CLEAR, sql::REJECTED_FILE_CLEAR] {
        sqlx::query(statement).execute(&mut *db).await?;
    }
    forget_absent(db, snapshot).await?;
    for record in &snapshot.plugins {
        plugin_write(db, &record.plugin).await?;
        for service in &record.services {
            service_write(db, &record.plugin, service).await?;
        }
    }
    // A provider may come later in the list than its consumer.
    for PluginRecord { plugin, imports, .. } in &snapshot.plugins {
        for import in imports {
            import_write(db, plugin, import).await?;
        }
    }
    for file in &snapshot.rejected {
        rejected_file_write(db, file).await?;
    }
    for claim in &snapshot.claims {
        claim_write(db, claim).await?;
    }
    for entry in &snapshot.audit {
        audit::append(&mut *db, entry).await?;
    }
    Ok(())
}

async fn forget_absent(db: &mut SqliteConnection, snapshot: &RegistrySnapshot) -> Result<(), Error> {
    let present = snapshot.plugins.iter().map(|record| (record.plugin.id.as_str(), record.plugin.version.as_str()));
    let awaited = snapshot.awaited.iter().map(|(id, version)| (id.as_str(), version.as_str()));
    let present: HashSet<(&str, &str)> = present.chain(awaited).collect();
    let known: Vec<(String, String)> = sqlx::query_as(sql::PLUGIN_KEYS).fetch_all(&mut *db).await?;
    for (id, version) in known {
        if !present.contains(&(id.as_str(), version.as_str())) {
            sqlx::query(sql::PLUGIN_DELETE).bind(id).bind(version).execute(&mut *db).await?;
        }
    }
    Ok(())
}

async fn plugin_write(db: &mut SqliteConnection, plugin: &Plugin) -> Result<(), Error> {
    sqlx::query(sql::PLUGIN_UPSERT)
        .bind(&plugin.id)
        .bind(&plugin.version)
        .bind(&plugin.sha256)
        .bind(&plugin.file_name)
        .bind(&plugin.manifest)
        .bind(plugin.status.as_str())
        .bind(&plugin.reason)
        .bind(plugin.first_seen_at.as_microsecond())
        .bind(plugin.loaded_at.as_microsecond())
        .execute(db)
        .await?;
    Ok(())
}

async fn service_write(db: &mut SqliteConnection, plugin: &Plugin, service: &ServiceRecord) -> Result<(), Error> {
    sqlx::query(sql::SERVICE_INSERT)
        .bind(&plugin.id)
        .bind(&plugin.version)
        .bind(&service.name)
        .bind(&service.version)
        .execute(&mut *db)
        .await?;
    for (position, endpoint) in (0_i64..).zip(&service.endpoints) {
        endpoint_write(db, plugin, service, position, endpoint).await?;
    }
    Ok(())
}

async fn endpoint_write(
    db: &mut SqliteConnection,
    plugin: &Plugin,
    service: &ServiceRecord,
    position: i64,
    endpoint: &Endpoint,
) -> Result<(), Error> {
    let permissions = serde_json::to_string(&endpoint.permissions).map_err(|source| Error::Encode(Box::new(source)))?;
    sqlx::query(sql::ENDPOINT_INSERT)
        .bind(&plugin.id)
        .bind(&plugin.version)
        .bind(&service.name)
        .bind(&service.version)
        .bind(&endpoint.method)
        .bind(&endpoint.path)
        .bind(position)
        .bind(&endpoint.function)
        .bind(permissions)
        .bind(endpoint.rate_limit_per_minute)
        .bind(endpoint.cache_ttl_s)
        .bind(&endpoint.description)
        .execute(db)
        .await?;
    Ok(())
}

async fn import_write(db: &mut SqliteConnection, plugin: &Plugin, import: &Import) -> Result<(), Error> {
    let provider = import.provider.as_ref();
    sqlx::query(sql::IMPORT_INSERT)
        .bind(&plugin.id)
        .bind(&plugin.version)
        .bind(&import.service)
        .bind(&import.interface)
        .bind(&import.service_version)
        .bind(&import.requirement)
        .bind(import.required)
        .bind(&import.reason)
        .bind(provider.map(|provider| &provider.plugin_id))
        .bind(provider.map(|provider| &provider.plugin_version))
        .bind(provider.map(|provider| &provider.service_version))
        .execute(db)
        .await?;
    Ok(())
}

async fn rejected_file_write(db: &mut SqliteConnection, file: &RejectedFile) -> Result<(), Error> {
    sqlx::query(sql::REJECTED_FILE_INSERT)
        .bind(&file.file_name)
        .bind(&file.sha256)
        .bind(&file.reason)
        .bind(file.seen_at.as_microsecond())
        .execute(db)
        .await?;
    Ok(())
}

async fn claim_write(db: &mut SqliteConnection, claim: &Claim) -> Result<(), Error> {
    sqlx::query(sql::CLAIM_UPSERT)
        .bind(claim.kind.as_str())
        .bind(&claim.name)
        .bind(&claim.holder)
        .bind(&claim.plugin)
        .bind(&claim.file_name)
        .bind(claim.claimed_at.as_microsecond())
        .bind(&claim.types)
        .execute(db)
        .await?;
    Ok(())
}
