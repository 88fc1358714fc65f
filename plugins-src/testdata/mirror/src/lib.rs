//! A `wasi:http` handler that shows what reached it, byte for byte, and says what it is told to say.
//!
//! Everywhere: the answer's text has the request's method, target and authority, one line for each header, and the length of
//! the body. At `/answer`: each line `name: value` of the body becomes a header of the answer, where `\r`, `\n` and `\0`
//! stand for those characters, and the line `status: 103` its status; the text then has one line for each
//! that was refused.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

use wasip2::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Mirror;

wasip2::http::proxy::export!(Mirror);

impl wasip2::exports::http::incoming_handler::Guest for Mirror {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let body = body(&request);
        let target = request.path_with_query().unwrap_or_default();
        let fields = Fields::new();
        let (status, text) = match target.as_str() {
            "/answer" => told(&fields, &String::from_utf8_lossy(&body)),
            _ => (200, shown(&request, &target, body.len())),
        };
        let response = OutgoingResponse::new(fields);
        let mut text = text;
        if response.set_status_code(status).is_err() {
            let _ = writeln!(text, "refused status: {status}");
        }
        let outgoing = response.body().expect("a body is taken once");
        ResponseOutparam::set(answer, Ok(response));
        let mut stream = outgoing.write().expect("a stream is taken once");
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.flush();
        drop(stream);
        let _ = OutgoingBody::finish(outgoing, None);
    }
}

fn body(request: &IncomingRequest) -> Vec<u8> {
    let body = request.consume().expect("a body is taken once");
    let mut stream = body.stream().expect("a stream is taken once");
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

fn shown(request: &IncomingRequest, target: &str, length: usize) -> String {
    let method = match request.method() {
        Method::Other(name) => name,
        known => format!("{known:?}"),
    };
    let mut text = format!("{method} {target} on {}\n", request.authority().unwrap_or_default());
    for (name, value) in request.headers().entries() {
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(&value));
    }
    let _ = writeln!(text, "body of {length} bytes");
    text
}

fn told(fields: &Fields, lines: &str) -> (u16, String) {
    let (mut status, mut text) = (200, String::new());
    for line in lines.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name == "status" {
            status = value.parse().unwrap_or(status);
            continue;
        }
        let raw = |part: &str| part.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0");
        if fields.append(&raw(name), raw(value).as_bytes()).is_err() {
            let _ = writeln!(text, "refused {name}");
        }
    }
    (status, text)
}
