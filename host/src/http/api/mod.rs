//! The host's own API, below `/api/v1`: one file for each kind of thing.

pub mod links;
pub mod plugins;
pub mod services;
