//! The exchange itself: the request is handed over, its body written, the answer awaited and read.

use std::time::Duration;

use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    http_error_code,
};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::StreamError;

use super::{Error, Request, Response, url};

/// The most that is read or written at once.
const CHUNK: u64 = 64 << 10;

pub(super) fn run(request: Request) -> Result<Response, Error> {
    let clock = Clock::new(request.timeout);
    let (outgoing, body) = outgoing(&request)?;
    let options = request.timeout.map(options);
    let pending = outgoing_handler::handle(outgoing, options)?;
    if let Some((body, bytes)) = body.zip(request.body) {
        write(body, &bytes, &clock)?;
    }
    let answer = answer(&pending, &clock)?;
    let headers = answer.headers().entries();
    Ok(Response { status: answer.status(), headers, body: read(&answer, &clock)? })
}

fn outgoing(request: &Request) -> Result<(OutgoingRequest, Option<OutgoingBody>), Error> {
    let wrong = |what: &str| Error::Invalid(format!("{what} cannot be used"));
    let url = url::parts(&request.url)?;
    let fields = Fields::new();
    for (name, value) in &request.headers {
        fields.append(name, value).map_err(|_| wrong(&format!("the header {name}")))?;
    }
    if let Some(body) = &request.body {
        let length = body.len().to_string();
        fields.set("content-length", &[length.into_bytes()]).map_err(|_| wrong("the length of the body"))?;
    }
    let outgoing = OutgoingRequest::new(fields);
    outgoing.set_method(&method(&request.method)).map_err(|()| wrong("the method"))?;
    outgoing.set_scheme(Some(&url.scheme)).map_err(|()| wrong("the URL's scheme"))?;
    outgoing.set_authority(Some(url.authority)).map_err(|()| wrong("the URL's host"))?;
    outgoing.set_path_with_query(Some(&url.path)).map_err(|()| wrong("the URL's path"))?;
    let body = match &request.body {
        Some(_) => Some(outgoing.body().map_err(|()| wrong("the body"))?),
        None => None,
    };
    Ok((outgoing, body))
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn options(timeout: Duration) -> RequestOptions {
    let options = RequestOptions::new();
    let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    // What the host does not take, the clock below ends.
    let _ = options.set_connect_timeout(Some(nanoseconds));
    let _ = options.set_first_byte_timeout(Some(nanoseconds));
    options
}

/// Writes the body. A host that has heard enough answers before its end.
fn write(body: OutgoingBody, bytes: &[u8], clock: &Clock) -> Result<(), Error> {
    let stream = body.write().map_err(|()| Error::Unreachable("the body cannot be written".to_owned()))?;
    let mut rest = bytes;
    while !rest.is_empty() {
        clock.wait(&stream.subscribe())?;
        let Ok(room) = stream.check_write() else { return Ok(()) };
        let (chunk, after) = rest.split_at(rest.len().min(room.min(CHUNK) as usize));
        if stream.write(chunk).is_err() {
            return Ok(());
        }
        rest = after;
    }
    drop(stream);
    // Whether it arrived, the answer tells.
    let _ = OutgoingBody::finish(body, None);
    Ok(())
}

fn answer(pending: &FutureIncomingResponse, clock: &Clock) -> Result<IncomingResponse, Error> {
    clock.wait(&pending.subscribe())?;
    match pending.get() {
        Some(Ok(answer)) => Ok(answer?),
        Some(Err(())) | None => Err(Error::Unreachable("there is no answer".to_owned())),
    }
}

fn read(answer: &IncomingResponse, clock: &Clock) -> Result<Vec<u8>, Error> {
    let broken = |()| Error::Unreachable("the body of the answer cannot be read".to_owned());
    let body = answer.consume().map_err(broken)?;
    let stream = body.stream().map_err(broken)?;
    let mut bytes = Vec::new();
    loop {
        match stream.read(CHUNK) {
            Ok(chunk) if chunk.is_empty() => clock.wait(&stream.subscribe())?,
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                let told = || Error::Unreachable(error.to_debug_string());
                return Err(http_error_code(&error).map_or_else(told, Error::from));
            }
        }
    }
}

/// The time that an exchange has, if it has any of its own.
struct Clock(Option<Pollable>);

impl Clock {
    fn new(timeout: Option<Duration>) -> Self {
        let nanoseconds = |timeout: Duration| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        Self(timeout.map(|timeout| monotonic_clock::subscribe_duration(nanoseconds(timeout))))
    }

    /// Waits until this is ready.
    fn wait(&self, pollable: &Pollable) -> Result<(), Error> {
        let Some(clock) = &self.0 else {
            pollable.block();
            return Ok(());
        };
        let ready = poll(&[pollable, clock]);
        if ready.contains(&0) { Ok(()) } else { Err(Error::Timeout) }
    }
}
