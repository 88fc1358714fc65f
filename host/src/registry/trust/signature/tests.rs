use super::*;
use crate::registry::trust::{Examined, examine};

const MANIFEST: &[u8] = br#"{"id":"demo","name":"Demo","version":"1.0.0"}"#;

/// A component of custom sections, each of less than 128 bytes.
fn component(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let section = |(name, data): &(&str, &[u8])| {
        let content = [&[name.len() as u8], name.as_bytes(), data].concat();
        [&[0, content.len() as u8], &content[..]].concat()
    };
    [b"\0asm\x0d\0\x01\0".to_vec(), sections.iter().flat_map(section).collect()].concat()
}

fn plain() -> Vec<u8> {
    component(&[("tenon:manifest", MANIFEST), ("note", b"some more")])
}

fn sign(bytes: &[u8], manifest: Option<&[u8]>, key: &SecretKey) -> Signature {
    Signature::new(&Subject::new(bytes, manifest), key)
}

fn signed(bytes: &[u8], keys: &[&SecretKey]) -> Vec<u8> {
    keys.iter().fold(bytes.to_vec(), |all, key| [all, appended(&sign(bytes, None, key))].concat())
}

fn look<'a>(
    bytes: &'a [u8],
    manifest: Option<&[u8]>,
    signatures: Option<&str>,
) -> Result<Examined<'a>, SignatureError> {
    examine((bytes, sha256(bytes)), ("x.plugin.json", manifest), signatures.map(str::as_bytes), 2)
}

fn signers(examined: &Examined<'_>) -> Vec<PublicKey> {
    examined.signatures.iter().map(|signature| signature.key).collect()
}

#[test]
fn a_signature_is_found_at_the_end_and_beside_the_file() {
    let (key, other) = (SecretKey::generate(), SecretKey::generate());
    let plain = plain();
    assert_eq!(signers(&look(&plain, None, None).unwrap()), []);
    let whole = signed(&plain, &[&key]);
    let found = look(&whole, None, None).unwrap();
    assert_eq!((found.payload, signers(&found)), (&plain[..], vec![key.public()]));
    let line = detached(&sign(&plain, None, &key));
    assert_eq!(signers(&look(&plain, None, Some(&line)).unwrap()), [key.public()]);
    // The same signature, carried from one place to the other, and one of somebody else beside it.
    let moved = detached(&found.signatures[0]);
    assert_eq!(moved, line);
    let both = look(&whole, None, Some(&detached(&sign(&plain, None, &other)))).map(|found| signers(&found));
    assert_eq!(both.unwrap(), [key.public(), other.public()]);
    let two = signed(&plain, &[&key, &other]);
    assert_eq!(signers(&look(&two, None, None).unwrap()), [key.public(), other.public()]);
}

/// Every bit of a signed file: what is left is never a file that the signer vouches for.
#[test]
fn no_bit_of_a_signed_file_can_be_altered() {
    let key = SecretKey::generate();
    let (plain, whole) = (plain(), signed(&plain(), &[&key]));
    let line = detached(&sign(&plain, Some(MANIFEST), &key));
    let vouched = |bytes: &[u8], manifest: &[u8], line: Option<&str>| {
        look(bytes, Some(manifest), line).is_ok_and(|found| signers(&found).contains(&key.public()))
    };
    assert!(vouched(&whole, MANIFEST, None) && vouched(&plain, MANIFEST, Some(&line)));
    let mut tried = 0;
    let mut flip = |bytes: &[u8], still: &dyn Fn(&[u8]) -> bool| {
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(!still(&altered), "bit {bit} can be altered");
            tried += 1;
        }
    };
    flip(&whole, &|altered| vouched(altered, MANIFEST, None));
    flip(&plain, &|altered| vouched(altered, MANIFEST, Some(&line)));
    flip(MANIFEST, &|altered| vouched(&plain, altered, Some(&line)));
    // The end of the line is no part of it.
    flip(line.trim_end().as_bytes(), &|altered| {
        std::str::from_utf8(altered).is_ok_and(|line| vouched(&plain, MANIFEST, Some(line)))
    });
    assert!(tried > 3_000, "{tried}");
}

#[test]
fn a_signed_file_cut_off_anywhere_is_not_signed() {
    let key = SecretKey::generate();
    let whole = signed(&plain(), &[&key]);
    for end in 0..whole.len() {
        let left = look(&whole[..end], None, None).map(|found| (signers(&found), found.cut));
        assert!(left.is_ok_and(|(signers, _)| signers.is_empty()), "cut at {end}");
    }
    let within_its_signature = look(&whole[..whole.len() - 1], None, None).unwrap();
    assert!(within_its_signature.cut);
    // With a second signature cut off, the first is not at the end.
    let two = signed(&plain(), &[&key, &SecretKey::generate()]);
    for end in whole.len() + 1..two.len() {
        assert_eq!(look(&two[..end], None, None).unwrap_err(), SignatureError::NotLast, "cut at {end}");
    }
}

#[test]
fn a_signature_counts_only_at_the_very_end() {
    let key = SecretKey::generate();
    let whole = signed(&plain(), &[&key]);
    let more = &component(&[("note", b"appended")])[8..];
    assert_eq!(look(&[&whole, more].concat(), None, None).unwrap_err(), SignatureError::NotLast);
    // Between two sections that are signed with it, too.
    let around = signed(&[&whole, more].concat(), &[&key]);
    assert_eq!(look(&around, None, None).unwrap_err(), SignatureError::NotLast);
    // Inside of another section it is that section's content, and says nothing of the file.
    let hidden = component(&[("tenon:manifest", MANIFEST), ("n", &whole[plain().len()..][..110])]);
    assert_eq!(signers(&look(&hidden, None, None).unwrap()), []);
    // What is over a file with its signature is not over the file without it.
    let over_all = [&whole[..], &appended(&sign(&whole, None, &key))].concat();
    assert!(matches!(look(&over_all, None, None), Err(SignatureError::Wrong { .. })));
}

#[test]
fn a_signature_of_anything_else_is_wrong() {
    let key = SecretKey::generate();
    let (plain, hash) = (plain(), sha256(&plain()));
    let forge =
        |message: &[u8], with_manifest| Signature { key: key.public(), with_manifest, bytes: key.sign(message) };
    let wrong = |signature: &Signature| {
        let error = signature.verify(&Subject::new(&plain, Some(MANIFEST)), "x.plugin.json").err();
        matches!(error, Some(SignatureError::Wrong { .. }))
    };
    assert!(!wrong(&forge(&message(&hash, None), false)));
    assert!(wrong(&forge(&plain, false)) && wrong(&forge(&hash, false)), "without the text that only Tenon signs");
    assert!(wrong(&forge(&message(&hash, None), true)), "another coverage than it says");
    assert!(wrong(&forge(&message(&hash, Some(&sha256(MANIFEST))), false)));
    assert!(wrong(&forge(&message(&hash, Some(&sha256(b"{}"))), true)));
    let swapped = Signature { key: SecretKey::generate().public(), ..forge(&message(&hash, None), false) };
    assert!(wrong(&swapped), "under somebody else's name");
}

#[test]
fn the_manifest_beside_a_file_is_covered_where_the_signer_said_so() {
    let key = SecretKey::generate();
    let bare = component(&[("note", b"no manifest")]);
    let whole = [&bare[..], &appended(&sign(&bare, Some(MANIFEST), &key))].concat();
    assert_eq!(signers(&look(&whole, Some(MANIFEST), None).unwrap()), [key.public()]);
    assert!(matches!(look(&whole, Some(b"{}"), None), Err(SignatureError::Wrong { with_manifest: true, .. })));
    let told = look(&whole, None, None).unwrap_err().to_string();
    assert!(told.contains("put x.plugin.json back"), "{told}");
}

#[test]
fn what_cannot_be_read_is_refused_and_there_are_so_many_at_most() {
    let key = SecretKey::generate();
    let plain = plain();
    let line = detached(&sign(&plain, None, &key));
    // The first byte says what is covered; it becomes 9 or more.
    let no_kind = line.replacen("tenon:signature A", "tenon:signature C", 1);
    for text in ["", "\n", "x", "tenon:signature", "tenon:signature AAAA", &no_kind, &format!("{line}\n{line}")] {
        let refused = look(&plain, None, Some(text)).unwrap_err();
        assert!(matches!(refused, SignatureError::Malformed { .. }), "{text:?}: {refused}");
    }
    let too_many = SignatureError::TooMany { limit: 2 };
    assert_eq!(look(&plain, None, Some(&line.repeat(3))).unwrap_err(), too_many);
    assert_eq!(look(&signed(&plain, &[&key, &key, &key]), None, None).unwrap_err(), too_many);
    assert_eq!(look(&signed(&plain, &[&key, &key]), None, Some(&line)).unwrap_err(), too_many);
    // A section of the right name in another form than ours could say the same in other bytes.
    let short = component(&[("tenon:manifest", MANIFEST), (SECTION, b"short")]);
    assert!(matches!(look(&short, None, None), Err(SignatureError::Malformed { .. })));
    let mut padded = signed(&plain, &[&key]);
    // The size of the section, 113, in two bytes instead of one.
    padded.splice(plain.len() + 1..plain.len() + 2, [0xf1, 0x00]);
    assert!(matches!(look(&padded, None, None), Err(SignatureError::Malformed { .. })));
}

#[test]
fn bytes_that_are_no_sections_are_passed_over() {
    for bytes in [&b""[..], b"\0asm", b"PK\x03\x04 and so on", b"\0asm\x0d\0\x01\0\0\xff\xff\xff\xff\xff\xff", &[0; 40]]
    {
        assert_eq!(signers(&look(bytes, None, None).unwrap()), [], "{bytes:?}");
    }
}
