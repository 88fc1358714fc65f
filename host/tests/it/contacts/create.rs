//! Adding contacts.

use serde_json::json;

use super::{CONTACTS, add, crm, path};

#[tokio::test]
async fn a_contact_is_created_with_all_it_was_given_and_the_time() {
    let host = crm().await;
    let answer = host
        .post(
            CONTACTS,
            json!({
                "firstName": "Ada", "lastName": "Lovelace", "email": "Ada@Example.com", "phone": "+44 20 7946 0000",
                "company": "Analytical Engines", "position": "Countess", "tags": ["maths", "first"],
            }),
        )
        .await;
    let made = answer.data(201).clone();
    let time = made["createdAt"].clone();
    let expected = json!({
        "id": "contact-5", "firstName": "Ada", "lastName": "Lovelace", "email": "Ada@Example.com",
        "phone": "+44 20 7946 0000", "company": "Analytical Engines", "position": "Countess",
        "tags": ["first", "maths"], "createdAt": time, "updatedAt": time,
    });
    assert_eq!(made, expected);
    let age = jiff::Timestamp::now().duration_since(time.as_str().unwrap().parse().unwrap());
    assert!((0..60).contains(&age.as_secs()), "created {age:?} ago");
    assert_eq!(*host.get(&path("contact-5")).await.data(200), made, "what is read is what was answered");
    assert_eq!(host.get(CONTACTS).await.total(), 5);
}

#[tokio::test]
async fn what_is_optional_may_be_left_out() {
    let host = crm().await;
    let made = add(&host, "Ada", "Lovelace", "ada@example.com").await;
    let members: Vec<&String> = made.as_object().unwrap().keys().collect();
    assert_eq!(members, ["id", "firstName", "lastName", "email", "tags", "createdAt", "updatedAt"]);
    assert_eq!(made["tags"], json!([]));
}

#[tokio::test]
async fn spaces_around_a_text_go_and_tags_are_sorted_and_each_kept_once() {
    let host = crm().await;
    let body = json!({
        "firstName": "  Ada ", "lastName": "\tLovelace\n", "email": " ada@example.com ", "phone": "  ",
        "tags": [" b", "a", "b ", "a"],
    });
    let answer = host.post(CONTACTS, body).await;
    let made = answer.data(201);
    assert_eq!((&made["firstName"], &made["lastName"]), (&json!("Ada"), &json!("Lovelace")));
    assert_eq!((&made["email"], &made["tags"]), (&json!("ada@example.com"), &json!(["a", "b"])));
    assert!(made.get("phone").is_none(), "a blank text is none: {made}");
}

#[tokio::test]
async fn every_field_that_is_missing_or_blank_is_named() {
    let host = crm().await;
    assert_eq!(host.post(CONTACTS, json!({})).await.wrong_fields(), ["firstName", "lastName", "email"]);
    assert_eq!(host.post(CONTACTS, json!({"lastName": "x"})).await.wrong_fields(), ["firstName", "email"]);
    let blank = json!({"firstName": " ", "lastName": "", "email": "", "tags": [" "]});
    assert_eq!(host.post(CONTACTS, blank).await.wrong_fields(), ["firstName", "lastName", "email", "tags"]);
    assert_eq!(host.get(CONTACTS).await.total(), 4, "nothing was stored");
}

#[tokio::test]
async fn every_field_of_a_wrong_type_is_named_with_what_was_found() {
    let host = crm().await;
    let body = json!({"firstName": 7, "lastName": null, "email": ["x"], "phone": 1, "tags": ["a", 2, true]});
    let answer = host.post(CONTACTS, body).await;
    assert_eq!(answer.wrong_fields(), ["firstName", "lastName", "email", "phone", "tags[1]", "tags[2]"]);
    let fields = &answer.json["error"]["fields"];
    assert_eq!(fields[0]["message"], "expected a string, found number 7");
    assert_eq!(fields[1]["message"], "expected a string, found null");
    let body = json!({"firstName": "a", "lastName": "b", "email": "a@example.com", "tags": "vip"});
    assert_eq!(host.post(CONTACTS, body).await.wrong_fields(), ["tags"]);
}

#[tokio::test]
async fn texts_that_break_a_rule_are_named() {
    let host = crm().await;
    let body = json!({
        "firstName": "x".repeat(101), "lastName": "x".repeat(100), "email": "nobody", "phone": "1".repeat(51),
        "company": "x".repeat(201), "position": "a\u{0}b", "tags": ["x".repeat(51)],
    });
    let wrong = ["firstName", "email", "phone", "company", "position", "tags"];
    assert_eq!(host.post(CONTACTS, body).await.wrong_fields(), wrong);
}

#[tokio::test]
async fn a_member_that_is_no_field_is_refused_by_name() {
    let host = crm().await;
    let body = json!({"firstName": "a", "lastName": "b", "email": "a@example.com", "id": "contact-9", "nick": "c"});
    assert_eq!(host.post(CONTACTS, body).await.wrong_fields(), ["id", "nick"]);
    let snake = json!({"first_name": "a", "lastName": "b", "email": "a@example.com"});
    assert_eq!(host.post(CONTACTS, snake).await.wrong_fields(), ["firstName", "first_name"]);
}

#[tokio::test]
async fn an_email_belongs_to_one_contact_whatever_its_case() {
    let host = crm().await;
    let body = json!({"firstName": "J", "lastName": "D", "email": "John.DOE@acme.com"});
    let answer = host.post(CONTACTS, body).await;
    assert!(answer.message(409, "conflict").contains("John.DOE@acme.com"), "{answer:#?}");
    assert_eq!(host.get(CONTACTS).await.total(), 4, "nothing was stored");
    assert_eq!(add(&host, "J", "D", "jd@acme.com").await["id"], "contact-5", "the refused one took no number");
}

#[tokio::test]
async fn contacts_created_at_once_all_get_a_number_of_their_own() {
    let host = crm().await;
    let adding = (0..12).map(|number| {
        let client = host.tenant("demo");
        tokio::spawn(async move { add(&client, "A", "B", &format!("at-once-{number}@example.com")).await })
    });
    let mut ids = Vec::new();
    for added in adding.collect::<Vec<_>>() {
        ids.push(added.await.unwrap()["id"].as_str().unwrap().trim_start_matches("contact-").parse::<u32>().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (5..=16).collect::<Vec<u32>>());
}
