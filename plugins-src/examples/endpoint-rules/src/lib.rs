//! Stock: how many pieces of each item there are. Its manifest limits how often its list may be read, and has answers
//! kept until somebody writes.

#![cfg(target_family = "wasm")]

use exports::stock::items::items::{Error, Guest, Item, ItemPage};
use tenon_plugin::sql::{self, FromRow, Row, params};

wit_bindgen::generate!({
    inline: "
        package stock:plugin;
        world stock { export stock:items/items@1.0.0; }
    ",
    path: "wit",
});

tenon_plugin::embed! {
    manifest: "../plugin.json",
    migrations: ["0001_item" => "../item.sql"],
}

tenon_plugin::service_types! {
    crate::exports::stock::items::items: Error;
}

struct Stock;

impl Guest for Stock {
    fn list() -> Result<ItemPage, Error> {
        let items: Vec<Item> = sql::query_as("SELECT name, pieces FROM item ORDER BY name", &[])?;
        Ok(ItemPage { total: items.len() as u64, items })
    }

    fn get(name: String) -> Result<Item, Error> {
        let found = sql::query_optional("SELECT name, pieces FROM item WHERE name = $1", params![&name])?;
        found.ok_or_else(|| Error::NotFound(format!("there is no item {name:?}")))
    }

    fn put(name: String, pieces: u32) -> Result<Item, Error> {
        let statement =
            "INSERT INTO item (name, pieces) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET pieces = excluded.pieces";
        sql::execute(statement, params![&name, i64::from(pieces)])?;
        Ok(Item { name, pieces })
    }
}

impl FromRow for Item {
    fn from_row(row: &mut Row) -> sql::Result<Self> {
        Ok(Self { name: row.get("name")?, pieces: row.get::<i64>("pieces")? as u32 })
    }
}

export!(Stock);
