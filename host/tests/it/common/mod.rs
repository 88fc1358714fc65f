//! What the tests are written with.
//!
//! [`Host::with_plugins`] is the usual beginning: a running host, which is also a [`Client`] of it.
//! Below it lie [`Scratch`], the directories of one host, and [`Process`], the started binary, for tests
//! that choose the command line themselves. Nothing here sleeps to wait for something: it polls, and every
//! wait has a deadline.

pub mod bystander;
mod client;
mod code_cache;
mod host;
pub mod memory;
mod process;
mod rounds;
mod scratch;
mod sse;
pub mod stolen;
mod tmpfs;
mod wait;

pub use self::client::{Answer, Client, ask};
pub use self::host::Host;
pub use self::process::{Output, Process, output};
pub use self::rounds::rounds;
pub use self::scratch::{Scratch, repository};
pub use self::sse::{Listener, Message};
pub use self::tmpfs::Tmpfs;
pub use self::wait::{DEADLINE, eventually, within};
