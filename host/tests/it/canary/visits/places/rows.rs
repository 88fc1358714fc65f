//! Rows of plugins: contacts, deals and notes.

use async_trait::async_trait;
use serde_json::json;

use super::Place;
use crate::canary::visits::tenants::{Installation, Kind, Tenant};
use crate::canary::visits::visitor::Visitor;

pub struct Rows;

#[async_trait(?Send)]
impl Place for Rows {
    async fn plant(&self, _: &Installation, tenant: &mut Tenant) {
        let mut text = || tenant.canaries.text("a contact");
        let contact = json!({
            "firstName": text(), "lastName": text(), "email": format!("{}@example.com", text()), "phone": text(),
            "company": text(), "position": text(), "tags": [text()],
        });
        let made = tenant.owner.post("/plugins/crm/contacts", contact).await;
        let contact = made.data(201)["id"].as_str().unwrap().to_owned();
        let (title, description) = (tenant.canaries.text("a deal"), tenant.canaries.text("a deal"));
        let deal = json!({"title": title, "description": description, "value": 7, "contactId": contact});
        let made = tenant.owner.post("/plugins/crm/deals", deal).await;
        tenant.named(Kind::Row, made.data(201)["id"].as_str().unwrap());
        tenant.named(Kind::Row, &contact);
        let note = tenant.canaries.text("a note");
        tenant.owner.post("/plugins/phases/note", json!({ "text": note })).await.data(200);
    }

    async fn search(&self, visitor: &Visitor<'_>) {
        let their = &visitor.theirs.id;
        for list in ["contacts", "deals"] {
            for query in [format!("search={their}"), format!("tags={their}"), "search=example.com&take=100".to_owned()]
            {
                visitor.get(&format!("/plugins/crm/{list}?{query}")).await;
            }
        }
        visitor.get(&format!("/plugins/hello/{their}?name={their}")).await;
        visitor.get("/plugins/hello/headers").await;
    }
}
