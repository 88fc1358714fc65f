//! What a request to a host outside says in its head beside what the plugin wrote.
//!
//! The host adds who is asked (`Host`), that the connection ends with the answer, that gzip is understood (unless the
//! plugin says itself what it takes), and to hosts that were granted it the trace context. It never adds whose request
//! it is: no tenant, no user. What the plugin writes is the plugin's word, but for what is about the connection, which
//! is refused, and for the trace context, which only the host gives.

use http::header::{ACCEPT_ENCODING, CONNECTION, EXPECT, HOST, TE, TRAILER, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::OutboundError;
use super::target::Target;
use crate::hash::sha256;
use crate::id::CorrelationId;

/// What concerns one connection and is not refused by the standard implementation as the plugin sets it.
const OF_THE_CONNECTION: [HeaderName; 5] = [CONNECTION, TE, TRAILER, UPGRADE, EXPECT];

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What would tell a host outside which request of the host's this belongs to.
const TRACE_CONTEXT: [HeaderName; 3] =
    [TRACEPARENT, HeaderName::from_static("tracestate"), HeaderName::from_static("x-correlation-id")];

/// Whether the answer's body is unpacked by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpacking {
    /// The plugin did not say what it takes, so gzip was offered in its place.
    Gzip,
    /// The plugin said it, and gets what comes.
    None,
}

/// Makes the head as it is sent.
pub fn to_host(
    headers: &mut HeaderMap,
    target: &Target,
    trace: Option<&CorrelationId>,
) -> Result<Unpacking, OutboundError> {
    if let Some(name) = OF_THE_CONNECTION.into_iter().find(|name| headers.contains_key(name)) {
        return Err(OutboundError::Header(name));
    }
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(HOST, &target.authority());
    set(CONNECTION, "close");
    TRACE_CONTEXT.iter().for_each(|name| _ = headers.remove(name));
    if let Some(correlation) = trace
        && let Ok(value) = HeaderValue::from_str(&traceparent(correlation))
    {
        headers.insert(TRACEPARENT, value);
    }
    if headers.contains_key(ACCEPT_ENCODING) {
        return Ok(Unpacking::None);
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(Unpacking::Gzip)
}

/// The trace context (W3C): the correlation id as the trace's, and a number of this request's own. An id that is no
/// UUID stands as the beginning of its SHA-256.
fn traceparent(correlation: &CorrelationId) -> String {
    let trace = match uuid::Uuid::parse_str(correlation.as_str()) {
        Ok(id) if !id.is_nil() => id.simple().to_string(),
        _ => sha256(correlation.as_str().as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect(),
    };
    let own: u64 = rand::random::<u64>() | 1;
    format!("00-{trace}-{own:016x}-01")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(written: &[(&'static str, &'static str)], trace: Option<&str>) -> Result<(HeaderMap, Unpacking), String> {
        let mut headers = HeaderMap::new();
        for (name, value) in written {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let target = Target::of(&"https://api.example.com:8443/".parse().unwrap()).unwrap();
        let trace = trace.map(|id| CorrelationId::parse(id).unwrap());
        let unpacking = to_host(&mut headers, &target, trace.as_ref()).map_err(|error| error.to_string())?;
        Ok((headers, unpacking))
    }

    #[test]
    fn the_host_says_who_is_asked_and_nothing_of_who_asks() {
        let (headers, unpacking) = sent(&[("x-colour", "green"), ("host", "127.0.0.1")], None).unwrap();
        let mut said: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        said.sort_unstable();
        let expected = [
            ("accept-encoding", "gzip"),
            ("connection", "close"),
            ("host", "api.example.com:8443"),
            ("x-colour", "green"),
        ];
        assert_eq!((said.as_slice(), unpacking), (expected.as_slice(), Unpacking::Gzip));
        assert_eq!(sent(&[("accept-encoding", "br")], None).unwrap().1, Unpacking::None);
    }

    #[test]
    fn what_is_about_the_connection_is_refused() {
        for name in ["connection", "te", "trailer", "upgrade", "expect"] {
            let refused = sent(&[(name, "x")], None).unwrap_err();
            assert!(refused.contains(&format!("the header {name}")), "{refused}");
        }
    }

    #[test]
    fn the_trace_context_is_the_hosts_and_only_for_those_granted_it() {
        let written = [("traceparent", "00-1-2-01"), ("tracestate", "a=b"), ("x-correlation-id", "secret")];
        let (headers, _) = sent(&written, None).unwrap();
        assert!(written.iter().all(|(name, _)| !headers.contains_key(*name)));

        let (headers, _) = sent(&written, Some("018f6f3e-6c1c-7cc5-a6fb-6d8c0f1e2a3b")).unwrap();
        let parent = headers[&TRACEPARENT].to_str().unwrap();
        assert!(parent.starts_with("00-018f6f3e6c1c7cc5a6fb6d8c0f1e2a3b-") && parent.len() == 55, "{parent}");
        let (headers, _) = sent(&[], Some("order-4711")).unwrap();
        assert_eq!(headers[&TRACEPARENT].len(), 55);
    }
}
