//! `POST /api/v1/secrets/rotate`: seals every tenant's secrets anew.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use crate::app::App;
use crate::http::envelope::{ApiError, Success};
use crate::http::routes::Changed;
use crate::registry::settings::{ResealError, reseal};
use crate::seal::KeyError;

/// Takes a new key into use where the key is the host's own file, seals everything with the key in use, and forgets
/// the keys that nothing has needed since the rotation before. What does not open is named, and stays as it is.
pub(super) async fn rotate(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let seals = app.registry().seals().clone();
    let rotation = seals.rotation().await.map_err(unsealed)?;
    let (before, _) = seals.current();
    tokio::task::block_in_place(|| rotation.renew()).map_err(unsealed)?;
    let done = reseal(app.control(), &seals).await.map_err(|error| match error {
        ResealError::Control(error) => ApiError::from(error),
        ResealError::Key(error) => unsealed(error),
    })?;
    if done.complete && done.unreadable.is_empty() {
        let mut needed = done.keys;
        needed.insert(before.clone());
        tokio::task::block_in_place(|| rotation.forget_others(&needed)).map_err(unsealed)?;
    }
    app.registry().decide().await?;
    let (key, given) = seals.current();
    let mut answer = json!({
        "key": key,
        "source": if given { "TENON_SECRET_KEY" } else { "file" },
        "resealed": done.resealed,
        "unreadable": done.unreadable.len(),
        "complete": done.complete,
    });
    let changed = Changed::new("secrets").from(json!({ "key": before })).to(answer.clone());
    let part =
        |changed: Changed, (tenant, resealed)| changed.part(tenant, &json!({ "key": key, "resealed": resealed }));
    let changed = done.tenants.into_iter().fold(changed, part);
    answer["unreadableFields"] = json!(done.unreadable);
    Ok(changed.with(Success(answer)))
}

/// Why nothing can be sealed now.
pub(super) fn unsealed(error: KeyError) -> ApiError {
    match error {
        KeyError::Rotating => ApiError::new(StatusCode::CONFLICT, "rotating", error.to_string()),
        KeyError::Gone(_) | KeyError::File(_) | KeyError::Io { .. } => {
            let message =
                "the host cannot read or write its file of keys, so nothing is sealed; the log has the reason";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let code = "keys_unavailable".into();
            ApiError { status, code, message: message.to_owned(), ..ApiError::internal(&error) }
        }
        KeyError::Variable(_) | KeyError::Seal => ApiError::internal(&error),
    }
}
