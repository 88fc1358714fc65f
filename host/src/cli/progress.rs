//! What is being waited for, on standard error, once it takes longer than a second.
//!
//! Invariant: nothing is written where standard error is no terminal, and nothing is left on the terminal afterwards.

use std::io::{IsTerminal, Write, stderr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// What is quicker says nothing.
const PATIENCE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(200);
const FRAMES: [char; 4] = ['|', '/', '-', '\\'];

/// A line is shown: work within that work says nothing of its own.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Does the work and meanwhile says what it is, as `starting the plugins`.
pub(super) async fn during<T>(what: &str, work: impl Future<Output = T>) -> T {
    // A terminal that understands nothing but text could not take the line back.
    let plain = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if plain || !stderr().is_terminal() {
        return work.await;
    }
    if SHOWN.swap(true, Ordering::Relaxed) {
        return work.await;
    }
    let done = shown(Line { out: stderr(), steps: 0 }, PATIENCE, what, work).await;
    SHOWN.store(false, Ordering::Relaxed);
    done
}

async fn shown<T>(mut line: Line<impl Write>, patience: Duration, what: &str, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let mut ticks = interval_at(start + patience, STEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = ticks.tick() => line.step(what, start.elapsed()),
        }
    }
}

/// One line of a terminal, taken back when dropped.
struct Line<W: Write> {
    out: W,
    steps: usize,
}

impl<W: Write> Line<W> {
    fn step(&mut self, what: &str, elapsed: Duration) {
        let frame = FRAMES[self.steps % FRAMES.len()];
        self.steps += 1;
        // Whoever closed the terminal need not be told.
        _ = write!(self.out, "\r\x1b[K{frame} {what} ({} s)", elapsed.as_secs());
        _ = self.out.flush();
    }
}

impl<W: Write> Drop for Line<W> {
    fn drop(&mut self) {
        if self.steps > 0 {
            _ = write!(self.out, "\r\x1b[K");
            _ = self.out.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Terminal(Arc<Mutex<Vec<u8>>>);

    impl Write for Terminal {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Terminal {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[tokio::test]
    async fn long_work_is_told_and_leaves_nothing_behind() {
        let terminal = Terminal::default();
        let seen = terminal.clone();
        let work = async {
            while !seen.text().contains("/ moving") {
                tokio::task::yield_now().await;
            }
            7
        };
        let line = Line { out: terminal.clone(), steps: 0 };
        assert_eq!(shown(line, Duration::ZERO, "moving", work).await, 7);
        let text = terminal.text();
        assert!(text.starts_with("\r\x1b[K| moving (0 s)\r\x1b[K/ moving (0 s)"), "{text:?}");
        assert!(text.ends_with("\r\x1b[K"), "{text:?}");
    }

    #[tokio::test]
    async fn quick_work_is_not_told() {
        let terminal = Terminal::default();
        let line = Line { out: terminal.clone(), steps: 0 };
        assert_eq!(shown(line, Duration::from_secs(60), "moving", async { 7 }).await, 7);
        assert_eq!(terminal.text(), "");
    }
}
