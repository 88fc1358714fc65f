//! Asks the visitor to call the vault. It embeds no manifest: a test writes one beside each copy of the file, and so decides
//! under which id it runs and what it is granted.

#![cfg(target_family = "wasm")]

use demo::vault::vault;
use demo::visitor::{visitor, visitor_deferred};
use exports::demo::relay_x::relay::{Error, Guest, Outcome};

wit_bindgen::generate!({
    inline: "
        package relay:plugin;

        world plugin {
            import demo:vault/vault@1.0.0;
            import demo:visitor/visitor@1.0.0;
            import demo:visitor/visitor-deferred@1.0.0;
            export demo:relay-x/relay@1.0.0;
        }
    ",
    path: ["../../../wit/wasi-io", "../wit/demo-vault", "../wit/demo-visitor", "../wit/demo-relay-x"],
    generate_all,
});

struct Relay;

impl Guest for Relay {
    fn relay() -> Result<Vec<Outcome>, Error> {
        passed_on(visitor::visit())
    }

    fn relay_guarded() -> Result<Vec<Outcome>, Error> {
        passed_on(visitor::visit_guarded())
    }

    fn relay_deferred() -> Result<Vec<Outcome>, Error> {
        passed_on(visitor_deferred::VisitGuardedCall::start().get())
    }

    fn try_itself() -> Result<String, Error> {
        vault::open_both().map_err(|error| match error {
            vault::Error::Denied(why) => Error::Denied(why),
            vault::Error::Unavailable(why) => Error::Unavailable(why),
        })
    }
}

fn passed_on(answer: Result<Vec<visitor::Outcome>, visitor::Error>) -> Result<Vec<Outcome>, Error> {
    match answer {
        Ok(told) => Ok(told.into_iter().map(|outcome| Outcome { door: outcome.door, told: outcome.told }).collect()),
        Err(visitor::Error::Denied(why)) => Err(Error::Denied(why)),
        Err(visitor::Error::Unavailable(why)) => Err(Error::Unavailable(why)),
    }
}

export!(Relay);
