//! Every way in which a small plugin file can be damaged, within the process: up to machine code and past it.
//! What the compiling process is for, time and memory, is tested from outside.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proptest::test_runner::{RngAlgorithm, TestRng};
use rand::Rng;
use wasmtime::Engine;

use super::*;
use crate::config::{LoaderConfig, SqlConfig};
use crate::usage::Usage;

const MANIFEST: &str = r#"{"id":"demo","name":"Demo","version":"1.0.0","services":[{"name":"demo:thing",
    "version":"1.0.0"}],"endpoints":[{"method":"POST","path":"/act","function":"demo:thing/thing.act"}]}"#;

/// Everything a plugin can have: an interface with types of its own, a memory, manifest, tables, demo data.
fn whole() -> Vec<u8> {
    let text = r#"
        (component
            (core module $code
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
                (func (export "act") (param i32 i32 i32) (result i32)
                    (i32.store8 (i32.const 512) (i32.eqz (local.get 2)))
                    (i32.store (i32.const 516) (local.get 0))
                    (i32.store (i32.const 520) (local.get 1))
                    (i32.const 512)))
            (core instance $code (instantiate $code))
            (alias core export $code "memory" (core memory $memory))
            (alias core export $code "realloc" (core func $realloc))
            (type $record' (record (field "name" string) (field "count" u32)))
            (type $error' (variant (case "not-found") (case "unavailable" string)))
            (export $record "thing-record" (type $record'))
            (export $error "thing-error" (type $error'))
            (func $act (param "what" $record) (result (result string (error $error)))
                (canon lift (core func $code "act") (memory $memory) (realloc $realloc)))
            (instance $thing
                (export "thing-record" (type $record))
                (export "thing-error" (type $error))
                (export "act" (func $act)))
            (export "demo:thing/thing@1.0.0" (instance $thing)))
    "#;
    let mut bytes = wat::parse_str(text).unwrap();
    for (name, data) in [
        ("tenon:manifest", MANIFEST),
        ("tenon:migration:0001_things", "CREATE TABLE thing (id TEXT NOT NULL PRIMARY KEY, count INTEGER)"),
        ("tenon:demo", "INSERT INTO thing (id, count) VALUES ('one', 1)"),
    ] {
        let section = wasm_section(name, data);
        bytes.extend(section);
    }
    bytes
}

fn wasm_section(name: &str, data: &str) -> Vec<u8> {
    fn number(mut value: usize, bytes: &mut Vec<u8>) {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }
    let mut body = Vec::new();
    number(name.len(), &mut body);
    body.extend([name.as_bytes(), data.as_bytes()].concat());
    let mut bytes = vec![0];
    number(body.len(), &mut bytes);
    bytes.extend(body);
    bytes
}

/// All stages of loading, the compiler in this process instead of another.
struct Stages {
    engine: Engine,
    sql: SqlBackend,
    _data: tempfile::TempDir,
}

impl Stages {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let sql =
            SqlBackend::new(data.path(), &SqlConfig::default(), None, Usage::with(&SqlConfig::default())).unwrap();
        Self { engine: Engine::new(&crate::runtime::codegen_config()).unwrap(), sql, _data: data }
    }

    /// What the host does with a file before it compiles it.
    fn open(&self, bytes: &[u8]) -> Result<Opened, LoadError> {
        let limit = LoaderConfig::default().embedded_sql_bytes;
        let examined = examine((bytes, sha256(bytes)), ("x.plugin.json", None), None, 8)?;
        let package = package::read(examined.payload, ("x.plugin.json", None), limit)?;
        let tables = self.sql.tables(&package.brought())?;
        let sha256 = hex(&sha256(bytes));
        let (code, content) = (sha256.clone(), sha256.clone());
        let bytes = bytes.to_vec();
        Ok(Opened { bytes, code, sha256, content, signer: None, package, tables, component: None })
    }

    /// What it does after that.
    fn finish(&self, opened: Opened) -> Result<Plugin, String> {
        let component = Component::from_binary(&self.engine, &opened.bytes).map_err(|error| format!("{error:#}"))?;
        opened.into_plugin("x.wasm".into(), component, 1000, Instant::now()).map_err(|error| error.to_string())
    }
}

/// One in how many cases goes through the slow stages; all of them in a long run.
fn sample() -> usize {
    if std::env::var_os("TENON_SOAK").is_some() { 1 } else { 16 }
}

/// What became of many damaged files.
#[derive(Debug, Default)]
struct Tally {
    tried: AtomicUsize,
    parsed: AtomicUsize,
    finished: AtomicUsize,
    loaded: AtomicUsize,
}

/// Loads each damaged file, on all processors. A panic anywhere fails the test.
fn load_all(count: usize, damaged: impl Fn(usize) -> Vec<u8> + Sync) -> Tally {
    let (stages, tally, next) = (Stages::new(), Tally::default(), AtomicUsize::new(0));
    let slowest = std::sync::Mutex::new(Duration::ZERO);
    let work = || loop {
        let case = next.fetch_add(1, Ordering::Relaxed);
        if case >= count {
            return;
        }
        let bytes = damaged(case);
        let begun = Instant::now();
        tally.tried.fetch_add(1, Ordering::Relaxed);
        if let Ok(opened) = stages.open(&bytes) {
            let parsed = tally.parsed.fetch_add(1, Ordering::Relaxed);
            if parsed % sample() == 0 {
                tally.finished.fetch_add(1, Ordering::Relaxed);
                let loaded = stages.finish(opened).is_ok();
                tally.loaded.fetch_add(loaded.into(), Ordering::Relaxed);
            }
        }
        let mut slowest = slowest.lock().unwrap();
        *slowest = begun.elapsed().max(*slowest);
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let slowest = slowest.into_inner().unwrap();
    println!("{tally:?}, the slowest {slowest:?}");
    assert!(slowest < Duration::from_secs(20), "one file took {slowest:?}");
    tally
}

fn get(count: &AtomicUsize) -> usize {
    count.load(Ordering::Relaxed)
}

#[test]
fn the_undamaged_file_is_a_plugin() {
    let stages = Stages::new();
    let plugin = stages.open(&whole()).map_err(|error| error.to_string()).and_then(|opened| stages.finish(opened));
    let plugin = plugin.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((plugin.key().to_string().as_str(), plugin.endpoints.len()), ("demo 1.0.0", 1));
}

#[test]
fn a_file_cut_at_any_offset_ends_as_a_reason() {
    let whole = whole();
    let tally = load_all(whole.len(), |end| whole[..end].to_vec());
    assert_eq!(get(&tally.tried), whole.len());
    // Cut between the embedded sections, what is left is a plugin with fewer of them.
    assert!(get(&tally.parsed) <= 2, "{tally:?}");
}

#[test]
fn a_file_with_any_bit_flipped_ends_as_a_plugin_or_a_reason() {
    let whole = whole();
    let flipped = |case: usize| {
        let mut bytes = whole.clone();
        bytes[case / 8] ^= 1 << (case % 8);
        bytes
    };
    let tally = load_all(whole.len() * 8, flipped);
    let (parsed, finished, loaded) = (get(&tally.parsed), get(&tally.finished), get(&tally.loaded));
    // Both must occur, or nothing was tried: files that are refused early, late, and not at all.
    assert!(parsed < get(&tally.tried) && 0 < loaded && loaded < finished, "{tally:?}");
}

#[test]
fn bytes_written_over_put_in_and_taken_out_end_as_a_plugin_or_a_reason() {
    let whole = whole();
    let mangled = |case: usize| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(case as u64).to_le_bytes());
        let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut bytes = whole.clone();
        for _ in 0..=random.next_u32() % 4 {
            let at = random.next_u32() as usize % bytes.len();
            let length = (random.next_u32() as usize % 8).min(bytes.len() - at);
            // Every other time the length stays, so that what is damaged lies deeper.
            let by = if case.is_multiple_of(2) { length } else { random.next_u32() as usize % 16 };
            let noise: Vec<u8> = (0..by).map(|_| random.next_u32() as u8).collect();
            bytes.splice(at..at + length, noise);
        }
        bytes
    };
    let tally = load_all(32_000 / sample(), mangled);
    assert!(get(&tally.parsed) < get(&tally.tried), "{tally:?}");
}

#[test]
fn nothing_but_noise_is_never_a_plugin() {
    let noise = |case: usize| {
        let mut seed = [1; 32];
        seed[..8].copy_from_slice(&(case as u64).to_le_bytes());
        let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        bytes.extend((0..random.next_u32() % 4096).map(|_| random.next_u32() as u8));
        bytes
    };
    assert_eq!(get(&load_all(16_000 / sample(), noise).parsed), 0);
}

#[test]
fn a_file_of_a_great_many_sections_is_read_in_time() {
    let mut bytes = whole();
    for number in 0..300_000 {
        bytes.extend(wasm_section(&format!("tenon:migration:{number}"), ""));
    }
    let begun = Instant::now();
    let refused = package::read(&bytes, ("x.plugin.json", None), LoaderConfig::default().embedded_sql_bytes);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("(loader.embedded_sql_bytes)"), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn components_nested_within_components_are_read_without_recursion() {
    // Each level is a component that holds one more, and nothing else.
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..1_500 {
        let mut section = vec![4];
        let mut size = bytes.len();
        while size >= 0x80 {
            section.push(size as u8 | 0x80);
            size >>= 7;
        }
        section.push(size as u8);
        section.extend(&bytes);
        bytes = [b"\0asm\x0d\0\x01\0".to_vec(), section].concat();
    }
    bytes.extend(wasm_section("tenon:manifest", MANIFEST));
    assert!(package::read(&bytes, ("x.plugin.json", None), 0).is_ok());
    let stages = Stages::new();
    let opened = stages.open(&bytes).unwrap_or_else(|error| panic!("{error}"));
    assert!(stages.finish(opened).is_err());
}
