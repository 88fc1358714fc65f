//! Tenon runs WebAssembly components as plugins of multi-tenant business software, in one process.
//!
//! A request goes downward through the modules in this order: [`http`] finds tenant and endpoint, [`app`]
//! holds what makes up a host, [`registry`] knows the plugins and who provides what to whom, [`runtime`] runs the call, [`capability`]
//! is what a plugin may import, [`db`] is what the host itself remembers. Imports point down, never up.

pub mod cli;
pub mod config;

pub mod http;

pub mod app;

pub mod registry;

pub mod runtime;

pub mod capability;

pub mod db;

mod bindings;
mod hash;
pub mod id;
