//! A standard `wasi:http` component: it is written with `wstd`, embeds no manifest and would run on any host of WASI
//! 0.2. What Tenon needs to know of it stands in `plugin.json`, which lies beside the built file as
//! `<stem>.plugin.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_lite::stream;
use wstd::http::{Body, Error, HeaderMap, Method, Request, Response, StatusCode};

const GREETING: &str = "Hello from a standard wasi:http component";

const CHUNKS: [&str; 4] = ["one\n", "two\n", "three\n", "four\n"];
/// How long it waits before each chunk, so that whoever reads sees them one by one.
const CHUNK_WAIT: Duration = Duration::from_millis(20);

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let (parts, body) = request.into_parts();
    match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/") => answer(StatusCode::OK, "text/plain", GREETING),
        (&Method::GET, "/headers") => {
            answer(StatusCode::OK, "application/json", Body::from_json(&texts(&parts.headers))?)
        }
        (&Method::POST, "/echo") => {
            let mut response = Response::new(body);
            if let Some(kind) = parts.headers.get("content-type") {
                response.headers_mut().insert("content-type", kind.clone());
            }
            Ok(response)
        }
        (&Method::GET, "/stream") => answer(StatusCode::OK, "text/plain", chunks()),
        (_, "/" | "/headers" | "/echo" | "/stream") => {
            answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "this path takes another method")
        }
        (_, path) => answer(StatusCode::NOT_FOUND, "text/plain", format!("there is nothing at {path}")),
    }
}

fn answer(status: StatusCode, kind: &str, body: impl Into<Body>) -> Result<Response<Body>, Error> {
    Ok(Response::builder().status(status).header("content-type", kind).body(body.into())?)
}

/// The headers by name. Those that come several times are joined by commas.
fn texts(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        texts
            .entry(name.to_string())
            .and_modify(|text| {
                text.push_str(", ");
                text.push_str(&value);
            })
            .or_insert_with(|| value.to_string());
    }
    texts
}

fn chunks() -> Body {
    Body::from_stream(stream::unfold(CHUNKS.into_iter(), async |mut chunks| {
        let chunk = chunks.next()?;
        wstd::task::sleep(CHUNK_WAIT.into()).await;
        Some((chunk, chunks))
    }))
}
