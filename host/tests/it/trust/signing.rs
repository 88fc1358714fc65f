//! `tenon sign`, which needs no host.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{key, tenon};
use crate::common::{Scratch, output};
use crate::files::{thing, with_section};

async fn fails(scratch: &Scratch, args: &[&str]) -> String {
    output(scratch.tenon(args)).await.failure()
}

#[tokio::test]
async fn a_private_key_is_for_its_owner_alone_and_never_written_over() {
    let scratch = Scratch::with_plugins(&[]);
    let file = key(&scratch, "acme.key").await;
    let mode = |file: &std::path::Path| fs::metadata(file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    let secret = fs::read_to_string(&file).unwrap();
    assert!(secret.starts_with("-----BEGIN PRIVATE KEY-----\n"), "as OpenSSL writes it");
    let public = fs::read_to_string(scratch.path("acme.key.pub")).unwrap();
    assert!(public.starts_with("ed25519:") && public.len() == 53, "{public}");
    let again = fails(&scratch, &["sign", "keygen", "acme.key"]).await;
    assert!(again.contains("acme.key: choose a name that is not taken"), "{again}");
    assert_eq!(fs::read_to_string(&file).unwrap(), secret);

    fs::write(scratch.path("thing.wasm"), thing("thing", "1.0.0", &[])).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let told = fails(&scratch, &["sign", "thing.wasm", "--key", "acme.key"]).await;
    assert!(told.contains("chmod 600 acme.key"), "{told}");
    fs::write(&file, public).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let told = fails(&scratch, &["sign", "thing.wasm", "--key", "acme.key"]).await;
    assert!(told.contains("this is no private key of Ed25519"), "{told}");
    assert_eq!(fs::read(scratch.path("thing.wasm")).unwrap(), thing("thing", "1.0.0", &[]), "the file is as it was");
}

#[tokio::test]
async fn a_file_is_signed_by_several_and_again_by_the_same() {
    let scratch = Scratch::with_plugins(&[]);
    for name in ["one", "two", "three"] {
        key(&scratch, name).await;
    }
    let plain = thing("thing", "1.0.0", &[]);
    let file = scratch.path("thing.wasm");
    fs::write(&file, &plain).unwrap();
    assert!(fails(&scratch, &["sign", "verify", "thing.wasm"]).await.contains("it is not signed"));
    for name in ["one", "two", "one"] {
        let told = tenon(&scratch, &["sign", "thing.wasm", "--key", name]).await;
        assert!(told.starts_with("thing.wasm: thing 1.0.0, signed by ed25519:"), "{told}");
    }
    let whole = fs::read(&file).unwrap();
    assert!(whole.starts_with(&plain) && whole.len() == plain.len() + 2 * 115, "{} bytes", whole.len());
    tenon(&scratch, &["sign", "thing.wasm", "--key", "three", "--detached"]).await;
    let verified = tenon(&scratch, &["sign", "verify", "thing.wasm"]).await;
    assert_eq!(verified.lines().count(), 3, "{verified}");
    assert_eq!(fs::read(&file).unwrap(), whole, "signed beside it, the file is as it was");
    tenon(&scratch, &["sign", "verify", "thing.wasm", "--key", "two.pub"]).await;
    key(&scratch, "four").await;
    let told = fails(&scratch, &["sign", "verify", "thing.wasm", "--key", "four.pub"]).await;
    assert!(told.contains("it is signed, but not by ed25519:"), "{told}");

    // Altered, and signed anew: what was signed before says nothing any more and goes.
    let changed = with_section(&plain, "note", "more");
    fs::write(&file, [&changed[..], &whole[plain.len()..]].concat()).unwrap();
    let told = fails(&scratch, &["sign", "verify", "thing.wasm"]).await;
    assert!(told.contains("is wrong: the file was changed"), "{told}");
    fs::remove_file(scratch.path("thing.wasm.sig")).unwrap();
    tenon(&scratch, &["sign", "thing.wasm", "--key", "two"]).await;
    assert_eq!(fs::read(&file).unwrap().len(), changed.len() + 115);
    tenon(&scratch, &["sign", "verify", "thing.wasm"]).await;
    // So with what a tool put behind it.
    fs::write(&file, with_section(&fs::read(&file).unwrap(), "note", "last")).unwrap();
    let told = fails(&scratch, &["sign", "verify", "thing.wasm"]).await;
    assert!(told.contains("something stands behind its signature"), "{told}");
    assert!(
        fails(&scratch, &["sign", "thing.wasm", "--key", "one", "--detached"]).await.contains("without --detached")
    );
    tenon(&scratch, &["sign", "thing.wasm", "--key", "one"]).await;
    assert_eq!(tenon(&scratch, &["sign", "verify", "thing.wasm"]).await.lines().count(), 1);
}

#[tokio::test]
async fn what_is_no_plugin_is_not_signed() {
    let scratch = Scratch::with_plugins(&[]);
    key(&scratch, "acme.key").await;
    let plain = thing("thing", "1.0.0", &[]);
    fs::write(scratch.path("thing.wasm"), &plain).unwrap();
    tenon(&scratch, &["sign", "thing.wasm", "--key", "acme.key"]).await;
    let cases: [(&[u8], &str); 3] = [
        (b"text", "it does not begin with the WebAssembly header"),
        (&plain[..plain.len() - 1], "this is not a WebAssembly component"),
        (&with_section(b"\0asm\x0d\0\x01\0", "tenon:manifest", "{}"), "the manifest has 3 problems"),
    ];
    for (bytes, reason) in cases {
        fs::write(scratch.path("bad.wasm"), bytes).unwrap();
        let told = fails(&scratch, &["sign", "bad.wasm", "--key", "acme.key"]).await;
        assert!(told.contains("bad.wasm") && told.contains(reason), "{told}");
        assert_eq!(fs::read(scratch.path("bad.wasm")).unwrap(), bytes);
    }
    let told = output(scratch.tenon(&["sign", "thing.wasm"])).await;
    assert!(told.status == Some(2) && told.stderr.contains("--key"), "{told:#?}");
}
