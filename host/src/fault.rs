//! Faults on demand, for tests: the host function that a file names panics when it is called, or never returns.
//!
//! There only with the cargo feature `fault-injection`, which a release build refuses; without it [`point`] is empty.
//! With it, the environment variable `TENON_FAULT_FILE` names a file, and whatever [`point`]'s name stands in there
//! panics; with `hang: ` before the name it keeps its thread for ever. It is read each time, so that one host can be
//! led through all its faults while it serves. [`leave`] is the fault of callers.

#[cfg(feature = "fault-injection")]
use std::task::Poll;

#[cfg(all(feature = "fault-injection", not(debug_assertions)))]
compile_error!("the feature `fault-injection` is for tests: it makes host functions panic, so no release has it");

/// A place that may be told to fail. The name is that of the function in its WIT where it has one.
#[cfg(feature = "fault-injection")]
pub(crate) fn point(name: &str) {
    let Some(file) = std::env::var_os("TENON_FAULT_FILE") else { return };
    let Ok(told) = std::fs::read_to_string(file) else { return };
    if told.trim() == name {
        panic!("the fault asked for in {name}");
    }
    if told.trim().strip_prefix("hang: ") == Some(name) {
        tracing::error!(name, "a thread hangs, as a fault asks");
        // As a statement does that SQLite cannot be asked to end.
        loop {
            std::thread::park();
        }
    }
}

/// Nothing, and nothing is left of it.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub(crate) fn point(_name: &str) {}

/// What a request comes to. With `leave: 7` in the file none, once it has waited seven times: it is dropped there, as it
/// is when its caller goes away at that moment.
#[cfg(feature = "fault-injection")]
pub(crate) async fn leave<F: Future>(request: F) -> Option<F::Output> {
    let told = std::env::var_os("TENON_FAULT_FILE").and_then(|file| std::fs::read_to_string(file).ok());
    let waits = told.and_then(|told| told.trim().strip_prefix("leave: ")?.parse::<usize>().ok());
    let Some(mut left) = waits else { return Some(request.await) };
    let mut request = std::pin::pin!(request);
    std::future::poll_fn(|context| {
        let Some(more) = left.checked_sub(1) else { return Poll::Ready(None) };
        let polled = request.as_mut().poll(context).map(Some);
        left = more;
        if polled.is_pending() && left == 0 { Poll::Ready(None) } else { polled }
    })
    .await
}

/// What the request comes to, always.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub(crate) async fn leave<F: Future>(request: F) -> Option<F::Output> {
    Some(request.await)
}

/// A moment at which a unit test may have its own process killed, to see what is on the disk then. It names the moment in
/// `TENON_TEST_KILL_AT`.
#[cfg(test)]
pub(crate) fn moment(name: &str) {
    if std::env::var("TENON_TEST_KILL_AT").is_ok_and(|told| told == name) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // Until the signal has arrived.
        loop {
            std::thread::yield_now();
        }
    }
}

/// Nothing, and nothing is left of it.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn moment(_name: &str) {}
