//! A typed endpoint without storage against the same handler written for axum.

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::host::{Host, testdata};
use crate::load::{self, Target};
use crate::native;

pub async fn compare() -> anyhow::Result<()> {
    println!("a typed endpoint without storage, fresh instance for each request, against an axum handler");
    let host = Host::start(&[testdata("typed-hello")]).await?;
    let native = native::serve(Router::new().route("/hello/{name}", get(hello))).await?;
    let ours = Target { name: "tenon", address: host.address, method: "GET", path: "/plugins/typed-hello/hello/Ada" };
    let theirs = Target { name: "axum", address: native, method: "GET", path: "/hello/Ada" };
    load::compare(&ours, &theirs, 16).await?;
    load::compare(&ours, &theirs, 1).await
}

async fn hello(Path(name): Path<String>) -> Json<Value> {
    let text = format!("Hello, {name}");
    let length = text.chars().count();
    Json(json!({ "success": true, "data": { "text": text, "length": length } }))
}
