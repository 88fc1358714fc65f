//! Shelf: what is to be bought soon. It asks the stock once more when that does not answer, and says what it knows when it
//! still does not.

#![cfg(target_family = "wasm")]

use std::time::Duration;

use exports::shelf::overview::overview::{Error, Guest, View};
use exports::tenon::plugin::health;
use stock::items::items;
use tenon_plugin::Retry;

wit_bindgen::generate!({
    inline: "
        package shelf:plugin;
        world shelf {
            import stock:items/items@1.0.0;
            export shelf:overview/overview@1.0.0;
            export tenon:plugin/health@1.0.0;
        }
    ",
    path: ["../endpoint-rules/wit", "../../../wit/tenon-plugin", "wit"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

tenon_plugin::service_types! {
    crate::stock::items::items: Unavailable;
}

/// Fewer pieces than this are few.
const FEW: u32 = 3;

struct Shelf;

impl Guest for Shelf {
    fn show() -> Result<View, Error> {
        // Reading twice does no harm, so it may be repeated.
        match Retry::default().attempts(3).pause(Duration::from_millis(40)).run(items::list) {
            Ok(page) => {
                let few = page.items.into_iter().filter(|item| item.pieces < FEW).map(|item| item.name);
                Ok(View { few: Some(few.collect()), error: None })
            }
            Err(items::Error::Denied(why)) => Err(Error::Denied(why)),
            Err(items::Error::Unavailable(why) | items::Error::NotFound(why)) => {
                Ok(View { few: None, error: Some(format!("the stock does not answer: {why}")) })
            }
        }
    }
}

impl health::Guest for Shelf {
    /// Without the stock there is little to show, but this plugin itself is well.
    fn check() -> health::Report {
        match items::list() {
            Err(items::Error::Unavailable(why)) => {
                health::Report { status: health::Status::Degraded, reason: Some(why) }
            }
            _ => health::Report { status: health::Status::Healthy, reason: None },
        }
    }
}

export!(Shelf);
