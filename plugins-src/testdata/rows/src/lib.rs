//! Rows made in memory. With `rows-caller` it measures what passing values from one plugin to another costs, by the host
//! and fused into one component.

#![cfg(target_family = "wasm")]

use exports::demo::rows::rows::{Error, Guest, Row};

wit_bindgen::generate!({
    inline: "
        package rows:plugin;

        world plugin {
            export demo:rows/rows@1.0.0;
        }
    ",
    path: "../wit/demo-rows",
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Rows;

impl Guest for Rows {
    fn fetch(count: u32) -> Result<Vec<Row>, Error> {
        Ok((1..=count).map(row).collect())
    }
}

/// The fields have about the sizes that those of a contact have.
fn row(number: u32) -> Row {
    Row {
        id: number.into(),
        name: format!("Person Number {number}"),
        company: (!number.is_multiple_of(4)).then(|| format!("Company {}", number % 50)),
        value: i64::from(number % 1_000) * 125 - 25_000,
        tags: vec!["customer".to_owned(), format!("region-{}", number % 8)],
    }
}

export!(Rows);
