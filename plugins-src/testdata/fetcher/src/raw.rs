//! Requests by the standard's own interface. Nothing is checked here: what a URL's parts are is where they stand.

use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme, http_error_code,
};
use wasip2::io::streams::StreamError;

/// The most bytes read or written at once.
const CHUNK: usize = 64 << 10;

pub struct Read {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// The head of the answer, or why there is none.
pub fn send(method: &str, url: &str, headers: &[String], body_bytes: u64) -> Result<IncomingResponse, String> {
    let request = request(method, url, headers)?;
    let body = if body_bytes > 0 { request.body().ok() } else { None };
    let pending = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
    if let Some(body) = body {
        write(body, body_bytes);
    }
    pending.subscribe().block();
    taken(&pending)
}

pub fn read(response: &IncomingResponse) -> Result<Read, String> {
    let broken = |()| "the body of the answer cannot be read".to_owned();
    let (status, headers) = (response.status(), response.headers().entries());
    let body = response.consume().map_err(broken)?;
    let stream = body.stream().map_err(broken)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(CHUNK as u64) {
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => return Ok(Read { status, headers, body: bytes }),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(format!("after {} bytes: {:?}", bytes.len(), http_error_code(&error)));
            }
        }
    }
}

/// Many requests at once, held for that time.
pub fn hold(url: &str, count: u32, take: bool, milliseconds: u64) -> Vec<String> {
    let begun: Vec<_> = (0..count)
        .map(|_| outgoing_handler::handle(request("GET", url, &[])?, None).map_err(|code| format!("{code:?}")))
        .collect();
    let mut held = Vec::new();
    let tell = |pending: &Result<FutureIncomingResponse, String>| match pending {
        Err(why) => why.clone(),
        Ok(pending) if !take && !pending.subscribe().ready() => "pending".to_owned(),
        Ok(pending) => {
            pending.subscribe().block();
            match taken(pending) {
                Err(why) => why,
                Ok(response) => {
                    let status = response.status().to_string();
                    held.push(response);
                    status
                }
            }
        }
    };
    let told = match take {
        true => begun.iter().map(tell).collect(),
        false => {
            wait(milliseconds);
            return begun.iter().map(tell).collect();
        }
    };
    wait(milliseconds);
    told
}

fn wait(milliseconds: u64) {
    monotonic_clock::subscribe_duration(milliseconds.saturating_mul(1_000_000)).block();
}

fn taken(pending: &FutureIncomingResponse) -> Result<IncomingResponse, String> {
    match pending.get() {
        Some(Ok(answer)) => answer.map_err(|code| format!("{code:?}")),
        Some(Err(())) | None => Err("the host has no answer although it says that it is ready".to_owned()),
    }
}

fn request(method: &str, url: &str, headers: &[String]) -> Result<OutgoingRequest, String> {
    let refused = |what: &str| format!("refused as it was set: {what}");
    let fields = Fields::new();
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap_or((header, ""));
        fields.append(name, value.as_bytes()).map_err(|error| refused(&format!("{name}, {error:?}")))?;
    }
    let (scheme, rest) = url.split_once(':').ok_or_else(|| refused("no scheme"))?;
    let rest = rest.trim_start_matches('/');
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let method = match method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "HEAD" => Method::Head,
        other => Method::Other(other.to_owned()),
    };
    let request = OutgoingRequest::new(fields);
    request.set_method(&method).map_err(|()| refused("the method"))?;
    request.set_scheme(Some(&scheme)).map_err(|()| refused("the scheme"))?;
    request.set_authority(Some(authority)).map_err(|()| refused("the authority"))?;
    let path = if path.is_empty() { "/" } else { path };
    request.set_path_with_query(Some(path)).map_err(|()| refused("the path"))?;
    Ok(request)
}

/// Writes so many bytes, or as many as are taken.
fn write(body: OutgoingBody, bytes: u64) {
    let Ok(stream) = body.write() else { return };
    let mut left = bytes;
    while left > 0 {
        stream.subscribe().block();
        let Ok(room) = stream.check_write() else { return };
        let length = left.min(room).min(CHUNK as u64);
        if stream.write(&[b'x'; CHUNK][..length as usize]).is_err() {
            return;
        }
        left -= length;
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
