//! The contract guard: what changed between two versions of what a plugin offers, whom that breaks, and which
//! version number it needs.
//!
//! Pure: no engine, no clock, no disk. The rules are those of the component model as the resolver applies them. A
//! link needs equal types on both sides, so whatever is changed breaks those who call it, and only what is new is
//! compatible.

mod advice;
mod change;
mod compare;
#[cfg(test)]
mod generated;
mod guard;
mod read;
mod remembered;
#[cfg(test)]
mod tests;
pub(super) mod text;
mod walk;

pub use self::advice::{Advice, Weight, next};
pub use self::change::{Change, Flow, Kind, Part, Place};
pub use self::compare::{Offer, Package, PackageChanges};
pub use self::guard::{Breach, BrokenConsumer, BrokenPackage, Consumer, Need, Provider, judge, replaced};
pub use self::read::{Unreadable, read};
pub use self::remembered::{
    Interface, Published, PublishedConsumer, PublishedInterface, PublishedVersion, Remembered, RememberedConsumer,
};
pub use self::text::write;
