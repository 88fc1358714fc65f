//! Requests of plugins to hosts outside: which hosts, with what in them, and what came back.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Tenant};
use crate::canary::visits::visitor::{Visit, Visitor};

pub struct Outbound;

const ASK: &str = "/plugins/fetcher/ask";

#[async_trait(?Send)]
impl Place for Outbound {
    /// Each asks a host of its own, and one that no plugin may ask.
    async fn plant(&self, installation: &Installation, tenant: &mut Tenant) {
        let port = installation.outside.port();
        let [host, path, body] =
            ["a host outside", "a path outside", "a body sent outside"].map(|place| tenant.canaries.hidden(place));
        let sent = json!({ "url": format!("http://{host}.outbound.test:{port}/{path}"), "body": body });
        assert_eq!(tenant.owner.post(ASK, sent).await.data(200)["status"], 200);
        let echoed = json!({ "url": format!("http://api.outbound.test:{port}/echo"), "body": body });
        assert_eq!(tenant.owner.post(ASK, echoed).await.data(200)["text"], body);
        let other = tenant.canaries.hidden("a host that was not granted");
        let refused = json!({ "url": format!("http://{other}.example.com/") });
        assert!(tenant.owner.post(ASK, refused).await.data(200)["error"].is_string());
        tenant.outside = installation.outside.address.to_string();
    }

    /// Asks where the other has asked, without saying anything.
    async fn search(&self, visitor: &Visitor<'_>) {
        let port = visitor.theirs.outside.rsplit(':').next().unwrap_or_default();
        for path in ["", "echo"] {
            let body = json!({ "url": format!("http://api.outbound.test:{port}/{path}"), "body": "" });
            visitor.visit(&Visit { body: Some(body), ..Visit::new(&Method::POST, ASK) }).await;
        }
    }
}
