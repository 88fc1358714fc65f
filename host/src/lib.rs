//! Tenon runs WebAssembly components as plugins of multi-tenant business software, in one process.
//!
//! A request goes downward through the modules in this order: [`http`] finds tenant and endpoint, [`app`] holds what
//! makes up a host, [`trigger`] calls plugins by itself, [`stream`] tells people what happens, [`access`] tells whose a
//! credential is, [`registry`] knows the plugins and who provides what to whom, [`runtime`] runs the call,
//! [`capability`] is what a plugin may import, [`db`] is what the host itself remembers. Imports point down, never up.

pub mod cli;
pub mod config;

pub mod http;

pub mod app;

pub mod trigger;

pub mod stream;

pub mod access;

pub mod registry;

pub mod runtime;

pub mod capability;

pub mod db;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

mod bindings;
mod fault;
mod hash;
pub mod id;
pub mod json;
mod log;
mod path;
pub mod permission;
pub mod seal;
mod secret;
mod tls;
pub mod usage;
