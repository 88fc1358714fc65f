//! `POST /api/v1/plugins` and `DELETE /api/v1/plugins/{id}/versions/{version}`: plugins put in and taken out.
//!
//! A component comes as it is (`application/wasm`), or with what goes beside it, as the parts `component`, `manifest`
//! and `signatures` of `multipart/form-data`. It goes to disk as it comes: memory holds a piece of it at a time.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use multer::{Constraints, Multipart, SizeLimit};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::names::few;
use super::take::Query;
use crate::app::App;
use crate::http::envelope::{ApiError, Success};
use crate::http::routes::Changed;
use crate::http::server::BodyTimeout;
use crate::id::{PluginId, excerpt};
use crate::registry::choices::grants::{self, Ask};
use crate::registry::install::{Broken, InstallError, Installed, Sent, Upload};
use crate::registry::manifest::MAX_MANIFEST_BYTES;
use crate::registry::resolve::Status;
use crate::registry::{RegistryError, Snapshot};

/// What became of a file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InstalledView {
    id: String,
    version: String,
    file_name: String,
    sha256: String,
    /// False when exactly this was installed before.
    installed: bool,
    /// `active`, `inactive`, or `loading` when it takes longer.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What it asks for, whether granted or not.
    asks: Vec<AskView>,
    /// What tenants must set before they can use it.
    requires: Vec<String>,
    capabilities: Vec<String>,
}

#[derive(Serialize)]
struct AskView {
    #[serde(flatten)]
    ask: Ask,
    granted: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Force {
    #[serde(default)]
    force: bool,
}

pub(super) async fn install(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let version = request.version();
    let mut sent = Sent::default();
    match take(&app, request, &mut sent).await {
        Ok(upload) => finish(&app, upload, sent).await,
        // What was not read of the body would be taken for the next request.
        Err(error) if version < Version::HTTP_2 => {
            Ok(came_to_nothing(&sent, error.with_header(CONNECTION, HeaderValue::from_static("close"))))
        }
        Err(error) => Ok(came_to_nothing(&sent, error)),
    }
}

/// Brings the body to disk.
async fn take(app: &App, request: Request, sent: &mut Sent) -> Result<Upload, ApiError> {
    let form = form(request.headers())?;
    let mut upload = app.registry().upload().await.map_err(refused)?;
    let body = request.into_body().into_data_stream();
    match form {
        Form::Plain => copy(body.map(|piece| piece.map_err(|error| unread(&error))), &mut upload).await?,
        Form::Parts(boundary) => {
            let whole = app.config().loader.file_bytes.saturating_mul(2);
            let constraints = Constraints::new().size_limit(SizeLimit::new().whole_stream(whole));
            parts(app, Multipart::with_constraints(body, boundary, constraints), &mut upload, sent).await?;
        }
    }
    Ok(upload)
}

/// Has a file judged and taken, and says what came of it.
pub(super) async fn finish(app: &App, upload: Upload, mut sent: Sent) -> Result<Response, ApiError> {
    let before = app.registry().snapshot();
    let installed = match app.registry().install(upload, &mut sent).await {
        Ok(installed) => installed,
        Err(error) => return Ok(came_to_nothing(&sent, refused(error))),
    };
    let view = seen(&app.registry().snapshot(), &installed);
    let changed = Changed::new(installed.key.to_string()).to(json!({
        "fileName": view.file_name, "sha256": view.sha256, "installed": view.installed,
    }));
    let changed = changed.moving(installed.key.id.clone(), before);
    let mut answer = Success(view).into_response();
    if installed.new {
        *answer.status_mut() = StatusCode::CREATED;
    }
    Ok(changed.with(answer))
}

/// A refused file, written down with all that is known of it.
pub(super) fn came_to_nothing(sent: &Sent, error: ApiError) -> Response {
    let Sent { file_name, key, sha256 } = sent;
    let key = key.as_ref().map(ToString::to_string);
    let target = key.or_else(|| file_name.clone()).unwrap_or_else(|| "a file".to_owned());
    let told = json!({ "fileName": file_name, "sha256": sha256, "reason": error.message });
    Changed::new(target).to(told).with(error)
}

pub(super) async fn uninstall(
    State(app): State<Arc<App>>,
    Path((id, version)): Path<(String, String)>,
    Query(Force { force }): Query<Force>,
) -> Result<Response, ApiError> {
    let earlier = app.registry().snapshot();
    let until = Instant::now() + app.config().limits.wall_deadline();
    let removed = app.registry().uninstall(&id, &version, force, until).await.map_err(refused)?;
    let before = json!({ "fileName": removed.file_name });
    let (broken, rolled_out) = (&removed.broken, removed.rolled_out);
    let after = json!({ "forced": force, "broken": broken, "rolledOut": rolled_out });
    let answer = json!({
        "id": id, "version": version, "fileName": removed.file_name, "broken": broken, "rolledOut": rolled_out,
    });
    let mut changed = Changed::new(format!("{id} {version}")).from(before).to(after);
    if let Ok(plugin) = PluginId::parse(&id) {
        changed = changed.moving(plugin, earlier);
    }
    Ok(changed.with(Success(answer)))
}

enum Form {
    Plain,
    Parts(String),
}

fn form(headers: &HeaderMap) -> Result<Form, ApiError> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if headers.contains_key(http::header::CONTENT_ENCODING) {
        let message = "a component is sent as it is, without Content-Encoding";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", message));
    }
    match essence.to_ascii_lowercase().as_str() {
        "application/wasm" | "application/octet-stream" => Ok(Form::Plain),
        "multipart/form-data" => match multer::parse_boundary(kind) {
            Ok(boundary) => Ok(Form::Parts(boundary)),
            Err(error) => Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_request", error.to_string())),
        },
        _ => {
            let message = "send a component as application/wasm, or with what lies beside it as the parts `component`, \
                           `manifest` and `signatures` of multipart/form-data";
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message))
        }
    }
}

async fn parts(app: &App, mut form: Multipart<'_>, upload: &mut Upload, sent: &mut Sent) -> Result<(), ApiError> {
    let signatures_bytes = usize::try_from(app.config().trust.signature_file_bytes).unwrap_or(usize::MAX);
    let mut seen: Vec<String> = Vec::new();
    let broken = |error: multer::Error| unread(&error);
    while let Some(mut part) = form.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        let expected = matches!(name.as_str(), "component" | "manifest" | "signatures");
        if !expected || seen.contains(&name) {
            let message = "the form has the parts `component`, `manifest` and `signatures`, each once";
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message));
        }
        if name == "component" {
            sent.file_name = part.file_name().map(excerpt);
            copy(part.map(|piece| piece.map_err(|error| unread(&error))), upload).await?;
        } else {
            let limit = if name == "manifest" { MAX_MANIFEST_BYTES } else { signatures_bytes };
            let mut beside = Vec::new();
            while let Some(piece) = part.chunk().await.map_err(broken)? {
                beside.extend_from_slice(&piece);
                if beside.len() > limit {
                    let message = format!("the part `{name}` is larger than {limit} bytes");
                    return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message));
                }
            }
            let written =
                if name == "manifest" { upload.manifest(&beside).await } else { upload.signatures(&beside).await };
            written.map_err(refused)?;
        }
        seen.push(name);
    }
    if seen.iter().any(|name| name == "component") {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_request", "the form has no part `component`"))
}

async fn copy(body: impl Stream<Item = Result<Bytes, ApiError>>, upload: &mut Upload) -> Result<(), ApiError> {
    let mut body = std::pin::pin!(body);
    while let Some(piece) = body.next().await {
        upload.write(&piece?).await.map_err(refused)?;
    }
    Ok(())
}

fn unread(error: &(dyn std::error::Error + 'static)) -> ApiError {
    if BodyTimeout::caused(error) {
        let message = "the file did not arrive in time (http.request_body_timeout_ms)";
        return ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", message);
    }
    ApiError::new(StatusCode::BAD_REQUEST, "bad_request", error.to_string())
}

fn seen(snapshot: &Snapshot, installed: &Installed) -> InstalledView {
    let view = snapshot.default_view();
    let plugin = installed.plugin.as_ref();
    let (status, reason) = match plugin.and_then(|plugin| view.resolved(plugin.key())).map(|resolved| &resolved.status)
    {
        Some(Status::Active) => ("active", None),
        Some(Status::Inactive { reason }) => ("inactive", Some(reason.to_string())),
        None => ("loading", None),
    };
    let asks = plugin.map(|plugin| (grants::asks(plugin), snapshot.choices().grants().withheld(plugin)));
    let (asks, withheld) = asks.unwrap_or_default();
    let required = plugin.into_iter().flat_map(|plugin| &plugin.manifest.config).filter(|field| field.required);
    InstalledView {
        id: installed.key.id.to_string(),
        version: installed.key.version.to_string(),
        file_name: installed.file_name.clone(),
        sha256: installed.sha256.clone(),
        installed: installed.new,
        status,
        reason,
        asks: asks.into_iter().map(|ask| AskView { granted: !withheld.contains(&ask), ask }).collect(),
        requires: required.filter(|field| field.default.is_none()).map(|field| field.key.to_string()).collect(),
        capabilities: plugin.map(|plugin| plugin.prepared.capabilities().to_vec()).unwrap_or_default(),
    }
}

pub(super) fn refused(error: InstallError) -> ApiError {
    let message = error.to_string();
    match error {
        InstallError::Refused(reason) => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "rejected", reason),
        InstallError::Taken { .. } => ApiError::new(StatusCode::CONFLICT, "version_taken", message),
        InstallError::NameTaken { .. } => ApiError::new(StatusCode::CONFLICT, "name_taken", message),
        InstallError::Uninstalling { .. } => ApiError::new(StatusCode::CONFLICT, "uninstalling", message),
        InstallError::TooLarge(_) => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message),
        InstallError::Unwilling(_) => ApiError::new(StatusCode::CONFLICT, "uninstall_failed", message),
        InstallError::Kept(..) => ApiError::new(StatusCode::CONFLICT, "kept", message),
        InstallError::Unknown(..) => ApiError::not_found("version_not_found", message),
        InstallError::Needed(broken) => {
            let named: Vec<String> = broken.iter().map(needed).collect();
            let message = format!(
                "others would not work without it: {}; force it (`--force`, `?force=true`) to remove it all the same",
                named.join("; ")
            );
            let details = serde_json::value::to_raw_value(&json!({ "broken": broken })).ok();
            ApiError { details, ..ApiError::new(StatusCode::CONFLICT, "required", message) }
        }
        InstallError::Registry(RegistryError::Directory { directory, source })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            missing(&directory, &source)
        }
        InstallError::Io(error) | InstallError::Registry(RegistryError::Directory { source: error, .. }) => {
            unwritable(&error)
        }
        InstallError::Registry(RegistryError::Control(error)) => ApiError::from(error),
        InstallError::Registry(error) => ApiError::internal(&error),
    }
}

/// A plugin that needs what is to go, for whom, and why.
fn needed(one: &Broken) -> String {
    let Broken { plugin, tenants, reason, .. } = one;
    let whose = if tenants.is_empty() { "tenants to come".to_owned() } else { few(tenants) };
    format!("{plugin} for {whose} ({reason})")
}

/// The plugins directory is not there, as when its disk is not mounted. What runs goes on.
fn missing(directory: &FilePath, error: &std::io::Error) -> ApiError {
    let message = format!(
        "the plugins directory {} is not there: mount its disk or create it; until then no change of plugins counts",
        directory.display()
    );
    let internal = ApiError::internal(error);
    ApiError { status: StatusCode::SERVICE_UNAVAILABLE, code: "directory_missing".into(), message, ..internal }
}

fn unwritable(error: &std::io::Error) -> ApiError {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
    let internal = ApiError::internal(error);
    let told = |code: &str, message: &str| ApiError {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: code.into(),
        message: message.to_owned(),
        ..internal.clone()
    };
    match error.kind() {
        StorageFull => told("storage_full", "the disk of the plugins directory is full; free space there"),
        PermissionDenied | ReadOnlyFilesystem => told(
            "directory_unwritable",
            "the host may not write into its directory of plugins: give its user permission, or put the file there \
             yourself",
        ),
        _ => internal,
    }
}
