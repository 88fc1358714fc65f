//! What calls plugins by itself, without a request.
//!
//! It stands beside `http`, above the registry: it asks which plugins a tenant has, and calls them as the host's own calls
//! are made, without a user. Its calls have places and turns like all others, but only so many at once that requests keep
//! theirs.

pub mod events;
pub mod schedules;

use crate::config::Config;

/// How many calls of one kind go on at once, in all and of one tenant: as many as are wanted, and no more than a quarter
/// of the places. The rest is for requests, however small the pool is.
fn concurrency(all: u32, of_one: u32, config: &Config) -> (usize, usize) {
    let share = |wanted: u32, places: u32| wanted.min(places / 4).max(1) as usize;
    (share(all, config.pool.instances), share(of_one, config.tenant.instances))
}
