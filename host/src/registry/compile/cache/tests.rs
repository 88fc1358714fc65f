use std::collections::HashSet;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::*;
use crate::runtime::{codegen_config, compatibility_hash};

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn open(data: &Path, compatibility: String, cache_bytes: u64) -> Cache {
    Cache::open(data, compatibility, &LoaderConfig { cache_bytes, ..LoaderConfig::default() }).unwrap()
}

fn entry(cache: &Cache, sha256: &str) -> PathBuf {
    cache.directory.join(cache.name(sha256))
}

/// Real machine code: what the cache is for.
fn machine_code(engine: &Engine, result: i32) -> Vec<u8> {
    let text = format!(r#"(component (core module (func (export "f") (result i32) (i32.const {result}))))"#);
    engine.precompile_component(&wat::parse_str(text).unwrap()).unwrap()
}

#[test]
fn an_entry_with_any_byte_altered_is_not_taken() {
    let engine = Engine::new(&codegen_config()).unwrap();
    let data = tempfile::tempdir().unwrap();
    let cache = open(data.path(), compatibility_hash(&engine), u64::MAX);
    let code = machine_code(&engine, 1);
    cache.keep(A, &code).unwrap();
    assert_eq!(cache.get(A).as_ref(), Some(&code));
    let whole = fs::read(entry(&cache, A)).unwrap();
    // Every byte, in memory.
    for place in 0..whole.len() {
        let mut altered = whole.clone();
        altered[place] ^= 1 << (place % 8);
        assert_eq!(cache.authentic(&cache.name(A), altered), None, "byte {place} of {}", whole.len());
    }
    // On disk every byte of the tag and of the code's beginning; of the rest a sample, or all of it.
    let step = if std::env::var_os("TENON_SOAK").is_some() { 1 } else { 251 };
    let mut tried = whole.len();
    for place in (0..whole.len().min(128)).chain((128..whole.len()).step_by(step)) {
        let mut altered = whole.clone();
        altered[place] = !altered[place];
        fs::write(entry(&cache, A), &altered).unwrap();
        assert_eq!(cache.get(A), None, "byte {place} of {}", whole.len());
        tried += 1;
    }
    for length in (0..64).chain((64..whole.len()).step_by(step)) {
        fs::write(entry(&cache, A), &whole[..length]).unwrap();
        assert_eq!(cache.get(A), None, "cut to {length} of {}", whole.len());
        tried += 1;
    }
    fs::write(entry(&cache, A), [&whole[..], b"\0"].concat()).unwrap();
    assert_eq!(cache.get(A), None, "one byte more");
    fs::write(entry(&cache, A), &whole).unwrap();
    assert_eq!(cache.get(A), Some(code), "and as it was, it is taken");
    println!("{tried} alterations of {} bytes", whole.len());
}

#[test]
fn an_entry_of_another_file_engine_or_host_is_not_taken() {
    let engine = Engine::new(&codegen_config()).unwrap();
    let data = tempfile::tempdir().unwrap();
    let cache = open(data.path(), compatibility_hash(&engine), u64::MAX);
    let (one, two) = (machine_code(&engine, 1), machine_code(&engine, 2));
    cache.keep(A, &one).unwrap();
    cache.keep(B, &two).unwrap();
    // Swapped: authentic, but the other's.
    let (a, b) = (fs::read(entry(&cache, A)).unwrap(), fs::read(entry(&cache, B)).unwrap());
    fs::write(entry(&cache, A), &b).unwrap();
    fs::write(entry(&cache, B), &a).unwrap();
    assert_eq!((cache.get(A), cache.get(B)), (None, None));

    // An older engine's, under its own name and under this one's. Even the beginning of the name is the same.
    let older = open(data.path(), format!("{}0", &cache.compatibility[..63]), u64::MAX);
    fs::remove_file(entry(&cache, A)).unwrap();
    older.keep(A, &one).unwrap();
    assert_eq!(older.name(A), cache.name(A));
    assert_eq!((older.get(A).is_some(), cache.get(A)), (true, None));

    // A host's with another key.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(elsewhere.path(), compatibility_hash(&engine), u64::MAX);
    other.keep(A, &one).unwrap();
    fs::copy(entry(&other, A), entry(&cache, A)).unwrap();
    assert_eq!(cache.get(A), None);
}

#[test]
fn what_is_no_file_holds_up_nothing() {
    let data = tempfile::tempdir().unwrap();
    let cache = open(data.path(), "c".repeat(64), u64::MAX);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        entry(&cache, A),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    assert_eq!(cache.get(A), None, "nobody writes to the pipe");
    fs::create_dir(entry(&cache, B)).unwrap();
    assert_eq!(cache.get(B), None);
    assert!(cache.keep(B, b"code").is_err());
    std::os::unix::fs::symlink("/dev/zero", cache.directory.join(cache.name("z"))).unwrap();
    assert_eq!(cache.get("z"), None, "it has no end");
}

#[test]
fn over_its_bound_the_longest_unused_goes_and_what_is_in_use_stays() {
    let data = tempfile::tempdir().unwrap();
    // Room for three entries of 1,000 bytes and their tags.
    let cache = open(data.path(), "c".repeat(64), 3 * 1032);
    let names = ["a", "b", "c", "d", "e"];
    let mut time = SystemTime::now() - Duration::from_secs(10_000);
    for name in names {
        cache.keep(name, &[7; 1000]).unwrap();
        time += Duration::from_secs(60);
        let file = fs::File::open(entry(&cache, name)).unwrap();
        file.set_times(FileTimes::new().set_accessed(time).set_modified(time)).unwrap();
    }
    // `b` is used, which makes it the youngest.
    assert!(cache.get("b").is_some());
    let left = |cache: &Cache| names.into_iter().filter(|name| entry(cache, name).exists()).collect::<HashSet<_>>();
    cache.prune(|sha256| sha256 == "a").unwrap();
    assert_eq!(left(&cache), HashSet::from(["a", "b", "e"]), "a is in use, b was used last");
    cache.prune(|sha256| sha256 == "a").unwrap();
    assert_eq!(left(&cache).len(), 3, "what is within the bound stays");

    let small = open(data.path(), "c".repeat(64), 1);
    small.prune(|sha256| sha256 != "e").unwrap();
    assert_eq!(left(&small), HashSet::from(["a", "b"]), "what is in use stays even so");
}

#[test]
fn an_older_engines_entry_of_a_file_in_use_is_not_in_use() {
    let data = tempfile::tempdir().unwrap();
    let old = open(data.path(), "0".repeat(64), 1);
    let new = open(data.path(), "1".repeat(64), 1);
    old.keep(A, b"old").unwrap();
    new.keep(A, b"new").unwrap();
    new.prune(|sha256| sha256 == A).unwrap();
    assert_eq!((old.get(A), new.get(A).is_some()), (None, true));
}

#[test]
fn what_was_being_written_when_a_host_ended_is_removed_later() {
    let data = tempfile::tempdir().unwrap();
    let cache = open(data.path(), "c".repeat(64), u64::MAX);
    let [old, new] = [".tmpold", ".tmpnew"].map(|name| cache.directory.join(name));
    fs::write(&old, b"half").unwrap();
    fs::write(&new, b"half").unwrap();
    let long_ago = SystemTime::now() - ABANDONED_AFTER - Duration::from_secs(60);
    fs::File::open(&old).unwrap().set_modified(long_ago).unwrap();
    cache.prune(|_| true).unwrap();
    assert_eq!((old.exists(), new.exists()), (false, true));
}

#[test]
fn the_key_and_the_entries_are_the_hosts_alone() {
    use std::os::unix::fs::PermissionsExt;
    let data = tempfile::tempdir().unwrap();
    let _cache = open(data.path(), "c".repeat(64), u64::MAX);
    for (path, mode) in [("compiled", 0o700), ("keys", 0o700), ("keys/compiled-code.key", 0o600)] {
        assert_eq!(fs::metadata(data.path().join(path)).unwrap().permissions().mode() & 0o777, mode, "{path}");
    }
}

#[test]
fn code_that_is_taken_runs() {
    let engine = Engine::new(&codegen_config()).unwrap();
    let data = tempfile::tempdir().unwrap();
    let cache = open(data.path(), compatibility_hash(&engine), u64::MAX);
    cache.keep(A, &machine_code(&engine, 1)).unwrap();
    // SAFETY: these are the bytes that this process has just compiled, as their keyed hash proves.
    let component = unsafe { Component::deserialize(&engine, cache.get(A).unwrap()) };
    assert!(component.is_ok());
}
