//! `GET /api/v1/audit`: who changed what.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::page::{self, Page};
use super::take::Query;
use crate::app::App;
use crate::db::{AuditFilter, AuditRecord};
use crate::http::envelope::ApiError;
use crate::http::identity::Caller;
use crate::id::excerpt;
use crate::registry::DIRECTORY_OPERATIONS;
use crate::registry::manifest::nearest;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Filter {
    actor: Option<String>,
    operation: Option<String>,
    target: Option<String>,
    outcome: Option<String>,
    correlation_id: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: Option<u32>,
    cursor: Option<page::Cursor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryView {
    sequence: i64,
    at: String,
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    operation: String,
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Box<RawValue>>,
    outcome: String,
    correlation_id: String,
}

impl From<AuditRecord> for EntryView {
    fn from(record: AuditRecord) -> Self {
        let json = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        let AuditRecord { sequence, at, actor, tenant, operation, target, before, after, outcome, correlation_id } =
            record;
        let (at, before, after) = (at.to_string(), json(before), json(after));
        Self { sequence, at, actor, tenant, operation, target, before, after, outcome, correlation_id }
    }
}

/// The entries of the tenant, the newest first; those of the whole installation for an operator who names none.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Page<EntryView>, ApiError> {
    let limit = page::limit(filter.limit)?;
    let operation = filter.operation.clone();
    let wanted = AuditFilter {
        tenant: caller.tenant().map(ToString::to_string),
        actor: filter.actor,
        operation: filter.operation,
        target: filter.target,
        outcome: filter.outcome,
        correlation_id: filter.correlation_id,
        since: filter.since,
        until: filter.until,
        before: filter.cursor.map(|page::Cursor(sequence)| sequence),
    };
    let found = app.control().audit_list(wanted, limit).await?;
    if let (Some(operation), true) = (operation, found.is_empty()) {
        exists(&operation)?;
    }
    let full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let next = found.last().filter(|_| full).map(|last| last.sequence.to_string());
    Ok(Page { data: found.into_iter().map(EntryView::from).collect(), next })
}

/// 422 for what nobody can have done: such a filter would look like an answer.
fn exists(operation: &str) -> Result<(), ApiError> {
    let changing = crate::http::rules().into_iter().filter(|(method, ..)| *method != Method::GET);
    let known: BTreeSet<&str> = changing.map(|(_, _, rule)| rule.operation).chain(DIRECTORY_OPERATIONS).collect();
    let is_kind = |known: &&&str| known.strip_prefix(operation).is_some_and(|_| operation.ends_with('.'));
    if known.contains(operation) || known.iter().any(|known| is_kind(&known)) {
        return Ok(());
    }
    let kinds: BTreeSet<String> =
        known.iter().filter_map(|known| Some(format!("{}.", known.split_once('.')?.0))).collect();
    let all = known.iter().copied().chain(kinds.iter().map(String::as_str));
    let meant = nearest(operation, all).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    let list = known.iter().copied().collect::<Vec<_>>().join(", ");
    let message = format!(
        "is `{}`, which is no operation{meant} There are {list}, and all of a kind, as `keys.`",
        excerpt(operation)
    );
    Err(ApiError::wrong_field("operation", message))
}
