//! How commands ask a running host.

use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// How long a host may take to answer a command.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where the host is that a command talks to.
#[derive(clap::Args)]
pub(super) struct Connection {
    /// The address of the running host.
    #[arg(long, value_name = "URL", env = "TENON_URL", default_value = "http://127.0.0.1:4000")]
    url: String,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<T>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    message: String,
}

impl Connection {
    /// Reads what lies at `path`, as this tenant.
    ///
    /// # Errors
    ///
    /// When no host answers there, or the host refuses, in its own words.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, tenant: Option<&str>) -> anyhow::Result<T> {
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        // A host is asked directly: it is mostly on this machine, where no proxy reaches it.
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
        let mut request = client.get(&url);
        if let Some(tenant) = tenant {
            request = request.header("X-Tenant-ID", tenant);
        }
        let answer = request.send().await.with_context(|| {
            format!("no host answers at {}: start one with `tenon serve --dev`, or name another with --url", self.url)
        })?;
        let status = answer.status();
        let body = answer.bytes().await?;
        let envelope: Envelope<T> = serde_json::from_slice(&body)
            .with_context(|| format!("{url} answered {status}, but not as a Tenon host does"))?;
        match (envelope.data, envelope.error) {
            (Some(data), None) => Ok(data),
            (_, Some(failure)) => bail!("{}", failure.message),
            (None, None) => bail!("{url} answered {status} without data"),
        }
    }
}
