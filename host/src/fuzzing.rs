//! Doors for the fuzz targets in `fuzz/`: stages that are private otherwise, and nothing with logic of its own.
//!
//! Only the feature `fuzzing` opens them, which no other package asks for.

pub use crate::capability::fuzzing as capability;
pub use crate::http::fuzzing as http;
pub use crate::registry::fuzzing as registry;
pub use crate::runtime::fuzzing as runtime;
