//! Values of a configuration that are nested deeper than a reader goes.

use reqwest::Method;
use serde_json::json;

use super::{host, plugin};
use crate::common::{Answer, Client, ask};

const PATH: &str = "/api/v1/plugins/shape/config";

fn shape() -> Vec<u8> {
    let field = |key: &str, secret: bool| json!({"key": key, "type": "json", "label": key, "secret": secret});
    plugin("shape", "1.0.0", json!({"config": [field("shape", false), field("hidden", true), field("other", false)]}))
}

/// Sets the field to a text that is JSON, as it stands.
async fn put(client: &Client, field: &str, value: &str) -> Answer {
    let shown = client.get(PATH).await;
    let request = client.request(Method::PUT, PATH).header("Content-Type", "application/json");
    let request = match shown.header("etag") {
        "\"0\"" => request,
        tag => request.header("If-Match", tag.to_owned()),
    };
    ask(request.body(format!("{{\"values\":{{\"other\":\"kept\",\"{field}\":{value}}}}}"))).await
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[tokio::test]
async fn what_would_not_be_read_back_is_not_written() {
    let mut host = host(&[("shape.wasm", shape())]).await;
    let acme = host.tenant("acme");
    // The library that reads JSON would take the text in it for JSON, and begin to count anew there.
    let hidden = |inner: &str| json!({ "$serde_json::private::RawValue": inner });
    let attacks = [
        nested(33),
        nested(124),
        nested(125),
        nested(126),
        nested(127),
        nested(200),
        nested(100_000),
        "{\"a\":".repeat(40) + "1" + &"}".repeat(40),
    ];
    for (at, value) in attacks.iter().enumerate() {
        for field in ["shape", "hidden"] {
            let refused = put(&acme, field, value).await;
            let fields = refused.wrong_fields();
            assert!(fields[0].chars().count() <= 101, "{fields:?}");
            assert!(fields[0].starts_with(&format!("values.{field}")), "attack {at}: {fields:?}");
            if at == 1 {
                assert_eq!(
                    refused.message(422, "invalid"),
                    "values.shape is nested too deep: at most 32 levels are allowed (tenant.config_depth)"
                        .replace("shape", field)
                );
            }
        }
    }
    assert_eq!(acme.get(PATH).await.header("etag"), "\"0\"", "nothing was written");
    let text = hidden(&nested(127));
    for (field, value) in [("shape", nested(32)), ("hidden", nested(32)), ("shape", text.to_string())] {
        put(&acme, field, &value).await.data(200);
    }
    let shown = acme.get(PATH).await;
    let expected = [text, json!({"set": true}), json!("kept")];
    let values = |answer: &Answer| {
        let fields = answer.data(200)["fields"].as_array().unwrap();
        fields.iter().map(|field| field["value"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(values(&shown), expected);
    host.restart().await;
    assert_eq!(values(&host.tenant("acme").get(PATH).await), expected, "and it is there after a restart");
}
