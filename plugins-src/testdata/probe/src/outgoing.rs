//! A request to the world outside, by the standard's own interface. Redirects are not followed.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, IncomingResponse, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

/// The most bytes read at once.
const CHUNK: u64 = 64 * 1024;

/// The status and the body of the answer, or why there is none.
pub fn get(url: &str) -> Result<String, String> {
    let request = request(url).ok_or_else(|| format!("{url:?} is not a URL such as http://example.com/"))?;
    let pending = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
    pending.subscribe().block();
    let response = match pending.get() {
        Some(Ok(answer)) => answer.map_err(|code| format!("{code:?}"))?,
        Some(Err(())) | None => return Err("the host has no answer although it says that it is ready".to_owned()),
    };
    let status = response.status();
    let body = read(&response)?;
    Ok(format!("{status} {}", String::from_utf8_lossy(&body)))
}

fn request(url: &str) -> Option<OutgoingRequest> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&scheme)).ok()?;
    request.set_authority(Some(authority)).ok()?;
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).ok()?;
    Some(request)
}

fn read(response: &IncomingResponse) -> Result<Vec<u8>, String> {
    let broken = |()| "the body of the answer cannot be read".to_owned();
    let body = response.consume().map_err(broken)?;
    let stream = body.stream().map_err(broken)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(CHUNK) {
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
}
