//! Credentials that are tried again and again.

use super::{client, host, tenant};

#[tokio::test]
async fn an_address_that_fails_often_is_shut_but_not_for_those_who_were_known() {
    let host = host(&[], "[auth]\nfailures_per_minute = 5").await;
    tenant(&host, "acme").await;
    let (known, new) = (client(&host, "acme", "member").await, client(&host, "acme", "member").await);
    known.get("/api/v1/plugins").await.data(200);
    let wrong = host.key(&format!("tenon_0000000000000000_{}", "0".repeat(64)));
    for _ in 0..5 {
        wrong.get("/api/v1/plugins").await.refusal(401, "invalid_token");
    }
    for guess in [&wrong, &new, &host.key("a.b.c")] {
        let refused = guess.get("/api/v1/plugins").await;
        refused.refusal(429, "too_many_failures");
        let again_in: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&again_in), "{again_in}");
    }
    known.get("/api/v1/plugins").await.data(200);
    host.get("/api/v1/plugins").await.refusal(401, "unauthenticated");
    host.get("/health").await.data(200);
    let log = std::fs::read_to_string(host.scratch().log()).unwrap();
    assert_eq!(log.matches("this address is shut").count(), 1, "{log}");
}
