//! Tokens of an issuer, whose keys lie in a file or at an address.

use serde_json::{Value, json};

use super::issuer::{Issuer, Published, now};
use super::{host, tenant};
use crate::common::{Host, Scratch, eventually, output};

const PLUGINS: &str = "/api/v1/plugins";

fn config(jwks: &str, more: &str) -> String {
    format!(
        "[auth]\nfailures_per_minute = 100000\n[auth.jwt]\nissuer = \"https://id.example.com\"\naudience = \"tenon\"\n\
         algorithm = \"ES256\"\njwks = \"{jwks}\"\njwks_file_look_ms = 20\n{more}\n"
    )
}

async fn host_with_file(plugins: &[&str], issuer: &Issuer, more: &str) -> Host {
    let scratch = Scratch::with_plugins(plugins);
    scratch.file("jwks.json", &issuer.set());
    // Named as operators do, from where the host is run.
    let file = scratch.file("tenon.toml", &format!("trust.unsigned = \"allow\"\n{}", config("jwks.json", more)));
    let host = Host::start(scratch, &["--config", file.to_str().unwrap()]).await;
    for id in ["acme", "beta"] {
        tenant(&host, id).await;
    }
    host
}

#[tokio::test]
async fn a_token_is_its_bearer_and_nothing_else() {
    let issuer = Issuer::new("k1");
    let host = host_with_file(&["crm"], &issuer, "").await;
    let jo = host.key(&issuer.token(json!({})));
    for _ in 0..2 {
        assert_eq!(jo.get("/plugins/crm/contacts").await.total(), 0);
    }
    jo.post("/plugins/crm/deals", json!({"title": "x", "value": 1})).await.refusal(403, "denied");
    jo.tenant("beta").get("/plugins/crm/contacts").await.refusal(403, "wrong_tenant");
    let owner = host.key(&issuer.token(json!({"roles": "owner"})));
    owner.post("/plugins/crm/deals", json!({"title": "x", "value": 1})).await.data(201);
    let made = owner.post("/api/v1/keys", json!({"role": "member"})).await;
    assert_eq!(made.data(201)["createdBy"], "user:jo");
    let audit = owner.get("/api/v1/audit").await;
    assert_eq!(audit.rows()[0]["actor"], "user:jo");
    // Nobody becomes an operator by saying so.
    let self_made = host.key(&issuer.token(json!({"roles": ["operator", "owner"]})));
    self_made.post("/api/v1/tenants", json!({"id": "gamma"})).await.refusal(403, "denied");
    self_made.tenant("beta").get(PLUGINS).await.refusal(403, "wrong_tenant");
}

#[tokio::test]
async fn a_token_that_is_off_is_refused_with_a_challenge() {
    let (issuer, other) = (Issuer::new("k1"), Issuer::new("k1"));
    let host = host_with_file(&[], &issuer, "leeway_s = 0").await;
    let good = issuer.token(json!({}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let payload = good.split('.').nth(1).unwrap();
    // {"alg":"none"}
    let none = format!("eyJhbGciOiJub25lIn0.{payload}.");
    let refused: Vec<(&str, String, &str)> = vec![
        ("no algorithm", none, "algorithm"),
        ("no signature", format!("{signed}."), "signature"),
        ("another's signature", other.token(json!({})), "signature"),
        ("another key", issuer.token_of("k2", json!({})), "not the issuer's"),
        ("expired", issuer.token(json!({"exp": now() - 1})), "exp"),
        ("a text for a time", issuer.token(json!({"exp": (now() + 60).to_string()})), "exp"),
        ("too early", issuer.token(json!({"nbf": now() + 60})), "nbf"),
        ("another audience", issuer.token(json!({"aud": ["x"]})), "aud"),
        ("another issuer", issuer.token(json!({"iss": "https://evil.example.com"})), "iss"),
        ("too long", issuer.token(json!({"x": "x".repeat(9_000)})), "too long"),
    ];
    for (what, token, words) in &refused {
        let answer = host.key(token).get(PLUGINS).await;
        assert!(answer.message(401, "invalid_token").contains(words), "{what}: {answer:?}");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("Bearer error=\"invalid_token\", error_description=\""), "{what}: {challenge}");
        assert!(!answer.text.contains(payload), "{what}");
    }
    host.key(&good).get(PLUGINS).await.data(200);
    println!("{} kinds", refused.len());
}

#[tokio::test]
async fn of_several_tenants_the_request_names_one() {
    let issuer = Issuer::new("k1");
    let host = host_with_file(&[], &issuer, "").await;
    let roles = json!({"acme": ["owner"], "beta": "member", "ghost": "owner"});
    let jo = host.key(&issuer.token(json!({"tenant": null, "roles": roles})));
    jo.get(PLUGINS).await.refusal(400, "tenant_required");
    jo.tenant("acme").post("/api/v1/keys", json!({"role": "member"})).await.data(201);
    jo.tenant("beta").get(PLUGINS).await.data(200);
    jo.tenant("beta").post("/api/v1/keys", json!({"role": "member"})).await.refusal(403, "denied");
    // An issuer can name what there is not. Nothing is made of it.
    jo.tenant("ghost").get(PLUGINS).await.refusal(404, "tenant_not_found");
    let nowhere = host.key(&issuer.token(json!({"tenant": []})));
    nowhere.get(PLUGINS).await.refusal(403, "no_tenant");
}

#[tokio::test]
async fn the_configuration_names_the_role_of_operators() {
    let issuer = Issuer::new("k1");
    let host = host_with_file(&[], &issuer, "operator_role = \"platform\"").await;
    let boss = host.key(&issuer.token(json!({"roles": ["platform"], "tenant": null})));
    boss.post("/api/v1/tenants", json!({"id": "gamma"})).await.data(201);
    boss.tenant("beta").get(PLUGINS).await.data(200);
    let jo = host.key(&issuer.token(json!({"roles": ["operator"]})));
    jo.post("/api/v1/tenants", json!({"id": "delta"})).await.refusal(403, "denied");
}

#[tokio::test]
async fn keys_in_a_file_are_exchanged_while_the_host_runs() {
    let (old, new) = (Issuer::new("k1"), Issuer::new("k2"));
    let host = host_with_file(&[], &old, "").await;
    let (before, after) = (host.key(&old.token(json!({}))), host.key(&new.token(json!({}))));
    before.get(PLUGINS).await.data(200);
    after.get(PLUGINS).await.refusal(401, "invalid_token");
    host.scratch().file("jwks.json", "half a ");
    host.scratch().file("jwks.json", &new.set());
    eventually("the new key never counts", async || (after.get(PLUGINS).await.status == 200).then_some(())).await;
    before.get(PLUGINS).await.refusal(401, "invalid_token");
}

#[tokio::test]
async fn keys_at_an_address_are_fetched_again_when_a_token_needs_it_and_not_too_often() {
    let (old, new) = (Issuer::new("k1"), Issuer::new("k2"));
    let published = Published::new(&old.set()).await;
    let host = host(&[], &config(&published.url, "")).await;
    tenant(&host, "acme").await;
    host.key(&old.token(json!({}))).get(PLUGINS).await.data(200);
    assert_eq!(published.asked(), 1, "at the start");
    published.publish(&new.set());
    host.key(&new.token(json!({}))).get(PLUGINS).await.data(200);
    assert_eq!(published.asked(), 2, "for the key that was unknown");
    host.key(&old.token(json!({}))).get(PLUGINS).await.refusal(401, "invalid_token");
    for number in 0..20 {
        let strange = new.token_of(&format!("strange-{number}"), json!({}));
        host.key(&strange).get(PLUGINS).await.refusal(401, "invalid_token");
    }
    assert_eq!(published.asked(), 2, "not again within auth.jwt.jwks_unknown_key_s");
}

#[tokio::test]
async fn an_issuer_that_is_away_or_answers_nonsense_keeps_nobody_from_starting() {
    let issuer = Issuer::new("k1");
    let set = issuer.set();
    let elsewhere = Published::new(&set).await;
    let long = format!("{}{}", " ".repeat(5_000), set);
    for answer in [
        format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", elsewhere.url),
        format!("HTTP/1.1 500 Oh\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{set}", set.len()),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{long}", long.len()),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}".to_owned(),
        String::new(),
    ] {
        let published = Published::new(&set).await;
        published.answer_with(&answer);
        let settings = config(&published.url, "jwks_bytes = 4000\njwks_timeout_ms = 2000\njwks_unknown_key_s = 1");
        let host = host(&[], &settings).await;
        tenant(&host, "acme").await;
        let jo = host.key(&issuer.token(json!({})));
        let refused = jo.get(PLUGINS).await;
        refused.refusal(503, "issuer_unavailable");
        assert!(!refused.header("retry-after").is_empty());
        published.publish(&set);
        eventually("the keys are never read", async || (jo.get(PLUGINS).await.status == 200).then_some(())).await;
    }
    assert_eq!(elsewhere.asked(), 0, "no redirect is followed");
}

#[tokio::test]
async fn over_https_only_a_certificate_that_is_trusted_counts() {
    let issuer = Issuer::new("k1");
    let authority = include_str!("tls/ca.pem");
    for (trusted, status) in [(true, 200), (false, 503)] {
        let published = Published::over_tls(&issuer.set()).await;
        let scratch = Scratch::with_plugins(&[]);
        scratch.file("ca.pem", authority);
        let more = if trusted { "ca_file = \"ca.pem\"" } else { "" };
        let file = scratch.file("tenon.toml", &config(&published.url, more));
        let host = Host::start(scratch, &["--config", file.to_str().unwrap()]).await;
        tenant(&host, "acme").await;
        let answer = host.key(&issuer.token(json!({}))).get(PLUGINS).await;
        assert_eq!((answer.status, published.asked() > 0), (status, trusted), "{answer:?}");
    }
}

#[tokio::test]
async fn settings_that_would_let_strangers_in_are_refused() {
    let scratch = Scratch::with_plugins(&[]);
    let complete: Value = json!({"issuer": "x", "audience": "tenon", "jwks": "jwks.json"});
    for (changes, words) in [
        (json!({"audience": ""}), "auth.jwt.audience"),
        (json!({"jwks": ""}), "auth.jwt.jwks"),
        (json!({"issuer": ""}), "auth.jwt.issuer"),
        (json!({"jwks": "http://id.example.com/jwks"}), "https"),
        (json!({"jwks": "https://id.example.com/jwks", "algorithm": "HS256"}), "a file"),
        (json!({"algorithm": "none"}), "auth.jwt.algorithm"),
        (json!({"algoritm": "RS256"}), "`auth.jwt.algoritm` is not a setting"),
        (json!({"token_bytes": 0}), "auth.jwt.token_bytes"),
        (json!({"jwks": "https://id.example.com/jwks", "ca_file": "none.pem"}), "auth.jwt.ca_file"),
    ] {
        let mut settings = complete.clone();
        settings.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let lines = settings.as_object().unwrap().iter().map(|(name, value)| format!("{name} = {value}\n"));
        let file = scratch.file("tenon.toml", &format!("[auth.jwt]\n{}", lines.collect::<String>()));
        let mut command = scratch.serve();
        command.arg("--config").arg(file);
        let told = output(command).await.failure();
        assert!(told.contains(words), "{changes}: {told}");
    }
}
