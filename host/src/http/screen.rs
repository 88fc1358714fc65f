//! Refuses requests that somebody between the client and the host may have read otherwise.
//!
//! What passes has one host, one framing and one path: no other `Host` than the target's, no transfer coding but
//! `chunked`, no path with dot segments, with a percent sign that encodes nothing, a NUL, or bytes that are not
//! UTF-8. hyper has refused the rest before: names and values with control characters, folded lines, contradictory
//! lengths. After a refusal an HTTP/1 connection is closed, because what follows on it could be anything.

use axum::extract::Request;
use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};

use super::envelope::ApiError;

/// Lets a proper request pass, with the host it is for in the header `Host`.
///
/// # Errors
///
/// 400 or 405, which say what is wrong.
pub fn screen(request: &mut Request) -> Result<(), ApiError> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        let message = format!("{} is not offered anywhere", request.method());
        return Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message));
    }
    only_chunked(request.headers())?;
    let version = request.version();
    if let Some(host) = host(version, request.uri(), request.headers())? {
        request.headers_mut().insert(HOST, host);
    }
    path(request.uri().path())
}

fn only_chunked(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(refused("the only Transfer-Encoding taken is `chunked`, once".into())),
    }
}

/// The host to be put into the header, when it stands in the target alone.
fn host(version: Version, target: &Uri, headers: &HeaderMap) -> Result<Option<HeaderValue>, ApiError> {
    let mut named = headers.get_all(HOST).iter();
    let (first, second) = (named.next(), named.next());
    if second.is_some() {
        return Err(refused("the header Host is given more than once".into()));
    }
    let named = first.map(authority).transpose()?;
    let target = target.authority();
    if target.is_some_and(|target| !is_host(target)) {
        return Err(refused("the target is on no host name with or without a port".into()));
    }
    match (named, target) {
        (None, None) if version >= Version::HTTP_11 => {
            Err(refused("the request names no host: send the header Host".into()))
        }
        (Some(named), Some(target)) if !named.as_str().eq_ignore_ascii_case(target.as_str()) => {
            Err(refused(format!("the target is on {target}, but the header Host is {named}")))
        }
        (None, Some(target)) => Ok(HeaderValue::from_str(target.as_str()).ok()),
        _ => Ok(None),
    }
}

fn authority(host: &HeaderValue) -> Result<Authority, ApiError> {
    let authority = Authority::try_from(host.as_bytes()).ok().filter(is_host);
    authority.ok_or_else(|| refused("the header Host is no host name with or without a port".into()))
}

/// A host with or without a port, and nothing else: `Authority` takes a user before it, and anything for a port.
pub(super) fn is_host(authority: &Authority) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let behind = authority.as_str().strip_prefix(authority.host());
    behind.is_some_and(|behind| behind.is_empty() || behind.strip_prefix(':').is_some_and(is_port))
}

/// Clients and proxies resolve dot segments, so whoever still sends them wants the path read in two ways.
pub(super) fn path(path: &str) -> Result<(), ApiError> {
    if !path.contains(['%', '.']) {
        return Ok(());
    }
    for segment in path.split('/') {
        let decoded = decoded(segment).ok_or_else(|| {
            bad_path(
                "has a percent sign that is not followed by two hexadecimal digits, or bytes that are no UTF-8 text",
            )
        })?;
        // A slash that is decoded makes segments for whoever decodes too early.
        if decoded.split(['/', '\\']).any(|part| part == "." || part == "..") {
            return Err(bad_path("has a segment `.` or `..`, which clients resolve before they send it"));
        }
        if decoded.contains('\0') {
            return Err(bad_path("has a NUL character"));
        }
    }
    Ok(())
}

fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { digit(rest.next()?)? << 4 | digit(rest.next()?)? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn bad_path(what: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_path", format!("the path {what}"))
}

fn refused(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_could_be_read_in_two_ways_is_refused() {
        for proper in ["/", "/plugins/crm/contacts", "/a.b/..c/c..", "/a%2Fb", "/M%C3%BCller", "//", "/a;b", "/%25"] {
            assert!(path(proper).is_ok(), "{proper}");
        }
        for bad in [
            "/..",
            "/a/../b",
            "/a/./b",
            "/%2e%2e/b",
            "/a/%2E./b",
            "/a/.%2e",
            "/a/..%2fb",
            "/a%2f..%2fb",
            "/a/..%5cb",
            "/%",
            "/%2",
            "/%zz",
            "/%00",
            "/a%00.png",
            "/%ff",
            "/%c0%ae%c0%ae/",
        ] {
            assert_eq!(path(bad).map_err(|error| error.code), Err("bad_path".into()), "{bad}");
        }
    }

    #[test]
    fn the_target_and_the_header_name_one_host() {
        let check = |version, target: &str, hosts: &[&str]| {
            let mut map = HeaderMap::new();
            for host in hosts {
                map.append(HOST, HeaderValue::from_str(host).unwrap());
            }
            host(version, &target.parse().unwrap(), &map).map_err(|_| ())
        };
        let (v10, v11, v2) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
        assert_eq!(check(v11, "/", &["a:1"]), Ok(None));
        assert_eq!(check(v11, "/", &["[::1]"]), Ok(None));
        assert_eq!(check(v11, "/", &["[::1]:80"]), Ok(None));
        assert_eq!(check(v11, "http://A:1/", &["a:1"]), Ok(None));
        assert_eq!(check(v2, "http://a:1/", &[]), Ok(Some(HeaderValue::from_static("a:1"))));
        assert_eq!(check(v10, "/", &[]), Ok(None));
        for (target, hosts) in [
            ("/", &[][..]),
            ("/", &["a", "a"]),
            ("/", &["a", "b"]),
            ("/", &[""]),
            ("/", &["a b"]),
            ("/", &["x@a"]),
            ("/", &["a:b"]),
            ("/", &["a:65536"]),
            ("/", &["a:4[::1]0"]),
            ("/", &["a/b"]),
            ("http://b/", &["a"]),
            ("http://x@a/", &["a"]),
        ] {
            assert_eq!(check(v11, target, hosts), Err(()), "{target} {hosts:?}");
        }
    }
}
