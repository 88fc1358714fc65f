//! The host's own events: `tenant.*`, `plugin.*`, `user.*`, `api.*` and `config.*`, told under the source `/host`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{Events, told};
use crate::capability::events::Draft;
use crate::db::NewEvent;
use crate::id::TenantId;
use crate::runtime::Announcement;

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
    /// Whether a principal asks for a tenant for the first time in so many seconds.
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
    /// Notes that a principal has shown who it is. The first time in `events.login_pause_s` is a login: there are no
    /// sessions, and each request brings its credential.
    pub fn seen(&self, tenant: &TenantId, principal: &str) {
        if self.seen.is_new(tenant, principal, self.limits.login_pause_s) {
            self.runtime.announcements().tell(tenant, "user.login", principal, json!({ "principal": principal }));
        }
    }

    /// Tells of a request to a plugin, if it is among those that are told of.
    pub fn requested(&self, tenant: &TenantId, plugin: &str, method: &str, status: u16) {
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
            self.runtime.announcements().tell(tenant, "api.request", plugin, data);
        }
    }

    /// Writes down what the host announces, for as long as it runs.
    pub(super) async fn announce(&self) {
        loop {
            let (announcements, dropped) = self.runtime.announcements().next().await;
            if dropped > 0 {
                tracing::warn!(dropped, "events of the host's own came faster than they could be written down");
            }
            let mut events = Vec::with_capacity(announcements.len());
            for announcement in announcements {
                self.addressed(announcement, &mut events).await;
            }
            for attempt in 1..=ATTEMPTS {
                // The tenants are woken for what is new; the ids stay, so nothing is told twice.
                let Err(error) = self.arrive(events.clone()).await else { break };
                tracing::error!(error = told(error), attempt, "events of the host's own cannot be written down");
                tokio::time::sleep(AGAIN).await;
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
            Err(error) => return tracing::error!(error = told(error), topic, "tenants cannot be told of it"),
        };
        let tenants = tenants.into_iter().filter_map(|tenant| TenantId::parse(&tenant.id).ok());
        events.extend(tenants.map(|tenant| event(&tenant)).filter(|event| !event.subscribers.is_empty()));
    }
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
}
