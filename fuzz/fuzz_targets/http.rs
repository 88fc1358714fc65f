#![no_main]
//! A request's head on its way to a plugin: host, path, query and identity are read in one way or refused.
//!
//! An input is a head as HTTP/1.1 has it. What stands in the header `x-template` is tried as a path template too.

use http::header::{CONNECTION, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use libfuzzer_sys::fuzz_target;
use tenon::fuzzing::http::{self as door, Claimed};
use tenon::id::TenantId;
use tenon::registry::manifest::{PathTemplate, Segment};

const TEMPLATES: [&str; 6] = ["/", "/contacts", "/contacts/{id}", "/contacts/{id}/notes", "/{x}/{y}", "/a/b.c/{id}"];

/// Headers that only the host writes for a plugin's own handler.
const HOSTS: [&str; 6] =
    ["x-tenant-id", "x-user-id", "x-workspace-id", "x-user-roles", "x-caller-plugin-id", "x-correlation-id"];

fuzz_target!(|bytes: &[u8]| {
    if let Some(request) = request(bytes) {
        identity_is_read(request.headers());
        plugin_sees(request.headers().clone());
        template_is_read(&request);
        query_is_read(request.uri().query());
        is_screened(request);
    }
});

/// As hyper makes it of the same bytes.
fn request(bytes: &[u8]) -> Option<Request<axum::body::Body>> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut head = httparse::Request::new(&mut headers);
    head.parse(bytes).ok().filter(httparse::Status::is_complete)?;
    let mut request = Request::new(axum::body::Body::empty());
    *request.method_mut() = Method::from_bytes(head.method?.as_bytes()).ok()?;
    *request.uri_mut() = Uri::try_from(head.path?).ok()?;
    for header in head.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    Some(request)
}

fn is_screened(mut request: Request<axum::body::Body>) {
    let before = request.uri().clone();
    match door::screen(&mut request) {
        Err(status) => assert!(status.is_client_error(), "{status}"),
        Ok(()) => {
            assert_eq!(*request.uri(), before, "the target stays as it was sent");
            assert_eq!(request.headers().get_all(HOST).iter().count(), 1);
            let path = before.path();
            for segment in path.split('/') {
                let decoded = decoded(segment).unwrap_or_else(|| panic!("{segment} of {path} is no text"));
                assert!(!decoded.split(['/', '\\']).any(|part| part == "." || part == ".."), "{path}");
            }
            is_split(path, &before);
        }
    }
}

/// The plugin is the first segment below `/plugins/`, whatever comes behind it.
fn is_split(path: &str, uri: &Uri) {
    let Some(rest) = path.strip_prefix("/plugins/") else { return };
    let (plugin, below) = door::split(path);
    assert_eq!(Some(plugin), rest.split('/').next());
    assert!(below.starts_with('/'));
    assert_eq!(below, rest.strip_prefix(plugin).filter(|below| !below.is_empty()).unwrap_or("/"));
    match door::below(below, uri) {
        Ok(target) => {
            assert_eq!((target.path(), target.query()), (below, uri.query()));
            assert_eq!((target.authority(), target.scheme()), (None, None));
        }
        Err(status) => assert!(status.is_client_error(), "{status}"),
    }
    for template in TEMPLATES {
        fits(&PathTemplate::parse(template).expect("a template"), below);
    }
}

/// What a template finds in a path is what stands there, decoded once.
fn fits(template: &PathTemplate, path: &str) {
    let Some(found) = template.matches(path) else { return };
    let parts: Vec<&str> = path[1..].split('/').collect();
    let mut values = found.iter();
    for (segment, part) in template.segments().iter().zip(&parts) {
        let decoded = decoded(part).unwrap_or_else(|| panic!("{part} was taken and is no text"));
        match segment {
            Segment::Literal(literal) => assert_eq!(*literal, decoded),
            Segment::Parameter(name) => assert_eq!(values.next(), Some(&(name.as_str(), decoded.into()))),
        }
    }
    assert_eq!(values.next(), None);
    // The same values, written into the template, are found again.
    let again = written(template, |name| found.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value));
    let values =
        |path| template.matches(path).map(|found| found.into_iter().map(|(_, v)| v.into_owned()).collect::<Vec<_>>());
    assert_eq!(values(&again), values(path), "{path}, {again}");
}

fn written<'a>(template: &PathTemplate, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let segments = template.segments().iter().map(|segment| match segment {
        Segment::Literal(literal) => literal.clone(),
        Segment::Parameter(name) => value(name).unwrap_or("x").bytes().map(|byte| format!("%{byte:02X}")).collect(),
    });
    format!("/{}", segments.collect::<Vec<_>>().join("/"))
}

fn template_is_read(request: &Request<axum::body::Body>) {
    let Some(text) = request.headers().get("x-template").and_then(|value| value.to_str().ok()) else { return };
    match PathTemplate::parse(text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(template) => {
            assert_eq!(template.to_string(), text, "a template prints as it was written");
            fits(&template, request.uri().path());
            let path = written(&template, |_| None);
            let found = template.matches(&path).unwrap_or_else(|| panic!("{template} does not fit {path}"));
            assert!(found.iter().all(|(_, value)| value == "x"));
            for other in TEMPLATES.map(|other| PathTemplate::parse(other).expect("a template")) {
                assert_eq!(template.precedence(&other), other.precedence(&template).reverse());
                assert!(other.matches(&path).is_none() || template.overlaps(&other), "{template} and {other}");
            }
        }
    }
}

fn query_is_read(query: Option<&str>) {
    let text = query.unwrap_or_default();
    match door::query(query) {
        Err(status) => assert!(status.is_client_error(), "{status}"),
        Ok(pairs) => {
            assert!(pairs.len() <= text.split('&').count());
            assert!(pairs.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() <= text.len());
            let again = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            assert_eq!(door::query(Some(&again)), Ok(pairs), "{text}, {again}");
        }
    }
}

fn identity_is_read(headers: &HeaderMap) {
    let once = |name: &str| headers.get_all(name).iter().count() <= 1;
    match door::claimed(headers) {
        Err(status) => assert!(status.is_client_error(), "{status}"),
        Ok(Claimed { tenant, user, workspace, roles }) => {
            assert!(["x-tenant-id", "x-user-id", "x-workspace-id", "x-user-roles"].into_iter().all(once));
            assert!(roles.is_sorted_by(|a, b| a < b), "a role twice: {roles:?}");
            let sent = |name| headers.get(name).map(HeaderValue::as_bytes);
            assert_eq!(tenant.as_ref().map(|id| id.as_str().as_bytes()), sent("x-tenant-id"));
            assert_eq!(user.as_ref().map(|id| id.as_str().as_bytes()), sent("x-user-id"));
            assert_eq!(workspace.as_ref().map(|id| id.as_str().as_bytes()), sent("x-workspace-id"));
        }
    }
    assert!(HeaderValue::from_str(door::correlation(headers).as_str()).is_ok());
    if door::is_own(headers)
        && let Some(host) = headers.get(HOST)
    {
        let host = host.to_str().expect("a host that was believed is text").to_ascii_lowercase();
        let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let name = match host.rsplit_once(':') {
            Some((name, port)) if digits(port) && !(name.starts_with('[') && !name.ends_with(']')) => name,
            _ => &host,
        };
        let inside = name.trim_start_matches('[').trim_end_matches(']');
        let loopback = inside.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        assert!(loopback || inside == "localhost", "{host} was taken for this machine");
    }
}

/// A plugin's own handler sees who is asking from the host alone, under every spelling.
fn plugin_sees(mut headers: HeaderMap) {
    let tenant = TenantId::parse("acme").expect("a tenant");
    let correlation = door::correlation(&headers);
    door::to_plugin(&mut headers, tenant, correlation.clone());
    for (name, value) in &headers {
        let plain = name.as_str().replace('_', "-");
        assert!(*name != CONNECTION, "the connection is the host's");
        if HOSTS.contains(&&*plain) {
            let expected = match name.as_str() {
                "x-tenant-id" => "acme",
                "x-correlation-id" => correlation.as_str(),
                other => panic!("{other} reached the plugin as the client sent it"),
            };
            assert_eq!(value, expected);
        }
    }
    assert_eq!(headers.get_all("x-tenant-id").iter().count(), 1);
}

/// Each percent sign with two digits is a byte, and all bytes together are text.
fn decoded(segment: &str) -> Option<String> {
    let digits = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    let proper = segment.match_indices('%').all(|(at, _)| digits(&segment[at + 1..]));
    proper
        .then(|| percent_encoding::percent_decode_str(segment).decode_utf8().ok().map(|text| text.into_owned()))
        .flatten()
}
