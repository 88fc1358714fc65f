//! Signals, and that the process ends when it is told to.
//!
//! Invariant: once told to stop, the process ends by a moment that is known, whatever its threads do. A thread that
//! computes or waits for the disk cannot be broken off, and one that never ends must keep neither the executor nor
//! `main`. So signals are heard on a thread of their own, which ends the process when its time is up. What was not
//! finished then is as after `kill -9`: the next start takes back what no transaction had kept.

use std::io;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::config::HttpConfig;
use crate::http::Stop;

/// Time for what comes after the last request: work under way is given back, what was counted is written down.
const LAST: Duration = Duration::from_secs(5);
/// The same after a second signal.
const LAST_AT_ONCE: Duration = Duration::from_secs(3);
/// Longer than anybody waits, and short enough to reckon with.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// What was heard so far. Who has the last of these says with it that there is nothing more to stop in order.
pub(super) struct Signals {
    heard: watch::Receiver<Heard>,
}

#[derive(Clone, Copy, Default)]
struct Heard {
    signals: u32,
    /// Until when work under way is waited for; none before the first signal.
    finish_by: Option<Instant>,
}

impl Signals {
    /// Hears of SIGINT and SIGTERM from now on. The first stops the host in order, the second at once.
    ///
    /// # Errors
    ///
    /// When the system gives no way to hear of signals, or no thread.
    pub(super) async fn hear(config: &HttpConfig) -> anyhow::Result<Self> {
        let grace = config.drain().saturating_add(config.shutdown_grace()).min(LONGEST);
        let (told, heard) = watch::channel(Heard::default());
        let (ready, is_ready) = oneshot::channel();
        let thread = move || match open() {
            Ok((runtime, signals)) => {
                // Whoever asked waits for it.
                _ = ready.send(Ok(()));
                runtime.block_on(listen(signals, &told, grace));
            }
            Err(error) => _ = ready.send(Err(error)),
        };
        std::thread::Builder::new().name("signals".into()).spawn(thread).context("no thread to hear of signals")?;
        is_ready.await?.context("cannot wait for SIGINT and SIGTERM")?;
        Ok(Self { heard })
    }

    /// For those who serve.
    pub(super) fn stop(&self) -> Stop<impl Future<Output = ()> + use<>, impl Future<Output = ()> + use<>> {
        let after = |signals| {
            let mut heard = self.heard.clone();
            async move {
                // The thread that tells never ends.
                _ = heard.wait_for(|heard| heard.signals >= signals).await;
            }
        };
        Stop { stop: after(1), now: after(2) }
    }

    /// Until when work that still goes on is waited for.
    pub(super) fn finish_by(&self) -> Instant {
        self.heard.borrow().finish_by.unwrap_or_else(Instant::now)
    }

    /// Waits for that moment, which a second signal makes this one.
    pub(super) async fn time_is_up(&self) {
        let mut heard = self.heard.clone();
        loop {
            let finish_by = heard.borrow_and_update().finish_by.unwrap_or_else(Instant::now);
            tokio::select! {
                () = sleep_until(finish_by) => return,
                Ok(()) = heard.changed() => {}
            }
        }
    }
}

fn open() -> io::Result<(Runtime, [Signal; 2])> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let within = runtime.enter();
    let signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    drop(within);
    Ok((runtime, signals))
}

async fn listen([mut interrupt, mut terminate]: [Signal; 2], told: &watch::Sender<Heard>, grace: Duration) {
    let mut end = None;
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = at(end) => leave(),
        }
        let now = Instant::now();
        let is_first = end.is_none();
        let (finish_by, last) = match (is_first, told.is_closed()) {
            (true, _) => (now + grace, LAST),
            (false, false) => (now, LAST_AT_ONCE),
            (false, true) => (now, Duration::ZERO),
        };
        match is_first {
            true => tracing::info!("stopping: requests under way are finished first; a second signal stops at once"),
            false => tracing::warn!("stopping at once"),
        }
        // Those who go on signalling put nothing off.
        end = Some(end.map_or(finish_by + last, |end: Instant| end.min(finish_by + last)));
        told.send_modify(|heard| {
            heard.signals = heard.signals.saturating_add(1);
            heard.finish_by = Some(heard.finish_by.map_or(finish_by, |before| before.min(finish_by)));
        });
    }
}

async fn at(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Ends the process as it is.
fn leave() {
    tracing::warn!("the host ends although work goes on in it; what was not finished is taken back at the next start");
    #[expect(
        clippy::disallowed_methods,
        reason = "what has not closed by now may never do it, and `main` waits for it"
    )]
    std::process::exit(0);
}
