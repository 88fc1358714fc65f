//! `/api/v1/events`: what happened lately, and what other systems tell.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderValue, RETRY_AFTER};
use http::{HeaderMap, HeaderName, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::page::{self, Page};
use super::take::{Body, Query};
use crate::app::App;
use crate::capability::events::Draft;
use crate::db::EventFilter;
use crate::http::envelope::{ApiError, Success};
use crate::http::identity::{Caller, correlation};
use crate::http::routes::Changed;
use crate::registry::manifest::{EventName, EventPattern};
use crate::stream::EventView;
use crate::trigger::events::{External, Refused};

/// Names a request among all of its sender's, so that sending it again does nothing more.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_KEY_BYTES: usize = 255;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Filter {
    #[serde(rename = "type")]
    topic: Option<EventPattern>,
    source: Option<String>,
    subject: Option<String>,
    correlation_id: Option<String>,
    limit: Option<u32>,
    cursor: Option<page::Cursor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewEvent {
    #[serde(rename = "type")]
    topic: EventName,
    key: Option<String>,
    subject: Option<String>,
    #[serde(deserialize_with = "crate::json::deserialize")]
    data: serde_json::Value,
}

/// The events of the tenant, the newest first; those of all for an operator who names none.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Page<EventView>, ApiError> {
    let limit = page::limit(filter.limit)?;
    let wanted = EventFilter {
        tenant: caller.tenant().map(ToString::to_string),
        topic: filter.topic.map(|topic| topic.to_string()),
        source: filter.source,
        subject: filter.subject,
        correlation_id: filter.correlation_id,
        before: filter.cursor.map(|page::Cursor(sequence)| sequence),
    };
    let found = app.control().event_list(wanted, limit).await?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let next = found.last().filter(|_| full).map(|last| last.sequence.to_string());
    Ok(Page { data: found.into_iter().map(EventView::from).collect(), next })
}

/// Takes an event of another system. It is on disk when this answers, with 202 because others have yet to hear of it.
pub(super) async fn publish(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Body(event): Body<NewEvent>,
) -> Result<Response, ApiError> {
    let identity = caller.identity()?;
    let key = idempotency_key(&headers)?;
    let NewEvent { topic, key: order, subject, data } = event;
    let draft = Draft { topic: topic.to_string(), key: order, subject, data: data.to_string() };
    let external =
        External { principal: caller.principal.name.clone(), key, correlation_id: correlation(&headers), topic, draft };
    let id = app.events().accept(&identity.tenant, external).await.map_err(refused)?;
    let changed = Changed::new(&id);
    Ok(changed.with((StatusCode::ACCEPTED, Success(json!({ "id": id })).into_response()).into_response()))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim).filter(|text| (1..=IDEMPOTENCY_KEY_BYTES).contains(&text.len()));
    let text = text.ok_or_else(|| {
        let message = format!("must be 1 to {IDEMPOTENCY_KEY_BYTES} visible ASCII characters");
        ApiError::wrong_field("Idempotency-Key", message)
    });
    text.map(|text| Some(text.to_owned()))
}

fn refused(refused: Refused) -> ApiError {
    match refused {
        Refused::Starting => {
            let message = "the host still loads plugins, so it is not known who hears the event; send it again soon";
            let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "starting", message);
            error.with_header(RETRY_AFTER, HeaderValue::from_static("5"))
        }
        Refused::Reserved(topic) => {
            let message = format!("is {topic}, which the host alone publishes; begin it with another word");
            ApiError::wrong_field("type", message)
        }
        Refused::Wrong(wrong) => ApiError::wrong_field(wrong.field, wrong.problem),
        Refused::Reused => ApiError::new(
            StatusCode::CONFLICT,
            "idempotency_key_reused",
            "another event was sent with this Idempotency-Key; choose a new key for each event",
        ),
        Refused::Full(most) => {
            let message = format!("{most} deliveries wait for this tenant (events.pending); try again later");
            let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "quota", message);
            error.with_header(RETRY_AFTER, HeaderValue::from_static("5"))
        }
        Refused::Quota(exceeded) => {
            let message = format!("events of other systems: {exceeded}");
            let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "quota", message);
            error.with_header(RETRY_AFTER, exceeded.resets_in_s().into())
        }
        Refused::Control(error) => error.into(),
    }
}
