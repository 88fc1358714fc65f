//! Listing contacts, and reading one.

use super::{CONTACTS, add, crm, john_doe, path};
use crate::common::Host;

/// The ids that a query finds.
async fn found(host: &Host, query: &str) -> Vec<String> {
    let answer = host.get(&format!("{CONTACTS}?{query}")).await;
    let ids: Vec<String> = answer.column("id").into_iter().map(str::to_owned).collect();
    assert_eq!(answer.total(), ids.len() as u64, "all of them fit on a page");
    ids
}

#[tokio::test]
async fn the_demo_tenant_has_four_contacts_of_which_the_first_is_john_doe() {
    let host = crm().await;
    let answer = host.get(CONTACTS).await;
    assert_eq!(answer.rows()[0], john_doe());
    assert_eq!(answer.column("id"), ["contact-1", "contact-2", "contact-3", "contact-4"]);
    assert_eq!(answer.total(), 4);
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_page_is_what_skip_and_take_cut_out_and_total_counts_the_rest_too() {
    let host = crm().await;
    let page = async |query: &str| {
        let answer = host.get(&format!("{CONTACTS}?{query}")).await;
        assert_eq!(answer.total(), 4, "{query}");
        answer.column("id").join(" ")
    };
    assert_eq!(page("take=2").await, "contact-1 contact-2");
    assert_eq!(page("skip=1&take=2").await, "contact-2 contact-3");
    assert_eq!(page("skip=3&take=200").await, "contact-4");
    assert_eq!(page("skip=4").await, "");
    assert_eq!(page("skip=4294967295").await, "");
}

#[tokio::test]
async fn a_page_holds_fifty_contacts_unless_more_are_asked_for() {
    let host = crm().await;
    for number in 5..=52 {
        add(&host, "Some", "Body", &format!("body-{number}@example.com")).await;
    }
    let answer = host.get(CONTACTS).await;
    assert_eq!((answer.rows().len(), answer.total()), (50, 52));
    let answer = host.get(&format!("{CONTACTS}?take=200")).await;
    assert_eq!((answer.rows().len(), answer.total()), (52, 52));
    assert_eq!(answer.column("id")[51], "contact-52", "in the order of creation, not of the letters");
}

#[tokio::test]
async fn bounds_of_a_page_that_cannot_be_are_refused_by_name() {
    let host = crm().await;
    for take in ["0", "201", "-1", "abc", "1.5", "4294967296", ""] {
        assert_eq!(host.get(&format!("{CONTACTS}?take={take}")).await.wrong_fields(), ["take"], "take={take}");
    }
    for skip in ["-1", "abc", "4294967296"] {
        assert_eq!(host.get(&format!("{CONTACTS}?skip={skip}")).await.wrong_fields(), ["skip"], "skip={skip}");
    }
    assert_eq!(host.get(&format!("{CONTACTS}?take=x&skip=y")).await.wrong_fields(), ["skip", "take"]);
    assert_eq!(host.get(&format!("{CONTACTS}?take=1&take=2")).await.wrong_fields(), ["take"]);
}

#[tokio::test]
async fn a_search_finds_first_name_last_name_and_email_whatever_the_case() {
    let host = crm().await;
    assert_eq!(found(&host, "search=jane").await, ["contact-2"]);
    assert_eq!(found(&host, "search=KELLER").await, ["contact-3"]);
    assert_eq!(found(&host, "search=%40Acme.com").await, ["contact-1", "contact-3"]);
    assert_eq!(found(&host, "search=nobody").await, [""; 0]);
    assert_eq!(found(&host, "search=ceo").await, [""; 0], "the position is not searched");

    add(&host, "Jörg", "Özil", "joerg@example.com").await;
    assert_eq!(found(&host, "search=%C3%B6ZIL").await, ["contact-5"], "beyond ASCII too");
}

#[tokio::test]
async fn a_search_takes_every_character_as_itself() {
    let host = crm().await;
    for pattern in ["%25", "_", "%5C", "j%25n", "%27", "%22", "%2A"] {
        assert_eq!(found(&host, &format!("search={pattern}")).await, [""; 0], "{pattern}");
    }
    add(&host, "100%", "O'Neil_", "oneil@example.com").await;
    for text in ["0%25", "o%27neil", "l_"] {
        assert_eq!(found(&host, &format!("search={text}")).await, ["contact-5"], "{text}");
    }
}

#[tokio::test]
async fn tags_repeated_or_joined_by_commas_find_contacts_with_any_of_them() {
    let host = crm().await;
    assert_eq!(found(&host, "tags=vip").await, ["contact-1"]);
    assert_eq!(found(&host, "tags=vip&tags=smb").await, ["contact-1", "contact-4"]);
    assert_eq!(found(&host, "tags=vip,smb").await, ["contact-1", "contact-4"]);
    assert_eq!(found(&host, "tags=vip,enterprise").await, ["contact-1", "contact-2", "contact-3"]);
    assert_eq!(found(&host, "tags=none").await, [""; 0]);
    assert_eq!(found(&host, "tags=enterprise&search=acme").await, ["contact-1", "contact-3"], "all conditions hold");
}

#[tokio::test]
async fn a_query_parameter_that_does_not_exist_is_refused_by_name() {
    let host = crm().await;
    assert_eq!(host.get(&format!("{CONTACTS}?limit=3")).await.wrong_fields(), ["limit"]);
    let answer = host.get(&format!("{CONTACTS}?Take=3")).await;
    assert_eq!(answer.wrong_fields(), ["Take"]);
    assert!(answer.message(422, "invalid").contains("take"), "it says which there are: {answer:#?}");
    assert_eq!(host.get(&format!("{}?search=x", path("contact-1"))).await.wrong_fields(), ["search"]);
}

#[tokio::test]
async fn one_contact_is_read_by_its_id() {
    let host = crm().await;
    let answer = host.get(&path("contact-1")).await;
    assert_eq!(*answer.data(200), john_doe());
    assert!(answer.json.get("total").is_none(), "one contact is no list: {answer:#?}");
}

#[tokio::test]
async fn an_id_that_no_contact_has_is_not_found() {
    let host = crm().await;
    for id in ["contact-5", "contact-0", "contact-01", "contact-", "contact--1", "deal-1", "1", "%20", "%2F"] {
        host.get(&path(id)).await.refusal(404, "not_found");
    }
    assert!(host.get(&path("contact-77")).await.message(404, "not_found").contains("contact-77"));
}
