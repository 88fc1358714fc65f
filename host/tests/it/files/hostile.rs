//! Everything that is no plugin, dozens at once, beside one that is.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{loaded, refused_become, rounds, with_section};
use crate::common::{Host, Scratch};
use crate::loader::{component, greets, rejected, testdata};

/// A number after the other that looks like chance and is the same in every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[tokio::test]
async fn dozens_of_bad_files_at_once_cost_only_themselves() {
    let scratch = Scratch::with_plugins(&["greeter-1-0"]);
    let put = |name: &str, bytes: &[u8]| fs::write(scratch.plugins().join(name), bytes).unwrap();
    let mut expected = 0;
    let mut bad = |name: String, bytes: &[u8]| {
        put(&name, bytes);
        expected += 1;
    };
    let whole = super::thing("thing", "1.0.0", &[]);
    for cut in 1..=24 {
        bad(format!("cut-{cut:02}.wasm"), &whole[..whole.len() * cut / 25]);
    }
    for seed in 0..8 {
        bad(format!("noise-{seed}.wasm"), &noise(seed, 3000));
        bad(format!("noise-after-header-{seed}.wasm"), &[b"\0asm\x0d\0\x01\0", &noise(seed, 3000)[..]].concat());
    }
    bad("text.wasm".into(), b"(component)");
    bad("core.wasm".into(), b"\0asm\x01\0\0\0");
    bad("zip.wasm".into(), b"PK\x03\x04\x14\0\0\0");
    bad("machine-code.wasm".into(), &[b"\x7fELF\x02\x01\x01\0".to_vec(), noise(1, 5000)].concat());
    bad("sql.wasm".into(), &with_section(&whole, "tenon:demo", &"x".repeat(5 << 20)));
    let giant = fs::File::create(scratch.plugins().join("giant.wasm")).unwrap();
    giant.set_len(20 << 30).unwrap();
    bad("compiled.cwasm".into(), b"\x7fELF");
    // What is no component is nobody's business.
    put("notes.txt", b"(component)");

    let host = Host::start(scratch, &["--dev"]).await;
    greets(&host).await;
    let reasons = rejected(&host).await;
    assert_eq!(reasons.len(), expected + 1, "{reasons:#?}");
    assert!(reasons.iter().all(|(_, reason)| !reason.is_empty()), "{reasons:#?}");
    let reason = |name: &str| reasons.iter().find(|(file, _)| file == name).map(|(_, reason)| reason.as_str()).unwrap();
    let limit = "at most 67108864 are allowed (loader.file_bytes)";
    assert_eq!(reason("giant.wasm"), format!("the file has {} bytes; {limit}", 20u64 << 30));
    assert!(reason("sql.wasm").ends_with("(loader.embedded_sql_bytes)"), "{}", reason("sql.wasm"));
    assert!(reason("machine-code.wasm").contains("compiled components are not accepted"));
    assert!(reason("compiled.cwasm").contains("compiled components are not accepted"));
    assert_eq!(loaded(&host).await, ["greeter 1.0.0"]);
}

#[tokio::test]
async fn a_plugin_with_flipped_bits_is_refused_or_runs_as_it_is() {
    let scratch = Scratch::with_plugins(&["greeter-1-0"]);
    let whole = super::thing("thing", "1.0.0", &["u32"]);
    let count = rounds(24, whole.len());
    for case in 0..count {
        let mut bytes = whole.clone();
        let place = case * whole.len() / count;
        bytes[place] ^= 1 << (case % 8);
        fs::write(scratch.plugins().join(format!("flipped-{case:04}.wasm")), bytes).unwrap();
    }
    let host = Host::start(scratch, &["--dev"]).await;
    greets(&host).await;
    let (loaded, rejected) = (loaded(&host).await, rejected(&host).await);
    assert_eq!(loaded.len() + rejected.len(), count + 1, "{loaded:?} {rejected:#?}");
}

#[tokio::test]
async fn what_is_no_file_is_told_and_holds_up_nothing() {
    let scratch = Scratch::with_plugins(&["greeter-1-0"]);
    let at = |name: &str| scratch.plugins().join(name);
    fs::create_dir(at("directory.wasm")).unwrap();
    pipe(&at("pipe.wasm"));
    let _socket = UnixListener::bind(at("socket.wasm")).unwrap();
    symlink("nowhere", at("dangling.wasm")).unwrap();
    symlink("/dev/zero", at("endless.wasm")).unwrap();
    fs::write(at("beside.wasm"), component(&[])).unwrap();
    pipe(&at("beside.plugin.json"));
    fs::write(at("unreadable.wasm"), testdata("typed-hello")).unwrap();
    fs::set_permissions(at("unreadable.wasm"), fs::Permissions::from_mode(0o000)).unwrap();
    let reads_everything = fs::read(at("unreadable.wasm")).is_ok();
    let host = Host::start(scratch, &["--dev"]).await;
    greets(&host).await;
    let mut reasons = rejected(&host).await;
    // Whoever runs the tests as root can read it.
    let unreadable = reasons.iter().position(|(name, _)| name == "unreadable.wasm").map(|at| reasons.remove(at).1);
    assert_eq!(unreadable.is_none(), reads_everything, "{unreadable:?}");
    assert!(unreadable.is_none_or(|reason| reason.starts_with("the file cannot be read: Permission denied")));
    let told: Vec<_> =
        reasons.iter().map(|(name, reason)| (name.as_str(), reason.split(": ").next().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("beside.wasm", "there is no manifest"),
            ("dangling.wasm", "it is a link that leads nowhere"),
            ("directory.wasm", "it is a directory, not a file"),
            ("endless.wasm", "it is a device, not a file"),
            ("pipe.wasm", "it is a pipe, not a file"),
            ("socket.wasm", "it is a socket, not a file"),
        ]
    );
}

#[tokio::test]
async fn names_that_are_no_text_are_shown_escaped_and_apart() {
    let scratch = Scratch::with_plugins(&["greeter-1-0"]);
    let names: [&[u8]; 5] =
        [b"\xfe.wasm", b"\xff.wasm", b"new\nline.wasm", b"\x1b[2Jclear.wasm", "\u{202e}msaw.wasm".as_bytes()];
    for name in names {
        fs::write(scratch.plugins().join(OsStr::from_bytes(name)), b"").unwrap();
    }
    let mut host = Host::start(scratch, &["--dev"]).await;
    greets(&host).await;
    let reasons = rejected(&host).await;
    let shown: Vec<&str> = reasons.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["\\u{1b}[2Jclear.wasm", "\\u{202e}msaw.wasm", "\\xfe.wasm", "\\xff.wasm", "new\\nline.wasm"];
    assert_eq!(shown, expected);
    let printed = host.process().printed(|line| line.contains("line.wasm")).await;
    let log = fs::read_to_string(host.scratch().log()).unwrap();
    let clean = |text: &str| !text.contains(['\u{1b}', '\u{202e}']);
    assert!(printed.iter().all(|line| clean(line)) && clean(&log), "{printed:#?}\n{log}");
    // What a manifest says is quoted in reasons.
    let manifest = "{\"id\":\"demo\",\"name\":\"Demo\",\"version\":\"1.0.0\",\"\\u001b[2J\u{202e}\":1}";
    fs::write(host.scratch().plugins().join("quoted.wasm"), component(&[("tenon:manifest", manifest)])).unwrap();
    let with_quoted = [&expected[..], &["quoted.wasm"]].concat();
    let reasons = refused_become(&host, &with_quoted).await;
    assert!(reasons.iter().all(|reason| clean(reason)), "{reasons:#?}");
}

#[tokio::test]
async fn of_ten_thousand_files_those_known_are_loaded_and_the_rest_is_counted() {
    let scratch = Scratch::with_plugins(&[]);
    // Last by name, and known from an earlier start.
    fs::write(scratch.plugins().join("zz-greeter.wasm"), testdata("greeter-1-0")).unwrap();
    let config = scratch.file("tenon.toml", "loader.files = 100");
    let mut host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    greets(&host).await;
    for number in 0..10_000 {
        fs::write(host.scratch().plugins().join(format!("{number:05}.wasm")), b"").unwrap();
    }
    host.restart().await;
    greets(&host).await;
    let reasons = rejected(&host).await;
    assert_eq!(reasons.len(), 100);
    let (name, reason) = &reasons[99];
    assert_eq!(name, "(9901 more)");
    assert!(reason.starts_with("only 100 files of the directory are looked at (loader.files)"), "{reason}");
}
