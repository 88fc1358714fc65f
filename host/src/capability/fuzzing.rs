//! What the fuzz targets drive of this layer: what a name server answers, before any address of it is believed.

pub use super::outbound::dns::{ADDRESSES, Answer, Question, Record};
pub use super::outbound::error::LookupError;
