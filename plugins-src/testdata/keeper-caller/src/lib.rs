//! Calls the keeper, and tells what came of it. It embeds no manifest: a test writes one beside the file.

#![cfg(target_family = "wasm")]

use std::hash::{BuildHasher, RandomState};

use demo::keeper::keeper;
use exports::demo::keeper_caller::caller::{Error, Guest, Told};

wit_bindgen::generate!({
    inline: "
        package keeper-caller:plugin;

        world plugin {
            import demo:keeper/keeper@1.0.0;
            export demo:keeper-caller/caller@1.0.0;
        }
    ",
    path: ["../wit/demo-keeper", "../wit/demo-keeper-caller"],
    generate_all,
});

struct Caller;

impl Guest for Caller {
    fn ask(name: String) -> Result<Told, Error> {
        Ok(told(keeper::look(&name)))
    }

    fn report(name: String) -> Result<Told, Error> {
        Ok(told(keeper::look(&name)))
    }

    fn write(name: String, value: String) -> Result<(), Error> {
        keeper::write(&name, &value, 0).map_err(|error| Error::Unavailable(in_words(error)))
    }

    fn ask_often(name: String, times: u32) -> Result<(u32, String), Error> {
        let (mut answered, mut reason) = (0, String::new());
        for _ in 0..times {
            match keeper::look(&name) {
                Ok(_) => answered += 1,
                Err(error) => reason = in_words(error),
            }
        }
        Ok((answered, reason))
    }

    fn slow(name: String, wait_ms: u64) -> Result<Told, Error> {
        Ok(told(keeper::slow(&name, wait_ms)))
    }
}

fn told(answer: Result<keeper::Seen, keeper::Error>) -> Told {
    let own_drawn = RandomState::new().hash_one(0_u8) >> 11;
    match answer {
        Ok(seen) => {
            Told { value: seen.value, drawn: seen.drawn, own_drawn, calling_plugin: seen.calling_plugin, lacking: None }
        }
        Err(error) => Told { value: None, drawn: 0, own_drawn, calling_plugin: None, lacking: Some(in_words(error)) },
    }
}

fn in_words(error: keeper::Error) -> String {
    match error {
        keeper::Error::NotFound(why) => format!("not-found: {why}"),
        keeper::Error::Denied(why) => format!("denied: {why}"),
        keeper::Error::Unavailable(why) => format!("unavailable: {why}"),
    }
}

export!(Caller);
