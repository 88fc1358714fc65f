//! Requests that plugins make to hosts outside.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::config::section::section;
use crate::id::HostName;

const KIB: usize = 1 << 10;
const MIB: u64 = 1 << 20;

section! {
    /// Requests that plugins make to hosts outside. Which hosts those are, operators decide (`tenon grant`).
    pub struct OutboundConfig {
        /// Time for one request, from looking up its host to the last byte of its answer. It ends with its call in any case.
        timeout_ms: u64 = 10_000,
        /// Time for one connection to one address, TLS included.
        connect_timeout_ms: u64 = 3_000,
        /// The body of one request.
        request_bytes: u64 = 8 * MIB,
        /// The body of one answer, as it comes and after decompression.
        response_bytes: u64 = 8 * MIB,
        /// The head of one answer; 8 KiB at least.
        header_bytes: usize = 64 * KIB,
        /// Requests in a minute that one plugin may make for one tenant.
        requests_per_minute: u32 = 600,
        /// How many of them may come at once.
        requests_burst: u32 = 60,
        /// Requests under way at once, those of all tenants together. Each has a connection of its own.
        requests: usize = 256,
        /// Address and port of the DNS server that is asked for hosts outside, as `10.0.0.53:53`. While it is empty,
        /// names are looked up as everything on this machine looks them up.
        resolver: String = String::new(),
        /// A file of certificates (PEM) that may vouch for hosts outside beside those of the system.
        ca_file: PathBuf = PathBuf::new(),
        /// What plugins may reach that is not on the internet, for development and tests: networks as `10.1.0.0/16`, or one
        /// port of a host as `localhost:8443`. The host has to be granted besides.
        allow_private_networks: Vec<Opening> = Vec::new(),
    }
}

/// One thing that is not on the internet and may be reached all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Opening {
    /// Every port of these addresses.
    Network(IpNet),
    /// One port of one address.
    Address(SocketAddr),
    /// One port of a host, whatever its addresses are.
    Host(HostName, u16),
}

impl FromStr for Opening {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is neither a network such as `10.1.0.0/16` nor a port of a host such as `localhost:8443`")
        };
        if text.contains('/') {
            return text.parse().map(Self::Network).map_err(|_| wrong());
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        Ok(Self::Host(HostName::parse(host).map_err(|_| wrong())?, port))
    }
}

impl TryFrom<String> for Opening {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Opening> for String {
    fn from(opening: Opening) -> Self {
        opening.to_string()
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl OutboundConfig {
    /// [`Self::timeout_ms`] as a duration.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// [`Self::connect_timeout_ms`] as a duration.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// [`Self::resolver`], if there is one.
    ///
    /// # Errors
    ///
    /// When it is no address with a port.
    pub fn dns_server(&self) -> Result<Option<SocketAddr>, std::net::AddrParseError> {
        if self.resolver.is_empty() { Ok(None) } else { self.resolver.parse().map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_is_a_network_or_one_port() {
        for text in ["10.1.0.0/16", "fd00::/8", "127.0.0.1:8080", "[::1]:8080", "localhost:8443", "a.example.com:1"] {
            assert_eq!(text.parse::<Opening>().unwrap().to_string(), text);
        }
        for text in
            ["", "10.0.0.1", "localhost", "10.0.0.0/33", "*.example.com:80", "localhost:0", "http://a:80", "::1:80"]
        {
            let error = text.parse::<Opening>().unwrap_err();
            assert!(error.contains("is neither a network"), "{error}");
        }
    }
}
