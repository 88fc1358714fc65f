//! `/api/v1/notifications`: what plugins told the one who asks.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::page::{self, Page};
use super::take::Query;
use crate::app::App;
use crate::db::Listed;
use crate::http::envelope::{ApiError, Success};
use crate::http::identity::Caller;
use crate::http::routes::Changed;
use crate::stream::{NotificationView, Reader};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Filter {
    /// Only those that were not read.
    #[serde(default)]
    unread: bool,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Those for the caller: first what was not read, then the rest, the newest first.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Page<NotificationView>, ApiError> {
    let limit = page::limit(filter.limit)?;
    let after = filter.cursor.as_deref().map(after).transpose()?;
    let found = app.control().notification_list(&reader(&caller)?.inbox(), filter.unread, after, limit).await?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let next = found.last().filter(|_| full).map(|last| {
        let part = if last.read_at_us.is_some() { "read" } else { "unread" };
        format!("{part}-{}", last.sequence)
    });
    Ok(Page { data: found.into_iter().map(NotificationView::from).collect(), next })
}

/// Notes that the caller has read one; again changes nothing. To whom it is not for it does not exist.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let found = app.control().notification_read(&reader(&caller)?.inbox(), &id, Timestamp::now()).await?;
    let absent = || ApiError::not_found("notification_not_found", format!("there is no notification {id}"));
    let found = found.ok_or_else(absent)?;
    Ok(Changed::new(&id).with(Success(NotificationView::from(found))))
}

pub(super) fn reader(caller: &Caller) -> Result<Reader, ApiError> {
    Ok(Reader::of(caller.identity()?, &caller.principal.name))
}

/// Where the last page ended.
fn after(cursor: &str) -> Result<Listed, ApiError> {
    let read = cursor.split_once('-').and_then(|(part, sequence)| {
        let read = match part {
            "read" => true,
            "unread" => false,
            _ => return None,
        };
        Some(Listed { read, sequence: sequence.parse().ok()? })
    });
    read.ok_or_else(|| ApiError::wrong_field("cursor", "must be the nextCursor of an answer"))
}
