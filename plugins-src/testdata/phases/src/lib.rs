//! Tells of its lifecycle, and fails in it at a test's word: the description in its manifest says of each function whether
//! it goes `well`, answers with an error (`fail`), with one that has all the tenant's texts in it (`tell`), traps (`trap`) or
//! sleeps (`wait`). A test writes other words of the same length, and another version, into a copy of the built component.

#![cfg(target_family = "wasm")]

use exports::demo::phases::phases::Guest;
use tenon::host::sql::{self, Value};
use tenon_plugin::{Lifecycle, context};
use wasip2::clocks::monotonic_clock;

wit_bindgen::generate!({
    inline: "
        package phases:plugin;

        world plugin {
            import tenon:host/sql@1.0.0;
            export demo:phases/phases@1.0.0;
        }
    ",
    path: ["../../../wit/tenon-host", "../wit/demo-phases"],
    generate_all,
});

tenon_plugin::embed! {
    manifest: "../plugin.json",
    migrations: ["0001_event" => "../migrations/0001_event.sql"],
}

tenon_plugin::lifecycle!(Phases);

/// A copy that the code reads at run time, so that a test can change it as it changes the section.
static MANIFEST: &str = include_str!("../plugin.json");

struct Phases;

impl Lifecycle for Phases {
    fn on_install() -> Result<(), String> {
        let tenant = context::current().tenant;
        println!("phases: on-install for {tenant:?}; data: {}", add("on-install").err().unwrap_or_default());
        act("install")
    }

    fn on_activate() -> Result<(), String> {
        add(&format!("on-activate {}", after("\"version\": \"")))?;
        act("activate")
    }

    fn on_deactivate() -> Result<(), String> {
        add(&format!("on-deactivate {}", after("\"version\": \"")))?;
        act("deactivate")
    }

    fn on_uninstall() -> Result<(), String> {
        println!("phases: on-uninstall");
        act("uninstall")
    }
}

impl Guest for Phases {
    fn events() -> Result<Vec<String>, String> {
        events()
    }

    fn note(text: String) -> Result<(), String> {
        add(&text)
    }

    fn trap() -> Result<(), String> {
        panic!("phases was asked to trap; it knows {:?}", events());
    }
}

fn events() -> Result<Vec<String>, String> {
    let found = sql::query("SELECT text FROM event ORDER BY id", &[]).map_err(|error| format!("{error:?}"))?;
    Ok(found.rows.into_iter().flatten().map(|value| format!("{value:?}")).collect())
}

fn add(text: &str) -> Result<(), String> {
    let added = sql::execute("INSERT INTO event (text) VALUES ($1)", &[Value::Text(text.to_owned())]);
    added.map(drop).map_err(|error| format!("{error:?}"))
}

fn act(step: &str) -> Result<(), String> {
    match after(&format!("{step}:")) {
        "fail" => Err(format!("phases was asked to fail its {step}")),
        "tell" => Err(format!("phases fails its {step} and knows {:?}", events())),
        "trap" => panic!("phases was asked to trap in its {step}"),
        "wait" => {
            monotonic_clock::subscribe_duration(60_000_000_000).block();
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What the manifest says behind a word, up to the next space or quote.
fn after(word: &str) -> &'static str {
    let manifest = std::hint::black_box(MANIFEST);
    let rest = manifest.split_once(word).map_or("", |(_, rest)| rest);
    rest.split([' ', '"']).next().unwrap_or_default()
}

export!(Phases);
