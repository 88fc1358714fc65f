use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

fn names(listing: &Listing) -> Vec<&str> {
    listing.files.iter().map(|found| found.name.as_str()).collect()
}

fn list_all(directory: &Path) -> Listing {
    list(directory, 100, &HashSet::new()).unwrap()
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn what_is_no_file_is_told_by_its_kind_and_never_opened() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file.wasm"), b"x").unwrap();
    fs::create_dir(at("directory.wasm")).unwrap();
    pipe(&at("pipe.wasm"));
    let _socket = std::os::unix::net::UnixListener::bind(at("socket.wasm")).unwrap();
    symlink("/dev/zero", at("zero.wasm")).unwrap();
    symlink("nowhere", at("dangling.wasm")).unwrap();
    symlink("loop.wasm", at("loop.wasm")).unwrap();
    symlink("file.wasm", at("link.wasm")).unwrap();
    let listing = list_all(dir.path());
    let told: Vec<(&str, String)> = listing
        .files
        .iter()
        .map(|found| {
            (found.name.as_str(), found.identity.file.as_ref().err().map(Unfit::to_string).unwrap_or_default())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("dangling.wasm", "it is a link that leads nowhere".to_string()),
            ("directory.wasm", "it is a directory, not a file".to_string()),
            ("file.wasm", String::new()),
            ("link.wasm", String::new()),
            ("loop.wasm", "it cannot be looked at: Too many levels of symbolic links (os error 40)".to_string()),
            ("pipe.wasm", "it is a pipe, not a file".to_string()),
            ("socket.wasm", "it is a socket, not a file".to_string()),
            ("zero.wasm", "it is a device, not a file".to_string()),
        ]
    );
    for name in ["pipe.wasm", "zero.wasm", "socket.wasm", "directory.wasm"] {
        assert!(matches!(read_regular(&at(name), 10), Err(ReadError::Unfit(_))), "{name}");
    }
    assert_eq!(read_regular(&at("link.wasm"), 10).unwrap().bytes, b"x");
    assert!(matches!(read_regular(&at("file.wasm"), 0), Err(ReadError::TooLarge { found: 1, limit: 0 })));
    assert!(read_regular(&at("gone.wasm"), 10).is_err_and(|error| error.is_absent()));
}

#[test]
fn more_than_may_be_are_counted_and_those_known_come_first() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..50 {
        fs::write(dir.path().join(format!("{number:02}.wasm")), b"").unwrap();
    }
    let listing = list(dir.path(), 3, &HashSet::new()).unwrap();
    assert_eq!((names(&listing), listing.more), (vec!["00.wasm", "01.wasm", "02.wasm"], 47));
    let known = HashSet::from(["40.wasm".to_string(), "49.wasm".to_string(), "gone.wasm".to_string()]);
    let listing = list(dir.path(), 3, &known).unwrap();
    assert_eq!((names(&listing), listing.more), (vec!["00.wasm", "40.wasm", "49.wasm"], 47));
}

#[test]
fn a_changed_file_is_seen_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.wasm");
    let look = || list_all(dir.path()).files.remove(0).identity;
    fs::write(&file, b"one").unwrap();
    let first = look();
    assert_eq!(first, look());
    let later = |path: &Path| {
        let time = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
        fs::File::open(path).unwrap().set_modified(time).unwrap();
    };
    fs::write(dir.path().join("other"), b"two").unwrap();
    fs::rename(dir.path().join("other"), &file).unwrap();
    let second = look();
    assert_ne!(first, second, "another file of the same length");
    later(&file);
    let third = look();
    assert_ne!(second, third, "another time");
    fs::write(sidecar(&file), b"{}").unwrap();
    let fourth = look();
    assert_ne!(third, fourth, "a manifest beside it");
    later(&sidecar(&file));
    assert_ne!(fourth, look(), "another one");
}

#[test]
fn names_are_shown_as_text_and_stay_different() {
    let shown_as = |bytes: &[u8]| shown(&std::ffi::OsString::from_vec(bytes.to_vec()));
    assert_eq!(shown_as("crm-1.0.0 ü.wasm".as_bytes()), "crm-1.0.0 ü.wasm");
    assert_eq!(shown_as(b"\xff.wasm"), "\\xff.wasm");
    assert_eq!(shown_as(b"\\xff.wasm"), "\\\\xff.wasm");
    assert_eq!(shown_as(b"a\nb\x1b[2J.wasm"), "a\\nb\\u{1b}[2J.wasm");
    assert_eq!(shown_as("\u{202e}msaw.wasm".as_bytes()), "\\u{202e}msaw.wasm");
}

proptest! {
    #[test]
    fn no_two_names_are_shown_alike(a in bytes(), b in bytes()) {
        let shown_as = |bytes: &[u8]| shown(&std::ffi::OsString::from_vec(bytes.to_vec()));
        prop_assert_eq!(a == b, shown_as(&a) == shown_as(&b));
        prop_assert!(!shown_as(&a).chars().any(unprintable));
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\\".to_vec()),
        Just(b"x".to_vec()),
        Just(b"ff".to_vec()),
        Just(b"u{1b}".to_vec()),
        Just(b"\x1b".to_vec()),
        Just(b"\xff".to_vec()),
        Just("ü".as_bytes().to_vec()),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}
