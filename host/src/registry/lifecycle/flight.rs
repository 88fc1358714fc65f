//! The one move of a version to a tenant, and those who wait for it.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::sync::oneshot;

use super::{Failure, Lifecycle, NotYet, ON_ACTIVATE, Standing};
use crate::id::{PluginId, TenantId};
use crate::registry::Plugin;
use crate::registry::resolve::Track;
use crate::runtime::{Cause, LinkTable, PluginKey};

/// What is being moved: to whom, and which plugin by its serial number.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<(TenantId, u64), Flight>>);

#[derive(Clone)]
struct Flight {
    plugin: PluginId,
    ended: Shared<BoxFuture<'static, Result<(), NotYet>>>,
    /// Told when what ran before stands in for it; dropped otherwise.
    stood_in_for: Shared<oneshot::Receiver<()>>,
}

/// What a tenant is to have, by the state of its moves that it was chosen from.
pub(in crate::registry) struct Target<'a> {
    pub tenant: &'a TenantId,
    pub links: &'a Arc<LinkTable>,
    /// All that is loaded: what ran before can go on only if it is among it.
    pub loaded: &'a [Arc<Plugin>],
    /// [`Moves::state_of`](super::Moves::state_of) before anything else was looked at.
    pub state: u64,
}

/// For how long somebody waits for a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::registry) enum Patience {
    /// Until the version before stands in for it.
    StandIn,
    /// Until it has ended.
    End,
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<(TenantId, u64), Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end of all that are there now and concern these.
    async fn landed(&self, is_concerned: impl Fn(&TenantId, &PluginId) -> bool) {
        let under_way: Vec<_> = {
            let flights = self.lock();
            let concerned = flights.iter().filter(|((tenant, _), flight)| is_concerned(tenant, &flight.plugin));
            concerned.map(|(_, flight)| flight.ended.clone()).collect()
        };
        futures::future::join_all(under_way).await;
    }
}

impl Flight {
    /// One that has ended.
    fn over(plugin: &PluginId, ended: NotYet) -> Self {
        let (_, stood_in_for) = oneshot::channel();
        let ended = std::future::ready(Err(ended)).boxed().shared();
        Self { plugin: plugin.clone(), ended, stood_in_for: stood_in_for.shared() }
    }

    async fn wait(self, patience: Patience) -> Result<(), NotYet> {
        let stood_in_for = async {
            if patience == Patience::End || self.stood_in_for.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            ended = self.ended => ended,
            () = stood_in_for => Err(NotYet::StoodInFor),
        }
    }
}

impl Lifecycle {
    /// Brings all of these to a tenant, one after the other, as far as they are not there.
    pub(in crate::registry) async fn bring(
        self: &Arc<Self>,
        target: &Target<'_>,
        plugins: &[Arc<Plugin>],
        patience: Patience,
        until: Instant,
    ) -> Result<(), NotYet> {
        for plugin in plugins {
            let Some(flight) = self.flight(target, plugin) else { continue };
            match tokio::time::timeout_at(until.into(), flight.wait(patience)).await {
                Ok(ended) => ended?,
                Err(_) => return Err(NotYet::Moving),
            }
        }
        Ok(())
    }

    /// The one move of a version to a tenant, begun now if nobody has; none if it runs already.
    fn flight(self: &Arc<Self>, target: &Target<'_>, plugin: &Arc<Plugin>) -> Option<Flight> {
        // Looked at under the lock: a move is written down before it leaves the table.
        let mut flights = self.flights.lock();
        let (tenant, id) = (target.tenant, &plugin.key().id);
        if self.moves.runs(tenant, plugin.key()) {
            return None;
        }
        let key = (tenant.clone(), plugin.prepared.serial());
        if let Some(flight) = flights.get(&key) {
            return Some(flight.clone());
        }
        // It may have been replaced since it was chosen, and must not come back.
        if self.moves.state_of(tenant) != target.state {
            return Some(Flight::over(id, NotYet::Changed));
        }
        let not_yet = match self.moves.failed(tenant, plugin.key()) {
            _ if self.is_leaving(plugin) => Some(NotYet::Uninstalling(id.clone())),
            Some(failed) if failed.holds() => Some(match failed.standing {
                Standing::InTheWay => NotYet::Hindered(failed.failure.to_string().into()),
                Standing::Settled | Standing::Passing => NotYet::Failed,
            }),
            _ => None,
        };
        if let Some(not_yet) = not_yet {
            return Some(Flight::over(id, not_yet));
        }
        let flight = self.begin(target, plugin);
        flights.insert(key, flight.clone());
        Some(flight)
    }

    fn begin(self: &Arc<Self>, target: &Target<'_>, plugin: &Arc<Plugin>) -> Flight {
        let (stand_in, stood_in_for) = oneshot::channel();
        let before = self.before(target, plugin.key());
        self.moves.set_under_way(target.tenant, plugin.key());
        let this = self.clone();
        let (tenant, links, moved) = (target.tenant.clone(), target.links.clone(), plugin.clone());
        let key = (tenant.clone(), plugin.prepared.serial());
        let task = tokio::spawn(async move {
            let moving = AssertUnwindSafe(this.move_to(&tenant, &moved, before.as_deref(), &links)).catch_unwind();
            let mut moving = std::pin::pin!(moving);
            let ended = match tokio::time::timeout(this.limits.handover(), &mut moving).await {
                Ok(ended) => ended,
                Err(_) => {
                    if before.is_some() && this.moves.stand_in(&tenant, moved.key()) {
                        _ = stand_in.send(());
                    }
                    moving.await
                }
            };
            let ended = ended.unwrap_or_else(|_| {
                let failure = Failure::new(ON_ACTIVATE, Cause::Host, "the host failed on it");
                Err(this.judge(&tenant, &moved, failure))
            });
            let ended = ended.map_err(|setback| this.not_moved(&tenant, &moved, setback));
            this.moves.end(&tenant, moved.key());
            this.flights.lock().remove(&key);
            ended
        });
        let ended = async move { task.await.unwrap_or(Err(NotYet::Moving)) }.boxed().shared();
        Flight { plugin: plugin.key().id.clone(), ended, stood_in_for: stood_in_for.shared() }
    }

    /// What answers until a version is there: what runs on its track, or else on any, if it is loaded.
    fn before(&self, target: &Target<'_>, plugin: &PluginKey) -> Option<Arc<Plugin>> {
        let running = self.moves.running(target.tenant, &plugin.id);
        let is_of_track = |key: &&PluginKey| Track::of(&key.version) == Track::of(&plugin.version);
        let before = running.iter().find(is_of_track).or(running.last())?;
        target.loaded.iter().find(|known| known.key() == before).cloned()
    }

    /// Waits until no version of a plugin is on its way to anybody. One that is leaving begins no other.
    pub(super) async fn landed(&self, plugin: &PluginId) {
        self.flights.landed(|_, moved| moved == plugin).await;
    }

    /// Waits until no version of a plugin is on its way to a tenant.
    pub(in crate::registry) async fn landed_at(&self, tenant: &TenantId, plugin: &str) {
        self.flights.landed(|moved_to, moved| moved_to == tenant && moved.as_str() == plugin).await;
    }
}
