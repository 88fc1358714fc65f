//! The host from outside: the real binary, real components, HTTP and the command line.
//!
//! Every test starts a host of its own on a free port, with a scratch directory of its own, so all of them
//! run at once. [`common`] is what they are written with.

mod api;
mod cli;
mod common;
mod contacts;
mod deals;
mod hops;
mod limits;
mod loader;
mod reports;
mod resolution;
mod sql;
mod tenants;
mod wasi_http;
