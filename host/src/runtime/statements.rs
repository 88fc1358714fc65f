//! Statements of plugins on threads of their own: who pays for them, and whose goes on.
//!
//! A statement that waits for the disk or computes for long must not hold the executor, so it runs on a blocking
//! thread, where no poll measures it. What it computes there is charged to the tenant at every tick and at its end,
//! and counted for the request (`limits.sql_cpu_ms`): waiting for the disk is neither.
//!
//! Of one tenant at most `tenant.sql_threads` run at a time. While the tenant is over its share, each needs a turn
//! ([`super::turns`]) for its next tick, out of those of the executor that serves the request: so a tenant's statements
//! and its plugins' code together have no more of the processors than its plugins' code alone would. A thread holds its
//! turn for one tick, gives it back before it waits for the disk, and needs nothing that somebody without a turn
//! holds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use super::Runtime;
use super::changes::Source;
use super::clock::{CpuAllowance, thread_nanos};
use super::turns::Turn;
use crate::capability::sql::{Account, Run, Spent, Work};
use crate::id::{Namespace, PluginId};

/// What one call may have for its statements.
#[derive(Clone)]
pub(super) struct Statements {
    runtime: Arc<Runtime>,
    cpu: CpuAllowance,
    /// Whose tables they change; none for what the host does of itself.
    plugin: Option<PluginId>,
    /// The namespaces of shared data that the call changes.
    shared: Arc<Mutex<Vec<Namespace>>>,
}

impl Statements {
    pub(super) fn new(runtime: &Arc<Runtime>, cpu: &CpuAllowance, plugin: Option<&PluginId>) -> Arc<Self> {
        Arc::new(Self { runtime: runtime.clone(), cpu: cpu.clone(), plugin: plugin.cloned(), shared: Arc::default() })
    }

    fn run(&self, work: Option<Work>, permit: Option<OwnedSemaphorePermit>) -> Box<Running> {
        let began = thread_nanos();
        Box::new(Running { statements: self.clone(), work, began, looked: None, turn: None, _permit: permit })
    }

    fn left(&self, work: Option<Work>) -> Result<(), Spent> {
        match work {
            Some(Work::Statement) if self.cpu.statements_spent() => {
                Err(Spent { limit_ms: self.runtime.limits.sql_cpu_ms })
            }
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for Statements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statements").field("tenant", self.cpu.clock().tenant().id()).finish_non_exhaustive()
    }
}

impl Account for Statements {
    fn admit(&self, work: Work) -> BoxFuture<'static, Result<Box<dyn Run>, Spent>> {
        let this = self.clone();
        Box::pin(async move {
            this.left(Some(work))?;
            // Never closed; and without it there would be one bound less, not a statement less.
            let permit = this.cpu.clock().tenant().sql_threads.clone().acquire_owned().await.ok();
            Ok(this.run(Some(work), permit) as Box<dyn Run>)
        })
    }

    fn roll_back(&self) -> Box<dyn Run> {
        self.run(None, None)
    }

    fn shares(&self, namespace: &Namespace) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if !shared.contains(namespace) {
            shared.push(namespace.clone());
        }
    }

    fn wrote(&self) {
        let Some(plugin) = &self.plugin else { return };
        let changes = &self.cpu.clock().tenant().changes;
        changes.note(&Source::Plugin(plugin.clone()));
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.iter().for_each(|namespace| changes.note(&Source::Namespace(namespace.clone())));
    }
}

/// One statement on its thread.
#[derive(Debug)]
struct Running {
    statements: Statements,
    /// None for what is done in any case.
    work: Option<Work>,
    /// The thread's processor time up to which it is charged.
    began: u64,
    /// When the thread's clock was read last, which takes ten times as long as the wall's.
    looked: Option<Instant>,
    turn: Option<Turn>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Running {
    fn used(&self) -> Duration {
        Duration::from_nanos(thread_nanos().saturating_sub(self.began))
    }

    /// Charges what was used since it last was.
    fn settle(&mut self) {
        let used = self.used();
        self.began = thread_nanos();
        let clock = self.statements.cpu.clock();
        match self.work {
            Some(Work::Statement) => clock.charge_statement(used),
            _ => clock.tenant().charge(used),
        }
    }
}

impl Run for Running {
    fn begin(&mut self) {
        self.began = thread_nanos();
    }

    fn go_on(&mut self, is_due: &dyn Fn() -> bool) -> Result<(), Spent> {
        let tick = self.statements.runtime.limits.epoch_tick();
        if let Some(looked) = self.looked {
            // The thread's clock cannot have gone further than the wall's.
            if looked.elapsed() < tick {
                return Ok(());
            }
            self.looked = Some(Instant::now());
            if self.used() < tick {
                return Ok(());
            }
        }
        self.looked = Some(Instant::now());
        self.settle();
        self.turn = None;
        self.statements.left(self.work)?;
        let Statements { runtime, cpu, .. } = &self.statements;
        self.turn = runtime.turns.wait_here(cpu.clock().tenant(), is_due);
        Ok(())
    }

    fn pay(&mut self) -> Result<(), Spent> {
        self.settle();
        self.statements.left(self.work)
    }

    fn waits(&mut self) {
        self.turn = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.settle();
    }
}
