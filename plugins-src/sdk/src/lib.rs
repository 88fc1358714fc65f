//! What a Tenon plugin is written with.
//!
//! A plugin is a component: it exports services described in WIT and calls on the host and on other
//! plugins through imports. This crate gives the host's capabilities a typed face, so that a plugin's
//! source reads like its business:
//!
//! * [`context`]: who is calling, and for how long the answer is awaited;
//! * [`retry`](mod@retry): asking once more for what was not available;
//! * [`sql`]: the plugin's own tables, for the tenant of the call;
//! * [`config`]: what the tenant has set for the plugin;
//! * [`keyvalue`]: values under keys, kept for the tenant;
//! * [`log`]: messages with a level, for operators and the tenant's administrators;
//! * [`events`]: telling other plugins what has happened, and hearing it from them;
//! * [`shared_data`]: small facts that a plugin keeps for others to read;
//! * [`notifications`]: telling people something;
//! * [`http`]: requests to hosts outside;
//! * [`schedules`]: what is to be done by the clock;
//! * [`ids`]: public ids such as `contact-7`, over the numbers in those tables;
//! * [`fields`]: checking what came in, and naming every field that is wrong at once;
//! * [`patch!`]: changing the fields that a change names;
//! * [`decimal`], [`currency`] and [`time`]: exact numbers, how finely money is divided, and points in time;
//! * [`Lifecycle`]: what a plugin does as it comes to a tenant and goes;
//! * [`embed!`]: the manifest and the migrations, carried inside the `.wasm`;
//! * [`service_types!`]: conversions between these types and the ones a service's WIT defines.
//!
//! A plugin generates the bindings of its own world with `wit_bindgen::generate!`; the imports this crate
//! uses join that world by themselves, and those it does not use leave no trace in the component.
//!
//! Every call runs in an instance made for it alone. So nothing here works ahead of being asked,
//! keeps caches, or copies what it can move.

pub mod config;
pub mod context;
pub mod events;
pub mod http;
pub mod ids;
pub mod keyvalue;
pub mod log;
pub mod notifications;
pub mod retry;
pub mod schedules;
pub mod shared_data;
pub mod sql;

pub mod currency;
pub mod decimal;
pub mod fields;
pub mod lifecycle;
pub mod patch;
pub mod time;

mod embed;
mod service;

pub use decimal::Decimal;
pub use events::{Event, EventHandler};
pub use fields::Fields;
pub use ids::Ids;
pub use lifecycle::Lifecycle;
pub use retry::{Retry, retry};
pub use schedules::{Scheduled, Tick};
pub use time::Timestamp;

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package tenon:sdk;

            world plugin {
                include tenon:host/capabilities@1.0.0;
                import wasi:config/store@0.2.0-rc.1;
                import wasi:logging/logging@0.1.0-draft;
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/atomics@0.2.0-draft2;
                import wasi:keyvalue/batch@0.2.0-draft2;
            }
        ",
        path: [
            "../../wit/tenon-host",
            "../../wit/wasi-config",
            "../../wit/wasi-logging",
            "../../wit/wasi-keyvalue",
        ],
        generate_all,
    });
}
