//! What hyper does not look at by itself: a connection without a first request, an idle HTTP/2 connection, and
//! an HTTP/2 client that is behind with an answer.
//!
//! hyper starts its header timer only once it knows the version, and has none for HTTP/2. Its pings tell
//! whether a client lives, not whether it does anything.

use std::time::Duration;

use super::places::Peer;
use super::waits::Waits;
use crate::config::HttpConfig;

/// When one connection is looked at, and what was seen before.
pub struct Watch {
    /// Until the next look.
    pub next: Duration,
    /// There is nothing more to look at.
    pub over: bool,
    last_chance: bool,
    finishing: bool,
}

/// What is to become of a connection.
pub enum Verdict {
    Serve,
    /// No further request, then the end.
    Finish,
    /// The end now, and why.
    Close(&'static str),
}

impl Watch {
    pub fn new(config: &HttpConfig) -> Self {
        Self { next: period(config), over: false, last_chance: false, finishing: false }
    }

    /// The host stops: a client that has asked for nothing yet has no more than this time to do it.
    pub fn last_chance(&mut self, config: &HttpConfig) {
        (self.next, self.over, self.last_chance) = (config.drain(), false, true);
    }

    pub fn look(&mut self, config: &HttpConfig, peer: &Peer, waits: &Waits) -> Verdict {
        let (idle_max, write_max) = (config.header_read_timeout(), config.write_timeout());
        self.next = period(config);
        if !peer.requested() {
            let late = self.last_chance || peer.unchanged() >= idle_max;
            return if late { Verdict::Close("it sent no request in time") } else { Verdict::Serve };
        }
        if !waits.in_use() {
            self.over = true;
            return if self.last_chance { Verdict::Finish } else { Verdict::Serve };
        }
        if !waits.end_those_behind(write_max) {
            return Verdict::Close("its client is behind with an answer that was given up");
        }
        let idle = if peer.idle() { peer.unchanged() } else { Duration::ZERO };
        if self.finishing && idle >= idle_max + write_max {
            return Verdict::Close("it was idle, and its client did not let it end");
        }
        if !self.finishing && (self.last_chance || idle >= idle_max) {
            self.finishing = true;
            return Verdict::Finish;
        }
        Verdict::Serve
    }
}

/// Between looks, so that neither of the two times is overrun by more than a quarter of the shorter.
fn period(config: &HttpConfig) -> Duration {
    const LOOKS: u32 = 4;

    config.header_read_timeout().min(config.write_timeout()) / LOOKS
}
