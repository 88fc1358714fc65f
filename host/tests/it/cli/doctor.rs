//! `tenon doctor`.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Host, Scratch, ask, eventually, output};
use crate::lifecycle::{self, Version};

/// What the doctor found, and whether it ended as one who found that.
async fn doctor(scratch: &Scratch, args: &[&str]) -> Vec<Value> {
    let mut command = scratch.tenon(&["doctor", "--json", "--data", "data"]);
    command.args(args);
    if !args.contains(&"--plugins") {
        command.args(["--plugins", "plugins"]);
    }
    // Whoever else listens on the usual port is no matter here.
    if !["--listen", "--url"].iter().any(|option| args.contains(option)) {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    let said = output(command).await;
    assert!(said.stderr.is_empty(), "{said:#?}");
    let whole: Value = serde_json::from_str(&said.stdout).unwrap();
    let findings = whole["findings"].as_array().unwrap().clone();
    let good = findings.iter().all(|finding| finding["level"] != "fix");
    assert_eq!((&whole["ok"], said.status), (&json!(good), Some(if good { 0 } else { 1 })), "{whole:#}");
    findings
}

/// The messages of a level, each with its fix.
fn told(findings: &[Value], level: &str) -> Vec<String> {
    let of_level = findings.iter().filter(|finding| finding["level"] == level);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    of_level.map(|it| format!("{}: {}; {}", text(&it["about"]), text(&it["message"]), text(&it["fix"]))).collect()
}

#[track_caller]
fn expect(findings: &[Value], level: &str, parts: &[&str]) {
    let told = told(findings, level);
    let found = told.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(found, "expected a `{level}` with {parts:?}: {findings:#?}");
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Every file below, with its length and the time it was changed.
fn all_files(directory: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let metadata = entry.metadata().unwrap();
        match metadata.is_dir() {
            true => files.extend(all_files(&entry.path())),
            false => _ = files.insert(entry.path(), (metadata.len(), metadata.modified().unwrap())),
        }
    }
    files
}

#[tokio::test]
async fn an_installation_is_sound_when_what_it_said_was_done_and_nothing_was_changed() {
    let mut host = Host::with_plugins(&["crm", "analytics"]).await;
    host.get("/plugins/crm/contacts").await.data(200);
    let keys = host.scratch().data().join("keys");
    mode(&keys, 0o755);
    mode(&keys.join("compiled-code.key"), 0o644);
    let ill = doctor(host.scratch(), &["--dev"]).await;
    expect(&ill, "fix", &["others can enter data/keys (0755)", "chmod 0700 data/keys"]);
    expect(&ill, "fix", &["others can read the key", "chmod 0600"]);
    // The fixes are commands.
    for finding in ill.iter().filter(|finding| finding["level"] == "fix") {
        let mut fix = Command::new("sh");
        fix.args(["-c", finding["fix"].as_str().unwrap()]).current_dir(host.scratch().path(""));
        output(fix).await.success();
    }
    let well = doctor(host.scratch(), &["--dev"]).await;
    assert_eq!(told(&well, "fix"), [""; 0]);
    expect(&well, "ok", &["a host answers on data/run/tenon.sock"]);
    expect(&well, "ok", &["2 loaded, all active"]);

    host.terminate();
    host.ended().await;
    let before = all_files(&host.scratch().data());
    let well = doctor(host.scratch(), &["--dev"]).await;
    assert_eq!(told(&well, "fix"), [""; 0]);
    expect(&well, "ok", &["a host would start with these settings"]);
    expect(&well, "ok", &["2 loaded, all active"]);
    expect(&well, "ok", &["databases of tenants: 1"]);
    expect(&well, "ok", &["every database of a tenant is sound: 1 looked through"]);
    expect(&well, "ok", &["plugins lie in plugins"]);
    expect(&well, "ok", &["127.0.0.1:0 is free to listen on"]);
    assert_eq!(all_files(&host.scratch().data()), before, "the doctor changes nothing");
}

#[tokio::test]
async fn plugins_that_do_not_run_are_named_with_the_reason_and_the_command() {
    let scratch = Scratch::with_plugins(&["crm", "analytics"]);
    let config = scratch.file("tenon.toml", "grants.automatic = \"never\"\n");
    let config = config.to_str().unwrap().to_owned();
    let mut host = Host::start(scratch, &["--dev", "--config", &config]).await;
    let decision = json!({"enabled": true, "pin": "=1.0.0"});
    ask(host.request(Method::PUT, "/api/v1/plugins/crm/decision").json(&decision)).await.data(200);
    let rollout = json!({"version": "1.0.0", "percent": 50});
    ask(host.request(Method::PUT, "/api/v1/rollouts/crm").json(&rollout)).await.data(200);
    host.terminate();
    host.ended().await;

    let scratch = host.scratch();
    fs::remove_file(scratch.plugins().join("crm-1.0.0.wasm")).unwrap();
    fs::write(scratch.plugins().join("bad.wasm"), "no plugin").unwrap();
    let found = doctor(scratch, &["--dev", "--config", &config]).await;
    expect(&found, "fix", &["bad.wasm is not loaded: ", "mend that, or take the file out of the directory"]);
    expect(&found, "fix", &["analytics 1.0.0 is not active", "tenon grant analytics --all"]);
    expect(&found, "fix", &["crm 1.0.0 is rolled out and not loaded", "tenon rollout crm --end"]);
    expect(&found, "fix", &["demo wants crm =1.0.0 alone", "tenon plugin unpin crm --tenant demo"]);

    let lines = output(scratch.tenon(&["doctor", "--dev", "--config", &config, "--plugins", "plugins"])).await;
    assert_eq!(lines.status, Some(1));
    assert!(lines.stdout.contains("\nfix   plugins: bad.wasm is not loaded: "), "{}", lines.stdout);
    assert!(lines.stdout.ends_with("things must be fixed.\n"), "{}", lines.stdout);
}

#[tokio::test]
async fn a_version_that_is_merely_not_rolled_out_need_not_be_fixed() {
    let host = lifecycle::host(&[Version::new("1.0.0"), Version::new("1.1.0")]).await;
    let rollout = json!({"version": "1.0.0", "percent": 100});
    ask(host.request(Method::PUT, "/api/v1/rollouts/phases").json(&rollout)).await.data(200);
    lifecycle::note(&host.tenant("acme"), "mine").await.data(200);
    let found = doctor(host.scratch(), &["--dev"]).await;
    expect(&found, "hint", &["phases 1.1.0 is not active", "nothing, if that is meant"]);
    let of_plugins = |found: &[Value]| {
        let mut lines = told(found, "fix");
        lines.retain(|line| line.starts_with("plugins: "));
        lines
    };
    assert_eq!(of_plugins(&found), [""; 0]);

    // What is given fails for a tenant: that is to be fixed, and the other is still what was decided.
    lifecycle::add(&host, Version { words: &[("activate", "fail")], ..Version::new("1.2.0") }).await;
    let rollout = json!({"version": "1.2.0", "percent": 100});
    let put = host.request(Method::PUT, "/api/v1/rollouts/phases?force=true").header("If-Match", "\"1\"");
    ask(put.json(&rollout)).await.data(200);
    let found = eventually("it failed", async || {
        lifecycle::note(&host.tenant("acme"), "more").await;
        let found = doctor(host.scratch(), &["--dev"]).await;
        told(&found, "fix").iter().any(|line| line.contains("phases 1.2.0 is not active")).then_some(found)
    })
    .await;
    expect(&found, "fix", &["phases 1.2.0 is not active", "tenon plugin errors phases"]);
    expect(&found, "hint", &["phases 1.1.0 is not active", "nothing, if that is meant"]);
    assert_eq!(of_plugins(&found).len(), 1, "{found:#?}");
}

#[tokio::test]
async fn what_keeps_a_host_from_starting_is_said_as_the_host_says_it() {
    let scratch = Scratch::with_plugins(&[]);
    let file = scratch.file("tenon.toml", "listem = \"127.0.0.1:0\"\n");
    let found = doctor(&scratch, &["--config", file.to_str().unwrap()]).await;
    expect(&found, "fix", &["line 1", "`listem`"]);
    let found = doctor(&scratch, &["--dev", "--listen", "0.0.0.0:4000"]).await;
    expect(&found, "fix", &["loopback"]);
    let found = doctor(&scratch, &["--plugins", "no-such-directory"]).await;
    expect(&found, "fix", &["a host would not start", "no-such-directory"]);

    fs::create_dir(scratch.data()).unwrap();
    fs::write(scratch.data().join("control.db"), "this is no database, however long it is looked at").unwrap();
    let found = doctor(&scratch, &[]).await;
    expect(&found, "fix", &["data/control.db", "it is not an SQLite database"]);
    fs::remove_dir_all(scratch.data()).unwrap();
    fs::write(scratch.data(), "").unwrap();
    expect(&doctor(&scratch, &[]).await, "fix", &["data is not a directory", "--data"]);
}

#[tokio::test]
async fn a_control_plane_of_a_later_version_is_told_by_its_own_name() {
    let mut host = Host::with_plugins(&[]).await;
    host.terminate();
    host.ended().await;
    let file = host.scratch().data().join("control.db");
    let control = rusqlite::Connection::open(&file).unwrap();
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
        VALUES (9999, 'later', 1, x'00', 0)";
    control.execute(later, []).unwrap();
    drop(control);
    let found = doctor(host.scratch(), &["--dev"]).await;
    expect(&found, "fix", &["data/control.db", "a newer tenon has changed them"]);
}

#[tokio::test]
async fn what_is_left_lying_in_the_data_directory_is_found() {
    let scratch = Scratch::with_plugins(&[]);
    let (run, tenant) = (scratch.data().join("run"), scratch.data().join("tenants/acme"));
    fs::create_dir_all(&tenant).unwrap();
    fs::create_dir(&run).unwrap();
    mode(&run, 0o700);
    mode(&scratch.data().join("tenants"), 0o700);
    // Nobody listens on it any more.
    drop(UnixListener::bind(run.join("tenon.sock")).unwrap());
    fs::write(tenant.join("gone.sqlite-wal"), "x").unwrap();
    fs::write(tenant.join("crm.sqlite"), vec![0; 95_000]).unwrap();
    fs::write(tenant.join("crm.sqlite-wal"), "x").unwrap();
    let config = scratch.file(
        "tenon.toml",
        "[sql]\nstorage_bytes = 100000\n[http]\nconnections_max = 2000000000\nbacklog = 2000000000\n[trust]\nunsigned = \"allow\"\n",
    );
    let found = doctor(&scratch, &["--config", config.to_str().unwrap()]).await;
    expect(&found, "hint", &["data/run/tenon.sock is left", "makes the socket anew"]);
    expect(&found, "fix", &["gone.sqlite-wal has no database"]);
    expect(&found, "hint", &["crm.sqlite takes 95000 of 100000 bytes", "sql.storage_bytes"]);
    expect(&found, "hint", &["changes in the -wal file beside them, as after a kill: 1"]);
    expect(&found, "hint", &["http.connections_max = 2000000000", "LimitNOFILE="]);
    expect(&found, "hint", &["nobody signed", "tenon trust"]);
    expect(&found, "hint", &["http.backlog is 2000000000", "net.core.somaxconn"]);
}

#[tokio::test]
async fn a_clock_that_was_set_back_and_a_directory_open_to_others_are_found() {
    let mut host = Host::with_plugins(&[]).await;
    host.terminate();
    host.ended().await;
    let data = host.scratch().data();
    let later = SystemTime::now() + Duration::from_secs(86_400);
    File::options().write(true).open(data.join("control.db")).unwrap().set_modified(later).unwrap();
    mode(&data, 0o777);
    let found = doctor(host.scratch(), &["--dev"]).await;
    expect(&found, "fix", &["control.db was written later", "set the clock"]);
    expect(&found, "fix", &["others can write to data (0777)", "chmod go-w data"]);
}

#[tokio::test]
async fn a_host_elsewhere_is_asked_and_no_directory_is_looked_at() {
    let host = Host::with_plugins(&["analytics"]).await;
    let scratch = host.scratch();
    let found = doctor(scratch, &["--url", host.address()]).await;
    expect(&found, "fix", &["analytics 1.0.0 is not active", "tenon explain analytics"]);
    assert!(found.iter().all(|finding| finding["about"] == "plugins"), "{found:#?}");
    let nobody = doctor(scratch, &["--url", "http://127.0.0.1:1"]).await;
    expect(&nobody, "fix", &["no host answers at http://127.0.0.1:1"]);
}

#[tokio::test]
async fn keys_that_are_gone_and_secrets_that_do_not_open_are_named() {
    let scratch = Scratch::with_plugins(&[]);
    let manifest = json!({"id": "vault", "name": "Vault", "version": "1.0.0", "config": [
        {"key": "word", "type": "string", "label": "Word", "secret": true}]});
    let plugin = crate::loader::component(&[("tenon:manifest", &manifest.to_string())]);
    fs::write(scratch.plugins().join("vault.wasm"), plugin).unwrap();
    let mut host = Host::start(scratch, &["--dev"]).await;
    let values = json!({"values": {"word": "hunter2"}});
    ask(host.request(Method::PUT, "/api/v1/plugins/vault/config").json(&values)).await.data(200);
    host.post("/api/v1/keys", json!({"role": "member", "name": "x"})).await.data(201);
    let found = doctor(host.scratch(), &["--dev"]).await;
    expect(&found, "ok", &["all that tenants have set in secret opens"]);
    host.terminate();
    host.ended().await;
    let keys = host.scratch().data().join("keys");
    fs::write(keys.join("secrets.key"), "00".repeat(32)).unwrap();
    let found = doctor(host.scratch(), &["--dev"]).await;
    let advice = "tenon config set vault --tenant demo";
    expect(&found, "fix", &["what demo has set for vault, word, does not count", "a key that the host", advice]);
    for name in ["secrets.key", "api-keys.key"] {
        fs::remove_file(keys.join(name)).unwrap();
    }
    let found = doctor(host.scratch(), &["--dev"]).await;
    expect(&found, "fix", &["data/keys/secrets.key is gone, which opens them", "put the copy back"]);
    expect(&found, "fix", &["data/keys/api-keys.key is gone", "tenon key create"]);
    assert!(!keys.join("secrets.key").exists(), "the doctor makes none");
    fs::write(keys.join("secrets.key"), "no key").unwrap();
    let found = doctor(host.scratch(), &["--dev"]).await;
    expect(&found, "fix", &["a host would not start", "data/keys/secrets.key holds something else than keys"]);
}

#[tokio::test]
async fn a_damaged_database_and_a_lost_control_plane_are_found() {
    let mut host = Host::with_plugins(&["crm"]).await;
    host.get("/plugins/crm/contacts").await.data(200);
    let found = doctor(host.scratch(), &["--dev"]).await;
    expect(&found, "ok", &["every database of a tenant is sound: 1 looked through"]);
    host.terminate();
    host.ended().await;
    let data = host.scratch().data();
    let file = data.join("tenants/demo/crm.sqlite");
    let mut bytes = fs::read(&file).unwrap();
    bytes[4096..].fill(0xff);
    fs::write(&file, bytes).unwrap();
    for ending in ["-wal", "-shm"] {
        _ = fs::remove_file(file.with_file_name(format!("crm.sqlite{ending}")));
        _ = fs::remove_file(data.join(format!("control.db{ending}")));
    }
    fs::remove_file(data.join("control.db")).unwrap();
    let found = doctor(host.scratch(), &["--dev"]).await;
    expect(&found, "fix", &["crm.sqlite is damaged: ", "tenon plugin purge crm --tenant demo --yes"]);
    expect(&found, "fix", &["there is no data/control.db", "tenants, keys", "restore it from a backup"]);
    assert!(!data.join("control.db").exists(), "the doctor makes none");
}

#[tokio::test]
async fn every_mistake_of_a_configuration_is_told_at_once() {
    let scratch = Scratch::with_plugins(&[]);
    let text = "listem = 1\ndata = \"elsewhere\"\n[http]\nbody_bytes = \"many\"\nbody_byte = 5\n\n[htpp]\nbody_bytes = 5\n\n\
        [limits]\nhop_reserve_percent = 100\nwall_deadline_ms = 0\n";
    let file = scratch.file("tenon.toml", text);
    let found = doctor(&scratch, &["--config", file.to_str().unwrap()]).await;
    let of = |line: &str, key: &str| expect(&found, "fix", &["configuration: ", line, key]);
    of("line 1: ", "`listem`");
    of("line 4: ", "`http.body_bytes`");
    of("line 5: ", "`http.body_byte`");
    of("line 7: ", "`htpp`");
    of("", "`limits.wall_deadline_ms` is 0");
    of("", "`limits.hop_reserve_percent` is 100");
    expect(&found, "hint", &["the settings that were understood"]);
    expect(&found, "hint", &["not tried whether a host would start"]);
}

#[tokio::test]
async fn an_address_that_is_taken_and_a_key_that_is_none_are_found() {
    let scratch = Scratch::with_plugins(&[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let keys = scratch.data().join("keys");
    fs::create_dir_all(&keys).unwrap();
    fs::write(keys.join("compiled-code.key"), "short").unwrap();
    let found = doctor(&scratch, &["--listen", &address]).await;
    expect(&found, "fix", &["another program listens on", &address, "--listen"]);
    expect(&found, "fix", &["compiled-code.key holds something else than a key of 32 bytes", "delete it"]);
}

#[tokio::test]
async fn an_older_version_is_told_with_a_command_that_works() {
    let scratch = Scratch::with_plugins(&["greeter-1-0", "greeter-1-1"]);
    let config = scratch.file("tenon.toml", "trust.downgrade = \"refuse\"\n");
    let config = config.to_str().unwrap().to_owned();
    let mut host = Host::start(scratch, &["--dev", "--config", &config]).await;
    let side_by_side = doctor(host.scratch(), &["--dev", "--config", &config]).await;
    assert!(
        !side_by_side.iter().any(|found| found["about"] == "plugins" && found["level"] != "ok"),
        "{side_by_side:#?}"
    );
    let rollout = json!({"version": "1.0.0", "percent": 100});
    ask(host.request(Method::PUT, "/api/v1/rollouts/greeter").json(&rollout)).await.data(200);
    let found = doctor(host.scratch(), &["--dev", "--config", &config]).await;
    expect(&found, "hint", &["greeter 1.1.0 is not active", "`tenon rollout greeter 1.1.0 --percent 100`", "--end"]);
    assert!(!told(&found, "hint").iter().any(|hint| hint.contains("into the plugins directory")), "{found:#?}");
    let args = ["rollout", "greeter", "--end", "--url", host.address()];
    output(host.scratch().tenon(&args)).await.success();

    host.terminate();
    host.ended().await;
    fs::remove_file(host.scratch().plugins().join("greeter-1-0.wasm")).unwrap();
    host.start_again().await;
    // Only now it is gone: an old version comes back by permission alone.
    host.terminate();
    host.ended().await;
    host.scratch().add_plugin("greeter-1-0");
    let found = doctor(host.scratch(), &["--dev", "--config", &config]).await;
    let fix = "if it is not wanted, `tenon plugin uninstall greeter 1.0.0`";
    expect(&found, "fix", &["greeter 1.0.0 is older than 1.1.0", "--allow-downgrade", fix]);
    host.start_again().await;
    let args = ["plugin", "uninstall", "greeter", "1.0.0", "--url", host.address()];
    output(host.scratch().tenon(&args)).await.success();
    let found = doctor(host.scratch(), &["--dev", "--config", &config]).await;
    assert!(!told(&found, "fix").iter().any(|fix| fix.starts_with("plugins")), "{found:#?}");
}
