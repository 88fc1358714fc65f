//! What the endpoints that name a function say of it. It holds however the function is called: over HTTP, or by
//! another plugin.
//!
//! Of several endpoints that name one function the strictest counts for all of them: the lowest rate, which they share,
//! and the shortest time to keep answers, if all of them have one. Permissions are [`super::access`]'s.

use std::num::NonZeroU32;
use std::time::Duration;

use super::rates::RateRule;

/// The rules of one function. The default is that of a function which no endpoint names.
#[derive(Default)]
pub struct Rules {
    pub effect: Effect,
    pub rate: Option<RateRule>,
    /// For how long an answer may be given again.
    pub keep_for: Option<Duration>,
}

/// What calling a function does to what other functions of the plugin answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effect {
    /// Nothing: every endpoint that names it reads, and one does.
    Reads,
    /// It may change any of it.
    #[default]
    Writes,
}

/// So many calls a minute.
pub type PerMinute = NonZeroU32;
