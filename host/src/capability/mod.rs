//! What plugins can import from the host, one file for each WIT interface.
//!
//! Every file has the same order: context, borrowed view, the implementation, `add_to_linker`. A
//! capability knows the tenant and the plugin from the context it was made with and from nowhere else.

pub mod config;
pub mod console;
pub mod context;
pub mod events;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod keyvalue;
pub mod logging;
pub mod notifications;
pub mod outbound;
pub mod shared_data;
pub mod sql;
