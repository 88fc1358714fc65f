//! The contract guard: `tenon check`, and a host that holds later versions to what earlier ones promised.

mod check;
mod guard;
mod ledger;
