//! Calls the vault. It embeds no manifest: a test writes one beside the file, and so decides what it is granted.

#![cfg(target_family = "wasm")]

use demo::vault::{vault, vault_deferred as deferred};
use exports::demo::visitor::visitor::{Error, Guest, Outcome};

wit_bindgen::generate!({
    inline: "
        package visitor:plugin;

        world plugin {
            import demo:vault/vault@1.0.0;
            import demo:vault/vault-deferred@1.0.0;
            export demo:visitor/visitor@1.0.0;
        }
    ",
    path: ["../../../wit/wasi-io", "../wit/demo-vault", "../wit/demo-visitor"],
    generate_all,
});

struct Visitor;

impl Guest for Visitor {
    fn visit() -> Result<Vec<Outcome>, Error> {
        Ok(try_doors())
    }

    fn visit_guarded() -> Result<Vec<Outcome>, Error> {
        Ok(try_doors())
    }
}

fn try_doors() -> Vec<Outcome> {
    // All under way before the first answer is taken.
    let calls = (
        deferred::OpenCall::start(),
        deferred::OpenACall::start(),
        deferred::OpenBCall::start(),
        deferred::OpenBothCall::start(),
        deferred::OpenTwiceCall::start(),
        deferred::OpenUnnamedCall::start(),
    );
    let answers = [
        ("open plain", vault::open()),
        ("open-a plain", vault::open_a()),
        ("open-b plain", vault::open_b()),
        ("open-both plain", vault::open_both()),
        ("open-twice plain", vault::open_twice()),
        ("open-unnamed plain", vault::open_unnamed()),
        ("open deferred", calls.0.get()),
        ("open-a deferred", calls.1.get()),
        ("open-b deferred", calls.2.get()),
        ("open-both deferred", calls.3.get()),
        ("open-twice deferred", calls.4.get()),
        ("open-unnamed deferred", calls.5.get()),
    ];
    answers.into_iter().map(|(door, answer)| Outcome { door: door.to_owned(), told: told(answer) }).collect()
}

fn told(answer: Result<String, vault::Error>) -> String {
    answer.unwrap_or_else(|error| match error {
        vault::Error::Denied(why) => format!("denied: {why}"),
        vault::Error::Unavailable(why) => format!("unavailable: {why}"),
    })
}

export!(Visitor);
