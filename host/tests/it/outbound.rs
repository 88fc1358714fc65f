//! Requests of plugins to hosts outside: which come about, which never leave the host, and what they can take.
//!
//! [`world`] is a host with a plugin that asks whatever it is told, a name server that answers what the test says, and
//! servers on loopback addresses. What must not be connected to is counted at the socket.

mod bounds;
mod corpus;
mod exchange;
mod grants;
mod guide;
pub mod names;
mod rebinding;
pub mod server;
mod shares;
mod tls;
pub mod world;
