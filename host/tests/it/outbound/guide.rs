//! The example of docs/guides/outbound.md.

use rand::RngExt;
use serde_json::json;

use super::names::NameServer;
use super::server::Outside;
use crate::common::{Host, Scratch};

#[tokio::test]
async fn the_example_of_the_guide_asks_for_the_rates_of_the_day() {
    // Its manifest names the port, so each run has an address of its own.
    let [b, c] = [0; 2].map(|_| rand::rng().random_range(1..=254_u8));
    let address = format!("127.3.{b}.{c}");
    let server = Outside::with_tls(&format!("{address}:8443"), include_bytes!("tls/server.pem")).await;
    let names = NameServer::start().await;
    names.set("rates.example.com", &[&[&address]]);

    let mut scratch = Scratch::with_plugins(&["example-outbound"]);
    // A proxy of the environment would be asked in vain: nobody is there.
    scratch.set_environment(&[("HTTPS_PROXY", "http://127.0.0.1:9"), ("ALL_PROXY", "http://127.0.0.1:9")]);
    let ca = scratch.file("ca.pem", include_str!("tls/ca.pem"));
    let config = format!(
        "outbound.resolver = \"{}\"\noutbound.ca_file = {ca:?}\noutbound.allow_private_networks = [\"{address}/32\"]\n",
        names.address
    );
    let file = scratch.file("tenon.toml", &config);
    let host = Host::start(scratch, &["--dev", "--config", file.to_str().unwrap()]).await;
    let answer = host.get("/plugins/exchange/rates/USD").await;
    assert_eq!(answer.data(200), &json!({ "currency": "USD", "price": "1.0842" }));
    host.get("/plugins/exchange/rates/usd").await.refusal(404, "not_found");
    host.get("/plugins/exchange/rates/a%2Fb").await.refusal(404, "not_found");
    assert_eq!(server.requests().len(), 1, "what is no currency is asked for nowhere");
}
