//! The host from outside: the real binary, real components, HTTP and the command line.
//!
//! Every test starts a host of its own on a free port, with a scratch directory of its own, so all of them
//! run at once. [`common`] is what they are written with.

mod api;
mod audit;
mod canary;
mod cli;
mod common;
mod contacts;
mod contract;
mod data_versions;
mod deals;
mod disk_full;
mod escapes;
mod events;
mod fairness;
mod files;
mod grants;
mod guides;
mod hops;
mod hostile;
mod hostile_clients;
mod identity;
mod keyvalue;
mod kills;
mod lifecycle;
mod limits;
mod links;
mod loader;
mod logs;
mod manage;
mod outbound;
mod permissions;
mod reports;
mod resilience;
mod resolution;
mod rollouts;
mod rules;
mod schedules;
mod shared_data;
mod sql;
mod sql_time;
mod storage;
mod stream;
mod swaps;
mod tenants;
mod threats;
mod trust;
mod usage;
mod wasi_http;
