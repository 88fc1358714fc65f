//! A panic in every function of the host that a plugin can call: that call fails, and the host and its pool live on.
//!
//! The faults are compiled in by the feature `fault-injection` alone (`cargo just test` has it), and asked for by
//! writing a function's name into a file that the host was told of.

use std::path::PathBuf;

use serde_json::json;
use wit_parser::{FunctionKind, Resolve};

use crate::common::bystander::{self, Bystander};
use crate::common::{Client, Process, Scratch, repository};

/// What is no function of our own WIT: WASI, by the views through which all of its functions come; services of other
/// plugins, plain and deferred; and the thread that statements run on.
const OTHERS: [&str; 12] = [
    "wasi",
    "wasi, its output",
    "wasi:clocks",
    "wasi:http",
    "wasi:http/outgoing-handler.handle",
    "a forwarder",
    "a forwarder, when its provider has answered",
    "a deferred start",
    "a deferred subscribe",
    "a deferred get",
    "a deferred drop",
    "tenon:host/sql, its thread",
];

/// The host has four instances for calls from outside and four for those below: more faults than that, and one that
/// kept its instance would be noticed. A panic is dear, with its message and backtrace, so there is time for it.
const CONFIG: &str = "pool.instances = 8\nlimits.depth_max = 1\nlimits.cpu_budget_ms = 2000\nlog.filter = \"off\"";
const TIMES: usize = 5;

struct Faulty {
    client: Client,
    _process: Process,
    file: PathBuf,
    _scratch: Scratch,
}

impl Faulty {
    async fn start() -> Self {
        let mut plugins = vec!["hostile-everything", "probe", "prober", "hello"];
        plugins.extend(bystander::PLUGINS);
        let scratch = Scratch::with_plugins(&plugins);
        let (config, file) = (scratch.file("tenon.toml", CONFIG), scratch.file("fault", ""));
        let mut command = scratch.serve();
        command
            .args(["--dev", "--config", config.to_str().unwrap()])
            .env("TENON_FAULT_FILE", &file)
            .env("RUST_BACKTRACE", "0");
        let process = Process::start(&scratch, command).await;
        Self { client: Client::new(process.address()), _process: process, file, _scratch: scratch }
    }

    fn fail(&self, function: &str) {
        std::fs::write(&self.file, function).unwrap();
    }
}

/// Where the interfaces that the host has functions of its own for are written. The drafts of `wasi:keyvalue` share them.
pub const INTERFACES: [&str; 4] = ["tenon-host", "wasi-config", "wasi-keyvalue", "wasi-logging"];

/// Every function and resource of these, named as the host's faults are.
pub fn functions_of_the_host() -> Vec<String> {
    let mut names = Vec::new();
    for directory in INTERFACES {
        let mut wit = Resolve::default();
        let (package, _) = wit.push_dir(repository().join("wit").join(directory)).unwrap();
        let package = &wit.packages[package];
        for (name, interface) in &package.interfaces {
            let (name, interface) = (format!("{}:{}/{name}", package.name.namespace, package.name.name), *interface);
            let interface = &wit.interfaces[interface];
            for (function, definition) in &interface.functions {
                assert!(!matches!(definition.kind, FunctionKind::Constructor(_)), "{function}: try constructors too");
                names.push(format!("{name}.{function}"));
            }
            let resources =
                interface.types.iter().filter(|(_, id)| wit.types[**id].kind == wit_parser::TypeDefKind::Resource);
            names.extend(resources.map(|(resource, _)| format!("{name}.[resource-drop]{resource}")));
        }
    }
    names
}

#[tokio::test]
#[cfg_attr(
    not(feature = "fault-injection"),
    ignore = "needs `--features tenon/fault-injection`, as `cargo just test` has"
)]
async fn a_panic_in_any_host_function_fails_that_call_alone() {
    let mut functions = functions_of_the_host();
    assert!(functions.len() >= 10, "{functions:?}");
    functions.extend(OTHERS.map(str::to_owned));
    let host = Faulty::start().await;
    for function in &functions {
        let call = async || host.client.post("/plugins/hostile-everything/call", json!({ "name": function })).await;
        host.fail("");
        assert_eq!(call().await.status, 200, "{function} without a fault: {:?}", call().await);
        host.fail(function);
        for _ in 0..TIMES {
            let failed = call().await;
            let code = failed.json["error"]["code"].as_str().unwrap_or_default();
            // What runs on a thread of its own is a failed statement, which the plugin is told.
            let expected = if function.ends_with("thread") { (400, "failed") } else { (503, "host_fault") };
            assert_eq!((failed.status, code), expected, "{function}: {}", failed.text);
        }
        assert_eq!(host.client.get("/health/live").await.status, 200, "after {function}");
        host.fail("");
        assert_eq!(call().await.status, 200, "{function} after its fault");
    }
    println!("{} host functions panicked {TIMES} times each", functions.len());
}

#[tokio::test]
#[cfg_attr(
    not(feature = "fault-injection"),
    ignore = "needs `--features tenon/fault-injection`, as `cargo just test` has"
)]
async fn a_panic_below_a_caller_is_a_value_for_it_and_nothing_for_others() {
    let host = Faulty::start().await;
    let bystander = Bystander::start(&host.client);
    let sleep = async || host.client.post("/plugins/prober/through", json!({ "action": "sleep", "amount": 1 })).await;
    let hello = async || host.client.get("/plugins/hello/").await;
    for _ in 0..TIMES {
        host.fail("wasi");
        assert_eq!(*sleep().await.data(200), "unavailable: the host failed while running plugin probe");
        host.fail("wasi:http");
        hello().await.refusal(503, "host_fault");
        host.fail("");
        assert_eq!(*sleep().await.data(200), "slept 1 ms");
        assert_eq!(hello().await.status, 200);
    }
    bystander.stop().await.unwrap();
}
