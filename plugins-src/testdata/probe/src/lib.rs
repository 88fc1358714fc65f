//! Does what plugins should not, at a test's word: traps, hangs, uses up memory and stack, runs any SQL, asks for any
//! URL. It also tells what a plugin sees of the host.

#![cfg(target_family = "wasm")]

mod outgoing;
mod stack;
mod statements;

use exports::demo::probe::probe::{CallContext, Error, Guest};
use exports::demo::silent::silent;
use tenon_plugin::context;
use wasip2::clocks::monotonic_clock;

wit_bindgen::generate!({
    inline: "
        package probe:plugin;

        world plugin {
            import tenon:host/sql@1.0.0;
            export demo:probe/probe@1.0.0;
            export demo:silent/silent@1.0.0;
        }
    ",
    path: ["../../../wit/tenon-host", "../../../wit/wasi-io", "../wit/demo-probe", "../wit/demo-silent"],
    generate_all,
});

tenon_plugin::embed! {
    manifest: "../plugin.json",
    migrations: ["0001_note" => "../migrations/0001_note.sql"],
}

struct Probe;

impl Guest for Probe {
    fn trap() -> Result<(), Error> {
        panic!("the probe was asked to trap");
    }

    fn sleep(milliseconds: u64) -> Result<(), Error> {
        wait(milliseconds);
        Ok(())
    }

    fn spin() -> Result<(), Error> {
        loop {
            std::hint::spin_loop();
        }
    }

    fn allocate(mebibytes: u32) -> Result<u32, Error> {
        let memory = vec![1_u8; (mebibytes as usize).saturating_mul(1 << 20)];
        std::hint::black_box(&memory);
        Ok(mebibytes)
    }

    fn recurse() -> Result<u64, Error> {
        Ok(stack::descend(u64::MAX))
    }

    fn big(bytes: u32) -> Result<String, Error> {
        Ok("x".repeat(bytes as usize))
    }

    fn context() -> Result<CallContext, Error> {
        let seen = context::current();
        Ok(CallContext {
            tenant: seen.tenant,
            user: seen.user,
            workspace: seen.workspace,
            roles: seen.roles,
            calling_plugin: seen.calling_plugin,
            correlation_id: seen.correlation_id,
            depth: seen.depth,
            remaining_nanoseconds: context::remaining().as_nanos().try_into().unwrap_or(u64::MAX),
        })
    }

    fn query(statement: String, parameters: Vec<String>) -> Result<Vec<Vec<Option<String>>>, Error> {
        statements::query(&statement, parameters)
    }

    fn execute(statement: String, parameters: Vec<String>) -> Result<u64, Error> {
        statements::execute(&statement, parameters)
    }

    fn transact(statements: Vec<String>, commit: bool) -> Result<u64, Error> {
        let (transaction, changed) = statements::begin(&statements)?;
        if commit {
            statements::commit(transaction)?;
        }
        Ok(changed)
    }

    fn hold(statements: Vec<String>, milliseconds: u64) -> Result<(), Error> {
        let (_transaction, changed) = statements::begin(&statements)?;
        wait(milliseconds);
        panic!("the probe was asked to trap while its transaction has {changed} changes");
    }

    fn fetch(url: String) -> Result<String, Error> {
        outgoing::get(&url).map_err(Error::Http)
    }
}

impl silent::Guest for Probe {
    fn fail() -> Result<String, String> {
        panic!("the probe was asked to fail without a word");
    }
}

fn wait(milliseconds: u64) {
    monotonic_clock::subscribe_duration(milliseconds.saturating_mul(1_000_000)).block();
}

export!(Probe);
