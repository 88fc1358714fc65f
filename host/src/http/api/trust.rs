//! `/api/v1/trust`: whose signatures count, and for which plugins.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::take::Body;
use crate::app::App;
use crate::db::TrustedKey;
use crate::http::envelope::{self, ApiError, Success};
use crate::http::routes::Changed;
use crate::registry::trust::{PluginPattern, PublicKey, SignerName};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    name: String,
    public_key: String,
    plugins: Vec<String>,
    added_at: String,
    /// The plugins that it vouches for and that run.
    running: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewKey {
    name: SignerName,
    public_key: String,
    plugins: Vec<PluginPattern>,
}

impl KeyView {
    fn new(app: &App, key: TrustedKey) -> Self {
        let TrustedKey { name, public_key, plugins, added_at } = key;
        let snapshot = app.registry().snapshot();
        let vouched = snapshot.plugins().iter().filter(|plugin| {
            let by = plugin.signer.as_ref().map(|signer| &signer.name);
            by == Some(&name)
        });
        let running = vouched.map(|plugin| plugin.key().to_string()).collect();
        Self { name, public_key, plugins, added_at: added_at.to_string(), running }
    }

    /// For the audit log.
    fn summary(&self) -> serde_json::Value {
        json!({ "publicKey": self.public_key, "plugins": self.plugins })
    }
}

/// All trusted keys by name, and what is taken without one.
pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Body {
        success: bool,
        data: Vec<KeyView>,
        total: usize,
        unsigned: &'static str,
        downgrade: &'static str,
    }
    let keys = app.control().trusted_key_list().await?;
    let data: Vec<_> = keys.into_iter().map(|key| KeyView::new(&app, key)).collect();
    let (trust, dev) = (&app.config().trust, app.config().dev);
    let word = |holds| if holds { "allow" } else { "refuse" };
    let (unsigned, downgrade) = (word(trust.unsigned.holds(dev)), word(trust.downgrade.holds(dev)));
    let body = Body { success: true, total: data.len(), data, unsigned, downgrade };
    let bytes = serde_json::to_vec(&body).map_err(|error| ApiError::internal(&error))?;
    Ok(envelope::json(StatusCode::OK, bytes))
}

/// How often a key that somebody else changes at the same time is read again.
const READS: usize = 3;

/// Trusts one more key, or a known one for more plugins. The files of the directory are held against it at the next
/// look.
pub(super) async fn add(State(app): State<Arc<App>>, Body(new): Body<NewKey>) -> Result<Response, ApiError> {
    let key: PublicKey =
        new.public_key.parse().map_err(|error| ApiError::wrong_field("publicKey", format!("is wrong: {error}")))?;
    if new.plugins.is_empty() {
        return Err(ApiError::wrong_field("plugins", "must name at least one plugin; `*` is all of them"));
    }
    let row = TrustedKey {
        name: new.name.to_string(),
        public_key: key.to_string(),
        plugins: new.plugins.iter().map(ToString::to_string).collect(),
        added_at: Timestamp::now(),
    };
    let (name, wanted) = (row.name.clone(), json!({ "publicKey": row.public_key, "plugins": row.plugins }));
    let done = put(&app, row).await;
    Ok(done.unwrap_or_else(|error| Changed::refused(name, wanted, error)))
}

async fn put(app: &App, mut row: TrustedKey) -> Result<Response, ApiError> {
    for _ in 0..READS {
        let known = app.control().trusted_key_list().await?;
        let is_it = |known: &&TrustedKey| known.name == row.name && known.public_key == row.public_key;
        if let Some(before) = known.iter().find(is_it) {
            let more = row.plugins.iter().filter(|pattern| !before.plugins.contains(*pattern));
            row.plugins = before.plugins.iter().chain(more).cloned().collect();
            row.added_at = before.added_at;
            if app.control().trusted_key_alter(before.clone(), row.plugins.clone()).await? {
                let before = KeyView::new(app, before.clone()).summary();
                let view = KeyView::new(app, row);
                return Ok(Changed::new(&view.name).from(before).to(view.summary()).with(Success(view)));
            }
            continue;
        }
        let limit = app.config().trust.keys;
        if known.len() >= limit {
            let message = format!("{limit} keys are trusted, and no more may be (trust.keys): remove one first");
            return Err(ApiError::new(StatusCode::CONFLICT, "too_many", message));
        }
        if app.control().trusted_key_add(row.clone()).await? {
            let view = KeyView::new(app, row);
            let changed = Changed::new(&view.name).to(view.summary());
            return Ok(changed.with((StatusCode::CREATED, Success(view))));
        }
        let message = match known.iter().find(|known| known.public_key == row.public_key) {
            Some(known) => format!(
                "this key is trusted already, under the name `{}`: add plugins to that one, or remove it first",
                known.name
            ),
            None if known.iter().any(|known| known.name == row.name) => {
                format!("another key is trusted under the name `{}` already: remove that one first", row.name)
            }
            // It came since it was read.
            None => continue,
        };
        return Err(ApiError::new(StatusCode::CONFLICT, "exists", format!("{message} (`tenon trust remove`)")));
    }
    let message = format!("somebody else changes the key `{}` at the same time: try again", row.name);
    Err(ApiError::new(StatusCode::CONFLICT, "conflict", message))
}

/// Trusts a key no longer, and says what it vouches for that goes on.
pub(super) async fn remove(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let Some(row) = app.control().trusted_key_remove(&name).await? else {
        let message = format!("no key is trusted under the name `{name}`: `tenon trust list` has them");
        return Err(ApiError::not_found("key_not_found", message));
    };
    let view = KeyView::new(&app, row);
    let changed = Changed::new(&view.name).from(view.summary());
    Ok(changed.with(Success(view)))
}
