//! Reads and writes under names, and tells each call apart. It embeds no manifest: a test writes one beside the file,
//! and so decides which rules each function has.

#![cfg(target_family = "wasm")]
#![expect(clippy::disallowed_methods, reason = "in a component it is the host that waits, and blocks nobody")]

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use exports::demo::keeper::keeper::{Error, Guest, Seen};
use tenon_plugin::context;
use tenon_plugin::sql::{self, params};

wit_bindgen::generate!({
    inline: "
        package keeper:plugin;

        world plugin {
            export demo:keeper/keeper@1.0.0;
        }
    ",
    path: "../wit/demo-keeper",
});

tenon_plugin::service_types! {
    crate::exports::demo::keeper::keeper: Error;
}

struct Keeper;

impl Guest for Keeper {
    fn look(name: String) -> Result<Seen, Error> {
        seen(&name)
    }

    fn look_again(name: String) -> Result<Seen, Error> {
        seen(&name)
    }

    fn write(name: String, value: String, wait_ms: u64) -> Result<(), Error> {
        write(&name, &value)?;
        std::thread::sleep(Duration::from_millis(wait_ms));
        Ok(())
    }

    fn sneak(name: String, value: String) -> Result<(), Error> {
        write(&name, &value)
    }

    fn slow(name: String, wait_ms: u64) -> Result<Seen, Error> {
        let seen = seen(&name)?;
        std::thread::sleep(Duration::from_millis(wait_ms));
        match name.as_str() {
            "missing" => Err(Error::NotFound("there is none".to_owned())),
            "trap" => panic!("as it was asked to"),
            _ => Ok(seen),
        }
    }

    fn large(number: u32, bytes: u32) -> Result<String, Error> {
        let mut text = number.to_string();
        text.extend(std::iter::repeat_n('x', (bytes as usize).saturating_sub(text.len())));
        Ok(text)
    }
}

fn seen(name: &str) -> Result<Seen, Error> {
    let call = context::current();
    let value = sql::query_optional("SELECT value FROM entry WHERE name = $1", params![name])?;
    let drawn = RandomState::new().hash_one(0_u8) >> 11;
    Ok(Seen {
        value,
        tenant: call.tenant,
        user: call.user,
        roles: call.roles,
        calling_plugin: call.calling_plugin,
        drawn,
    })
}

fn write(name: &str, value: &str) -> Result<(), Error> {
    let statement =
        "INSERT INTO entry (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    sql::execute(statement, params![name, value])?;
    Ok(())
}

// Not `embed!`, which embeds a manifest.
tenon_plugin::__section!("tenon:migration:0001_entry", "../entry.sql");

export!(Keeper);
