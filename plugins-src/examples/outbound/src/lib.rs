//! Exchange: what one euro costs, asked of a service on the internet.

#![cfg(target_family = "wasm")]

use std::time::Duration;

use exports::exchange::rates::rates::{Error, Guest, Rate};
use serde::Deserialize;
use tenon_plugin::http;

wit_bindgen::generate!({
    inline: "
        package exchange:plugin;
        world exchange {
            export exchange:rates/rates@1.0.0;
        }
    ",
    path: "wit",
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

/// What the service answers.
#[derive(Deserialize)]
struct Latest {
    price: String,
}

struct Exchange;

impl Guest for Exchange {
    fn get(currency: String) -> Result<Rate, Error> {
        // What comes from outside is looked at before it becomes a part of an address.
        if currency.len() != 3 || !currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
            return Err(Error::NotFound(format!("{currency:?} is no currency such as USD")));
        }
        let latest: Latest = http::get(format!("https://rates.example.com:8443/latest/{currency}"))
            .header("accept", "application/json")
            .timeout(Duration::from_secs(2))
            .send()?
            .success()?
            .json()?;
        Ok(Rate { currency, price: latest.price })
    }
}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        match error {
            http::Error::Status(404) => Self::NotFound("the service does not know this currency".to_owned()),
            other => Self::Unavailable(format!("the exchange rates: {other}")),
        }
    }
}

export!(Exchange);
