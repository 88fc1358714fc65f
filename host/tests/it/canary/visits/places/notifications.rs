//! Notifications to each kind of recipient, and streams of all that there ever was.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Kind, Tenant};
use crate::canary::visits::visitor::Visitor;
use crate::common::eventually;

pub struct Notifications;

#[async_trait(?Send)]
impl Place for Notifications {
    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        // What a key is called, the host's own way.
        let owner = format!("key:{}", tenant.key.split('_').nth(1).unwrap());
        let recipients = [json!({}), json!({ "role": "owner" }), json!({ "user": owner })];
        for (count, to) in recipients.iter().enumerate() {
            let [title, body, data] = ["a notification's title", "a notification's body", "a notification's data"]
                .map(|place| tenant.canaries.text(place));
            let link = format!("/{}", tenant.canaries.text("a notification's link"));
            let notice = json!({ "kind": "news", "title": title, "body": body, "link": link, "data": data });
            let sent = json!({ "to": to, "notice": notice });
            let sent = tenant.ask_marked(Method::POST, "/plugins/notifier/send", sent).await.data(200).clone();
            let id = sent.as_str().unwrap().to_owned();
            eventually("the notification", async || {
                (tenant.owner.get("/api/v1/notifications").await.rows().len() == count + 1).then_some(())
            })
            .await;
            tenant.given(Kind::Notification, "a notification's id", &id);
        }
    }

    async fn search(&self, visitor: &Visitor<'_>) {
        // From the beginning, and from where the other tenant is.
        for from in ["0-0", "1-1", "99999-99999"] {
            visitor.get(&format!("/api/v1/stream?lastEventId={from}")).await;
            visitor.get(&format!("/api/v1/stream?lastEventId={from}&topics=news.*,*.*")).await;
        }
    }
}
