//! What a plugin does by the clock.
//!
//! When it is to be done stands in the manifest under `schedules`, as `{"name": "nightly", "cron": "0 3 * * *"}`:
//!
//! ```ignore
//! impl Scheduled for Reports {
//!     fn run(tick: Tick) -> Result<(), Failed> {
//!         sql::transaction(|tx| {
//!             if tick.once(tx)? {
//!                 tx.execute("INSERT INTO report (day) VALUES ($1)", params![tick.day()])?;
//!             }
//!             Ok(())
//!         })
//!     }
//! }
//!
//! tenon_plugin::scheduled!(Reports);
//! ```

use std::fmt;

use crate::bindings::tenon::host::events as host;
use crate::events;
use crate::sql::Transaction;

/// One time at which a schedule is due.
#[derive(Debug, Clone)]
pub struct Tick {
    /// Names the run: the same when it is begun again because the host ended in the middle of it.
    pub id: String,
    /// The schedule's name in the manifest.
    pub schedule: String,
    /// When it was due, as RFC 3339 writes it, in UTC; of a run by hand, when it was asked for.
    pub due: String,
    /// The same by the clock of the schedule's time zone.
    pub local: String,
    /// Ticks before this one that have passed without a run; 1000 also stands for more.
    pub passed: u32,
    /// Somebody asked for it.
    pub by_hand: bool,
    /// How often this run was begun, from 1.
    pub attempt: u32,
    pub correlation_id: String,
}

impl Tick {
    /// The day in the schedule's time zone, written `YYYY-MM-DD`.
    pub fn day(&self) -> &str {
        self.local.split_once('T').map_or(&*self.local, |(day, _)| day)
    }

    /// Notes in the transaction that this run is made. False if it was begun before and committed then: everything is done
    /// already.
    pub fn once(&self, transaction: &Transaction) -> events::Result<bool> {
        host::first_time_in(&transaction.0, &self.id).map_err(events::Error::Host)
    }
}

/// Why a run failed. Any error becomes that through `?`.
#[derive(Debug)]
pub struct Failed(String);

impl Failed {
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

// `Failed` is no `Error` itself: so that all others can become one.
impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a plugin does when one of its schedules is due. Exported by [`scheduled!`](crate::scheduled!).
pub trait Scheduled {
    /// Does it. What fails is written down and shown to operators, and is not tried again before the next tick.
    fn run(tick: Tick) -> Result<(), Failed>;
}

/// Exports a type's [`Scheduled`] as `tenon:plugin/scheduled`. The plugin's own world need not speak of it; the crate
/// `wit-bindgen` must be among the plugin's dependencies, as it is for that world.
#[macro_export]
macro_rules! scheduled {
    ($plugin:ident) => {
        mod tenon_scheduled {
            use super::$plugin;

            ::wit_bindgen::generate!({
                inline: "
                    package tenon:plugin@1.0.0;

                    interface scheduled {
                        record tick {
                            id: string,
                            schedule: string,
                            due: string,
                            local: string,
                            passed: u32,
                            by-hand: bool,
                            attempt: u32,
                            tenant: string,
                            correlation-id: string,
                        }

                        run: func(tick: tick) -> result<_, string>;
                    }

                    world with-schedules {
                        export scheduled;
                    }
                ",
            });

            use exports::tenon::plugin::scheduled::{Guest, Tick};

            struct Exported;

            impl Guest for Exported {
                fn run(tick: Tick) -> Result<(), String> {
                    let tick = $crate::Tick {
                        id: tick.id,
                        schedule: tick.schedule,
                        due: tick.due,
                        local: tick.local,
                        passed: tick.passed,
                        by_hand: tick.by_hand,
                        attempt: tick.attempt,
                        correlation_id: tick.correlation_id,
                    };
                    <$plugin as $crate::Scheduled>::run(tick).map_err(|failed| failed.to_string())
                }
            }

            self::export!(Exported);
        }
    };
}
