//! `tenon:host/events`: telling other plugins what has happened.
//!
//! Invariant: an event is published by a row in the publisher's own database, written in its transaction or in one of its
//! own. So it is published if and only if the change that it tells of took effect, whatever happens to the host. The rest
//! is [`Outboxes`]: it remembers which databases hold such rows, and wakes whoever takes them on.
//!
//! Bounds: the bytes of an event (`events.data_bytes`, `events.key_bytes`), the rows of an outbox and the deliveries that
//! wait (`events.pending`), the chain of events that cause each other (`events.hops`), and the events of an hour.

mod draft;
mod notice;
mod outbox;

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable, ResourceTableError};

pub use self::draft::{Draft, Limits as DraftLimits, Wrong};
pub(super) use self::notice::Notice;
use self::outbox::{INBOX_INSERT, INBOX_PRUNE, OUTBOX_INSERT};
pub use self::outbox::{OUTBOX_ANY, OUTBOX_BYTES, OutboxRow, Outboxes, Publishing, SCHEMA, Unmarked};
pub(super) use self::outbox::{OUTBOX_CLEAR, OUTBOX_EXISTS};
use super::sql::{SqlContext, SqlError, TransactionHandle, Value};
use crate::bindings::tenon::host::events as wit;
use crate::db::DbError;
use crate::fault;
use crate::id::{CorrelationId, PluginId, TenantId};
use crate::log::chain;
use crate::usage::{Exceeded, Quota, Taken, Usage};

/// The facts of the running call, borrowed from its store.
pub struct EventsCall<'a> {
    pub tenant: &'a TenantId,
    pub plugin: &'a PluginId,
    /// The topics that the plugin's manifest declares.
    pub topics: &'a [Box<str>],
    pub correlation_id: &'a CorrelationId,
    /// How many events caused each other up to this call; 0 in a request.
    pub hops: u8,
}

/// The capability's view of a store.
pub struct EventsView<'a> {
    pub call: EventsCall<'a>,
    pub outboxes: &'a Arc<Outboxes>,
    pub usage: &'a Arc<Usage>,
    pub sql: &'a mut SqlContext,
    pub table: &'a mut ResourceTable,
}

/// An error of this interface on its way out: the plugin's to handle, or the end of its instance.
#[derive(Debug, thiserror::Error)]
pub enum EventFault {
    #[error(transparent)]
    Guest(#[from] EventError),
    /// The plugin used a handle it does not hold.
    #[error(transparent)]
    Handle(#[from] ResourceTableError),
}

/// Why an event was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    #[error("{0}")]
    Denied(String),
    #[error(transparent)]
    Invalid(#[from] Wrong),
    #[error("{0}")]
    Quota(String),
    #[error("{0} events have caused each other, and no chain may be longer")]
    Hops(u8),
    #[error("{0}")]
    Unavailable(String),
}

impl From<SqlError> for EventError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Quota(limit) => Self::Quota(limit),
            // The transaction is over already.
            SqlError::Invalid(why) => Self::Unavailable(why),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<SqlError> for EventFault {
    fn from(error: SqlError) -> Self {
        Self::Guest(error.into())
    }
}

impl EventsView<'_> {
    /// Whether the call may publish this, the row that does, and what it took.
    fn row(&self, event: wit::Event) -> Result<(OutboxRow, Taken), EventError> {
        let (call, limits) = (&self.call, self.outboxes.limits());
        if call.tenant.is_nobody() {
            let why = "there is no tenant: the plugin is being installed or uninstalled";
            return Err(EventError::Denied(why.to_owned()));
        }
        if !call.topics.iter().any(|topic| **topic == *event.topic) {
            let topic = crate::id::excerpt(&event.topic);
            let why = format!("the topic {topic:?} is not declared: add it to `publishes` in the plugin's manifest");
            return Err(EventError::Denied(why));
        }
        let wit::Event { topic, key, subject, data } = event;
        let draft = Draft { topic, key, subject, data };
        draft.check(&DraftLimits::of(limits))?;
        self.admit()?;
        // The one place where a plugin's own publications are counted.
        let taken = self.usage.reserve(call.tenant, call.plugin, Quota::Events, 1).map_err(over_quota)?;
        let row = OutboxRow {
            id: Uuid::now_v7().to_string(),
            draft,
            at: Timestamp::now(),
            correlation_id: call.correlation_id.to_string(),
            hops: call.hops + 1,
        };
        Ok((row, taken))
    }

    /// Whether one more event may be published now.
    fn admit(&self) -> Result<(), EventError> {
        let most = self.outboxes.limits().hops;
        if self.call.hops >= most {
            return Err(EventError::Hops(most));
        }
        self.outboxes.is_full(self.call.tenant).map_or(Ok(()), |most| Err(EventError::Quota(full(most))))
    }

    /// What lets a capability tell of a change of its own, beside that change.
    pub(super) fn notice(&self) -> Result<Notice, EventError> {
        self.admit()?;
        Ok(Notice::new(&self.call, self.outboxes, self.usage))
    }

    /// Writes a row by itself, and gives its id. What it took is given back if it is not written.
    pub(super) async fn write(&mut self, (row, taken): (OutboxRow, Taken)) -> Result<String, EventError> {
        let id = row.id.clone();
        let written = self.insert(row).await;
        if written.is_err() {
            taken.give_back();
        }
        written.map(|()| id)
    }

    async fn insert(&mut self, row: OutboxRow) -> Result<(), EventError> {
        // Held until the row is written: whoever takes it on is woken then.
        let _publishing = self.enter().await?;
        let written = self.sql.host_execute(OUTBOX_INSERT, row.into_values(self.outboxes.limits())).await?;
        is_written(written, self.outboxes)
    }

    /// Writes a row if the transaction commits, and gives its id. What it took is given back if it is not written, or
    /// the transaction does not commit.
    pub(super) async fn write_in(
        &mut self,
        transaction: &Resource<TransactionHandle>,
        (row, taken): (OutboxRow, Taken),
    ) -> Result<String, EventFault> {
        let id = row.id.clone();
        match self.insert_in(transaction, row).await {
            Ok(publishing) => {
                publishing.counts(taken);
                Ok(id)
            }
            Err(fault) => {
                taken.give_back();
                Err(fault)
            }
        }
    }

    async fn insert_in(
        &mut self,
        transaction: &Resource<TransactionHandle>,
        row: OutboxRow,
    ) -> Result<&mut Publishing, EventFault> {
        let publishing = self.enter().await?;
        let (handle, deadline) = (self.table.get_mut(transaction)?, self.sql.deadline());
        // Until the transaction is over, however it ends.
        let publishing = handle.publishing.get_or_insert(publishing);
        let values = row.into_values(self.outboxes.limits());
        let written = handle.transaction.host_execute(OUTBOX_INSERT, values, deadline).await?;
        is_written(written, self.outboxes)?;
        Ok(publishing)
    }

    pub(super) fn enter(&self) -> impl Future<Output = Result<Publishing, EventError>> + Send + use<> {
        let (outboxes, tenant, plugin) = (self.outboxes.clone(), self.call.tenant.clone(), self.call.plugin.clone());
        async move {
            outboxes.enter(&tenant, &plugin).await.map_err(|error| {
                if let DbError::DiskFull { .. } = error {
                    return SqlError::disk_full().into();
                }
                tracing::error!(error = chain(&error), "an event cannot be published");
                EventError::Unavailable("the host cannot take events at the moment; try again later".to_owned())
            })
        }
    }
}

impl wit::Host for EventsView<'_> {
    async fn publish(&mut self, event: wit::Event) -> Result<String, EventFault> {
        fault::point("tenon:host/events.publish");
        let row = self.row(event)?;
        Ok(self.write(row).await?)
    }

    async fn publish_in(
        &mut self,
        transaction: Resource<TransactionHandle>,
        event: wit::Event,
    ) -> Result<String, EventFault> {
        fault::point("tenon:host/events.publish-in");
        let row = self.row(event)?;
        self.write_in(&transaction, row).await
    }

    async fn first_time_in(
        &mut self,
        transaction: Resource<TransactionHandle>,
        event_id: String,
    ) -> Result<bool, EventFault> {
        fault::point("tenon:host/events.first-time-in");
        let id = Uuid::try_parse(&event_id).ok().filter(|id| id.get_version_num() == 7);
        let id = id.ok_or_else(|| EventError::from(Wrong::id(&event_id)))?;
        let (handle, deadline) = (self.table.get_mut(&transaction)?, self.sql.deadline());
        let id = Value::Blob(id.into_bytes().to_vec());
        let noted = handle.transaction.host_execute(INBOX_INSERT, vec![id], deadline).await?;
        if noted > 0 {
            let oldest = Value::Blob(self.outboxes.handled_since());
            handle.transaction.host_execute(INBOX_PRUNE, vec![oldest], deadline).await?;
        }
        Ok(noted > 0)
    }

    fn convert_error(&mut self, fault: EventFault) -> wasmtime::Result<wit::Error> {
        Ok(match fault {
            EventFault::Guest(EventError::Denied(why)) => wit::Error::Denied(why),
            EventFault::Guest(EventError::Invalid(wrong)) => wit::Error::Invalid(wrong.to_string()),
            EventFault::Guest(EventError::Quota(limit)) => wit::Error::Quota(limit),
            EventFault::Guest(EventError::Hops(most)) => wit::Error::Hops(most),
            EventFault::Guest(EventError::Unavailable(why)) => wit::Error::Unavailable(why),
            EventFault::Handle(error) => return Err(error.into()),
        })
    }
}

/// The statement writes no row when the outbox has as many as it may.
fn is_written(rows: u64, outboxes: &Outboxes) -> Result<(), EventError> {
    if rows > 0 { Ok(()) } else { Err(EventError::Quota(full(outboxes.limits().pending))) }
}

fn over_quota(exceeded: Exceeded) -> EventError {
    EventError::Quota(exceeded.to_string())
}

fn full(most: u32) -> String {
    let why = "as many of the tenant's events wait for their subscribers; publish again when some were delivered";
    format!("pending events: at most {most} (events.pending), and {why}")
}

/// Adds the interface to a linker whose stores can give an [`EventsView`].
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> EventsView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasEvents>(linker, view)
}

struct HasEvents;

impl HasData for HasEvents {
    type Data<'a> = EventsView<'a>;
}
