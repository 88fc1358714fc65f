//! Asking a host over HTTP, as one tenant.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::sse::{Listener, is_stream};

/// Longer than any deadline inside the host, so that a hang shows as what it is.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Asks one host, as one tenant.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    tenant: Option<String>,
    roles: Option<String>,
    key: Option<String>,
}

/// What a host answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Null when the body is no JSON. Numbers are kept as they were written.
    pub json: Value,
    pub text: String,
}

impl Client {
    /// A client that names no tenant, so it is the demo tenant's in dev mode.
    pub fn new(base: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().unwrap();
        Self { http, base: base.to_owned(), tenant: None, roles: None, key: None }
    }

    /// The same host, asked over HTTP/2 without TLS.
    pub fn http2(&self) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).http2_prior_knowledge().build().unwrap();
        Self { http, ..self.clone() }
    }

    /// The same host, asked as this tenant.
    pub fn tenant(&self, tenant: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), ..self.clone() }
    }

    /// The same host, asked as a user with these roles, separated by commas.
    pub fn roles(&self, roles: &str) -> Self {
        Self { roles: Some(roles.to_owned()), ..self.clone() }
    }

    /// The same host, asked with this key or token.
    pub fn key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    /// A request to be filled in and then [asked](ask).
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let named = [("X-Tenant-ID", &self.tenant), ("X-User-Roles", &self.roles)];
        let request = named.into_iter().fold(request, |request, (name, value)| match value {
            Some(value) => request.header(name, value),
            None => request,
        });
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        ask(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        ask(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        ask(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        ask(self.request(Method::DELETE, path)).await
    }

    /// Posts a body as it stands: for numbers that must not be rewritten, and for what is no JSON.
    pub async fn post_text(&self, path: &str, body: impl Into<String>) -> Answer {
        let request = self.request(Method::POST, path).header("Content-Type", "application/json");
        ask(request.body(body.into())).await
    }
}

/// Sends the request and reads the whole answer.
///
/// # Panics
///
/// When no answer comes.
pub async fn ask(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap_or_else(|error| panic!("no answer: {error:?}"));
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    if is_stream(&headers) {
        // It would go on for ever.
        let text = Listener::of(response).past().await;
        return Answer { status, headers, json: Value::Null, text };
    }
    let text = response.text().await.unwrap_or_else(|error| panic!("the answer breaks off: {error:?}"));
    let json = tenon::json::read(text.as_bytes()).unwrap_or(Value::Null);
    Answer { status, headers, json, text }
}

impl Answer {
    /// The `data` of a success with this status.
    #[track_caller]
    pub fn data(&self, status: u16) -> &Value {
        let success = self.status == status && self.json["success"] == true && self.json["error"].is_null();
        assert!(success, "expected a success with {status}: {self:#?}");
        &self.json["data"]
    }

    /// The rows of a list, answered with 200.
    #[track_caller]
    pub fn rows(&self) -> &[Value] {
        self.data(200).as_array().unwrap_or_else(|| panic!("expected a list: {self:#?}"))
    }

    /// This member of every row of a list, as text.
    #[track_caller]
    pub fn column(&self, name: &str) -> Vec<&str> {
        let text = |row: &'_ Value| row[name].as_str().is_some();
        assert!(self.rows().iter().all(text), "expected a text {name:?} in every row: {self:#?}");
        self.rows().iter().filter_map(|row| row[name].as_str()).collect()
    }

    /// How many rows there are in all, whichever page this is.
    #[track_caller]
    pub fn total(&self) -> u64 {
        self.json["total"].as_u64().unwrap_or_else(|| panic!("expected a total: {self:#?}"))
    }

    /// The `error` of a refusal with this status and code.
    #[track_caller]
    pub fn refusal(&self, status: u16, code: &str) -> &Value {
        let error = &self.json["error"];
        let refused = self.status == status && self.json["success"] == false && self.json["data"].is_null();
        assert!(refused && error["code"] == code, "expected a refusal with {status} {code}: {self:#?}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "expected a message: {self:#?}");
        error
    }

    /// The message of a refusal with this status and code.
    #[track_caller]
    pub fn message(&self, status: u16, code: &str) -> &str {
        self.refusal(status, code)["message"].as_str().unwrap_or_default()
    }

    /// The names of the fields that a 422 refuses, in the order they are told.
    #[track_caller]
    pub fn wrong_fields(&self) -> Vec<&str> {
        let fields = self.refusal(422, "invalid")["fields"].as_array();
        let fields = fields.unwrap_or_else(|| panic!("expected wrong fields: {self:#?}"));
        let told = |field: &Value| field["message"].as_str().is_some_and(|text| !text.is_empty());
        assert!(fields.iter().all(told), "expected a message for each field: {self:#?}");
        fields.iter().filter_map(|field| field["field"].as_str()).collect()
    }

    /// A header of the answer; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
