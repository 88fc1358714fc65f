//! `tenon:host/shared-data`: what a plugin keeps for others to read, for the tenant of the call.
//!
//! An entry lies in the database of the plugin that owns its namespace, and of the tenant, so it goes with that
//! plugin's transactions, snapshots and quotas. Whose namespace a name is follows from what the plugin's own manifest
//! declares, and what of others it may read from the links of the call: nothing that a plugin says reaches further.
//!
//! Invariant: a change of a namespace that others may read and the event that tells of it are one transaction. Whoever
//! keeps an answer is told of a namespace before it is read ([`Dependent`]), and that one has changed after it has
//! ([`Account::shares`](super::sql::Account::shares)).
//!
//! Bounds: [`SharedDataConfig`] for keys, values, namespaces and pages, what expired entries a change removes on the
//! side, and those of events; what statements compute is charged as for sql, to whoever calls.

mod error;
mod interface;
mod reach;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use wasmtime::component::Resource;

pub use self::error::{SharedDataError, SharedDataFault};
pub use self::interface::add_to_linker;
pub use self::reach::{Dependent, Own, Reach, Reading};
use super::events::{Draft, EventsView, Notice};
use super::sql::{Beside, Deed, Opened, Shared, SharedChange, SharedPage, TenantDatabase, TransactionHandle};
use crate::bindings::tenon::host::shared_data as wit;
use crate::config::SharedDataConfig;
use crate::id::Namespace;

/// What each change of a namespace that others may read is told as.
pub const TOPIC: &str = "shared-data.changed";

/// The capability's view of a store. A change may be an event as well, so it has what events have.
pub struct SharedDataView<'a> {
    pub events: EventsView<'a>,
    /// The plugin's own namespaces.
    pub owned: &'a [Own],
    /// Those of others that it asks to read.
    pub reads: &'a [Reading],
    pub limits: &'a SharedDataConfig,
    /// Who keeps an answer that this call is a part of.
    pub dependent: Option<Box<dyn Dependent>>,
}

type Fallible<T> = Result<T, SharedDataFault>;

/// Where a namespace lies.
struct Source {
    namespace: Namespace,
    /// None where its owner has none yet.
    database: Option<Arc<TenantDatabase>>,
    /// Keeps others from restoring it while it is read.
    _visit: Option<Opened>,
}

/// An entry that is to be changed.
struct Place<'a> {
    own: &'a Own,
    key: String,
}

impl SharedDataView<'_> {
    /// Opens a namespace to read it.
    async fn open(&mut self, name: &str) -> Result<Source, SharedDataError> {
        self.is_for_a_tenant()?;
        if let Some(own) = self.owned.iter().find(|own| own.namespace.as_str() == name) {
            self.depends_on(&own.namespace);
            let database = self.events.sql.database().await.inspect_err(|_| self.lacks())?;
            return Ok(Source { namespace: own.namespace.clone(), database: Some(database), _visit: None });
        }
        let asked = self.reads.iter().find(|asked| asked.namespace.as_str() == name);
        let Some(Reading { namespace, reach }) = asked else {
            return Err(SharedDataError::undeclared(name, "reads"));
        };
        match reach {
            Reach::Allowed(owner) => {
                self.depends_on(namespace);
                let visit = self.events.sql.visit(owner).await.inspect_err(|_| self.lacks())?;
                let database = visit.as_ref().map(|opened| opened.database.clone());
                Ok(Source { namespace: namespace.clone(), database, _visit: visit })
            }
            Reach::Denied(why) => Err(SharedDataError::Denied(why.clone())),
            Reach::Absent(why) => Err(SharedDataError::Unavailable(why.clone())),
        }
    }

    async fn fetch(&mut self, name: &str, key: &str) -> Result<Option<wit::Entry>, SharedDataError> {
        self.key_fits(key)?;
        let source = self.open(name).await?;
        let Some(database) = &source.database else { return Ok(None) };
        let (now, terms) = (now_ms(), self.events.sql.terms());
        let found = database.shared_fetch(source.namespace.as_str(), key, now, terms).await;
        let Some(found) = found.inspect_err(|_| self.lacks())? else { return Ok(None) };
        self.lasts(found.expires_at_ms, now);
        let expires_in_ms = found.expires_at_ms.map(|at| left_ms(at, now));
        Ok(Some(wit::Entry { value: found.value, version: found.version.unsigned_abs(), expires_in_ms }))
    }

    async fn list(&mut self, name: &str, cursor: Option<String>) -> Result<wit::KeyPage, SharedDataError> {
        let after = cursor.map_or(Ok(0), |cursor| cursor.parse().map_err(|_| SharedDataError::cursor()))?;
        let source = self.open(name).await?;
        let (now, most, terms) = (now_ms(), self.limits.page_keys, self.events.sql.terms());
        let page = match &source.database {
            None => SharedPage::default(),
            Some(database) => {
                let listed = database.shared_list(source.namespace.as_str(), after, most, now, terms).await;
                listed.inspect_err(|_| self.lacks())?
            }
        };
        self.lasts(page.expires_at_ms, now);
        Ok(wit::KeyPage { keys: page.keys, cursor: page.next.map(|number| number.to_string()) })
    }

    /// Changes an entry in a transaction of its own.
    async fn change(&mut self, name: &str, key: String, deed: Deed) -> Result<Shared, SharedDataError> {
        let Place { own, key } = self.place(name, key)?;
        let beside = self.beside(own, &key, &deed)?;
        // Held until the event is written: whoever takes it on is woken then.
        let _publishing = match &beside {
            Some(_) => Some(self.events.enter().await?),
            None => None,
        };
        let (database, limits) = (self.events.sql.database().await?, self.limits);
        let terms = self.events.sql.terms();
        terms.account.shares(&own.namespace);
        let change = SharedChange { namespace: own.namespace.to_string(), key, deed, now_ms: now_ms() };
        let mut transaction = database.begin(terms).await?;
        let done = transaction.share(change, beside, limits, terms.deadline).await?;
        match done {
            Shared::Changed(_) => transaction.commit(terms.deadline).await?,
            Shared::Unchanged | Shared::Lost(_) => transaction.rollback().await,
        }
        Ok(done)
    }

    /// Changes an entry if the transaction commits.
    async fn change_in(
        &mut self,
        transaction: Resource<TransactionHandle>,
        name: &str,
        key: String,
        deed: Deed,
    ) -> Fallible<Shared> {
        let Place { own, key } = self.place(name, key)?;
        let beside = self.beside(own, &key, &deed)?;
        let publishing = match &beside {
            Some(_) => Some(self.events.enter().await.map_err(SharedDataError::from)?),
            None => None,
        };
        let terms = self.events.sql.terms();
        terms.account.shares(&own.namespace);
        let change = SharedChange { namespace: own.namespace.to_string(), key, deed, now_ms: now_ms() };
        let handle = self.events.table.get_mut(&transaction)?;
        if let Some(publishing) = publishing {
            // Until the transaction is over, however it ends.
            handle.publishing.get_or_insert(publishing);
        }
        let done = handle.transaction.share(change, beside, self.limits, terms.deadline).await;
        Ok(done.map_err(SharedDataError::from)?)
    }

    /// The event that tells of a change, where others may read the namespace.
    fn beside(&self, own: &Own, key: &str, deed: &Deed) -> Result<Option<Beside>, SharedDataError> {
        if !own.is_announced {
            return Ok(None);
        }
        let notice = self.events.notice()?;
        let (namespace, key) = (own.namespace.clone(), key.to_owned());
        let expires_at = match deed {
            Deed::Set { expires_at_ms, .. } => expires_at_ms.map(time),
            Deed::Delete => None,
        };
        let is_deleted = matches!(deed, Deed::Delete);
        let refusal = notice.refusal();
        let parameters = Box::new(move |version| {
            let mut data = json!({ "namespace": namespace, "key": key, "version": version, "deleted": is_deleted });
            if let Some(at) = expires_at {
                data["expiresAt"] = json!(at);
            }
            notice.into_values(Draft {
                topic: TOPIC.to_owned(),
                key: Some(format!("{namespace}/{key}")),
                subject: Some(namespace.to_string()),
                data: data.to_string(),
            })
        });
        Ok(Some(Beside { statement: Notice::STATEMENT, parameters, refusal }))
    }
}

/// What has to hold before anything is looked at.
impl<'a> SharedDataView<'a> {
    /// The place of an entry in a namespace of the plugin's own.
    fn place(&self, name: &str, key: String) -> Result<Place<'a>, SharedDataError> {
        self.is_for_a_tenant()?;
        self.key_fits(&key)?;
        match self.owned.iter().find(|own| own.namespace.as_str() == name) {
            Some(own) => Ok(Place { own, key }),
            None if self.reads.iter().any(|asked| asked.namespace.as_str() == name) => {
                Err(SharedDataError::not_owned(name))
            }
            None => Err(SharedDataError::undeclared(name, "owns")),
        }
    }

    fn is_for_a_tenant(&self) -> Result<(), SharedDataError> {
        let why = "there is no tenant: the plugin is being installed or uninstalled";
        if self.events.call.tenant.is_nobody() { Err(SharedDataError::Denied(why.to_owned())) } else { Ok(()) }
    }

    fn key_fits(&self, key: &str) -> Result<(), SharedDataError> {
        let (found, most) = (key.len(), self.limits.key_bytes);
        if found > most {
            return Err(SharedDataError::too_large("key", found, most, "shared_data.key_bytes"));
        }
        match key.is_empty() || key.chars().any(char::is_control) {
            true => Err(SharedDataError::Invalid("a key is no empty text and has no control characters".to_owned())),
            false => Ok(()),
        }
    }

    /// The deed that sets a value, for so many milliseconds.
    fn setting(&self, value: Vec<u8>, ttl_ms: Option<u64>, expected: Option<i64>) -> Result<Deed, SharedDataError> {
        let (found, most) = (value.len(), self.limits.value_bytes);
        if found > most {
            return Err(SharedDataError::too_large("value", found, most, "shared_data.value_bytes"));
        }
        if ttl_ms == Some(0) {
            return Err(SharedDataError::Invalid("a time of 0 milliseconds: delete the key instead".to_owned()));
        }
        let later = |ttl| now_ms().saturating_add(i64::try_from(ttl).unwrap_or(i64::MAX)).min(LATEST_MS);
        Ok(Deed::Set { value, expires_at_ms: ttl_ms.map(later), expected })
    }

    /// Notes that an answer that is kept depends on a namespace from here on.
    fn depends_on(&self, namespace: &Namespace) {
        self.dependent.iter().for_each(|dependent| dependent.reads(namespace));
    }

    /// Notes that what was read is gone at this moment, if it ever is.
    fn lasts(&self, expires_at_ms: Option<i64>, now: i64) {
        if let (Some(dependent), Some(at)) = (&self.dependent, expires_at_ms) {
            dependent.lasts(Duration::from_millis(left_ms(at, now)));
        }
    }

    /// Notes that what was read says less than it could.
    fn lacks(&self) {
        self.dependent.iter().for_each(|dependent| dependent.lacks());
    }
}

/// The last moment that can be written as a time, so that any can be told in an event: the year 9999.
const LATEST_MS: i64 = 253_402_207_200_000;

fn left_ms(at: i64, now: i64) -> u64 {
    u64::try_from(at.saturating_sub(now)).unwrap_or(0)
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

fn time(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_time_can_be_told() {
        assert_eq!(time(LATEST_MS), "9999-12-30T22:00:00Z");
        assert_eq!(time(1_700_000_000_001), "2023-11-14T22:13:20.001Z");
    }
}
