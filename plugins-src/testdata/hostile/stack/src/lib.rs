//! Recurses as deep as it is told, and calls the host there. With the depth chosen well, hardly any stack is left.

#![cfg(target_family = "wasm")]

use demo::probe::probe;
use demo::probe::probe_deferred::SleepCall;
use exports::hostile::stack::stack::{Error, Guest, Then};
use tenon_plugin::{context, sql};
use wasip2::http::types::{Fields, OutgoingRequest};

wit_bindgen::generate!({
    inline: "
        package hostile:stack@1.0.0;

        interface stack {
            variant error {
                denied(string),
                unavailable(string),
            }

            enum then { nothing, context, clock, random, print, query, transact, call, call-deferred, fetch }

            /// Recurses so deep and makes the call there.
            descend: func(depth: u32, then: then) -> result<_, error>;
        }

        world plugin {
            import demo:probe/probe@1.0.0;
            import demo:probe/probe-deferred@1.0.0;
            export stack;
        }
    ",
    path: ["../../../../wit/wasi-io", "../../wit/demo-probe"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Stack;

impl Guest for Stack {
    fn descend(depth: u32, then: Then) -> Result<(), Error> {
        std::hint::black_box(descend(depth, then));
        Ok(())
    }
}

/// What is done after the call keeps it from becoming a loop. Nothing of it lies on the stack within the plugin's own
/// memory, so it is the host's limit that ends it.
#[inline(never)]
fn descend(depth: u32, then: Then) -> u32 {
    match depth.checked_sub(1) {
        Some(less) => descend(less, then).rotate_left(7) ^ depth,
        None => call(then),
    }
}

#[inline(never)]
fn call(then: Then) -> u32 {
    match then {
        Then::Nothing => {}
        Then::Context => drop(std::hint::black_box(context::current())),
        Then::Clock => drop(std::hint::black_box(wasip2::clocks::monotonic_clock::now())),
        Then::Random => drop(std::hint::black_box(wasip2::random::random::get_random_bytes(64))),
        Then::Print => println!("from far below"),
        Then::Query => drop(std::hint::black_box(sql::query("SELECT 1 AS one", &[]))),
        Then::Transact => drop(std::hint::black_box(sql::transaction(|_| Ok::<(), sql::Error>(())))),
        Then::Call => drop(std::hint::black_box(probe::sleep(1))),
        Then::CallDeferred => drop(std::hint::black_box(SleepCall::start(1).get())),
        Then::Fetch => {
            let request = OutgoingRequest::new(Fields::new());
            let _ = request.set_authority(Some("example.com"));
            let _ = request.set_path_with_query(Some("/"));
            let _ = wasip2::http::outgoing_handler::handle(request, None);
        }
    }
    0
}

export!(Stack);
