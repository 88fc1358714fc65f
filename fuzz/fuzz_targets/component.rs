#![no_main]
//! Plugin files: whatever the bytes are, reading them ends with a refusal or with types that are bounded.
//!
//! Bytes that begin with `(` are WebAssembly text and are assembled first: text that was changed at random is a valid
//! component far more often than bytes are. Small files are compiled here, in this process, because their
//! types are read from compiled components only.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tenon::fuzzing::registry::read_package;
use tenon::fuzzing::runtime::functions;
use tenon::http::json::decode;
use tenon::runtime::codegen_config;
use tenon::runtime::shape::{COMPONENT_PARTS_MAX, DEPTH_MAX, FunctionShape, NAME_PART_BYTES, NAMES_MAX, PARTS_MAX};
use tenon_fuzz::measure::Size;
use wasmtime::component::Component;
use wasmtime::{Engine, OptLevel};

/// The compiler has a process of its own with limits of its own; here it only gets what it is through with at once.
const COMPILED_BYTES_MAX: usize = 16 * 1024;

/// How much SQL a file may hold.
const SQL_BYTES: usize = 256;

const SIDECAR: &[u8] = br#"{"id":"fuzz","name":"Fuzz","version":"1.0.0"}"#;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = codegen_config();
    config.cranelift_opt_level(OptLevel::None);
    config.parallel_compilation(false);
    Engine::new(&config).expect("the engine is built as in the host")
});

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"(") {
        if let Ok(assembled) =
            std::str::from_utf8(bytes).map_err(drop).and_then(|text| wat::parse_str(text).map_err(drop))
        {
            read(&assembled);
        }
    }
    read(bytes);
});

fn read(bytes: &[u8]) {
    match read_package(bytes, SIDECAR, SQL_BYTES) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(package) => {
            let sql: usize = package.migrations.iter().map(|migration| migration.sql.len()).sum();
            assert!(sql + package.demo.map_or(0, |demo| demo.len()) <= SQL_BYTES, "more SQL than a file may hold");
            assert!(package.migrations.is_sorted_by(|a, b| a.name < b.name), "two migrations of one name");
            if bytes.len() <= COMPILED_BYTES_MAX {
                types(bytes);
            }
        }
    }
}

fn types(bytes: &[u8]) {
    let Ok(component) = Component::from_binary(&ENGINE, bytes) else { return };
    match functions(&component) {
        Ok(functions) => {
            let parts: usize = functions.iter().map(is_bounded).sum();
            assert!(parts <= COMPONENT_PARTS_MAX, "{parts} parts in one component");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Gives what the function's types amount to.
fn is_bounded(function: &FunctionShape) -> usize {
    let mut size = Size::of_members(&function.params);
    if let Some(result) = &function.result {
        let result = Size::of(result);
        size.depth = size.depth.max(result.depth);
        size.widest = size.widest.max(result.widest);
        size.parts += result.parts;
        size.name_bytes += result.name_bytes;
    }
    // A parameter is one level, and so is what it holds.
    assert!(size.depth <= DEPTH_MAX + 1, "{size:?}");
    assert!(size.widest <= NAMES_MAX, "{size:?}");
    assert!(size.parts <= PARTS_MAX, "{size:?}");
    assert!(size.name_bytes <= PARTS_MAX * NAME_PART_BYTES, "{size:?}");
    assert!(function.difference(function).is_none(), "a function differs from itself");
    for param in &function.params {
        let _ = decode(&param.shape, &serde_json::Value::Null, 1024);
    }
    size.parts
}
