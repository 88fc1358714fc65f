//! Attacks that need a host, or a look at it, of their own. Those of the tables, all against one host, are a program of
//! their own, `tests/hostile`.

mod aborts;
pub mod faults;
mod load;
mod log;
mod peak;
mod regressions;
mod reuse;
