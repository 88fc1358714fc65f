//! What calls plugins by itself, without a request.
//!
//! It stands beside `http`, above the registry: it asks which plugins a tenant has, and calls them as the host's own calls
//! are made, without a user. Its calls have places and turns like all others, but only so many at once that requests keep
//! theirs.

pub mod events;
pub mod schedules;
