//! Uses everything the host offers, at random, and looks at all that comes back for what belongs to another tenant.
//!
//! All values of a tenant begin with its id, and the ids of a test differ in their last letter alone: so this plugin
//! recognises a foreign value without ever having been told one, and nothing foreign can be in its memory but by a leak.

#![cfg(target_family = "wasm")]

mod database;
mod keyvalue;
mod memory;
mod others;
mod run;
mod shared;
mod signals;

use run::Proof::{Answered, Seen};

use exports::demo::canary::canary::{Batch, Error, Guest};

wit_bindgen::generate!({
    inline: "
        package canary:plugin;

        world plugin {
            import tenon:host/context@1.0.0;
            import tenon:host/sql@1.0.0;
            import tenon:host/events@1.0.0;
            import tenon:host/shared-data@1.0.0;
            import tenon:host/notifications@1.0.0;
            import demo:probe/probe@1.0.0;
            import demo:probe/probe-deferred@1.0.0;
            import crm:contacts/contacts@1.0.0;
            import crm:contacts/contacts-deferred@1.0.0;
            export demo:canary/canary@1.0.0;
        }
    ",
    path: [
        "../../../wit/tenon-host",
        "../../../wit/wasi-io",
        "../../../wit/crm-contacts",
        "../wit/demo-probe",
        "../wit/demo-canary",
    ],
    generate_all,
});

tenon_plugin::embed! {
    manifest: "../plugin.json",
    migrations: [
        "0001_item" => "../migrations/0001_item.sql",
        "0002_heard" => "../migrations/0002_heard.sql",
    ],
}

tenon_plugin::event_handler!(Canary);
tenon_plugin::scheduled!(Canary);

/// Every operation with its weight, and what proves that it did something. A new capability of the host gets its lines
/// here; the test (`host/tests/it/canary/functions.rs`) lists the host's functions and which of these uses each.
const OPERATIONS: &[(&str, u32, run::Proof, run::Operation)] = &[
    ("context", 14, Seen, others::context),
    ("context, the time that is left", 1, Answered, others::remaining),
    ("configuration, one value", 4, Seen, others::setting),
    ("configuration, all values", 2, Seen, others::settings),
    ("environment", 2, Answered, others::environment),
    ("print", 1, Answered, others::print),
    ("memory", 1, Seen, memory::grow),
    ("statics", 2, Answered, memory::statics),
    ("sql query, newest rows", 8, Seen, database::newest),
    ("sql query, by id", 18, Seen, database::by_id),
    ("sql query, any foreign row", 8, Answered, database::foreign),
    ("sql query, aggregate", 6, Seen, database::aggregate),
    ("sql query, same text and another parameter", 14, Seen, database::parameter),
    ("sql query, value within the statement", 4, Seen, database::literal),
    ("sql query, large value", 1, Seen, database::large),
    ("sql execute, insert", 3, Seen, database::insert),
    ("sql execute, update", 2, Answered, database::update),
    ("sql execute, delete the oldest", 2, Answered, database::trim),
    ("sql error, constraint", 3, Seen, database::constraint),
    ("sql error, not SQL, unknown, denied", 4, Answered, database::refused),
    ("sql transaction, committed", 2, Answered, database::committed),
    ("sql transaction, rolled back", 1, Answered, database::rolled_back),
    ("sql transaction, dropped", 1, Answered, database::dropped),
    ("key, get", 8, Seen, keyvalue::get),
    ("key, set", 2, Seen, keyvalue::set),
    ("key, compare and swap", 1, Seen, keyvalue::swap),
    ("key, delete", 1, Answered, keyvalue::delete),
    ("key, exists", 1, Answered, keyvalue::exists),
    ("key, increment", 2, Answered, keyvalue::increment),
    ("keys, several at once", 1, Seen, keyvalue::many),
    ("keys, list", 1, Seen, keyvalue::list),
    ("shared data, get", 8, Seen, shared::get),
    ("shared data, set", 1, Answered, shared::set),
    ("shared data, set in a transaction", 1, Answered, shared::set_in),
    ("shared data, compare and swap", 1, Seen, shared::swap),
    ("shared data, delete", 1, Answered, shared::delete),
    ("shared data, delete in a transaction", 1, Answered, shared::delete_in),
    ("shared data, list", 1, Seen, shared::list),
    ("shared data, of another plugin", 2, Seen, shared::of_crm),
    ("event, publish", 1, Answered, signals::publish),
    ("event, publish in a transaction", 1, Answered, signals::publish_in),
    ("event, for the first time", 1, Seen, signals::first_time),
    ("event, heard", 6, Seen, database::heard),
    ("notification, send", 1, Answered, signals::notify),
    ("notification, send in a transaction", 1, Answered, signals::notify_in),
    ("log", 1, Answered, keyvalue::log),
    ("call, context of the callee", 4, Seen, others::callee),
    ("call, tables of the callee", 4, Seen, others::callee_rows),
    ("call, contacts", 3, Seen, others::contacts),
    ("deferred call, context of the callee", 2, Seen, others::deferred_callee),
    ("deferred call, dropped", 1, Answered, others::dropped),
    ("deferred call, contacts", 2, Seen, others::deferred_contacts),
];

struct Canary;

impl Guest for Canary {
    fn run(batch: Batch) -> Result<Vec<(String, u32)>, Error> {
        run::run(batch, OPERATIONS)
    }
}

export!(Canary);
