//! What a call leaves in its place of the pool is never seen by the next.
//!
//! The component looks through everything an instance has before it does anything else: its memory, what that grows
//! by, its globals, its tables. Then it writes its tenant's canary all over them. Two such components of different
//! shape take turns, for two tenants, in a pool of three places, in this process: so a hundred thousand calls take
//! seconds. The same over HTTP takes the host's whole way, a few hundred times.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use futures::future::join_all;
use serde_json::json;
use tenon::app::App;
use tenon::config::Config;
use tenon::id::{CorrelationId, TenantId};
use tenon::permission::PermissionSet;
use tenon::registry::{Plugin, Served};
use tenon::runtime::Identity;
use wasmtime::component::Val;

use crate::common::{Host, Scratch, rounds};

/// What differs between the two components: pages of memory, elements of the table, and what the memory begins with.
const SHAPES: [(&str, u32, u32, &str); 2] =
    [("hostile-canary-a", 1, 10, r#"(data (i32.const 1024) "0123456789abcdef")"#), ("hostile-canary-b", 2, 200, "")];

/// The component gives the first foreign value it finds, and 0 when there is none: a word of memory, or one of these.
const CODES: &str = "1: a global; 2: an element of the table; 3: one that the table grew by; 4: its data is not there";

fn component(id: &str, pages: u32, elements: u32, data: &str) -> Vec<u8> {
    let own = if data.is_empty() { "0" } else { "1" };
    let text = format!(
        r#"
(component
  (core module $code
    (memory {pages})
    (table $table {elements} funcref)
    (global $word (mut i64) (i64.const 0))
    (global $half (mut i32) (i32.const 0))
    (elem declare func $inspect)
    {data}

    ;; The first word from here to the end that is not zero. Where its own data is, that is taken for zero once.
    (func $foreign (param $at i32) (result i64)
      (local $word i64) (local $end i32)
      (local.set $end (i32.mul (memory.size) (i32.const 65536)))
      (block $end
        (loop $next
          (br_if $end (i32.ge_u (local.get $at) (local.get $end)))
          ;; Most of it is passed over in longer steps.
          (if (i32.eqz (i32.and (local.get $at) (i32.const 63)))
            (then
              (block $something
                (loop $zero
                  (br_if $something (v128.any_true (v128.or
                    (v128.or (v128.load (local.get $at)) (v128.load offset=16 (local.get $at)))
                    (v128.or (v128.load offset=32 (local.get $at)) (v128.load offset=48 (local.get $at))))))
                  (local.set $at (i32.add (local.get $at) (i32.const 64)))
                  (br_if $zero (i32.lt_u (local.get $at) (local.get $end)))
                  (br $end)))))
          (local.set $word (i64.load (local.get $at)))
          (if (i32.and (i32.const {own}) (i32.eq (i32.and (local.get $at) (i32.const -16)) (i32.const 1024)))
            (then
              (if (i64.eq (local.get $word)
                    (select (i64.const 0x3736353433323130) (i64.const 0x6665646362613938)
                      (i32.eq (local.get $at) (i32.const 1024))))
                (then (local.set $word (i64.const 0)))
                (else (return (i64.const 4))))))
          (if (i64.ne (local.get $word) (i64.const 0)) (then (return (local.get $word))))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br $next)))
      (i64.const 0))

    (func $foreign-element (param $at i32) (result i32)
      (loop $next
        (if (i32.eqz (ref.is_null (table.get $table (local.get $at)))) (then (return (i32.const 1))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $at) (table.size $table))))
      (i32.const 0))

    (func $inspect (param $grow i32) (result i64)
      (local $before i32) (local $found i64)
      (if (i64.ne (global.get $word) (i64.const 0)) (then (return (i64.const 1))))
      (if (global.get $half) (then (return (i64.const 1))))
      (if (call $foreign-element (i32.const 0)) (then (return (i64.const 2))))
      (local.set $found (call $foreign (i32.const 0)))
      (if (i64.ne (local.get $found) (i64.const 0)) (then (return (local.get $found))))
      (local.set $before (table.grow $table (ref.null func) (i32.const 10)))
      (if (call $foreign-element (local.get $before)) (then (return (i64.const 3))))
      (local.set $before (memory.grow (local.get $grow)))
      (call $foreign (i32.mul (local.get $before) (i32.const 65536))))

    (func $mark (param $canary i32)
      (memory.fill (i32.const 0) (local.get $canary) (i32.mul (memory.size) (i32.const 65536)))
      (global.set $word (i64.extend_i32_u (local.get $canary)))
      (global.set $half (local.get $canary))
      (table.fill $table (i32.const 0) (ref.func $inspect) (table.size $table)))

    (func (export "visit") (param $canary i32) (param $grow i32) (result i64)
      (local $found i64)
      (local.set $found (call $inspect (local.get $grow)))
      (call $mark (local.get $canary))
      (local.get $found))

    ;; What the next call would find if this instance were its own.
    (func (export "visit-twice") (param $canary i32) (result i64)
      (drop (call $inspect (i32.const 0)))
      (call $mark (local.get $canary))
      (global.set $word (i64.const 0))
      (global.set $half (i32.const 0))
      (table.fill $table (i32.const 0) (ref.null func) (table.size $table))
      (call $inspect (i32.const 0))))

  (core instance $code (instantiate $code))
  (func $visit (param "canary" u32) (param "grow" u32) (result u64) (canon lift (core func $code "visit")))
  (func $visit-twice (param "canary" u32) (result u64) (canon lift (core func $code "visit-twice")))
  (instance $canary (export "visit" (func $visit)) (export "visit-twice" (func $visit-twice)))
  (export "hostile:{id}/canary@1.0.0" (instance $canary)))
"#
    );
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn scratch() -> Scratch {
    let scratch = Scratch::with_plugins(&[]);
    for (id, pages, elements, data) in SHAPES {
        let manifest = json!({
            "id": id, "name": id, "version": "1.0.0", "description": "Looks for what others left behind.",
            "services": [],
            "endpoints": [
                { "method": "POST", "path": "/visit", "function": format!("hostile:{id}/canary.visit") },
                { "method": "POST", "path": "/visit-twice", "function": format!("hostile:{id}/canary.visit-twice") },
            ],
        });
        fs::write(scratch.plugins().join(format!("{id}.wasm")), component(id, pages, elements, data)).unwrap();
        fs::write(scratch.plugins().join(format!("{id}.plugin.json")), manifest.to_string()).unwrap();
    }
    scratch
}

/// Every tenth call grows by a page, and every 200th beyond what the pool keeps mapped, which is cleared in another
/// way.
fn growth(call: u32) -> u32 {
    match call {
        _ if call.is_multiple_of(200) => 20,
        _ => u32::from(call.is_multiple_of(10)),
    }
}

/// The host put together in this process.
async fn app(scratch: &Scratch, unused_warm_slots: u32) -> Arc<App> {
    let mut config = Config { dev: true, plugins: scratch.plugins(), data: scratch.data(), ..Config::default() };
    config.pool.instances = 3;
    config.limits.depth_max = 0;
    config.pool.unused_warm_slots = unused_warm_slots;
    App::start(config, env!("CARGO_BIN_EXE_tenon").into()).await.unwrap()
}

/// Makes every `step`th call, beginning with `first`, and gives what they found.
async fn visit(app: Arc<App>, first: u32, step: u32, calls: u32) -> Vec<String> {
    let snapshot = app.registry().snapshot();
    let view = snapshot.default_view();
    let plugin = |id: &str| match view.served(id) {
        Some(Served::Active(plugin)) => plugin.clone(),
        _ => panic!("{id} is not active: {:?}", snapshot.rejected()),
    };
    let plugins: Vec<Arc<Plugin>> = SHAPES.iter().map(|(id, ..)| plugin(id)).collect();
    let visits = plugins.iter().map(|plugin| plugin.prepared.exports()[0].function("visit").unwrap().clone());
    let visits: Vec<_> = visits.collect();
    let tenants = ["one", "two"].map(|tenant| {
        let tenant = TenantId::parse(tenant).unwrap();
        let correlation_id = CorrelationId::new();
        let (roles, permissions) = (Vec::new(), PermissionSet::none());
        Arc::new(Identity { tenant, user: None, workspace: None, roles, permissions, correlation_id, hops: 0 })
    });
    let mut found = Vec::new();
    for call in (first..calls).step_by(step as usize) {
        let (shape, tenant) = ((call / 2) as usize % 2, call as usize % 2);
        let context = app.context(tenants[tenant].clone(), view);
        let args = [Val::U32(0xa0 + tenant as u32), Val::U32(growth(call))];
        let clock = context.cpu.clock().clone();
        let called = app.runtime().call(&plugins[shape].prepared, &visits[shape], context, &args);
        match clock.run(called).await {
            Ok(Some(Val::U64(0))) => {}
            other => found.push(format!("call {call} of {} for {tenant}: {other:x?}", SHAPES[shape].0)),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_call_leaves_behind_is_seen_by_another() {
    let calls = rounds(100_000, 5_000_000);
    let begun = Instant::now();
    // Where places are kept for the plugin that had them last, and where whoever comes takes them.
    for unused_warm_slots in [100, 0] {
        let scratch = scratch();
        let app = app(&scratch, unused_warm_slots).await;
        let visitors = (0..3).map(|first| tokio::spawn(visit(app.clone(), first, 3, calls / 2)));
        for found in join_all(visitors).await {
            let found = found.unwrap();
            assert!(found.is_empty(), "{} calls found something ({CODES}): {:#?}", found.len(), &found[..1]);
        }
    }
    println!("{calls} calls in 3 places of the pool in {:.1?}", begun.elapsed());
}

#[tokio::test]
async fn two_tenants_in_turn_find_nothing_of_each_other_over_http() {
    let scratch = scratch();
    let config = scratch.file("tenon.toml", "pool.instances = 3\nlimits.depth_max = 0");
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    for (id, ..) in SHAPES {
        // It does find what there is.
        let own = host.post(&format!("/plugins/{id}/visit-twice"), json!({ "canary": 0xaa })).await;
        let found = own.data(200).as_str().map(str::to_owned).unwrap_or_else(|| own.data(200).to_string());
        assert!(found == u64::from_ne_bytes([0xaa; 8]).to_string() || found == "4", "{found}");
    }
    for call in 0..400 {
        let (id, ..) = SHAPES[call as usize / 2 % 2];
        let tenant = host.tenant(["one", "two"][call as usize % 2]);
        let body = json!({ "canary": 0xa0 + call % 2, "grow": growth(call) });
        let answer = tenant.post(&format!("/plugins/{id}/visit"), body).await;
        assert_eq!(*answer.data(200), 0, "call {call} of {id} ({CODES})");
    }
}
