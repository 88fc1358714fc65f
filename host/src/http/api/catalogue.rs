//! `/api/v1/catalogue`: what can be installed, by what its manifest says.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::install::{came_to_nothing, finish, refused};
use crate::app::App;
use crate::http::envelope::{ApiError, SuccessList};
use crate::registry::Snapshot;
use crate::registry::catalogue::Entry;
use crate::registry::install::{Sent, Upload};
use crate::registry::manifest::Manifest;
use crate::runtime::PluginKey;
use http::StatusCode;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryView<'a> {
    file_name: &'a str,
    sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Whether this version is loaded.
    installed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<&'a Manifest>,
    /// Why it has no manifest that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> EntryView<'a> {
    fn new(snapshot: &Snapshot, entry: &'a Entry) -> Self {
        let manifest = entry.manifest.as_ref().ok();
        let is = |manifest: &Manifest| {
            let mut loaded = snapshot.plugins().iter().map(|plugin| plugin.key());
            loaded.any(|key| key.id == manifest.id && key.version == manifest.version)
        };
        Self {
            file_name: &entry.file_name,
            sha256: entry.sha256.as_deref(),
            id: manifest.map(|manifest| manifest.id.as_str()),
            version: manifest.map(|manifest| manifest.version.to_string()),
            installed: manifest.is_some_and(is),
            manifest,
            reason: entry.manifest.as_ref().err().map(String::as_str),
        }
    }
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let entries = app.catalogue().entries().await.map_err(|error| ApiError::internal(&error))?;
    let snapshot = app.registry().snapshot();
    let views = entries.iter().map(|entry| EntryView::new(&snapshot, entry)).collect();
    Ok(SuccessList::<EntryView<'_>>(views).into_response())
}

/// Copies a file of the catalogue into the plugins directory, as an upload would bring it there.
pub(super) async fn install(
    State(app): State<Arc<App>>,
    Path((id, version)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let entries = app.catalogue().entries().await.map_err(|error| ApiError::internal(&error))?;
    let is_it = |entry: &&Arc<Entry>| {
        let manifest = entry.manifest.as_ref().ok();
        manifest.is_some_and(|manifest| manifest.id.as_str() == id && manifest.version.to_string() == version)
    };
    let found: Vec<&Arc<Entry>> = entries.iter().filter(is_it).collect();
    let entry = match found.as_slice() {
        [] => {
            let message = format!("the catalogue has no {id} {version}");
            return Err(ApiError::not_found("version_not_found", message));
        }
        [one] => one,
        [one, rest @ ..] if rest.iter().all(|other| other.sha256 == one.sha256) => one,
        [one, other, ..] => {
            let message = format!(
                "the catalogue has {id} {version} twice, as {} and {}: remove one",
                one.file_name, other.file_name
            );
            return Err(ApiError::new(StatusCode::CONFLICT, "ambiguous", message));
        }
    };
    let key = entry
        .manifest
        .as_ref()
        .ok()
        .map(|manifest| PluginKey { id: manifest.id.clone(), version: manifest.version.clone() });
    let sent = Sent { file_name: Some(entry.file_name.clone()), key, sha256: entry.sha256.clone() };
    match copied(&app, entry).await {
        Ok(upload) => finish(&app, upload, sent).await,
        Err(error) => Ok(came_to_nothing(&sent, error)),
    }
}

/// What the file and those beside it hold, on its way into the directory.
async fn copied(app: &App, entry: &Arc<Entry>) -> Result<Upload, ApiError> {
    let mut upload = app.registry().upload().await.map_err(refused)?;
    let content = app.catalogue().content(entry).await.map_err(|reason| {
        ApiError::new(StatusCode::CONFLICT, "unreadable", format!("{} cannot be installed: {reason}", entry.file_name))
    })?;
    upload.write(&content.component).await.map_err(refused)?;
    if let Some(manifest) = content.manifest {
        upload.manifest(&manifest).await.map_err(refused)?;
    }
    if let Some(signatures) = content.signatures {
        upload.signatures(&signatures).await.map_err(refused)?;
    }
    Ok(upload)
}
