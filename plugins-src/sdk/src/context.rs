//! Who is calling, for whom, and for how long the answer is awaited.
//!
//! The host vouches for all of it; nothing here comes from the client or from another plugin.

use std::time::Duration;

use crate::bindings::tenon::host::context as host;

pub use host::CallContext;

/// The identity of the running call. It does not change while the call runs, but each call of this
/// function crosses to the host, so keep the answer rather than asking twice.
pub fn current() -> CallContext {
    host::get()
}

/// The time until the host gives this call up; zero once it is over.
pub fn remaining() -> Duration {
    Duration::from_nanos(host::remaining())
}
