//! Adds up the rows of another plugin: the caller's half of what `rows` measures.

#![cfg(target_family = "wasm")]

use demo::rows::rows;
use exports::demo::rows_caller::rows_caller::{Error, Guest};

wit_bindgen::generate!({
    inline: "
        package rows-caller:plugin;

        world plugin {
            import demo:rows/rows@1.0.0;
            export demo:rows-caller/rows-caller@1.0.0;
        }
    ",
    path: ["../wit/demo-rows", "../wit/demo-rows-caller"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Caller;

impl Guest for Caller {
    fn total(count: u32) -> Result<i64, Error> {
        match rows::fetch(count) {
            Ok(rows) => Ok(rows.iter().map(|row| row.value).sum()),
            Err(rows::Error::Denied(why)) => Err(Error::Denied(why)),
            Err(rows::Error::Unavailable(why)) => Err(Error::Unavailable(why)),
        }
    }
}

export!(Caller);
