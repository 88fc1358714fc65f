//! From nothing to the first request, on the command line.

use std::path::Path;

use serde_json::Value;

use super::{host, local, new_key, tenant};
use crate::common::{eventually, output};

#[tokio::test]
async fn four_commands_lead_from_nothing_to_a_request() {
    let host = host(&["crm"], "").await;
    for path in ["/plugins/crm/contacts", "/api/v1/plugins", "/api/v1/keys"] {
        let answer = host.tenant("acme").roles("operator,owner").get(path).await;
        answer.refusal(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{path}");
    }
    tenant(&host, "acme").await;
    let made =
        local(&host, &["key", "create", "--tenant", "acme", "--role", "member", "--name", "sync"]).await.success();
    assert!(made.contains("for tenant acme with the role member"), "{made}");
    let key = made.lines().last().unwrap();
    assert!(regex::Regex::new("^tenon_[0-9a-f]{16}_[0-9a-f]{64}$").unwrap().is_match(key), "{made}");

    let member = host.key(key);
    assert!(member.get("/plugins/crm/contacts").await.rows().is_empty());
    let denied = member.post("/plugins/crm/deals", serde_json::json!({"title": "x", "value": 1})).await;
    assert!(denied.message(403, "denied").contains("plugin.crm.deals."));

    // To be seen in the list, with its last use.
    let listed = eventually("the last use is never noted", async || {
        let listed = local(&host, &["key", "list", "--tenant", "acme", "--json"]).await.success();
        let listed: Value = serde_json::from_str(&listed).unwrap();
        listed[0]["lastUsedAt"].is_string().then_some(listed)
    })
    .await;
    let entry = &listed[0];
    for (field, value) in
        [("name", "sync"), ("role", "member"), ("tenant", "acme"), ("state", "active"), ("createdBy", "local")]
    {
        assert_eq!(entry[field], value, "{entry}");
    }
    let table = local(&host, &["key", "list"]).await.success();
    assert!(table.trim_start().starts_with("KEY") && table.contains("sync") && table.contains("active"), "{table}");

    let id = entry["id"].as_str().unwrap();
    assert_eq!(local(&host, &["key", "revoke", id]).await.success(), format!("key {id} is revoked\n"));
    let refused = member.get("/plugins/crm/contacts").await;
    assert!(refused.message(401, "invalid_token").contains("revoked"));
    assert!(refused.header("www-authenticate").starts_with("Bearer error=\"invalid_token\""));
    let table = local(&host, &["key", "list", "--tenant", "acme"]).await.success();
    assert!(table.contains("revoked"), "{table}");

    nowhere(&host.scratch().data(), key.rsplit('_').next().unwrap());
    nowhere(&host.scratch().log(), key.rsplit('_').next().unwrap());
    let audit = local(&host, &["audit", "--json"]).await.success();
    for operation in ["tenants.create", "keys.create", "keys.revoke"] {
        assert!(audit.contains(operation), "{audit}");
    }
    assert!(!audit.contains(key.rsplit('_').next().unwrap()) && audit.contains(id), "{audit}");
}

#[tokio::test]
async fn a_tenant_is_made_once_and_its_name_is_checked() {
    let host = host(&[], "").await;
    assert!(local(&host, &["tenant", "list"]).await.success().contains("there are no tenants"));
    for id in ["acme", "beta"] {
        tenant(&host, id).await;
    }
    assert!(local(&host, &["tenant", "create", "acme"]).await.failure().contains("there is a tenant `acme` already"));
    for wrong in ["Not One", "../x", ""] {
        assert!(local(&host, &["tenant", "create", wrong]).await.failure().contains("is not a tenant id"), "{wrong}");
    }
    let list = local(&host, &["tenant", "list"]).await.success();
    assert!(list.contains("acme") && list.contains("beta") && list.contains("operator"), "{list}");
    let first = local(&host, &["tenant", "list", "--limit", "1"]).await.success();
    assert!(first.contains("acme") && !first.contains("beta") && first.contains("--after acme"), "{first}");
    let next = local(&host, &["tenant", "list", "--after", "acme"]).await.success();
    assert!(next.contains("beta") && !next.contains("acme"), "{next}");
    // A key needs a tenant that is there.
    let missing = local(&host, &["key", "create", "--tenant", "gamma", "--role", "member"]).await.failure();
    assert!(missing.contains("there is no tenant `gamma`"), "{missing}");
}

#[tokio::test]
async fn commands_work_from_elsewhere_with_a_key() {
    let host = host(&[], "").await;
    tenant(&host, "acme").await;
    let (_, owner) = new_key(&host, &["--tenant", "acme", "--role", "owner"]).await;
    let remote = async |args: &[&str], key: Option<&str>| {
        let mut command = host.scratch().tenon(args);
        command.args(["--url", host.address()]);
        if let Some(key) = key {
            command.env("TENON_KEY", key);
        }
        output(command).await
    };
    let without = remote(&["key", "list"], None).await.failure();
    assert!(without.contains("TENON_KEY"), "{without}");
    let made = remote(&["key", "create", "--role", "member", "--expires-in", "90d"], Some(&owner)).await.success();
    assert!(made.contains("for tenant acme") && made.contains("until 20"), "{made}");
    let refused = remote(&["tenant", "create", "beta"], Some(&owner)).await.failure();
    assert!(refused.contains("for its operators"), "{refused}");
    let wrong = remote(&["key", "create", "--role", "member", "--expires-in", "soon"], Some(&owner)).await.failure();
    assert!(wrong.contains("--expires-in"), "{wrong}");
    // A key that is shown counts, also over the socket.
    let mut command = host.scratch().tenon(&["tenant", "create", "beta", "--key", &owner, "--data"]);
    command.arg(host.scratch().data());
    assert!(output(command).await.failure().contains("for its operators"));
}

/// No file here holds the text.
fn nowhere(place: &Path, secret: &str) {
    if place.is_dir() {
        for entry in std::fs::read_dir(place).unwrap() {
            nowhere(&entry.unwrap().path(), secret);
        }
    } else if place.is_file() {
        let bytes = std::fs::read(place).unwrap();
        let raw: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&secret[at * 2..at * 2 + 2], 16).unwrap()).collect();
        for needle in [secret.as_bytes(), &raw] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{}", place.display());
        }
    }
}
