use jiff::Timestamp;

use super::*;
use crate::hash::sha256;
use crate::registry::trust::{SecretKey, Signature, Subject, appended, examine};

const FILE: &[u8] = b"\0asm\x0d\0\x01\0";
const MANIFEST: &[u8] = b"{}";

struct Somebody {
    name: &'static str,
    key: SecretKey,
    plugins: &'static [&'static str],
}

impl Somebody {
    fn new(name: &'static str, plugins: &'static [&'static str]) -> Self {
        Self { name, key: SecretKey::generate(), plugins }
    }

    fn row(&self) -> db::TrustedKey {
        db::TrustedKey {
            name: self.name.into(),
            public_key: self.key.public().to_string(),
            plugins: self.plugins.iter().map(ToString::to_string).collect(),
            added_at: Timestamp::UNIX_EPOCH,
        }
    }
}

/// What becomes of a file that says it is `crm`, signed by these, with or without a manifest beside it.
fn vouched(policy: &Policy, signers: &[(&Somebody, bool)], beside: bool) -> Result<Option<String>, Refusal> {
    let mut bytes = FILE.to_vec();
    for (signer, with_manifest) in signers {
        let subject = Subject::new(FILE, with_manifest.then_some(MANIFEST));
        bytes.extend(appended(&Signature::new(&subject, &signer.key)));
    }
    let examined = examine((&bytes, sha256(&bytes)), ("crm.plugin.json", Some(MANIFEST)), None, 8).unwrap();
    policy.admit(&examined)?;
    let id = PluginId::parse("crm").unwrap();
    let signer = policy.vouched(&examined, &id, beside.then_some("crm.plugin.json"))?;
    Ok(signer.map(|signer| signer.name))
}

fn policy(unsigned: bool, trusted: &[&Somebody]) -> Policy {
    let settings = Settings { unsigned, downgrade: false, signatures: 8, signature_file_bytes: 4096 };
    let rows: Vec<_> = trusted.iter().map(|somebody| somebody.row()).collect();
    Policy::new(settings, &rows, Versions::default())
}

#[test]
fn only_a_key_that_may_sign_the_plugin_vouches_for_it() {
    let (crm, all) = (Somebody::new("crm-team", &["crm", "crm-*"]), Somebody::new("build", &["*"]));
    let (other, stranger) = (Somebody::new("acme", &["acme-*", "crm-*"]), Somebody::new("stranger", &["*"]));
    let strict = policy(false, &[&crm, &all, &other]);
    let by = |signers: &[&Somebody]| {
        let signers: Vec<_> = signers.iter().map(|signer| (*signer, false)).collect();
        vouched(&strict, &signers, false)
    };
    assert_eq!(by(&[&crm]), Ok(Some("crm-team".into())));
    assert_eq!(by(&[&all]), Ok(Some("build".into())));
    assert_eq!(by(&[]), Err(Refusal::Unsigned { cut: false }));
    assert_eq!(by(&[&stranger]), Err(Refusal::UnknownKey { key: stranger.key.public() }));
    let told = by(&[&other]).unwrap_err().to_string();
    assert!(told.contains("says that it is `crm`") && told.contains("acme, who may sign acme-*, crm-*"), "{told}");
    // It is enough that one may, whoever else signed.
    assert_eq!(by(&[&other, &stranger, &crm]), Ok(Some("crm-team".into())));
    assert!(matches!(by(&[&stranger, &other]), Err(Refusal::OtherPlugin { .. })));
}

#[test]
fn where_unsigned_files_are_taken_an_impostor_is_not() {
    let (other, stranger) = (Somebody::new("acme", &["acme-*"]), Somebody::new("stranger", &["*"]));
    let lenient = policy(true, &[&other]);
    assert_eq!(vouched(&lenient, &[], false), Ok(None));
    assert_eq!(vouched(&lenient, &[(&stranger, false)], false), Ok(None));
    assert!(matches!(vouched(&lenient, &[(&other, false)], false), Err(Refusal::OtherPlugin { .. })));
}

#[test]
fn a_manifest_beside_the_file_has_to_be_covered_if_it_counts() {
    let (one, two) = (Somebody::new("one", &["crm"]), Somebody::new("two", &["crm"]));
    let strict = policy(false, &[&one, &two]);
    let missing = Refusal::Manifest { name: "one".into(), sidecar: "crm.plugin.json".into() };
    assert_eq!(vouched(&strict, &[(&one, false)], true), Err(missing));
    assert_eq!(vouched(&strict, &[(&one, true)], true), Ok(Some("one".into())));
    assert_eq!(vouched(&strict, &[(&one, false), (&two, true)], true), Ok(Some("two".into())));
    assert_eq!(vouched(&strict, &[(&one, true)], false), Ok(Some("one".into())), "more than is needed");
}

#[test]
fn a_row_that_cannot_be_read_trusts_nobody() {
    let crm = Somebody::new("crm-team", &["crm"]);
    let settings = policy(false, &[]).settings;
    let with = |row: db::TrustedKey| Policy::new(settings.clone(), &[row], Versions::default());
    let no_key = with(db::TrustedKey { public_key: "ed25519:".into(), ..crm.row() });
    let no_pattern = with(db::TrustedKey { plugins: vec!["crm".into(), "C*M".into()], ..crm.row() });
    for policy in [no_key, no_pattern] {
        assert!(matches!(vouched(&policy, &[(&crm, false)], false), Err(Refusal::UnknownKey { .. })));
    }
}

#[test]
fn an_old_version_is_told_what_it_is_older_than() {
    let highest = [db::HighestVersion { plugin: "crm".into(), version: "1.10.0".into() }];
    let mut settings = policy(false, &[]).settings;
    let key = PluginKey { id: PluginId::parse("crm").unwrap(), version: Version::new(1, 9, 0) };
    let strict = Policy::new(settings.clone(), &[], Versions::new(&highest, Vec::new()));
    let told = strict.allows_version(&key).unwrap_err().to_string();
    assert!(told.contains("crm 1.9.0 is older than 1.10.0") && told.contains("--allow-downgrade"), "{told}");
    settings.downgrade = true;
    assert_eq!(Policy::new(settings, &[], Versions::new(&highest, Vec::new())).allows_version(&key), Ok(()));
}
