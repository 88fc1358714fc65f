//! The host's own events: `tenant.*`, `plugin.*`, `user.*`, `api.*` and `config.*`, told under the source `/host`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::Events;
use crate::capability::events::Draft;
use crate::db::{DbError, NewEvent};
use crate::id::{CorrelationId, TenantId};
use crate::log::chain;
use crate::runtime::{Announcement, Identity};

const SOURCE: &str = "/host";
/// Attempts to write announcements down before they are given up, and the time between.
const ATTEMPTS: u32 = 5;
const AGAIN: Duration = Duration::from_secs(1);
/// Principals whose last request is remembered. When there are more, all are forgotten.
const PRINCIPALS: usize = 10_000;

/// Who has asked lately.
#[derive(Default)]
pub(super) struct Seen {
    /// When, in seconds since 1970, by tenant and principal.
    last: RwLock<HashMap<TenantId, HashMap<String, AtomicI64>>>,
    count: AtomicI64,
}

impl Seen {
    /// Whether a principal asks for a tenant for the first time, or after so many seconds in which it did not.
    fn is_new(&self, tenant: &TenantId, principal: &str, pause_s: u64) -> bool {
        let now = Timestamp::now().as_second();
        let known = self.last.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = known.get(tenant).and_then(|principals| principals.get(principal)) {
            let before = last.swap(now, Ordering::Relaxed);
            return u64::try_from(now - before).is_ok_and(|passed| passed >= pause_s);
        }
        drop(known);
        let mut known = self.last.write().unwrap_or_else(PoisonError::into_inner);
        if self.count.fetch_add(1, Ordering::Relaxed) >= PRINCIPALS as i64 {
            known.clear();
            self.count.store(1, Ordering::Relaxed);
        }
        let principals = known.entry(tenant.clone()).or_default();
        principals.insert(principal.to_owned(), AtomicI64::new(now)).is_none()
    }
}

impl Events {
    /// Notes that a principal has shown who it is. The first request after `events.login_pause_s` without any is a login:
    /// there are no sessions, and each request brings its credential.
    pub fn seen(&self, tenant: &TenantId, principal: &str, request: &CorrelationId) {
        if self.seen.is_new(tenant, principal, self.limits.login_pause_s) {
            let data = json!({ "principal": principal });
            self.runtime.announcements().tell(tenant, "user.login", principal, data, Some(request));
        }
    }

    /// Tells of a request to a plugin, if it is among those that are told of.
    pub fn requested(&self, identity: &Identity, plugin: &str, method: &str, status: u16) {
        let share = self.limits.request_sample_per_mille;
        if share == 0 || rand::random_range(0..1_000) >= share {
            return;
        }
        let second = Timestamp::now().as_second();
        // The second and how many were told of in it, in one number.
        let told = self.requests.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |told| {
            let (at, count) = (told >> 20, told & 0xf_ffff);
            let count = if at == second { count } else { 0 };
            (count < i64::from(self.limits.requests_per_s)).then_some(second << 20 | (count + 1))
        });
        if told.is_ok() {
            let data = json!({ "plugin": plugin, "method": method, "status": status });
            let Identity { tenant, correlation_id, .. } = identity;
            self.runtime.announcements().tell(tenant, "api.request", plugin, data, Some(correlation_id));
        }
    }

    /// Writes down what the host announces, for as long as it runs. It is addressed then, so not before everybody is
    /// there.
    pub(super) async fn announce(&self) {
        self.registry.complete().await;
        loop {
            let (announcements, dropped) = self.runtime.announcements().next().await;
            if dropped > 0 {
                tracing::warn!(dropped, "events of the host's own came faster than they could be written down");
            }
            let mut events = Vec::with_capacity(announcements.len());
            for announcement in announcements {
                self.addressed(announcement, &mut events).await;
            }
            // The ids stay, so nothing is told twice.
            if !written(events.len(), AGAIN, || self.arrive(events.clone())).await {
                continue;
            }
            for event in events.iter().filter(|event| !event.subscribers.is_empty()) {
                if let Ok(tenant) = TenantId::parse(&event.tenant) {
                    self.added(&tenant, event.subscribers.len());
                }
            }
        }
    }

    /// The event of an announcement. One that concerns all is kept once for the operators, and is told to each tenant where
    /// somebody hears it.
    async fn addressed(&self, announcement: Announcement, events: &mut Vec<NewEvent>) {
        let Announcement { tenant, topic, subject, data, correlation_id } = announcement;
        let event = |tenant: &TenantId| {
            let draft = Draft {
                topic: topic.to_owned(),
                key: subject.clone(),
                subject: subject.clone(),
                data: data.to_string(),
            };
            self.new_event(tenant, SOURCE.to_owned(), draft, correlation_id.clone(), 1)
        };
        if let Some(tenant) = tenant {
            events.push(event(&tenant));
            return;
        }
        events.push(NewEvent { subscribers: Vec::new(), ..event(&TenantId::nobody()) });
        let tenants = match self.control.tenant_list().await {
            Ok(tenants) => tenants,
            Err(error) => return tracing::error!(error = chain(&error), topic, "tenants cannot be told of it"),
        };
        let tenants = tenants.into_iter().filter_map(|tenant| TenantId::parse(&tenant.id).ok());
        events.extend(tenants.map(|tenant| event(&tenant)).filter(|event| !event.subscribers.is_empty()));
    }
}

/// Tries to write so many events down, with a pause between two attempts. False when they are given up.
async fn written<F>(count: usize, pause: Duration, mut write: impl FnMut() -> F) -> bool
where
    F: Future<Output = Result<usize, DbError>>,
{
    for attempt in 1..=ATTEMPTS {
        let Err(error) = write().await else { return true };
        let error = chain(&error);
        if attempt == ATTEMPTS {
            tracing::error!(error, count, "events of the host's own could not be written down and are given up");
        } else {
            tracing::error!(error, attempt, "events of the host's own cannot be written down; it is tried again");
            tokio::time::sleep(pause).await;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_new_once_in_a_pause_and_in_each_tenant() {
        let (seen, acme, beta) = (Seen::default(), TenantId::parse("acme").unwrap(), TenantId::parse("beta").unwrap());
        assert!(seen.is_new(&acme, "key:1", 60) && seen.is_new(&beta, "key:1", 60) && seen.is_new(&acme, "key:2", 60));
        assert!(!seen.is_new(&acme, "key:1", 60));
        assert!(seen.is_new(&acme, "key:1", 0), "a pause of nothing is over at once");
    }

    #[tokio::test]
    async fn what_cannot_be_written_down_is_tried_again_and_given_up_in_the_end() {
        for (failing, is_written, attempts) in [(0, true, 1), (4, true, 5), (5, false, 5), (9, false, 5)] {
            let mut asked = 0;
            let write = || {
                asked += 1;
                let failed = DbError::Query { operation: "event_add", source: sqlx::Error::WorkerCrashed };
                std::future::ready(if asked > failing { Ok(1) } else { Err(failed) })
            };
            let done = written(1, Duration::ZERO, write).await;
            assert_eq!((done, asked), (is_written, attempts), "the first {failing} attempts fail");
        }
    }
}
