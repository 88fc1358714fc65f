use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;

const PLACE: Place<'_> = Place { tenant: "acme", plugin: "crm", field: "apiKey" };

fn secret() -> Secret {
    Secret::new("hunter2".to_owned())
}

#[test]
fn a_secret_opens_only_where_it_was_sealed() {
    let data = tempfile::tempdir().unwrap();
    let seals = Seals::open(data.path()).unwrap();
    let sealed = seals.seal(PLACE, &secret()).unwrap();
    assert!(!sealed.contains("hunter2") && !format!("{:?}", secret()).contains("hunter2"));
    assert_ne!(sealed, seals.seal(PLACE, &secret()).unwrap(), "each has a nonce of its own");
    assert_eq!(seals.unseal(PLACE, &sealed).unwrap(), secret());
    for elsewhere in [
        Place { tenant: "beta", ..PLACE },
        Place { plugin: "analytics", ..PLACE },
        Place { field: "other", ..PLACE },
        Place { tenant: "acme\ncrm", plugin: "apiKey", field: "" },
    ] {
        assert_eq!(seals.unseal(elsewhere, &sealed), Err(OpenError::Altered), "{elsewhere:?}");
    }
    for at in 0..sealed.len() {
        let mut altered = sealed.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        assert!(seals.unseal(PLACE, std::str::from_utf8(&altered).unwrap()).is_err(), "altered at {at}");
    }
}

#[test]
fn the_file_of_keys_is_made_once_and_is_the_hosts_own() {
    use std::os::unix::fs::PermissionsExt;
    let data = tempfile::tempdir().unwrap();
    let sealed = Seals::open(data.path()).unwrap().seal(PLACE, &secret()).unwrap();
    let file = data.path().join("keys/secrets.key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Seals::open(data.path()).unwrap().unseal(PLACE, &sealed).unwrap(), secret());
    for broken in ["", "no key\n"] {
        std::fs::write(&file, broken).unwrap();
        assert!(matches!(Seals::open(data.path()), Err(KeyError::File(_))), "{broken:?}");
    }
}

/// Names of keys that are still needed.
fn names(sealed: &[&str]) -> BTreeSet<String> {
    sealed.iter().filter_map(|sealed| key_of(sealed)).map(str::to_owned).collect()
}

#[tokio::test]
async fn one_key_follows_another() {
    let data = tempfile::tempdir().unwrap();
    let seals = Seals::with(data.path(), None, None).unwrap();
    let first = seals.seal(PLACE, &secret()).unwrap();
    let rotation = seals.rotation().await.unwrap();
    rotation.renew().unwrap();
    let second = seals.seal(PLACE, &secret()).unwrap();
    assert!(!seals.is_current(&first) && seals.is_current(&second));
    let again = Seals::with(data.path(), None, None).unwrap();
    assert!(again.unseal(PLACE, &first).is_ok() && again.is_current(&second), "both keys are in the file");
    assert!(matches!(again.rotation().await, Err(KeyError::Rotating)), "one at a time");
    rotation.forget_others(&names(&[&first])).unwrap();
    assert!(seals.unseal(PLACE, &first).is_ok(), "it may be needed still");
    rotation.forget_others(&names(&[])).unwrap();
    assert_eq!(Seals::with(data.path(), None, None).unwrap().unseal(PLACE, &first), Err(OpenError::UnknownKey));
    drop(rotation);

    // A key of the environment comes before the file's, which still opens what it sealed.
    let (a, b) = (keys::fresh(), STANDARD_NO_PAD.encode([7; 32]));
    let given = Seals::with(data.path(), Some(&a), None).unwrap();
    assert!(given.unseal(PLACE, &second).is_ok() && !given.is_current(&second));
    let third = given.seal(PLACE, &secret()).unwrap();
    let next = Seals::with(data.path(), Some(&b), Some(&format!(" {}, ", &*a))).unwrap();
    assert_eq!(next.unseal(PLACE, &third).unwrap(), secret());
    let file = data.path().join("keys/secrets.key");
    let rotation = next.rotation().await.unwrap();
    rotation.renew().unwrap();
    rotation.forget_others(&names(&[&second, &third])).unwrap();
    assert!(file.exists() && next.unseal(PLACE, &second).is_ok(), "something was sealed with it");
    rotation.forget_others(&names(&[&third])).unwrap();
    assert!(!file.exists() && next.unseal(PLACE, &second).is_err() && next.unseal(PLACE, &third).is_ok());
    for wrong in ["hunter2", "abcd", "zz"] {
        let error = Seals::with(data.path(), Some(wrong), None).err().unwrap().to_string();
        assert!(error.contains(SECRET_KEY) && !error.contains(wrong), "{error}");
    }
}

#[tokio::test]
async fn a_process_follows_the_file_that_another_changed() {
    let data = tempfile::tempdir().unwrap();
    let open = || Arc::new(Seals::with(data.path(), None, None).unwrap());
    let (a, b) = (open(), open());
    let old = b.seal(PLACE, &secret()).unwrap();
    for round in 0..3 {
        let rotation = a.rotation().await.unwrap();
        rotation.renew().unwrap();
        let new = a.seal(PLACE, &secret()).unwrap();
        rotation.forget_others(&names(&[])).unwrap();
        drop(rotation);
        assert!(!b.is_current(&new), "nobody has told it, round {round}");
        if round == 1 {
            let _sealing = b.sealing().await.unwrap();
            assert!(b.is_current(&new), "it looks before it seals");
        }
        assert_eq!(b.unseal(PLACE, &new).unwrap(), secret(), "and when something does not open");
    }
    assert_eq!(b.unseal(PLACE, &old), Err(OpenError::UnknownKey));

    // Whatever happens to the file: nothing is sealed with a key that nobody keeps, and what is known still opens.
    let (file, kept) = (data.path().join("keys/secrets.key"), b.seal(PLACE, &secret()).unwrap());
    for (text, told) in [(None, "is gone"), (Some(""), "one a line"), (Some("no key"), "one a line")] {
        std::fs::remove_file(&file).unwrap();
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let error = b.sealing().await.map(drop).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        assert!(b.unseal(PLACE, &kept).is_ok() && b.unseal(PLACE, &old).is_err());
        std::fs::write(&file, "").unwrap();
    }
}
