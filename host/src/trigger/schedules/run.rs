//! One run: the plugin's call, and what it means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use wasmtime::component::Val;

use super::{Schedules, clock};
use crate::db::{NewRun, RunOutcome, RunState};
use crate::id::{CorrelationId, PluginId, TenantId};
use crate::registry::manifest::Schedule;
use crate::registry::{Plugin, Served, TenantView};
use crate::runtime::{CallFailure, ExportedFunction, Fault, Unasked, cut, refused};

/// What a failed run is called among a plugin's failures.
const RUN: &str = "run";
/// Time until it is looked again whether a plugin or a place for it is there.
const ABSENT: Duration = Duration::from_secs(2);
/// The longest such time for what is known to come later: an operator can raise a quota before it begins anew.
const UNABLE: Duration = Duration::from_secs(60);

/// What became of a run, and of which version.
pub(super) struct Ran {
    pub version: Option<String>,
    pub outcome: RunOutcome,
}

/// What a run needs that was found in the tenant's view.
struct Found {
    view: Arc<TenantView>,
    plugin: Arc<Plugin>,
    function: Arc<ExportedFunction>,
    schedule: Schedule,
}

impl Schedules {
    /// Runs it, if the plugin is there. `attempt` counts from 1.
    pub(super) async fn carry_out(&self, tenant: &TenantId, run: &NewRun, attempt: i64) -> Ran {
        let end = Instant::now() + self.limits.deadline();
        let Found { view, plugin, function, schedule } = match self.find(tenant, run, end).await {
            Ok(found) => found,
            Err(why) => return Ran { version: None, outcome: not_begun(run, why, ABSENT) },
        };
        let call = Unasked {
            tenant: tenant.clone(),
            correlation_id: correlation_id(run),
            hops: 0,
            hook: RUN,
            links: view.links().clone(),
            deadline: end.saturating_duration_since(Instant::now()),
            cpu: self.limits.cpu(),
        };
        let tick = value(run, attempt, &schedule);
        let answer = self.runtime.call_unasked(&plugin.prepared, &function, call, &[tick]).await;
        self.runtime.reports().handled(plugin.key(), tenant, answer.as_ref().err());
        let outcome = match answer.map(refused) {
            Ok(None) => over(RunState::Done, None),
            Ok(Some(error)) => over(RunState::Failed, Some(error)),
            Err(failure) => match failure.not_begun() {
                Some(pause) => not_begun(run, failure.to_string(), pause.clamp(ABSENT, UNABLE)),
                None => {
                    self.report(tenant, &plugin, run, &failure);
                    over(RunState::Failed, Some(failure.to_string()))
                }
            },
        };
        Ran { version: Some(plugin.key().version.to_string()), outcome }
    }

    async fn find(&self, tenant: &TenantId, run: &NewRun, end: Instant) -> Result<Found, String> {
        let id = PluginId::parse(&run.key.plugin).map_err(|error| error.to_string())?;
        let wait = end.saturating_duration_since(Instant::now());
        let view = self.registry.ready(tenant, id.as_str(), wait).await.map_err(|error| error.to_string())?;
        let plugin = match view.served(id.as_str()) {
            Some(Served::Active(plugin)) => plugin.clone(),
            Some(Served::Inactive { reason, .. }) => return Err(format!("the plugin is not active: {reason}")),
            None => return Err("the plugin is gone".to_owned()),
        };
        let schedule = plugin.manifest.schedules.iter().find(|known| known.name.as_str() == run.key.name);
        match (schedule.cloned(), plugin.scheduled().cloned()) {
            (Some(schedule), Some(function)) => Ok(Found { view, plugin, function, schedule }),
            _ => Err("the plugin has no such schedule any more".to_owned()),
        }
    }

    fn report(&self, tenant: &TenantId, plugin: &Plugin, run: &NewRun, failure: &CallFailure) {
        self.runtime.reports().fault(Fault {
            at: Timestamp::now(),
            plugin: plugin.key().clone(),
            tenant: tenant.clone(),
            hook: RUN,
            message: format!("schedule {}: {failure}", run.key.name),
            backtrace: failure.backtrace().map(str::to_owned),
            correlation_id: Some(run.correlation_id.clone()),
        });
    }
}

/// Whoever asked for it hears why; the clock tries again after a pause, while it is on time.
fn not_begun(run: &NewRun, why: String, pause: Duration) -> RunOutcome {
    match run.asked_by {
        Some(_) => over(RunState::Failed, Some(why)),
        None => RunOutcome::Later { due: clock::after(clock::now(), pause) },
    }
}

pub(super) fn over(state: RunState, mut error: Option<String>) -> RunOutcome {
    error.iter_mut().for_each(cut);
    RunOutcome::Over { state, at: clock::now(), error }
}

fn correlation_id(run: &NewRun) -> CorrelationId {
    CorrelationId::parse(&run.correlation_id).unwrap_or_else(|_| CorrelationId::new())
}

/// The tick as the plugin takes it.
fn value(run: &NewRun, attempt: i64, schedule: &Schedule) -> Val {
    let text = |text: &str| Val::String(text.to_owned());
    let count = |number: i64| Val::U32(u32::try_from(number).unwrap_or(u32::MAX));
    let local = run.tick.to_zoned(schedule.time_zone.zone().clone());
    let fields = [
        ("id", text(&run.id)),
        ("schedule", text(&run.key.name)),
        ("due", text(&run.tick.to_string())),
        ("local", text(&local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())),
        ("passed", count(run.passed)),
        ("by-hand", Val::Bool(run.asked_by.is_some())),
        ("attempt", count(attempt)),
        ("tenant", text(&run.key.tenant)),
        ("correlation-id", text(&run.correlation_id)),
    ];
    Val::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
