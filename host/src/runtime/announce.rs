//! What happens in the host that plugins may want to hear of, until it is written down as an event.
//!
//! Nothing here waits for a disk. The changes themselves are in the control plane and in the audit log before they are
//! announced, so a host that is killed in between loses a notice and no fact: who has to know for sure asks for the state.
//! Bound: [`MOST`]; what comes beyond it is dropped and counted.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

use crate::id::{CorrelationId, TenantId};

const MOST: usize = 1_000;

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// None for what concerns the whole installation.
    pub tenant: Option<TenantId>,
    pub topic: &'static str,
    pub subject: Option<String>,
    pub data: Value,
    /// Of the request that it happened in, else one of its own.
    pub correlation_id: CorrelationId,
}

/// Those that are not written down yet.
#[derive(Default)]
pub struct Announcements {
    state: Mutex<State>,
    woken: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Announcement>,
    dropped: u64,
}

impl Announcements {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that something happened to one tenant, in a request if it has the id of one.
    pub fn tell(
        &self,
        tenant: &TenantId,
        topic: &'static str,
        subject: impl Into<String>,
        data: Value,
        request: Option<&CorrelationId>,
    ) {
        let (tenant, subject) = (Some(tenant.clone()), Some(subject.into()));
        let correlation_id = request.cloned().unwrap_or_else(CorrelationId::new);
        self.add(Announcement { tenant, topic, subject, data, correlation_id });
    }

    /// Says that something happened to the whole installation.
    pub fn tell_all(&self, topic: &'static str, subject: impl Into<String>, data: Value) {
        let (subject, correlation_id) = (Some(subject.into()), CorrelationId::new());
        self.add(Announcement { tenant: None, topic, subject, data, correlation_id });
    }

    pub fn add(&self, announcement: Announcement) {
        let mut state = self.state();
        match state.waiting.len() < MOST {
            true => state.waiting.push_back(announcement),
            false => state.dropped += 1,
        }
        drop(state);
        self.woken.notify_one();
    }

    /// Waits until there are some. Gives them, and how many were dropped since.
    pub async fn next(&self) -> (Vec<Announcement>, u64) {
        loop {
            {
                let mut state = self.state();
                if !state.waiting.is_empty() {
                    return (state.waiting.drain(..).collect(), std::mem::take(&mut state.dropped));
                }
            }
            self.woken.notified().await;
        }
    }
}
