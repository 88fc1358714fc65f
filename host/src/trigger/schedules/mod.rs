//! Schedules: what plugins do by the clock.
//!
//! ```text
//! manifests and tenants ─ timetable ─ plan ─▶ a run in the control plane ─▶ the plugin ─▶ what became of it
//! ```
//!
//! Invariants: a tick has one run, of one schedule and tenant one run goes on at a time, and both are rules of the control
//! plane's tables: whichever process claims a tick first has it. Whoever runs something has a lease that is longer than the
//! run can last; when it is over the process is taken to have ended, and another begins the run again. What is decided of a
//! tick is written down before anything is done.
//!
//! Bounds: `schedules.concurrency` runs, of one tenant `schedules.tenant_concurrency`, those by hand among them;
//! [`claim::CLAIMS`] claims at once; [`ASKS`] requests for a run by hand that wait for an answer.

mod by_hand;
mod claim;
mod clock;
mod keep;
mod plan;
mod prune;
mod run;
mod ticks;
mod timetable;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{Mutex, Notify, mpsc, watch};

use self::by_hand::Ask;
pub use self::by_hand::{Begun, ByHand, Refused};
use super::concurrency;
use crate::config::{Config, SchedulesConfig};
use crate::db::ControlPlane;
use crate::registry::Registry;
use crate::registry::manifest::Schedule;
use crate::runtime::Runtime;

const ASKS: usize = 64;

/// Everything that runs by the clock.
pub struct Schedules {
    control: Arc<dyn ControlPlane>,
    runtime: Arc<Runtime>,
    registry: Arc<Registry>,
    limits: SchedulesConfig,
    /// Runs that go on at once, in all and of one tenant.
    concurrency: (usize, usize),
    asks: mpsc::Sender<Ask>,
    asked: Mutex<mpsc::Receiver<Ask>>,
    woken: Notify,
    stopping: watch::Sender<bool>,
    stopped: Notify,
}

impl Schedules {
    pub fn new(
        control: Arc<dyn ControlPlane>,
        runtime: Arc<Runtime>,
        registry: Arc<Registry>,
        config: &Config,
    ) -> Arc<Self> {
        let limits = config.schedules.clone();
        let concurrency = concurrency(limits.concurrency, limits.tenant_concurrency, config);
        let (asks, asked) = mpsc::channel(ASKS);
        let (woken, stopping, stopped) = Default::default();
        let asked = Mutex::new(asked);
        Arc::new(Self { control, runtime, registry, limits, concurrency, asks, asked, woken, stopping, stopped })
    }

    /// Runs what is due for as long as the host runs.
    pub async fn run(self: &Arc<Self>) {
        futures::future::join(self.keep_time(), self.prune()).await;
    }

    /// Begins no more runs, and waits a little for those under way. What does not end until then is given back, so that the
    /// next start need not wait for its lease.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        _ = tokio::time::timeout(2 * keep::LAST, self.stopped.notified()).await;
    }

    /// Has tenants looked at anew: there is a new one.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    /// When a schedule is due next.
    pub fn next(&self, schedule: &Schedule) -> Option<Timestamp> {
        ticks::next(schedule, clock::now())
    }
}
