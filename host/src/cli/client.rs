//! How commands ask a running host.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap};
use reqwest::{Client, ClientBuilder, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::local;

/// How long a host may take to answer a command.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The same where a plugin may have to be compiled.
const LONG_TIMEOUT: Duration = Duration::from_secs(900);

const DEFAULT_URL: &str = "http://127.0.0.1:4000";

/// Where the host is that a command talks to, and who asks.
#[derive(clap::Args)]
pub(super) struct Connection {
    /// Address of the running host [default: its socket in the data directory, else http://127.0.0.1:4000]
    #[arg(long, value_name = "URL", env = "TENON_URL")]
    url: Option<String>,
    /// API key or token to ask with; not needed over the host's socket
    #[arg(long, value_name = "KEY", env = "TENON_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Data directory of the host, where its socket is
    #[arg(long, value_name = "DIR", env = "TENON_DATA", default_value = "data")]
    data: PathBuf,
    /// The tenant it is about
    #[arg(long, value_name = "TENANT", env = "TENON_TENANT")]
    tenant: Option<String>,
}

/// What a host answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// The envelope of a success.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    #[serde(default, deserialize_with = "crate::json::deserialize")]
    pub(super) data: Value,
    pub(super) next_cursor: Option<String>,
    /// Whatever else stands beside the data.
    #[serde(flatten)]
    pub(super) more: serde_json::Map<String, Value>,
}

/// The host refused, in its own words.
#[derive(Debug, thiserror::Error)]
#[error("{told}")]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    told: String,
}

/// No host answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("no host answers at {place}: start one with `tenon serve`, or name another with --url ({cause})")]
    Nobody { place: String, cause: String },
    /// It was asked, so what was asked for may be done or not.
    #[error("{why}{}", if *.changes { "; it may have been done all the same: `tenon audit` tells" } else { "" })]
    Lost { why: String, changes: bool },
}

#[derive(Deserialize)]
struct Refusal {
    error: Failure,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    code: String,
    message: String,
    #[serde(default)]
    fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    field: String,
    message: String,
}

impl Connection {
    /// The tenant that the command line names.
    ///
    /// # Errors
    ///
    /// When it names none.
    pub(super) fn named_tenant(&self) -> anyhow::Result<&str> {
        let missing = || super::Usage("say which tenant it is about: --tenant acme".to_owned());
        Ok(self.tenant.as_deref().ok_or_else(missing)?)
    }

    /// The host at this address, asked with this key.
    pub(super) fn to(url: String, key: Option<String>) -> Self {
        Self { url: Some(url), key, data: PathBuf::new(), tenant: None }
    }

    /// The host with this data directory, asked over its socket.
    pub(super) fn on_socket(data: PathBuf) -> Self {
        Self { url: None, key: None, data, tenant: None }
    }

    /// Reads what lies at `path`, as a type.
    ///
    /// # Errors
    ///
    /// When no host answers there, or the host refuses, in its own words.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let answer = self.ask(Method::GET, path, None, &[]).await?;
        serde_json::from_value(answer.body.data).with_context(|| format!("{path}: the host answered something else"))
    }

    /// Makes any request; a body goes as JSON.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`] when no host answers there, [`Refused`] when it refuses.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let (client, base) = self.client()?;
        let mut request = self.named(client.request(method, format!("{base}{path}")));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.answered(request).await
    }

    /// Reads what lies at `path` without a word about waiting, for what waits by intent.
    pub(super) async fn get_quietly<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let (client, base) = self.client()?;
        let sent = self.named(client.request(Method::GET, format!("{base}{path}"))).send().await;
        let answer = self.read(sent, false).await?;
        serde_json::from_value(answer.body.data).with_context(|| format!("{path}: the host answered something else"))
    }

    /// Opens what goes on for as long as somebody listens. A host that says nothing for `TIMEOUT` counts as gone.
    ///
    /// # Errors
    ///
    /// When no host answers there, or the host refuses, in its own words.
    pub(super) async fn open(&self, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<reqwest::Response> {
        let (builder, base) = self.builder();
        let client = builder.connect_timeout(TIMEOUT).read_timeout(TIMEOUT).build()?;
        let mut request = self.named(client.get(format!("{base}{path}")));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.map_err(|source| self.no_answer(source, false))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        self.read(Ok(answer), false).await.and_then(|_| bail!("{} did not answer as a Tenon host does", self.place()))
    }

    /// The same without a body, for what takes the host long.
    pub(super) async fn ask_patiently(&self, method: Method, path: &str) -> anyhow::Result<Answer> {
        let (client, base) = self.client()?;
        let request = client.request(method, format!("{base}{path}")).timeout(LONG_TIMEOUT);
        self.answered(self.named(request)).await
    }

    /// Sends a component under its name, with what lies beside it.
    pub(super) async fn upload(
        &self,
        path: &str,
        file_name: &str,
        component: Vec<u8>,
        beside: Vec<(&str, Vec<u8>)>,
    ) -> anyhow::Result<Answer> {
        let (client, base) = self.client()?;
        let (kind, body) = form(file_name, &component, &beside);
        let request = client.post(format!("{base}{path}")).timeout(LONG_TIMEOUT);
        self.answered(self.named(request).header(CONTENT_TYPE, kind).body(body)).await
    }

    /// The tenant that was named.
    pub(super) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// A request that says who asks, and for whom.
    fn named(&self, mut request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        if let Some(tenant) = &self.tenant {
            request = request.header("X-Tenant-ID", tenant);
        }
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        request
    }

    async fn answered(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
        let (client, request) = request.build_split();
        let request = request?;
        let changes = *request.method() != Method::GET;
        self.read(super::progress::during("waiting for the host", client.execute(request)).await, changes).await
    }

    async fn read(&self, sent: reqwest::Result<reqwest::Response>, changes: bool) -> anyhow::Result<Answer> {
        let answer = sent.map_err(|source| self.no_answer(source, changes))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.map_err(|source| self.no_answer(source, changes))?;
        if let Ok(refusal) = serde_json::from_slice::<Refusal>(&body) {
            return Err(Refused { status, told: refusal.error.told(status) }.into());
        }
        let body = serde_json::from_slice(&body)
            .with_context(|| format!("{} answered {status}, but not as a Tenon host does", self.place()))?;
        Ok(Answer { headers, body })
    }

    /// What a request without an answer means.
    fn no_answer(&self, source: reqwest::Error, changes: bool) -> NoAnswer {
        let place = self.place();
        // The innermost says what happened; those around it say that a request was made.
        let causes = std::iter::successors(Some(&source as &dyn std::error::Error), |error| error.source());
        let cause = causes.last().map(ToString::to_string).unwrap_or_default();
        let why = match source.is_timeout() {
            _ if source.is_connect() || source.is_builder() => return NoAnswer::Nobody { place, cause },
            true => format!("the host at {place} has not answered in time"),
            false => format!("the connection to the host at {place} broke off before it had answered ({cause})"),
        };
        NoAnswer::Lost { why, changes }
    }

    /// As most requests need it, and what stands before their paths.
    fn client(&self) -> anyhow::Result<(Client, String)> {
        let (builder, base) = self.builder();
        Ok((builder.timeout(TIMEOUT).build()?, base))
    }

    /// The socket counts where nobody names another place and it is there.
    fn builder(&self) -> (ClientBuilder, String) {
        // A host is asked directly: it is mostly on this machine, where no proxy reaches it.
        let builder = Client::builder().no_proxy();
        match (&self.url, self.socket()) {
            (Some(url), _) => (builder, url.trim_end_matches('/').to_owned()),
            (None, Some(socket)) => (builder.unix_socket(socket), "http://localhost".to_owned()),
            (None, None) => (builder, DEFAULT_URL.to_owned()),
        }
    }

    fn socket(&self) -> Option<PathBuf> {
        Some(local::path(&self.data)).filter(|path| path.exists())
    }

    /// For people.
    pub(super) fn place(&self) -> String {
        match (&self.url, self.socket()) {
            (Some(url), _) => url.clone(),
            (None, Some(socket)) => socket.display().to_string(),
            (None, None) => DEFAULT_URL.to_owned(),
        }
    }
}

/// A component and what lies beside it as the parts of one form: its type, and the body.
fn form(file_name: &str, component: &[u8], beside: &[(&str, Vec<u8>)]) -> (String, Vec<u8>) {
    let boundary = format!("tenon-{}", uuid::Uuid::now_v7().simple());
    let mut body = Vec::with_capacity(component.len() + 4096);
    let parts = beside.iter().map(|(name, bytes)| (*name, bytes.as_slice())).chain([("component", component)]);
    for (name, bytes) in parts {
        let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
        if name == "component" {
            let file_name: String = file_name.chars().filter(|c| !matches!(c, '"' | '\\' | '\r' | '\n')).collect();
            head.push_str(&format!("; filename=\"{file_name}\""));
        }
        head.push_str("\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

impl Answer {
    /// The header of a change to what this answer shows. Empty where nobody has changed it yet.
    pub(super) fn precondition(&self) -> Vec<(&'static str, &str)> {
        let tag = self.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| *tag != "\"0\"");
        tag.map(|tag| ("If-Match", tag)).into_iter().collect()
    }
}

impl Failure {
    fn told(&self, status: StatusCode) -> String {
        if self.code == "tenant_required" {
            return "say which tenant it is about: --tenant acme, or TENON_TENANT".to_owned();
        }
        let mut told = self.message.clone();
        // Of one field the message says it all.
        let fields = self.fields.iter().filter(|field| !self.message.contains(&field.message));
        for Field { field, message } in fields {
            told.push_str(&format!("\n  {field}: {message}"));
        }
        if status == StatusCode::UNAUTHORIZED {
            told.push_str(
                "\n  give a key with --key or TENON_KEY; on the host's own machine its socket needs none (--data)",
            );
        }
        told
    }
}
