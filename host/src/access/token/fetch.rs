//! Fetching the issuer's key set over HTTPS.
//!
//! Bounds: one request of `auth.jwt.jwks_timeout_ms` and `auth.jwt.jwks_bytes`. No redirect is followed, because the
//! operator named one address, and no proxy of the environment is asked.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::log::chain;
use crate::tls;

/// Asks one address.
pub(super) struct Fetch {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    url: String,
    timeout: Duration,
    most: usize,
}

impl Fetch {
    /// `ca_file` may be empty.
    ///
    /// # Errors
    ///
    /// When the certificates cannot be read, in words.
    pub(super) fn new(url: &str, ca_file: &Path, timeout: Duration, most: usize) -> Result<Self, String> {
        let config = tls::client(tls::of_file(ca_file)?)?;
        // Plain http passes for loopback addresses alone, as the configuration was checked.
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { client, url: url.to_owned(), timeout, most })
    }

    /// What lies at the address now.
    ///
    /// # Errors
    ///
    /// In words, without the content.
    pub(super) async fn get(&self) -> Result<Vec<u8>, String> {
        let request = Request::get(&self.url)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("tenon/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let fetched = async {
            let answer = self.client.request(request).await.map_err(|error| chain(&error))?;
            if answer.status() != StatusCode::OK {
                return Err(format!("it answers {}", answer.status()));
            }
            let body = Limited::new(answer.into_body(), self.most).collect().await;
            Ok(body.map_err(|error| format!("its answer cannot be read: {error}"))?.to_bytes().to_vec())
        };
        tokio::time::timeout(self.timeout, fetched)
            .await
            .map_err(|_| format!("it does not answer within {:?}", self.timeout))?
    }
}
