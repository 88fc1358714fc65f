//! Answers that are to be kept: as many, as large, and under names as long as one likes.

#![cfg(target_family = "wasm")]

use exports::hostile::flood::flood::{Error, Guest};

wit_bindgen::generate!({
    inline: "
        package hostile:flood-plugin;

        world plugin {
            export hostile:flood/flood@1.0.0;
        }
    ",
    path: "../../wit/hostile-flood",
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Flood;

impl Guest for Flood {
    fn fill(number: u64, bytes: u32) -> Result<String, Error> {
        let mut text = number.to_string();
        text.extend(std::iter::repeat_n('x', (bytes as usize).saturating_sub(text.len())));
        Ok(text)
    }

    fn name(text: String) -> Result<u64, Error> {
        Ok(text.len() as u64)
    }

    fn rarely() -> Result<(), Error> {
        Ok(())
    }
}

export!(Flood);
