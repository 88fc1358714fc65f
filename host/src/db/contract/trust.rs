//! What holds for trusted keys and versions.

use jiff::Timestamp;

use crate::db::{ControlPlane, HighestVersion, KeptVersion, TrustedKey};

pub(super) async fn a_key_is_trusted_under_one_name_until_it_is_removed(db: &dyn ControlPlane) {
    assert_eq!(db.trusted_key_list().await.unwrap(), []);
    let key = |name: &str, public_key: &str, plugins: &[&str]| TrustedKey {
        name: name.into(),
        public_key: public_key.into(),
        plugins: plugins.iter().map(ToString::to_string).collect(),
        added_at: Timestamp::from_microsecond(1_700_000_000_000_001).unwrap(),
    };
    let (acme, build) = (key("acme", "ed25519:A", &["acme-*", "crm"]), key("build", "ed25519:B", &["*"]));
    assert!(db.trusted_key_add(build.clone()).await.unwrap());
    assert!(db.trusted_key_add(acme.clone()).await.unwrap());
    assert!(!db.trusted_key_add(key("acme", "ed25519:C", &[])).await.unwrap(), "the name is taken");
    assert!(!db.trusted_key_add(key("other", "ed25519:A", &["*"])).await.unwrap(), "the key is there");
    assert!(db.trusted_key_add(key("", "ed25519:D", &[])).await.is_err(), "a key has a name");
    assert_eq!(db.trusted_key_list().await.unwrap(), [acme.clone(), build.clone()]);
    let more = key("acme", "ed25519:A", &["acme-*", "crm", "more"]);
    assert!(db.trusted_key_alter(acme.clone(), more.plugins.clone()).await.unwrap());
    assert!(!db.trusted_key_alter(acme, vec!["*".into()]).await.unwrap(), "it is another by now");
    assert!(!db.trusted_key_alter(key("acme", "ed25519:B", &["*"]), vec![]).await.unwrap(), "it is another key");
    assert_eq!(db.trusted_key_remove("acme").await.unwrap(), Some(more));
    assert_eq!(db.trusted_key_remove("acme").await.unwrap(), None);
    assert_eq!(db.trusted_key_list().await.unwrap(), [build]);
}

pub(super) async fn highest_versions_stay_and_kept_ones_are_replaced(db: &dyn ControlPlane) {
    let highest = |plugin: &str, version: &str| HighestVersion { plugin: plugin.into(), version: version.into() };
    let kept = |version: &str, file: &str| KeptVersion {
        plugin: "crm".into(),
        version: version.into(),
        file_name: file.into(),
    };
    assert_eq!(db.highest_version_list().await.unwrap(), []);
    let first = [highest("analytics", "1.0.0"), highest("crm", "1.0.0")];
    db.versions_note(first.to_vec(), vec![kept("1.0.0", "a.wasm"), kept("0.9.0", "b.wasm")]).await.unwrap();
    assert_eq!(db.highest_version_list().await.unwrap(), first);
    assert_eq!(db.kept_version_list().await.unwrap(), [kept("0.9.0", "b.wasm"), kept("1.0.0", "a.wasm")]);
    db.versions_note(vec![highest("crm", "1.10.0")], vec![kept("1.10.0", "a.wasm")]).await.unwrap();
    assert_eq!(db.highest_version_list().await.unwrap(), [highest("analytics", "1.0.0"), highest("crm", "1.10.0")]);
    assert_eq!(db.kept_version_list().await.unwrap(), [kept("1.10.0", "a.wasm")]);
    // All of it or nothing.
    let twice = vec![kept("2.0.0", "a.wasm"), kept("2.0.0", "b.wasm")];
    assert!(db.versions_note(vec![highest("crm", "2.0.0")], twice).await.is_err());
    assert_eq!(db.highest_version_list().await.unwrap()[1], highest("crm", "1.10.0"));
    assert_eq!(db.kept_version_list().await.unwrap(), [kept("1.10.0", "a.wasm")]);
    assert!(db.highest_version_forget("crm").await.unwrap() && !db.highest_version_forget("crm").await.unwrap());
    assert_eq!(db.highest_version_list().await.unwrap(), [highest("analytics", "1.0.0")]);
}
