//! Letterhead: reads every type of setting.

#![cfg(target_family = "wasm")]

use exports::letterhead::letters::letters::{Error, Guest, Letter};
use tenon_plugin::config;

wit_bindgen::generate!({
    inline: "
        package letterhead:plugin;
        world letterhead { export letterhead:letters/letters@1.0.0; }
    ",
    path: ["wit"],
});

tenon_plugin::embed! { manifest: "../plugin.json" }

tenon_plugin::service_types! {
    crate::exports::letterhead::letters::letters: Error;
}

struct Letterhead;

#[derive(serde::Deserialize)]
struct Place {
    city: String,
    phone: String,
}

impl Guest for Letterhead {
    fn write(body: String) -> Result<Letter, Error> {
        let company = config::text("companyName")?;
        let lines: usize = config::number("maxLines")?;
        let languages = config::list("languages")?;
        let places: Vec<Place> = config::optional(config::json("places"))?.unwrap_or_default();
        let foot = config::flag("withFoot")?.then(|| foot(&places));
        let has_printer = config::optional(config::text("printerKey"))?.is_some();

        let head = format!("{company} ({}){}", languages.join(", "), if has_printer { ", printed" } else { "" });
        let body = body.lines().take(lines).collect::<Vec<_>>().join("\n");
        Ok(Letter { head, body, foot })
    }
}

fn foot(places: &[Place]) -> String {
    places.iter().map(|place| format!("{} {}", place.city, place.phone)).collect::<Vec<_>>().join(" | ")
}

export!(Letterhead);
