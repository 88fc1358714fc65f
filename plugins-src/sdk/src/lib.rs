//! What a Tenon plugin is written with.
//!
//! A plugin is a component: it exports services described in WIT and calls on the host and on other
//! plugins through imports. This crate gives the host's capabilities a typed face, so that a plugin's
//! source reads like its business:
//!
//! * [`context`]: who is calling, and for how long the answer is awaited;
//! * [`sql`]: the plugin's own tables, for the tenant of the call;
//! * [`fields`]: checking what came in, and naming every field that is wrong at once;
//! * [`decimal`] and [`time`]: exact numbers, and points in time;
//! * [`embed!`]: the manifest and the migrations, carried inside the `.wasm`;
//! * [`service_types!`]: conversions between these types and the ones a service's WIT defines.
//!
//! A plugin generates the bindings of its own world with `wit_bindgen::generate!`; the imports this crate
//! uses join that world by themselves, and those it does not use leave no trace in the component.
//!
//! Every call usually runs in an instance made for it alone. So nothing here works ahead of being asked,
//! keeps caches, or copies what it can move.

pub mod context;
pub mod sql;

pub mod decimal;
pub mod fields;
pub mod time;

mod embed;
mod service;

pub use decimal::Decimal;
pub use fields::Fields;
pub use time::Timestamp;

mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/tenon-host",
        world: "tenon:host/capabilities",
    });
}
