//! What other systems tell, and what the host tells by itself.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Events, subscribers};
use crate::capability::events::{Draft, DraftLimits, Wrong};
use crate::db::{DbError, EventRequest, NewEvent, Requested};
use crate::hash::sha256_hex;
use crate::id::{CorrelationId, PluginId, TenantId};
use crate::registry::manifest::EventName;
use crate::usage::{Exceeded, Quota};

/// An event of another system.
pub struct External {
    /// Who sends it.
    pub principal: String,
    /// What the sender calls this request, to be able to send it again.
    pub key: Option<String>,
    pub correlation_id: CorrelationId,
    pub topic: EventName,
    pub draft: Draft,
}

/// Why it was not taken.
#[derive(Debug)]
pub enum Refused {
    /// Not all plugins are loaded yet, so nobody knows who hears it.
    Starting,
    /// Only the host publishes this topic.
    Reserved(EventName),
    Wrong(Wrong),
    /// Another event was sent under this key.
    Reused,
    /// So many deliveries wait.
    Full(u32),
    /// Other systems have sent as many in this hour as they may.
    Quota(Exceeded),
    Control(DbError),
}

impl From<DbError> for Refused {
    fn from(error: DbError) -> Self {
        Self::Control(error)
    }
}

impl Events {
    /// Takes an event of another system and gives its id. It is in the control plane then: there is no database of a
    /// plugin that it could belong to.
    ///
    /// # Errors
    ///
    /// [`Refused`]; nothing was taken then.
    pub async fn accept(&self, tenant: &TenantId, external: External) -> Result<String, Refused> {
        let External { principal, key, correlation_id, topic, draft } = external;
        if topic.is_of_the_host() {
            return Err(Refused::Reserved(topic));
        }
        draft.check(&DraftLimits::of(&self.limits)).map_err(Refused::Wrong)?;
        let request = key.map(|key| EventRequest { principal: principal.clone(), key, sha256: digest(&draft) });
        // What was taken before costs nothing and waits for nothing, or nobody could safely send again.
        if let Some(request) = &request {
            match self.control.event_requested(tenant.as_str(), request).await? {
                Some(Requested::Known(id)) => return Ok(id),
                Some(Requested::Other) => return Err(Refused::Reused),
                Some(Requested::New(_)) | None => {}
            }
        }
        if !self.registry.is_complete() {
            return Err(Refused::Starting);
        }
        if let Some(most) = self.outboxes().is_full(tenant) {
            return Err(Refused::Full(most));
        }
        // What all of them send counts together.
        let taken = self.runtime.usage().reserve(tenant, &PluginId::external(), Quota::Events, 1);
        let taken = taken.map_err(Refused::Quota)?;
        let source = format!("/external/{}", encoded(&principal));
        let event = self.new_event(tenant, source, draft, correlation_id, 1);
        let id = event.id.clone();
        let arrived = match request {
            None => self.arrive(vec![event]).await.map(Requested::New),
            Some(request) => self.control.event_request(request, event).await,
        };
        // The same was sent twice at once, or it could not be written down.
        if !matches!(arrived, Ok(Requested::New(_))) {
            taken.give_back();
        }
        let deliveries = match arrived? {
            Requested::New(deliveries) => deliveries,
            Requested::Known(id) => return Ok(id),
            Requested::Other => return Err(Refused::Reused),
        };
        self.streams.news(tenant);
        if deliveries > 0 {
            self.added(tenant, deliveries);
        }
        Ok(id)
    }

    /// An event that does not come from a plugin, with whoever hears it now.
    pub(super) fn new_event(
        &self,
        tenant: &TenantId,
        source: String,
        draft: Draft,
        correlation_id: CorrelationId,
        hops: i64,
    ) -> NewEvent {
        let Draft { topic, key, subject, data } = draft;
        let event = NewEvent {
            id: Uuid::now_v7().to_string(),
            tenant: tenant.to_string(),
            source,
            topic,
            key,
            subject,
            at: Timestamp::now(),
            correlation_id: correlation_id.to_string(),
            hops,
            data,
            subscribers: Vec::new(),
        };
        let snapshot = self.registry.snapshot();
        subscribers::addressed(event, &snapshot.view(tenant), snapshot.choices().grants())
    }
}

/// Of what was sent; no two events have the same.
fn digest(draft: &Draft) -> String {
    let Draft { topic, key, subject, data } = draft;
    sha256_hex(format!("{topic}\n{key:?}\n{subject:?}\n{data}").as_bytes())
}

fn encoded(principal: &str) -> String {
    percent_encoding::utf8_percent_encode(principal, percent_encoding::CONTROLS).to_string().replace(' ', "%20")
}
