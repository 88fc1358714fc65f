//! What is loaded, and what is refused before anything of it is parsed.

use std::fs;

use super::{key, refused, signature, signed, strict, tenon, trust, vouched, vouched_become};
use crate::common::{Client, Process, Scratch, output};
use crate::files::{put, refused_become, thing, with_section};
use crate::loader;

#[tokio::test]
async fn a_signed_file_of_the_catalogue_is_listed_and_installed() {
    let host = strict().await;
    let (scratch, catalogue) = (host.scratch(), host.scratch().path("catalogue"));
    fs::create_dir(&catalogue).unwrap();
    for name in ["ours", "theirs"] {
        key(scratch, name).await;
    }
    let twice = signed(scratch, &signed(scratch, &thing("thing", "1.0.0", &[]), "theirs").await, "ours").await;
    fs::write(catalogue.join("thing.wasm"), &twice).unwrap();
    // Only what stands behind a signature is wrong in the middle.
    let appended = with_section(&signed(scratch, &thing("other", "1.0.0", &[]), "ours").await, "note", "more");
    fs::write(catalogue.join("zz.wasm"), appended).unwrap();
    let listed = host.get("/api/v1/catalogue").await;
    let [thing, other] = listed.rows() else { panic!("{listed:?}") };
    assert_eq!((&thing["id"], &thing["version"]), (&"thing".into(), &"1.0.0".into()), "{thing}");
    assert!(other["reason"].as_str().unwrap().contains("something stands behind its signature"), "{other}");

    // Whether its signature counts is the loader's to say.
    let install = ["catalogue", "install", "thing", "1.0.0", "--url", host.address()];
    let told = output(scratch.tenon(&install)).await.failure();
    assert!(told.contains("which nobody trusts here"), "{told}");
    trust(&host, "thing-team", "ours", "thing").await;
    assert_eq!(tenon(scratch, &install).await, "thing 1.0.0 is installed: active\n");
    assert_eq!(vouched(&host).await, ["thing 1.0.0 thing-team"]);
}

#[tokio::test]
async fn only_what_a_trusted_key_signed_for_this_plugin_is_loaded() {
    let host = strict().await;
    let (scratch, plugins) = (host.scratch(), host.scratch().plugins());
    for name in ["ours", "theirs", "strangers"] {
        key(scratch, name).await;
    }
    trust(&host, "thing-team", "ours", "thing").await;
    trust(&host, "acme", "theirs", "acme-*").await;
    let whole = thing("thing", "1.0.0", &[]);
    let good = signed(scratch, &whole, "ours").await;
    let later = thing("thing", "1.1.0", &[]);
    let beside = signature(scratch, &later, "ours").await;
    let mut altered = good.clone();
    // Within the name of the plugin's function, so that it would load.
    let at = whole.windows(3).position(|bytes| bytes == b"act").unwrap();
    altered[at] = b'A';
    let twice = signed(scratch, &signed(scratch, &thing("thing", "1.2.0", &[]), "theirs").await, "ours").await;
    put(&plugins.join("long.wasm.sig"), &signature(scratch, &whole, "ours").await.repeat(50));
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("altered.wasm", altered, "is wrong: the file was changed after it was signed"),
        ("appended.wasm", with_section(&good, "note", "more"), "something stands behind its signature"),
        ("cut.wasm", good[..good.len() - 20].to_vec(), "its end is cut off, and a signature with it"),
        ("impostor.wasm", signed(scratch, &whole, "theirs").await, "signed by acme, who may sign acme-*"),
        ("strange.wasm", signed(scratch, &whole, "strangers").await, "which nobody trusts here"),
        ("stripped.wasm", whole.clone(), "it is not signed"),
        (
            "long.wasm",
            whole.clone(),
            "long.wasm.sig beside it: the file has 7450 bytes; at most 4096 are allowed (trust.",
        ),
        // A bomb is not even looked into: nothing of it is parsed.
        ("bomb.wasm", with_section(&whole, "tenon:demo", &"x".repeat(5 << 20)), "it is not signed"),
    ];
    for (name, bytes, reason) in &cases {
        put(&plugins.join(name), bytes);
        let told = refused(&host, name).await;
        assert!(told.contains(reason), "{name}: {told}");
    }
    assert_eq!(vouched(&host).await, [""; 0]);

    put(&plugins.join("later.wasm.sig"), &beside);
    put(&plugins.join("later.wasm"), &later);
    put(&plugins.join("good.wasm"), &good);
    put(&plugins.join("twice.wasm"), &twice);
    vouched_become(&host, &["thing 1.0.0 thing-team", "thing 1.1.0 thing-team", "thing 1.2.0 thing-team"]).await;
    assert_eq!(loader::rejected(&host).await.len(), 8);
    // Machine code was made of those three alone.
    let compiled = fs::read_dir(scratch.data().join("compiled")).unwrap().count();
    assert_eq!(compiled, 3);

    // Beside other bytes, a signature is wrong; what ran goes on.
    put(&plugins.join("later.wasm"), &thing("thing", "1.3.0", &[]));
    assert!(refused(&host, "later.wasm").await.contains("is wrong"));
    assert!(vouched(&host).await.contains(&"thing 1.1.0 thing-team".to_owned()));
    put(&plugins.join("good.wasm"), &whole);
    assert!(refused(&host, "good.wasm").await.contains("it is not signed"));
    assert!(vouched(&host).await.contains(&"thing 1.0.0 thing-team".to_owned()));
}

#[tokio::test]
async fn a_manifest_beside_a_file_is_signed_with_it() {
    let host = strict().await;
    let (scratch, plugins) = (host.scratch(), host.scratch().plugins());
    key(scratch, "ours").await;
    trust(&host, "team", "ours", "*").await;
    let manifest = r#"{"id":"bare","name":"Bare","version":"1.0.0"}"#;
    let (file, beside) = (scratch.path("bare.wasm"), scratch.path("bare.plugin.json"));
    fs::write(&file, loader::thing()).unwrap();
    let without = output(scratch.tenon(&["sign", "bare.wasm", "--key", "ours"])).await.failure();
    assert!(without.contains("put it beside the file as bare.plugin.json"), "{without}");
    fs::write(&beside, manifest).unwrap();
    tenon(scratch, &["sign", "bare.wasm", "--key", "ours"]).await;
    let good = fs::read(&file).unwrap();
    put(&plugins.join("bare.plugin.json"), manifest.as_bytes());
    put(&plugins.join("bare.wasm"), &good);
    vouched_become(&host, &["bare 1.0.0 team"]).await;

    // With the same bytes it could be somebody else.
    put(&plugins.join("bare.plugin.json"), manifest.replace("bare", "crm").as_bytes());
    let told = refused(&host, "bare.wasm").await;
    assert!(told.contains("the file or the manifest beside it was changed"), "{told}");
    fs::remove_file(plugins.join("bare.plugin.json")).unwrap();
    crate::common::eventually("the manifest to be missed", async || {
        refused(&host, "bare.wasm").await.contains("put bare.plugin.json back").then_some(())
    })
    .await;
    put(&plugins.join("bare.plugin.json"), manifest.as_bytes());
    refused_become(&host, &[]).await;

    // A signature for a component that embeds its manifest says nothing of one beside another.
    let alone = signature(scratch, &thing("thing", "1.0.0", &[]), "ours").await;
    put(&plugins.join("other.plugin.json"), manifest.replace("bare", "other").as_bytes());
    put(&plugins.join("other.wasm.sig"), &alone);
    put(&plugins.join("other.wasm"), &thing("thing", "1.0.0", &[]));
    vouched_become(&host, &["bare 1.0.0 team"]).await;
    let told = refused(&host, "other.wasm").await;
    assert!(told.contains("it exports `demo:thing`, a service of the plugin bare"), "{told}");
}

#[tokio::test]
async fn outside_dev_mode_unsigned_files_are_refused_unless_the_operator_allows_them() {
    let scratch = Scratch::with_plugins(&[]);
    let file = scratch.plugins().join("thing.wasm");
    put(&file, &thing("thing", "1.0.0", &[]));
    let loaded = async |process: &Process| {
        Client::new(process.address()).get("/health").await.data(200)["plugins"]["loaded"].clone()
    };
    let mut command = scratch.serve();
    command.arg("--config").arg(scratch.file("allow.toml", "trust.unsigned = \"allow\""));
    let process = Process::start(&scratch, command).await;
    assert_eq!(loaded(&process).await, 1);
    drop(process);

    let mut command = scratch.serve();
    command.arg("--config").arg(scratch.file("tenon.toml", "loader.rescan_ms = 20"));
    let mut process = Process::start(&scratch, command).await;
    let printed = process.printed(|line| line.contains("not loaded")).await;
    assert!(printed[0].contains("thing.wasm: it is not signed"), "{printed:?}");
    assert_eq!(loaded(&process).await, 0);
    // Signed, it is the plugin that ran before. Whom to trust is said over the host's socket.
    key(&scratch, "ours").await;
    tenon(&scratch, &["sign", file.to_str().unwrap(), "--key", "ours"]).await;
    tenon(&scratch, &["trust", "add", "team", "ours.pub", "--plugins", "thing"]).await;
    crate::common::eventually("the signed file to be loaded", async || (loaded(&process).await == 1).then_some(()))
        .await;
    let log = tenon(&scratch, &["audit", "--operation", "trust."]).await;
    assert!(log.contains("trust.add") && log.contains("team") && log.contains("done"), "{log}");
}
