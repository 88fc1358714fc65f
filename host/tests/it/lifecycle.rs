//! What a plugin goes through: installed once, brought to each tenant, taken from it; and what comes of it when it fails.

mod handover;
mod passing;
mod replaced;
mod told;
mod uninstall;

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};

use super::loader::component;
use crate::common::{Answer, Client, Host, Scratch, ask, eventually};

/// New files count after two looks, and a plugin has not long to come to a tenant, and one attempt.
const QUICK: &str = "\
    log.filter = \"info\"
    loader.rescan_ms = 50
    lifecycle.deadline_ms = 2000
    lifecycle.deadline_attempts = 1
    lifecycle.flush_ms = 100
";

/// The same with other settings in their place.
fn config(settings: &[(&str, u64)]) -> String {
    let is_set = |line: &&str| settings.iter().all(|(key, _)| !line.trim().starts_with(&format!("{key} =")));
    let mut lines: Vec<String> = QUICK.lines().filter(is_set).map(str::to_owned).collect();
    lines.extend(settings.iter().map(|(key, value)| format!("{key} = {value}")));
    lines.join("\n")
}

/// A version of the plugin: what its manifest says of its functions instead of `well`, and one more migration.
pub struct Version {
    pub version: &'static str,
    pub words: &'static [(&'static str, &'static str)],
    pub migration: Option<&'static str>,
}

impl Version {
    pub fn new(version: &'static str) -> Self {
        Self { version, words: &[], migration: None }
    }

    fn file(&self, scratch: &Scratch) -> PathBuf {
        scratch.plugins().join(format!("phases-{}.wasm", self.version))
    }

    /// Puts it into the plugins directory. The built component lies there, or as `phases.built` beside the directory.
    pub fn put(&self, scratch: &Scratch) {
        self.put_as(&self.file(scratch), scratch);
    }

    /// The same under this name.
    fn put_as(&self, file: &Path, scratch: &Scratch) {
        let built = scratch.plugins().join("phases.wasm");
        let mut bytes = match std::fs::read(&built) {
            Ok(bytes) => bytes,
            Err(_) => std::fs::read(scratch.path("phases.built")).unwrap(),
        };
        let name = |version: &str| format!("\"name\": \"Phases\",\n  \"version\": \"{version}\"");
        replace(&mut bytes, &name("1.0.0"), &name(self.version));
        for (step, word) in self.words {
            // As the words stand one behind the other, none is the end of another with this before it.
            let before = if *step == "install" { '"' } else { ' ' };
            replace(&mut bytes, &format!("{before}{step}:well"), &format!("{before}{step}:{word}"));
        }
        if let Some(migration) = self.migration {
            // Behind the header of a component of its own, which the plugin has already.
            bytes.extend(&component(&[("tenon:migration:0002_more", migration)])[8..]);
        }
        let hidden = scratch.plugins().join(".phases.part");
        std::fs::write(&hidden, bytes).unwrap();
        std::fs::rename(hidden, file).unwrap();
    }
}

fn replace(bytes: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(places.len() >= 2, "{from} stands in the manifest and in the code's copy of it");
    places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
}

/// A host with these versions.
pub async fn host(versions: &[Version]) -> Host {
    host_with(versions, QUICK).await
}

async fn host_with(versions: &[Version], config: &str) -> Host {
    let scratch = Scratch::with_plugins(&["phases"]);
    let built = scratch.plugins().join("phases.wasm");
    std::fs::rename(built, scratch.path("phases.built")).unwrap();
    versions.iter().for_each(|version| version.put(&scratch));
    let config = scratch.file("tenon.toml", config);
    Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await
}

pub async fn add(host: &Host, version: Version) {
    version.put(host.scratch());
    loaded(host, version.version).await;
}

async fn loaded(host: &Host, version: &str) {
    eventually("the version is loaded", async || {
        let plugins = host.get("/api/v1/plugins").await;
        plugins.rows().iter().any(|plugin| plugin["version"] == version).then_some(())
    })
    .await;
}

async fn events(client: &Client) -> Vec<String> {
    let events = client.get("/plugins/phases/events").await;
    events.rows().iter().map(|event| event.as_str().unwrap().replace("Value::Text", "")).collect()
}

fn has(events: &[String], text: &str) -> usize {
    events.iter().filter(|event| event.contains(text)).count()
}

pub async fn note(client: &Client, text: &str) -> Answer {
    client.post("/plugins/phases/note", json!({ "text": text })).await
}

async fn errors(client: &Client) -> Vec<Value> {
    client.get("/api/v1/plugins/phases/errors").await.rows().to_vec()
}

/// The tenant's view of one version.
async fn seen(client: &Client, version: &str) -> Value {
    let plugins = client.get("/api/v1/plugins").await;
    plugins.rows().iter().find(|plugin| plugin["version"] == version).unwrap().clone()
}

fn logged(host: &Host, text: &str) -> usize {
    std::fs::read_to_string(host.scratch().log()).unwrap().matches(text).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_installed_once_and_activated_once_for_each_tenant_whoever_comes_first() {
    let mut host = host(&[Version::new("1.0.0")]).await;
    for tenant in ["acme", "beta"] {
        let calls = (0..32).map(|_| {
            let client = host.tenant(tenant);
            tokio::spawn(async move { events(&client).await })
        });
        for call in calls.collect::<Vec<_>>() {
            let events = call.await.unwrap();
            assert_eq!((events.len(), has(&events, "on-activate 1.0.0")), (1, 1), "{events:?}");
        }
    }
    host.restart().await;
    assert_eq!(events(&host.tenant("acme")).await.len(), 1, "a host that starts anew activates nothing again");
    // For nobody, who has no data.
    assert_eq!(logged(&host, "phases: on-install for"), 1);
    assert_eq!(logged(&host, "there is no tenant: the plugin is being installed"), 1);

    let stats = host.tenant("acme").get("/api/v1/plugins/phases/stats").await.data(200).clone();
    assert_eq!((&stats["all"]["activations"], &stats["all"]["calls"]), (&json!(1), &json!(33)), "{stats}");
    assert!(stats["tenants"][0]["lastUsedAt"].is_string() && stats["all"]["failures"] == 0, "{stats}");
}

#[tokio::test]
async fn a_version_that_fails_leaves_the_tenant_on_the_one_before_with_its_data_and_says_why() {
    for (word, told) in [("fail", "asked to fail its activate"), ("trap", "trapped"), ("wait", "did not answer within")]
    {
        let host = host(&[Version::new("1.0.0")]).await;
        let client = host.tenant("acme");
        note(&client, "mine").await.data(200);
        let words: &[_] = match word {
            "fail" => &[("activate", "fail")],
            "trap" => &[("activate", "trap")],
            _ => &[("activate", "wait")],
        };
        add(&host, Version { words, ..Version::new("1.1.0") }).await;
        let events = events(&client).await;
        assert_eq!((has(&events, "mine"), has(&events, "on-activate 1.1.0") <= 1), (1, true), "{word}: {events:?}");
        let info = client.get("/plugins/phases/info").await;
        assert_eq!(info.data(200)["version"], "1.0.0", "{word}");

        let errors = errors(&client).await;
        assert_eq!(errors.len(), 1, "{word}: {errors:?}");
        assert!(errors[0]["message"].as_str().unwrap().contains(told), "{word}: {errors:?}");
        assert_eq!((&errors[0]["hook"], &errors[0]["version"]), (&json!("on-activate"), &json!("1.1.0")));
        assert_eq!(errors[0]["backtrace"].is_string(), word == "trap", "{errors:?}");
        let failed = seen(&client, "1.1.0").await;
        assert_eq!(failed["status"], "error", "{failed}");
        assert!(failed["reason"].as_str().unwrap().contains(told) && failed["since"].is_string(), "{failed}");
        assert_eq!(seen(&client, "1.0.0").await["status"], "active");
        // Another tenant sees neither the failure nor its text.
        assert!(self::errors(&host.tenant("other")).await.is_empty());

        // Tried again when somebody says so, and when the file changes.
        let again = client.post("/api/v1/plugins/phases/activate", json!(null)).await;
        assert_eq!(again.data(200)["version"], "1.0.0");
        assert_eq!(self::errors(&client).await.len(), 2, "{word}");
        std::fs::remove_file(Version::new("1.1.0").file(host.scratch())).unwrap();
        add(&host, Version::new("1.2.0")).await;
        assert_eq!(has(&self::events(&client).await, "on-activate 1.2.0"), 1);
    }
}

#[tokio::test]
async fn a_plugin_that_cannot_be_installed_is_used_by_nobody() {
    let host = host(&[Version { words: &[("install", "fail")], ..Version::new("1.0.0") }]).await;
    for tenant in ["acme", "beta"] {
        let refused = host.tenant(tenant).get("/plugins/phases/events").await;
        assert!(refused.message(503, "plugin_inactive").contains("on-install"), "{refused:?}");
    }
    assert_eq!(errors(&host.tenant("acme")).await[0]["hook"], "on-install");
    // An operator who names no tenant sees all, and what concerned none.
    let data = host.scratch().data();
    let mut command = host.scratch().tenon(&["plugin", "errors", "phases", "--json", "--data"]);
    let told: Value = serde_json::from_slice(&command.arg(data).output().unwrap().stdout).unwrap();
    let tenants: Vec<_> = told.as_array().unwrap().iter().map(|error| error["tenant"].as_str()).collect();
    assert!([None, Some("acme"), Some("beta")].iter().all(|tenant| tenants.contains(tenant)), "{told}");
}

#[tokio::test]
async fn what_could_not_be_installed_says_so_before_anybody_asks_for_it_and_after_a_restart() {
    let mut host = host(&[Version { words: &[("install", "fail")], ..Version::new("1.0.0") }]).await;
    let shown = async |host: &Host| {
        let shown = seen(host, "1.0.0").await;
        let told = shown["reason"].as_str().unwrap_or_default().contains("on-install: phases was asked to fail its");
        (shown["status"] == "error" && told && shown["since"].is_string()).then_some(())
    };
    eventually("the host has tried", async || shown(&host).await).await;
    // Only what was written down outlives the host.
    eventually("it is written down", async || (logged(&host, "a plugin's lifecycle failed") > 0).then_some(())).await;
    host.restart().await;
    shown(&host).await.expect("an error from the first moment on");
    let mut command = host.scratch().tenon(&["plugin", "show", "phases", "--json", "--url", host.address()]);
    let told = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(told.contains("on-install: phases was asked to fail its install"), "{told}");
}

#[tokio::test]
async fn a_call_that_traps_is_kept_with_its_backtrace_and_counted() {
    let host = host(&[Version::new("1.0.0")]).await;
    let client = host.tenant("acme");
    for _ in 0..3 {
        client.post("/plugins/phases/trap", json!({})).await.message(502, "plugin_trapped");
    }
    let kept = errors(&client).await;
    assert_eq!(kept.len(), 3);
    assert!(kept.iter().all(|error| error["hook"] == "call" && error["backtrace"].is_string()), "{kept:?}");
    let page = client.get("/api/v1/plugins/phases/errors?limit=2").await;
    let next = page.json["nextCursor"].as_str().unwrap();
    let rest = client.get(&format!("/api/v1/plugins/phases/errors?limit=2&cursor={next}")).await;
    assert_eq!((page.rows().len(), rest.rows().len()), (2, 1));
    let stats = client.get("/api/v1/plugins/phases/stats").await;
    assert_eq!((&stats.data(200)["all"]["calls"], &stats.data(200)["all"]["failures"]), (&json!(3), &json!(3)));
    let output = host.scratch().tenon(&["plugin", "errors", "phases", "--tenant", "acme", "--url", host.address()]);
    let output = { output }.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("trapped") && text.contains("backtrace"), "{text}");
}

#[tokio::test]
async fn a_tenant_that_switches_it_off_is_told_to_the_plugin_and_keeps_its_data() {
    let host = host(&[Version::new("1.0.0")]).await;
    let client = host.tenant("acme");
    note(&client, "mine").await.data(200);
    client.post("/api/v1/plugins/phases/deactivate", json!(null)).await.data(200);
    client.get("/plugins/phases/events").await.message(503, "plugin_inactive");
    client.post("/api/v1/plugins/phases/activate", json!(null)).await.data(200);
    let events = events(&client).await;
    let order = ["on-activate", "mine", "on-deactivate", "on-activate"];
    assert!(events.len() == 4 && events.iter().zip(order).all(|(event, text)| event.contains(text)), "{events:?}");
}

#[tokio::test]
async fn a_plugin_that_does_not_want_to_go_goes_when_somebody_insists() {
    let host = host(&[Version { words: &[("deactivate", "fail")], ..Version::new("1.0.0") }]).await;
    let client = host.tenant("acme");
    note(&client, "mine").await.data(200);
    let refused = client.post("/api/v1/plugins/phases/deactivate", json!(null)).await;
    assert!(refused.message(409, "deactivation_failed").contains("asked to fail its deactivate"));
    note(&client, "still here").await.data(200);
    client.post("/api/v1/plugins/phases/deactivate?force=true", json!(null)).await.data(200);
    client.get("/plugins/phases/events").await.message(503, "plugin_inactive");
    assert_eq!(errors(&client).await.len(), 2);
}

#[tokio::test]
async fn a_rollout_moves_its_tenants_and_going_back_is_refused_where_data_is_in_the_way() {
    const MORE: &str = "ALTER TABLE event ADD COLUMN colour TEXT";
    let host = host(&[Version::new("1.0.0")]).await;
    let clients = ["acme", "beta"].map(|tenant| host.tenant(tenant));
    let put = async |body: Value| {
        let path = "/api/v1/rollouts/phases";
        let etag = host.get(path).await.header("etag").to_owned();
        let request = host.request(Method::PUT, path).json(&body);
        ask(if etag.is_empty() { request } else { request.header("If-Match", etag) }).await
    };
    for client in &clients {
        note(client, "before").await.data(200);
    }
    put(json!({ "version": "1.0.0", "percent": 100 })).await.data(200);
    add(&host, Version { migration: Some(MORE), ..Version::new("1.1.0") }).await;
    let rolled = put(json!({ "version": "1.1.0", "tenants": ["acme"] })).await;
    assert_eq!(rolled.data(200)["outcomes"], json!([{ "tenant": "acme", "moved": true, "version": "1.1.0" }]));
    // Moved without a request of its own.
    put(json!({ "version": "1.1.0", "percent": 100 })).await.data(200);
    eventually("beta is moved", async || {
        let stats = clients[1].get("/api/v1/plugins/phases/stats").await;
        (stats.data(200)["all"]["activations"] == 2).then_some(())
    })
    .await;
    note(&clients[0], "after").await.data(200);

    let refused = host.post("/api/v1/rollouts/phases/rollback", json!(null)).await;
    let error = refused.refusal(409, "data_unreadable");
    assert_eq!(error["details"]["tenants"], json!(["acme", "beta"]), "{error}");
    // Whoever insists moves nobody whose data is in the way; with a snapshot a tenant goes back.
    host.post("/api/v1/rollouts/phases/rollback?force=true", json!(null)).await.data(200);
    let version = async |client: &Client| {
        client.get("/plugins/phases/events").await.data(200);
        client.get("/plugins/phases/info").await.data(200)["version"].as_str().unwrap().to_owned()
    };
    assert_eq!([version(&clients[0]).await, version(&clients[1]).await], ["1.1.0", "1.1.0"]);
    let snapshots = clients[0].get("/api/v1/plugins/phases/snapshots").await;
    let id = snapshots.column("id")[0].to_owned();
    let path = format!("/api/v1/plugins/phases/snapshots/{id}/restore");
    let restored = clients[0].post(&path, json!(null)).await;
    assert!(restored.data(200)["kept"].is_string());
    assert_eq!([version(&clients[0]).await, version(&clients[1]).await], ["1.0.0", "1.1.0"]);
    let events = events(&clients[0]).await;
    assert_eq!((has(&events, "before"), has(&events, "after")), (1, 0), "{events:?}");
    clients[0].delete(&format!("/api/v1/plugins/phases/snapshots/{id}")).await.data(200);
}
