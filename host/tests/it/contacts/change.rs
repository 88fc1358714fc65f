//! Changing and removing contacts.

use serde_json::json;

use super::{CONTACTS, add, crm, john_doe, path};

#[tokio::test]
async fn an_update_changes_what_it_names_and_the_time_of_the_update() {
    let host = crm().await;
    let answer = host.put(&path("contact-1"), json!({"position": "Chair", "email": "john@acme.com"})).await;
    let changed = answer.data(200).clone();
    let mut expected = john_doe();
    expected["position"] = json!("Chair");
    expected["email"] = json!("john@acme.com");
    expected["updatedAt"] = changed["updatedAt"].clone();
    assert_eq!(changed, expected);
    assert!(changed["updatedAt"].as_str() > changed["createdAt"].as_str(), "{changed}");
    assert_eq!(*host.get(&path("contact-1")).await.data(200), changed);
    let found = host.get(&format!("{CONTACTS}?search=john@acme")).await;
    assert_eq!(found.column("id"), ["contact-1"], "a search finds it as it is now");
}

#[tokio::test]
async fn an_empty_text_clears_an_optional_field_and_is_refused_for_a_required_one() {
    let host = crm().await;
    let answer = host.put(&path("contact-1"), json!({"phone": "", "company": "  "})).await;
    let changed = answer.data(200);
    assert!(changed.get("phone").is_none() && changed.get("company").is_none(), "{changed}");
    assert_eq!(changed["position"], "CEO");
    let wrong = host.put(&path("contact-1"), json!({"firstName": "", "lastName": " ", "email": ""})).await;
    assert_eq!(wrong.wrong_fields(), ["firstName", "lastName", "email"]);
    assert_eq!(host.get(&path("contact-1")).await.data(200)["firstName"], "John");
}

#[tokio::test]
async fn tags_are_replaced_as_a_whole() {
    let host = crm().await;
    let tagged = host.put(&path("contact-1"), json!({"tags": ["vip", "new"]})).await;
    assert_eq!(tagged.data(200)["tags"], json!(["new", "vip"]));
    assert_eq!(host.get(&format!("{CONTACTS}?tags=new")).await.column("id"), ["contact-1"]);
    assert_eq!(host.put(&path("contact-1"), json!({"tags": []})).await.data(200)["tags"], json!([]));
    assert_eq!(host.get(&format!("{CONTACTS}?tags=vip")).await.total(), 0);
}

#[tokio::test]
async fn an_update_keeps_the_rules_of_a_new_contact() {
    let host = crm().await;
    let taken = host.put(&path("contact-2"), json!({"email": "JOHN.DOE@acme.com"})).await;
    taken.refusal(409, "conflict");
    let own = host.put(&path("contact-2"), json!({"email": "JANE.SMITH@techco.com"})).await;
    assert_eq!(own.data(200)["email"], "JANE.SMITH@techco.com", "its own in another case is free");
    let wrong = host.put(&path("contact-2"), json!({"email": "nobody", "phone": "1".repeat(51)})).await;
    assert_eq!(wrong.wrong_fields(), ["email", "phone"]);
    assert_eq!(host.put(&path("contact-2"), json!({"id": "contact-9"})).await.wrong_fields(), ["id"]);
    assert_eq!(
        host.put(&path("contact-2"), json!({"tags": null})).await.data(200)["tags"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn what_is_not_there_is_neither_changed_nor_removed() {
    let host = crm().await;
    for id in ["contact-5", "contact-01", "deal-1", "x"] {
        host.put(&path(id), json!({"position": "CEO"})).await.refusal(404, "not_found");
        host.delete(&path(id)).await.refusal(404, "not_found");
    }
    assert_eq!(host.get(CONTACTS).await.total(), 4);
}

#[tokio::test]
async fn a_removed_contact_is_gone_with_its_tags_and_its_email_is_free() {
    let host = crm().await;
    let body = json!({"firstName": "A", "lastName": "B", "email": "ab@example.com", "tags": ["only"]});
    host.post(CONTACTS, body.clone()).await.data(201);
    assert!(host.delete(&path("contact-5")).await.data(200).is_null());
    host.get(&path("contact-5")).await.refusal(404, "not_found");
    host.delete(&path("contact-5")).await.refusal(404, "not_found");
    assert_eq!(host.get(CONTACTS).await.total(), 4);
    assert_eq!(host.get(&format!("{CONTACTS}?tags=only")).await.total(), 0);
    assert_eq!(host.post(CONTACTS, body).await.data(201)["id"], "contact-6", "the id is not given again");
}

#[tokio::test]
async fn a_contact_that_deals_refer_to_stays() {
    let host = crm().await;
    let answer = host.delete(&path("contact-1")).await;
    let message = answer.message(409, "conflict");
    assert!(message.contains("1 deal ") && message.contains("contact-1"), "{message}");
    assert_eq!(*host.get(&path("contact-1")).await.data(200), john_doe());

    let added = add(&host, "A", "B", "ab@example.com").await;
    host.put("/plugins/crm/deals/deal-1", json!({"contactId": added["id"]})).await.data(200);
    host.delete(&path("contact-1")).await.data(200);
}
