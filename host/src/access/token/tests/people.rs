//! What a token makes of its bearer.

use super::*;

async fn person(changes: Value, change: impl FnOnce(&mut JwtConfig)) -> Principal {
    let issuer = Issuer::new(JwtAlgorithm::EdDSA);
    let (tokens, _directory) = host(&issuer, change).await;
    tokens.check(&issuer.token(&with(changes))).await.unwrap()
}

fn roles(principal: &Principal) -> Vec<&str> {
    principal.roles.iter().map(|role| role.as_str()).collect()
}

fn tenants(principal: &Principal) -> Vec<&str> {
    match &principal.reach {
        Reach::Only(tenants) => tenants.iter().map(|tenant| tenant.as_str()).collect(),
        other => panic!("{other:?}"),
    }
}

fn may(principal: &Principal, permission: &str) -> bool {
    principal.permissions.covers(&PermissionName::parse(permission).unwrap())
}

#[tokio::test]
async fn roles_are_a_list_or_a_text_and_strangers_among_them_mean_nothing() {
    for (named, expected) in [
        (json!(["member", "admin"]), vec!["admin", "member"]),
        (json!("admin  member admin"), vec!["admin", "member"]),
        (json!(["Member", "offline_access", "uma authorization", 7, null]), vec![]),
        (json!(["operator", "owner"]), vec!["owner"]),
        (json!("operator"), vec![]),
        (json!(true), vec![]),
        (Value::Null, vec![]),
    ] {
        let jo = person(json!({"roles": named}), |_| {}).await;
        assert_eq!((roles(&jo), tenants(&jo)), (expected, vec!["acme"]), "{named}");
        assert_eq!(may(&jo, "plugin.crm.deals.read"), !jo.roles.is_empty());
    }
}

#[tokio::test]
async fn roles_can_differ_from_tenant_to_tenant() {
    let named = json!({"acme": ["owner"], "beta": "member", "Not One": ["owner"], "gamma": "operator"});
    for (tenant, reach) in
        [(Value::Null, vec!["acme", "beta", "gamma"]), (json!(["acme", "delta"]), vec!["acme", "delta"])]
    {
        let jo = person(json!({"roles": named, "tenant": tenant}), |_| {}).await;
        assert_eq!(tenants(&jo), reach);
        assert!(jo.roles.is_empty() && !may(&jo, "plugin.crm.deals.read"), "nothing before a tenant is known");
        let there = |tenant: &str| jo.clone().as_in(&crate::id::TenantId::parse(tenant).unwrap());
        assert_eq!(roles(&there("acme")), ["owner"]);
        assert!(may(&there("acme"), "plugin.crm.deals.update"));
        assert!(roles(&there("delta")).is_empty() && roles(&there("gamma")).is_empty());
    }
}

#[tokio::test]
async fn several_tenants_are_a_list_and_what_is_none_is_left_out() {
    let jo = person(json!({"tenant": ["beta", "acme", "../etc", "Acme", "beta"]}), |_| {}).await;
    assert_eq!(tenants(&jo), ["acme", "beta"]);
    assert!(tenants(&person(json!({"tenant": null}), |_| {}).await).is_empty());
}

#[tokio::test]
async fn claims_are_found_by_their_whole_name_or_within_others() {
    let changes = json!({
        "tenant": null, "roles": null, "https://acme.example/tenant": "acme",
        "realm_access": {"roles": ["admin"]}, "who": {"name": "ada"},
    });
    let ada = person(changes, |config| {
        config.tenant_claim = "https://acme.example/tenant".into();
        config.roles_claim = "realm_access.roles".into();
        config.user_claim = "who.name".into();
    });
    let ada = ada.await;
    assert_eq!((ada.name.as_str(), tenants(&ada), roles(&ada)), ("user:ada", vec!["acme"], vec!["admin"]));
}

#[tokio::test]
async fn only_the_configured_role_makes_an_operator() {
    let on = |config: &mut JwtConfig| config.operator_role = "platform-admins".into();
    let boss = person(json!({"roles": ["member", "platform-admins"]}), on).await;
    assert_eq!((boss.reach, boss.roles.len()), (Reach::Every, 1));
    assert!(boss.permissions.covers_operation("admin:system:keys"));
    for named in [
        json!(["operator"]),
        json!(["Platform-Admins"]),
        json!({"acme": ["platform-admins"]}),
        json!(["platform-admins2"]),
    ] {
        let jo = person(json!({"roles": named}), on).await;
        assert_ne!(jo.reach, Reach::Every, "{named}");
    }
    let jo = person(json!({"roles": ["platform-admins", "operator", ""]}), |_| {}).await;
    assert_ne!(jo.reach, Reach::Every, "without a word of the configuration nobody is");
}

#[tokio::test]
async fn a_set_that_changes_is_taken_and_a_broken_one_is_not() {
    let old = Issuer::new(JwtAlgorithm::ES256);
    let (tokens, directory) = host(&old, |_| {}).await;
    let (file, token) = (directory.path().join("jwks.json"), old.token(&claims()));
    tokens.check(&token).await.unwrap();
    std::fs::write(&file, "{\"keys\":").unwrap();
    tokens.source.looked_again().await.unwrap();
    assert!(tokens.known(&token).is_some() && tokens.check(&token).await.is_ok(), "the old set goes on");

    let new = Issuer::new(JwtAlgorithm::ES256);
    std::fs::write(&file, json!({"keys": [new.jwk()]}).to_string()).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while tokens.check(&new.token(&claims())).await.is_err() {
        assert!(std::time::Instant::now() < deadline, "the new set was never taken");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(tokens.known(&token).is_none(), "what the old key signed is not remembered beyond it");
    assert!(refusal(&tokens, &token).await.contains("signature"));
}

#[tokio::test]
async fn without_a_set_the_host_cannot_tell() {
    let issuer = Issuer::new(JwtAlgorithm::ES256);
    let directory = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(&config(issuer.algorithm, &directory), RolesConfig::default()).await.unwrap();
    assert!(matches!(tokens.check(&issuer.token(&claims())).await, Err(Refused::NoIssuerKeys)));
}
