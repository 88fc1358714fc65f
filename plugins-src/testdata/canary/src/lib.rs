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

use exports::demo::canary::canary::{Batch, Error, Guest};

wit_bindgen::generate!({
    inline: "
        package canary:plugin;

        world plugin {
            import tenon:host/context@1.0.0;
            import tenon:host/sql@1.0.0;
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
    migrations: ["0001_item" => "../migrations/0001_item.sql"],
}

/// Every operation with its weight. A new capability of the host gets its lines here.
const OPERATIONS: &[(&str, u32, run::Operation)] = &[
    ("context", 14, others::context),
    ("environment", 2, others::environment),
    ("print", 1, others::print),
    ("memory", 1, memory::grow),
    ("statics", 2, memory::statics),
    ("sql query, newest rows", 8, database::newest),
    ("sql query, by id", 18, database::by_id),
    ("sql query, any foreign row", 8, database::foreign),
    ("sql query, aggregate", 6, database::aggregate),
    ("sql query, same text and another parameter", 14, database::parameter),
    ("sql query, value within the statement", 4, database::literal),
    ("sql query, large value", 1, database::large),
    ("sql execute, insert", 3, database::insert),
    ("sql execute, update", 2, database::update),
    ("sql execute, delete the oldest", 2, database::trim),
    ("sql error, constraint", 3, database::constraint),
    ("sql error, not SQL, unknown, denied", 4, database::refused),
    ("sql transaction", 2, database::transaction),
    ("key, get", 8, keyvalue::get),
    ("key, set", 2, keyvalue::set),
    ("key, compare and swap", 1, keyvalue::swap),
    ("key, delete", 1, keyvalue::delete),
    ("keys, list", 1, keyvalue::list),
    ("log", 1, keyvalue::log),
    ("call, context of the callee", 4, others::callee),
    ("call, tables of the callee", 4, others::callee_rows),
    ("call, contacts", 3, others::contacts),
    ("deferred call, context of the callee", 2, others::deferred_callee),
    ("deferred call, dropped", 1, others::dropped),
    ("deferred call, contacts", 2, others::deferred_contacts),
];

struct Canary;

impl Guest for Canary {
    fn run(batch: Batch) -> Result<Vec<(String, u32)>, Error> {
        run::run(batch, OPERATIONS)
    }
}

export!(Canary);
