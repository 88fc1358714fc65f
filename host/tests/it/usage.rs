//! What a tenant can use of a plugin in an hour.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::common::{Answer, Client, Host, output};

#[tokio::test]
async fn of_requests_at_once_as_many_are_answered_as_the_quota_has_left() {
    let host =
        Host::with_config(&["crm", "analytics"], "quotas = { enforced_in_dev = true, calls_per_hour = 40 }").await;
    let asked = join_all((0..60).map(|_| host.get("/plugins/crm/contacts"))).await;
    let (answered, refused): (Vec<_>, Vec<_>) = asked.iter().partition(|answer| answer.status == 200);
    assert_eq!((answered.len(), refused.len()), (40, 20));
    let told = refused[0].message(429, "quota");
    assert!(told.starts_with("plugin crm: the quota of 40 calls an hour is used up until "), "{told}");
    assert!(told.ends_with("an operator can raise it (quotas.calls_per_hour)"), "{told}");
    let wait: u64 = refused[0].header("retry-after").parse().unwrap();
    assert!((1..=3_600).contains(&wait), "{wait}");
    // A plugin's calls count too, and what it gets is a value; other tenants and other plugins have theirs.
    let report = host.post("/plugins/analytics/reports/report-2/run", json!({})).await;
    assert!(report.text.contains("quota of 40 calls"), "{report:?}");
    host.tenant("acme").get("/plugins/crm/contacts").await.data(200);
    host.get("/plugins/analytics/reports").await.data(200);
}

#[tokio::test]
async fn who_has_computed_enough_waits_for_the_next_hour() {
    let config = "quotas = { enforced_in_dev = true, cpu_ms_per_hour = 100 }\nlimits.cpu_budget_ms = 50";
    let host = Host::with_config(&["probe"], config).await;
    let mut stopped = 0;
    let told = loop {
        let answer = host.post("/plugins/probe/spin", json!({})).await;
        if answer.status == 429 {
            break answer.message(429, "quota").to_owned();
        }
        answer.refusal(503, "cpu_budget");
        stopped += 1;
        assert!(stopped < 10, "the quota never ends");
    };
    assert!(told.contains("the quota of 100 ms of CPU time an hour is used up"), "{told}");
    host.tenant("acme").post("/plugins/probe/spin", json!({})).await.refusal(503, "cpu_budget");
}

#[tokio::test]
async fn data_that_cannot_be_read_is_told_in_one_way() {
    let mut host = Host::with_plugins(&["crm"]).await;
    host.get("/plugins/crm/contacts").await.data(200);
    host.terminate();
    host.ended().await;
    let file = host.scratch().data().join("tenants/demo/crm.sqlite");
    _ = std::fs::remove_file(file.with_extension("sqlite-wal"));
    std::fs::write(&file, "no database at all, however long one looks at it".repeat(200)).unwrap();
    host.start_again().await;
    for path in ["/api/v1/usage", "/api/v1/plugins/crm/shared-data"] {
        let told = host.get(path).await;
        let told = told.message(503, "data_unavailable");
        assert!(told.starts_with("the data of plugin crm for tenant demo cannot be looked at: "), "{path}: {told}");
    }
}

#[tokio::test]
async fn an_operator_sets_how_much_a_tenant_may_use_and_everybody_sees_what_is_used() {
    let config = "quotas = { enforced_in_dev = true, calls_per_hour = 3 }";
    let mut host = Host::with_config(&["crm"], config).await;
    let (contacts, of_demo) = ("/plugins/crm/contacts", "/api/v1/tenants/demo/quotas");
    for _ in 0..3 {
        host.get(contacts).await.data(200);
    }
    host.get(contacts).await.refusal(429, "quota");

    // What was used counts on after a restart, and what is set holds at once.
    host.restart().await;
    host.get(contacts).await.refusal(429, "quota");
    let calls = format!("{of_demo}/calls");
    host.put(&calls, json!({"amount": 4})).await.data(200);
    host.get(contacts).await.data(200);
    host.get(contacts).await.refusal(429, "quota");
    host.put(&format!("{calls}?plugin=crm"), json!({"amount": 5})).await.data(200);
    host.get(contacts).await.data(200);
    host.get(contacts).await.refusal(429, "quota");

    let usage = host.get("/api/v1/usage").await;
    let crm = &usage.rows()[0];
    assert_eq!((&crm["tenant"], &crm["plugin"]), (&json!("demo"), &json!("crm")));
    assert_eq!(
        crm["quotas"][0],
        json!({"quota": "calls", "unit": "calls", "used": 5, "limit": 5, "resetsAt": crm["quotas"][0]["resetsAt"]})
    );
    let kept = |quota: usize| (&crm["quotas"][quota]["quota"], &crm["quotas"][quota]["used"]);
    assert_eq!((kept(6), kept(7)), ((&json!("rows"), &json!(16)), (&json!("keys"), &json!(0))));
    assert!(kept(5).0 == "storage" && kept(5).1.as_u64() > Some(4096), "{crm}");
    assert_eq!((&crm["quotas"][1]["unit"], &crm["quotas"][1]["limit"]), (&json!("ms"), &json!(600_000)));
    let set = host.get(of_demo).await;
    let amounts: Vec<_> = set.rows().iter().map(|row| (row["plugin"].as_str(), row["amount"].as_u64())).collect();
    assert_eq!(amounts, [(None, Some(4)), (Some("crm"), Some(5))]);

    host.delete(&format!("{calls}?plugin=crm")).await.data(200);
    host.delete(&calls).await.data(200);
    let told = host.delete(&calls).await;
    assert_eq!(told.message(404, "quota_not_found"), "no quota `calls` was set for tenant `demo`");
    host.get(contacts).await.refusal(429, "quota");
    let told = host.put(&format!("{of_demo}/pages"), json!({"amount": 1})).await;
    assert_eq!(
        told.message(404, "quota_not_found"),
        "there is no quota `pages`; there are calls, cpu, events, notifications, outbound, storage, rows, keys"
    );
    host.put("/api/v1/tenants/ghost/quotas/calls", json!({"amount": 1})).await.refusal(404, "tenant_not_found");
    host.put(&calls, json!({"amount": -1})).await.refusal(422, "invalid");
    let mut audit = host.scratch().tenon(&["audit", "--operation", "quotas.put", "--outcome", "done", "--json"]);
    audit.arg("--data").arg(host.scratch().data());
    let audit: Value = serde_json::from_str(&output(audit).await.success()).unwrap();
    let changed = &audit[0];
    assert_eq!((&changed["target"], &changed["after"]), (&json!("demo crm calls"), &json!({"amount": 5})));
}

#[tokio::test]
async fn quotas_on_the_command_line() {
    let host = Host::with_plugins(&["crm"]).await;
    let tenon = async |args: &[&str]| {
        let mut command = host.scratch().tenon(args);
        command.arg("--data").arg(host.scratch().data());
        output(command).await
    };
    assert_eq!(tenon(&["usage"]).await.success(), "no plugin was used\n");
    // Dev mode counts and refuses nobody.
    assert_eq!(
        tenon(&["quota", "set", "calls", "0", "--plugin", "crm", "--tenant", "demo"]).await.success(),
        "tenant demo may use 0 calls of plugin crm an hour\n"
    );
    host.get("/plugins/crm/contacts").await.data(200);
    let shown = tenon(&["usage", "--tenant", "demo"]).await.success();
    let calls: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().take(6).collect();
    assert_eq!(calls, ["demo", "crm", "calls", "1", "0", "calls"]);
    // One may decide before a plugin comes, and is told that it is not there. Other systems are none.
    let told = tenon(&["quota", "set", "calls", "5", "--plugin", "crn", "--tenant", "demo"]).await.success();
    let warning = "\nwarning: there is no plugin `crn` and there never was: this holds once there is one\n";
    assert_eq!(told, format!("tenant demo may use 5 calls of plugin crn an hour{warning}"));
    tenon(&["quota", "unset", "calls", "--plugin", "crn", "--tenant", "demo"]).await.success();
    let told =
        tenon(&["quota", "set", "notifications", "5", "--plugin", "external", "--tenant", "demo"]).await.success();
    assert_eq!(told, "tenant demo may use 5 notifications of plugin external an hour\n");
    tenon(&["quota", "unset", "notifications", "--plugin", "external", "--tenant", "demo"]).await.success();
    let listed: Value =
        serde_json::from_str(&tenon(&["quota", "list", "--tenant", "demo", "--json"]).await.success()).unwrap();
    assert_eq!((&listed[0]["quota"], &listed[0]["plugin"]), (&json!("calls"), &json!("crm")));
    assert_eq!(
        tenon(&["quota", "unset", "calls", "--plugin", "crm", "--tenant", "demo"]).await.success(),
        "the quota calls of plugin crm of tenant demo is the default again\n"
    );
    assert_eq!(
        tenon(&["quota", "list", "--tenant", "demo"]).await.success(),
        "no quota was set for it: the defaults hold\n"
    );
    let told = tenon(&["quota", "list"]).await.failure();
    assert!(told.contains("say which tenant it is about: --tenant acme"), "{told}");
    let told = tenon(&["quota", "set", "pages", "1", "--tenant", "demo"]).await.failure();
    assert!(
        told.contains(
            "there is no quota `pages`; there are calls, cpu, events, notifications, outbound, storage, rows, keys"
        ),
        "{told}"
    );
}

#[tokio::test]
async fn a_tenant_keeps_no_more_rows_and_bytes_than_an_operator_allows() {
    let host = Host::with_plugins(&["probe"]).await;
    // Each text is there once.
    let batch = std::cell::Cell::new(0);
    let insert = async |rows: u32| {
        batch.set(batch.get() + 1);
        let numbers = format!("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {rows})");
        let statement = format!("INSERT INTO note (text) {numbers} SELECT '{}.' || x FROM c", batch.get());
        host.post("/plugins/probe/execute", json!({ "statement": statement, "parameters": [] })).await
    };
    insert(10).await.data(200);
    let quota = async |name: &str, amount: u64| {
        host.put(&format!("/api/v1/tenants/demo/quotas/{name}?plugin=probe"), json!({ "amount": amount }))
            .await
            .data(200)
            .clone()
    };
    assert_eq!(quota("rows", 15).await["hourly"], false);
    let told = insert(6).await;
    assert!(told.text.contains("rows: at most 15 in all tables of this plugin, 16 with these"), "{told:?}");
    insert(5).await.data(200);
    // Other tenants have theirs.
    host.tenant("acme")
        .post(
            "/plugins/probe/execute",
            json!({ "statement": "INSERT INTO note (text) VALUES ('x')", "parameters": [] }),
        )
        .await
        .data(200);
    quota("rows", 100_000).await;
    quota("storage", 65_536).await;
    let told = insert(50_000).await;
    assert!(told.text.contains("storage: the database of this plugin is full with 65536 bytes"), "{told:?}");
    quota("storage", 10_000_000).await;
    insert(50_000).await.data(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_32_writers_at_once_as_many_keys_are_made_as_the_quota_has_left() {
    let patient = "limits.wall_deadline_ms = 28000\nsql.busy_wait_ms = 20000\nquotas.keys = 40";
    let host = Host::with_config(&["hostile-keeper"], patient).await;
    let keys_of = async |client: &Client| {
        let usage = client.get("/api/v1/usage").await;
        let keys = usage.rows()[0]["quotas"].as_array().unwrap().iter().find(|quota| quota["quota"] == "keys");
        let keys = keys.unwrap();
        assert_eq!((&keys["unit"], keys.get("resetsAt")), (&json!("keys"), None));
        (keys["used"].as_u64().unwrap(), keys["limit"].as_u64().unwrap())
    };
    let set = async |client: &Client, key: String| {
        client.post("/plugins/hostile-keeper/set", json!({ "bucket": "default", "key": key, "bytes": 1 })).await
    };
    host.put("/api/v1/tenants/demo/quotas/keys", json!({ "amount": 50 })).await.data(200);
    let writers = (0..32).map(|writer| {
        let (host, set) = (&host, &set);
        async move {
            let mut answers = Vec::new();
            for key in 0..3 {
                answers.push(set(host, format!("{writer}.{key}")).await);
            }
            answers
        }
    });
    let answers: Vec<Answer> = join_all(writers).await.into_iter().flatten().collect();
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((made.len(), refused.len()), (50, 46));
    for answer in refused {
        assert!(answer.message(400, "refused").starts_with("quota keys: at most 50 for this plugin"), "{answer:?}");
    }
    assert_eq!(keys_of(&host).await, (50, 50));

    // It holds from the next change on. Other tenants have the default.
    let set_quota = async |amount: u64| {
        let path = "/api/v1/tenants/demo/quotas/keys?plugin=hostile-keeper";
        assert_eq!(host.put(path, json!({ "amount": amount })).await.data(200)["hourly"], false);
    };
    set_quota(51).await;
    set(&host, "one more".to_owned()).await.data(200);
    set(&host, "too many".to_owned()).await.refusal(400, "refused");
    set_quota(10).await;
    set(&host, "one more".to_owned()).await.data(200);
    assert_eq!(keys_of(&host).await, (51, 10));
    let acme = host.tenant("acme");
    set(&acme, "mine".to_owned()).await.data(200);
    assert_eq!(keys_of(&acme).await, (1, 40));
}
