//! `/api/v1/events/dead`: events that could not be delivered.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::page::{self, Page};
use super::take::Query;
use crate::app::App;
use crate::db::{DeadFilter, DeadLetter};
use crate::http::envelope::{ApiError, Success};
use crate::http::identity::Caller;
use crate::http::routes::Changed;
use crate::id::TenantId;
use crate::registry::manifest::EventPattern;
use crate::stream::EventView;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Filter {
    subscriber: Option<String>,
    #[serde(rename = "type")]
    topic: Option<EventPattern>,
    limit: Option<u32>,
    cursor: Option<page::Cursor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LetterView {
    /// Names it here.
    letter: i64,
    subscriber: String,
    attempts: i64,
    /// Why the last attempt failed, or why there was none.
    error: String,
    died_at: String,
    event: EventView,
}

impl From<DeadLetter> for LetterView {
    fn from(letter: DeadLetter) -> Self {
        Self {
            letter: letter.sequence,
            subscriber: letter.subscriber,
            attempts: letter.attempts,
            error: letter.error,
            died_at: letter.died_at.to_string(),
            event: letter.event.into(),
        }
    }
}

impl LetterView {
    fn changed(&self) -> Changed {
        let (id, topic) = (self.event.id(), self.event.topic());
        let tenant = self.event.tenant().map(str::to_owned);
        let before = json!({ "event": id, "type": topic, "subscriber": self.subscriber, "error": self.error });
        Changed::new(self.letter.to_string()).of(tenant).from(before)
    }
}

/// The dead letters of the tenant, the newest first; those of all for an operator who names none.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Page<LetterView>, ApiError> {
    let limit = page::limit(filter.limit)?;
    let wanted = DeadFilter {
        tenant: caller.tenant().map(ToString::to_string),
        subscriber: filter.subscriber,
        topic: filter.topic.map(|topic| topic.to_string()),
        before: filter.cursor.map(|page::Cursor(sequence)| sequence),
    };
    let found = app.control().dead_letter_list(wanted, limit).await?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let next = found.last().filter(|_| full).map(|last| last.sequence.to_string());
    Ok(Page { data: found.into_iter().map(LetterView::from).collect(), next })
}

/// One of them, with its event. To whoever is in another tenant it does not exist.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(letter): Path<String>,
) -> Result<Success<LetterView>, ApiError> {
    find(&app, &caller, &letter).await.map(Success)
}

/// Delivers it again, behind what waits.
pub(super) async fn replay(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(letter): Path<String>,
) -> Result<Response, ApiError> {
    let found = find(&app, &caller, &letter).await?;
    let tenant = caller.tenant().map(TenantId::as_str);
    let replayed = app.control().dead_letter_replay(tenant, found.letter, Timestamp::now()).await?;
    let tenant = replayed.ok_or_else(|| absent(&letter))?;
    if let Ok(tenant) = TenantId::parse(&tenant) {
        app.events().added(&tenant, 1);
    }
    Ok(found.changed().with(Success(found)))
}

/// Gives it up for good.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(letter): Path<String>,
) -> Result<Response, ApiError> {
    let found = find(&app, &caller, &letter).await?;
    match app.control().dead_letter_drop(caller.tenant().map(TenantId::as_str), found.letter).await? {
        true => Ok(found.changed().with(Success(found))),
        false => Err(absent(&letter)),
    }
}

async fn find(app: &App, caller: &Caller, letter: &str) -> Result<LetterView, ApiError> {
    let sequence = letter.parse().map_err(|_| absent(letter))?;
    let found = app.control().dead_letter_fetch(caller.tenant().map(TenantId::as_str), sequence).await?;
    found.map(LetterView::from).ok_or_else(|| absent(letter))
}

fn absent(letter: &str) -> ApiError {
    ApiError::not_found("dead_letter_not_found", format!("there is no dead letter {letter}"))
}
