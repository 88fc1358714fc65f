//! Where a request goes: one scheme, one name, one port, each written in one way.
//!
//! What could be read in two ways is refused before anything is looked up, so that nobody further on reads it
//! otherwise: no user before the host, no address in place of a name in whatever form, no dot at the end, nothing
//! beyond ASCII, no escapes.

use std::fmt;

use http::Uri;
use http::uri::Scheme;

use crate::id::{HostName, excerpt};

/// Where one request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub tls: bool,
    pub host: HostName,
    pub port: u16,
}

/// What is wrong with an address on the web.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    #[error("the scheme is {0:?}, and only http and https are spoken")]
    Scheme(String),
    #[error("there is no host")]
    NoHost,
    #[error("a user stands before the host {0:?}; send credentials in a header")]
    User(String),
    #[error("{0:?} is an address or may be read as one; a host is a name")]
    Address(String),
    #[error("the host ends with a dot, in {0:?}")]
    Dot(String),
    #[error("{0:?} is not a host's name in plain ASCII")]
    Name(String),
    #[error("{0:?} is not a port")]
    Port(String),
}

impl Target {
    /// Reads the address of a request.
    ///
    /// # Errors
    ///
    /// [`BadTarget`] when it could be read in another way, too.
    pub fn of(uri: &Uri) -> Result<Self, BadTarget> {
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            other => return Err(BadTarget::Scheme(excerpt(other.map_or("", Scheme::as_str)))),
        };
        let (host, port) = host_and_port(uri.authority().ok_or(BadTarget::NoHost)?.as_str())?;
        Ok(Self { tls, host, port: port.unwrap_or(if tls { 443 } else { 80 }) })
    }

    /// The port its scheme has without saying so.
    fn usual_port(&self) -> u16 {
        if self.tls { 443 } else { 80 }
    }

    /// What `Host` says.
    pub fn authority(&self) -> String {
        if self.port == self.usual_port() { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

fn host_and_port(authority: &str) -> Result<(HostName, Option<u16>), BadTarget> {
    let found = || shown(authority);
    if authority.contains('@') {
        return Err(BadTarget::User(found()));
    }
    if authority.contains(['[', ']']) {
        return Err(BadTarget::Address(found()));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(plain_port(port)?)),
        None => (authority, None),
    };
    if host.is_empty() {
        return Err(BadTarget::NoHost);
    }
    if host.ends_with('.') {
        return Err(BadTarget::Dot(found()));
    }
    let lower = host.to_ascii_lowercase();
    HostName::parse(&lower).map(|host| (host, port)).map_err(|_| match may_be_an_address(&lower) {
        true => BadTarget::Address(found()),
        false => BadTarget::Name(found()),
    })
}

/// An authority as it may be told and logged: what stands before the host can be somebody's password.
pub(super) fn shown(authority: &str) -> String {
    excerpt(authority.rsplit_once('@').map_or(authority, |(_user, host)| host))
}

/// As browsers and C libraries read it: whatever ends in a number.
fn may_be_an_address(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    last.starts_with(|first: char| first.is_ascii_digit())
}

/// Digits alone, none too many.
fn plain_port(text: &str) -> Result<u16, BadTarget> {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain).ok_or_else(|| BadTarget::Port(excerpt(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Target, BadTarget> {
        Target::of(&text.parse().unwrap())
    }

    #[test]
    fn a_plain_address_is_read() {
        for (text, shown, port) in [
            ("https://api.example.com/x?y", "https://api.example.com", 443),
            ("http://API.Example.com", "http://api.example.com", 80),
            ("https://localhost:8443/", "https://localhost:8443", 8443),
            ("https://localhost:443/", "https://localhost", 443),
        ] {
            let target = of(text).unwrap();
            assert_eq!((target.to_string().as_str(), target.port), (shown, port), "{text}");
        }
    }

    #[test]
    fn what_stands_before_a_host_is_told_nowhere() {
        for text in
            ["https://jo:s3cret@a.example/", "https://s3cret@a.example@a.example:99999/", "https://:s3cret@[::1]/"]
        {
            let Ok(uri) = text.parse::<Uri>() else { continue };
            let error = Target::of(&uri).unwrap_err();
            let told = format!("{error} {error:?} {}", shown(uri.authority().unwrap().as_str()));
            assert!(matches!(error, BadTarget::User(_)) && !told.contains("s3cret"), "{text}: {told}");
        }
        assert_eq!(shown("jo:s3cret@a.example:80"), "a.example:80");
    }

    #[test]
    fn what_could_be_read_in_another_way_is_refused_with_the_reason() {
        for (text, reason) in [
            ("ftp://example.com/", "the scheme"),
            ("https://user@example.com/", "a user"),
            ("https://example.com@127.0.0.1/", "a user"),
            ("https://127.0.0.1/", "an address"),
            ("https://127.1/", "an address"),
            ("https://2130706433/", "an address"),
            ("https://0x7f000001/", "an address"),
            ("https://0177.0.0.1/", "an address"),
            ("https://[::1]/", "an address"),
            ("https://example.com./", "a dot"),
            ("https://example.com:0443/", "a port"),
            ("https://example.com:99999/", "a port"),
            ("https://exa_mple.com/", "plain ASCII"),
        ] {
            let Ok(uri) = text.parse() else { continue };
            let error = Target::of(&uri).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
