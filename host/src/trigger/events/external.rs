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
        let sha256 = digest(&draft);
        if let Some(most) = self.outboxes().is_full(tenant) {
            return Err(Refused::Full(most));
        }
        // What all of them send counts together, and a request that is sent again counts again.
        self.runtime.usage().take(tenant, &PluginId::external(), Quota::Events, 1).map_err(Refused::Quota)?;
        let source = format!("/external/{}", encoded(&principal));
        let event = self.new_event(tenant, source, draft, correlation_id, 1);
        let (id, deliveries) = match key {
            None => (event.id.clone(), self.arrive(vec![event]).await?),
            Some(key) => {
                let id = event.id.clone();
                match self.control.event_request(EventRequest { principal, key, sha256 }, event).await? {
                    Requested::New(deliveries) => {
                        self.streams.news(tenant);
                        (id, deliveries)
                    }
                    Requested::Known(id) => (id, 0),
                    Requested::Other => return Err(Refused::Reused),
                }
            }
        };
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
