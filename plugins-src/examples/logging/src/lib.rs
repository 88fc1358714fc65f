//! Importer: says what it does, and at which level.

#![cfg(target_family = "wasm")]

use exports::importer::imports::imports::{Error, Guest, Summary};
use tenon_plugin::log::{self, Log};

wit_bindgen::generate!({
    inline: "
        package importer:plugin;
        world importer { export importer:imports/imports@1.0.0; }
    ",
    path: ["wit"],
});

tenon_plugin::embed! { manifest: "../plugin.json" }

const PARSE: Log = Log::of("parse");

struct Importer;

impl Guest for Importer {
    fn take(text: String) -> Result<Summary, Error> {
        let mut summary = Summary { taken: 0, refused: 0 };
        for (number, line) in text.lines().enumerate() {
            match line.parse::<f64>() {
                Ok(value) => {
                    PARSE.debug(format_args!("line {number}: {value}"));
                    summary.taken += 1;
                }
                Err(error) => {
                    PARSE.warn(format_args!("line {number}: {line:?} is no number: {error}"));
                    summary.refused += 1;
                }
            }
        }
        if summary.taken == 0 {
            log::error("nothing could be read");
        }
        println!("took {} of {}", summary.taken, summary.taken + summary.refused);
        Ok(summary)
    }
}

export!(Importer);
