//! What passes between a client and a plugin's own handler as headers.
//!
//! To the plugin: what the client sent, without what belongs to the one connection, without identity from anybody
//! but the host, and without the stories of proxies (no proxy is trusted yet, so nobody knows who wrote them). From
//! the plugin: the same without what belongs to the connection, to identity, to the origin that all plugins share, or
//! to the host's own words. Trailers are headers.

use http::header::{CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::identity;
use crate::runtime::Identity;

/// What belongs to one connection.
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// What proxies say, and what others write to look like one. `X-Forwarded-…` is known by its beginning.
const HEARSAY: [&str; 8] = [
    "forwarded",
    "via",
    "x-host",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
];

/// What servers behind a proxy take for identity, or for another request than the one that came. `Authorization` is
/// the host's: what a client shows to the host is no plugin's to keep.
const IDENTITY_LIKE: [&str; 7] =
    ["authorization", "x-role", "x-roles", "x-permissions", "x-remote-user", "remote-user", "x-authenticated-user"];

/// The same, by how they begin.
const IDENTITY_BEGINS: [&str; 14] = [
    "x-tenant",
    "x-tenon-",
    "x-user",
    "x-workspace-",
    "x-caller-",
    "x-auth-",
    "x-webauth-",
    "x-http-method",
    "x-method-",
    "x-original-",
    "x-amzn-oidc-",
    "x-goog-authenticated-user-",
    "x-ms-client-principal",
    "x-rewrite-url",
];

/// What would bind a browser beyond the plugin's own paths: all plugins are served under one origin.
const OF_THE_ORIGIN: [&str; 4] = ["service-worker-allowed", "clear-site-data", "alt-svc", "strict-transport-security"];

/// Leaves of a client's headers what a plugin may believe, and adds who is asking.
pub fn to_plugin(headers: &mut HeaderMap, identity: &Identity) {
    from_client(headers);
    let mut set = |name, value: Option<&str>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    };
    set(identity::TENANT, Some(identity.tenant.as_str()));
    set(identity::USER, identity.user.as_ref().map(|user| user.as_str()));
    set(identity::WORKSPACE, identity.workspace.as_ref().map(|workspace| workspace.as_str()));
    set(identity::CORRELATION, Some(identity.correlation_id.as_str()));
}

/// Leaves of a client's headers what says nothing of who it is.
pub fn from_client(headers: &mut HeaderMap) {
    retain(headers, |name| !is_hearsay(name) && !is_identity(name));
}

/// Leaves of a plugin's headers what is its own to say.
pub fn from_plugin(headers: &mut HeaderMap) {
    retain(headers, |name| !is_identity(name) && name != VIA.as_str() && !OF_THE_ORIGIN.contains(&name));
}

/// Drops what belongs to the connection, what `Connection` names, and what `keep` does not want. It is asked with
/// `-` for `_`, because many servers cannot tell the two apart.
fn retain(headers: &mut HeaderMap, keep: impl Fn(&str) -> bool) {
    let nominated: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let dropped: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let plain = name.as_str().replace('_', "-");
            HOP_BY_HOP.iter().any(|hop| hop.as_str() == plain) || nominated.contains(name) || !keep(&plain)
        })
        .cloned()
        .collect();
    for name in dropped {
        headers.remove(name);
    }
}

fn is_hearsay(name: &str) -> bool {
    name.starts_with("x-forwarded-") || name == "x-forwarded" || HEARSAY.contains(&name)
}

/// The host's own headers, what begins like them, and what others use for the same.
fn is_identity(name: &str) -> bool {
    let ours = identity::HOST_HEADERS.iter().any(|host| host.as_str() == name);
    ours || IDENTITY_LIKE.contains(&name) || IDENTITY_BEGINS.iter().any(|begin| name.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_belongs_to_the_connection_stays_there() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-mine"),
            ("connection", "X-Other"),
            ("x-mine", "1"),
            ("x-other", "2"),
            ("keep-alive", "5"),
            ("transfer_encoding", "chunked"),
            ("te", "trailers"),
            ("x-kept", "3"),
            ("x-correlation-id", "forged"),
            ("x_tenant_id", "acme"),
            ("service-worker-allowed", "/"),
            ("x-original-uri", "/elsewhere"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        from_plugin(&mut headers);
        assert_eq!(names(&headers), ["x-kept"]);
    }
}
