//! An old version comes back only when it never went away, or by permission.

use std::fs;

use super::{refused, vouched};
use crate::common::{Host, Process, Scratch};
use crate::files::{loaded, loaded_become, put, refused_become, thing};

const CONFIG: &str = "loader.rescan_ms = 20\ntrust.downgrade = \"refuse\"\n";

#[tokio::test]
async fn an_old_version_that_went_away_does_not_come_back() {
    let mut host = Host::with_config(&[], CONFIG).await;
    let plugins = host.scratch().plugins();
    let file = |name: &str| plugins.join(name);
    for version in ["1.0.0", "1.1.0"] {
        put(&file(&format!("thing-{version}.wasm")), &thing("thing", version, &[]));
    }
    loaded_become(&host, &["thing 1.0.0", "thing 1.1.0"]).await;
    // The one that stayed is what an operator goes back to, also after a restart.
    let newer = fs::read(file("thing-1.1.0.wasm")).unwrap();
    fs::remove_file(file("thing-1.1.0.wasm")).unwrap();
    loaded_become(&host, &["thing 1.0.0"]).await;
    host.restart().await;
    assert_eq!(loaded(&host).await, ["thing 1.0.0"]);
    // An older one that is put there anew is not taken, under no name.
    put(&file("thing-0.9.0.wasm"), &thing("thing", "0.9.0", &[]));
    let told = refused(&host, "thing-0.9.0.wasm").await;
    assert!(told.starts_with("thing 0.9.0 is older than 1.1.0, which ran here before"), "{told}");
    put(&file("thing-1.1.0.wasm"), &newer);
    loaded_become(&host, &["thing 1.0.0", "thing 1.1.0"]).await;
    // Nor is the one that was removed.
    let older = fs::read(file("thing-1.0.0.wasm")).unwrap();
    fs::remove_file(file("thing-1.0.0.wasm")).unwrap();
    loaded_become(&host, &["thing 1.1.0"]).await;
    put(&file("renamed.wasm"), &older);
    assert!(refused(&host, "renamed.wasm").await.contains("--allow-downgrade"));
    // Nor over the newer one, which goes on.
    put(&file("thing-1.1.0.wasm"), &older);
    assert!(refused(&host, "thing-1.1.0.wasm").await.contains("is older than 1.1.0"));
    assert_eq!(loaded(&host).await, ["thing 1.1.0"]);
    host.restart().await;
    assert_eq!(loaded(&host).await, [""; 0]);
    refused_become(&host, &["renamed.wasm", "thing-0.9.0.wasm", "thing-1.1.0.wasm"]).await;
}

#[tokio::test]
async fn a_directory_that_is_not_mounted_for_a_while_takes_no_version_away() {
    let mut host = Host::with_config(&[], CONFIG).await;
    let (plugins, away) = (host.scratch().plugins(), host.scratch().path("away"));
    for version in ["1.0.0", "1.1.0"] {
        put(&plugins.join(format!("thing-{version}.wasm")), &thing("thing", version, &[]));
    }
    loaded_become(&host, &["thing 1.0.0", "thing 1.1.0"]).await;
    host.terminate();
    host.ended().await;
    fs::rename(&plugins, &away).unwrap();
    fs::create_dir(&plugins).unwrap();
    host.start_again().await;
    assert_eq!(vouched(&host).await, [""; 0]);
    fs::remove_dir(&plugins).unwrap();
    fs::rename(&away, &plugins).unwrap();
    loaded_become(&host, &["thing 1.0.0", "thing 1.1.0"]).await;
}

#[tokio::test]
async fn with_permission_an_old_version_comes_back_and_stays() {
    let scratch = Scratch::with_plugins(&[]);
    let config = scratch.file("tenon.toml", "trust.unsigned = \"allow\"");
    let file = scratch.plugins().join("thing.wasm");
    let loads = async |flags: &[&str], variable: Option<&str>| {
        let mut command = scratch.serve();
        command.arg("--config").arg(&config).args(flags);
        command.envs(variable.map(|value| ("TENON_ALLOW_DOWNGRADE", value)));
        let mut process = Process::start(&scratch, command).await;
        process.terminate();
        process.ended().await;
        process.rest().await.iter().all(|line| !line.contains("not loaded"))
    };
    put(&file, &thing("thing", "2.0.0", &[]));
    assert!(loads(&[], None).await);
    put(&file, &thing("thing", "1.0.0", &[]));
    assert!(!loads(&[], None).await, "outside dev mode the guard is on");
    assert!(!loads(&["--allow-downgrade=false"], Some("true")).await);
    assert!(loads(&["--allow-downgrade"], None).await);
    assert!(loads(&[], None).await, "it stayed");
    put(&file, &thing("thing", "0.5.0", &[]));
    assert!(!loads(&[], None).await);
    assert!(loads(&[], Some("true")).await);
}
