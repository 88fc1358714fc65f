//! Asks hosts outside as often as it can, at hosts it may not ask, and keeps whatever it is given.

#![cfg(target_family = "wasm")]

use exports::hostile::outbound::outbound::{Error, Guest};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{ErrorCode, Fields, FutureIncomingResponse, OutgoingRequest, Scheme};

wit_bindgen::generate!({
    inline: "
        package hostile:outbound@1.0.0;

        interface outbound {
            variant error {
                denied(string),
                unavailable(string),
            }

            /// Asks that host so often, one request after the other, and says how often it was not refused.
            ask: func(authority: string, times: u64) -> result<u64, error>;
            /// Begins so many requests and keeps them all.
            keep: func(authority: string, times: u64) -> result<u64, error>;
            /// Begins requests that are not even whole, so often.
            broken: func(times: u64) -> result<u64, error>;
        }

        world plugin {
            export outbound;
        }
    ",
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Outbound;

impl Guest for Outbound {
    fn ask(authority: String, times: u64) -> Result<u64, Error> {
        let not_refused = (0..times).filter(|_| match begin(&authority) {
            Ok(pending) => {
                pending.subscribe().block();
                !matches!(pending.get(), Some(Ok(Err(ErrorCode::HttpRequestDenied | ErrorCode::HttpRequestUriInvalid))))
            }
            Err(_) => false,
        });
        Ok(not_refused.count() as u64)
    }

    fn keep(authority: String, times: u64) -> Result<u64, Error> {
        let kept: Vec<_> = (0..times).map(|_| begin(&authority)).collect();
        Ok(kept.len() as u64)
    }

    fn broken(times: u64) -> Result<u64, Error> {
        let begun = (0..times).filter(|turn| {
            let request = OutgoingRequest::new(Fields::new());
            if turn % 2 == 0 {
                // Where to, and no path.
                let _ = request.set_authority(Some("example.com"));
            }
            outgoing_handler::handle(request, None).is_ok()
        });
        Ok(begun.count() as u64)
    }
}

fn begin(authority: &str) -> Result<FutureIncomingResponse, ErrorCode> {
    let request = OutgoingRequest::new(Fields::new());
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some("/"));
    outgoing_handler::handle(request, None)
}

export!(Outbound);
