//! Asks hosts outside: by the SDK, and by the standard's own interface with each part as a test says it. It embeds no
//! manifest, so that each test can say which hosts it asks for.

#![cfg(target_family = "wasm")]

mod raw;

use std::time::Duration;

use exports::demo::fetcher::fetcher::{Error, Guest, Outcome};
use tenon_plugin::http;

wit_bindgen::generate!({
    inline: "
        package demo:fetcher@1.0.0;

        interface fetcher {
            variant error {
                denied(string),
                unavailable(string),
            }

            /// An answer, or why there is none.
            record outcome {
                status: option<u16>,
                error: option<string>,
                /// `name: value`, sorted.
                headers: list<string>,
                length: u64,
                /// The beginning of the body.
                text: string,
            }

            /// By the SDK; with a body if there is one.
            ask: func(url: string, body: option<string>, timeout-ms: option<u64>) -> result<outcome, error>;
            /// By the standard's interface. The body has that many bytes.
            raw: func(method: string, url: string, headers: list<string>, body-bytes: u64) -> result<outcome, error>;
            /// Each of them; `200` or why there is no answer.
            each: func(urls: list<string>) -> result<list<string>, error>;
            /// Follows so many redirects, and tells each step.
            follow: func(url: string, hops: u32) -> result<list<string>, error>;
            /// That many requests at once. Their answers are not taken, or taken and not read, for that time.
            hold: func(url: string, count: u32, take: bool, milliseconds: u64) -> result<list<string>, error>;
        }

        world plugin {
            export fetcher;
        }
    ",
});

struct Fetcher;

impl Guest for Fetcher {
    fn ask(url: String, body: Option<String>, timeout_ms: Option<u64>) -> Result<Outcome, Error> {
        let mut request = match body {
            Some(body) => http::post(url).body(body),
            None => http::get(url),
        };
        if let Some(milliseconds) = timeout_ms {
            request = request.timeout(Duration::from_millis(milliseconds));
        }
        Ok(match request.send() {
            Ok(response) => outcome(response.status(), response.headers(), response.body()),
            Err(error) => failed(format!("{error:?}")),
        })
    }

    fn raw(method: String, url: String, headers: Vec<String>, body_bytes: u64) -> Result<Outcome, Error> {
        let answer = raw::send(&method, &url, &headers, body_bytes).and_then(|answer| raw::read(&answer));
        Ok(match answer {
            Ok(raw::Read { status, headers, body }) => outcome(status, &headers, &body),
            Err(why) => failed(why),
        })
    }

    fn each(urls: Vec<String>) -> Result<Vec<String>, Error> {
        let told = |url: &String| match raw::send("GET", url, &[], 0) {
            Ok(answer) => answer.status().to_string(),
            Err(why) => why,
        };
        Ok(urls.iter().map(told).collect())
    }

    fn follow(url: String, hops: u32) -> Result<Vec<String>, Error> {
        let (mut url, mut steps) = (url, Vec::new());
        for _ in 0..=hops {
            let response = match http::get(url.as_str()).send() {
                Ok(response) => response,
                Err(error) => {
                    steps.push(format!("{url} {error:?}"));
                    break;
                }
            };
            steps.push(format!("{url} {}", response.status()));
            let Some(next) = response.header("location") else { break };
            url = next.to_owned();
        }
        Ok(steps)
    }

    fn hold(url: String, count: u32, take: bool, milliseconds: u64) -> Result<Vec<String>, Error> {
        Ok(raw::hold(&url, count, take, milliseconds))
    }
}

fn outcome(status: u16, headers: &[(String, Vec<u8>)], body: &[u8]) -> Outcome {
    let mut headers: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect();
    headers.sort_unstable();
    let text = String::from_utf8_lossy(&body[..body.len().min(4_096)]).into_owned();
    Outcome { status: Some(status), error: None, headers, length: body.len() as u64, text }
}

fn failed(why: String) -> Outcome {
    Outcome { status: None, error: Some(why), headers: Vec::new(), length: 0, text: String::new() }
}

export!(Fetcher);
