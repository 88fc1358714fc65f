//! A connection to one of the addresses that were checked, and the proof that it leads to the host meant.
//!
//! The addresses come from the one lookup of the request, and nothing here looks anything up: what is connected to is
//! what was checked. The name is used for TLS alone.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::address::not_global;
use super::error::OutboundError;
use super::target::{BadTarget, Target};
use crate::config::Opening;
use crate::tls;

/// Addresses of one host that are tried.
const ADDRESSES_TRIED: usize = 4;

/// A connection, with TLS or without.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Wire for T {}

/// Makes connections.
pub struct Connector {
    openings: Vec<Opening>,
    timeout: Duration,
    vouching: Vec<CertificateDer<'static>>,
    /// Made for the first request with TLS: the system's certificates take a while to read.
    tls: OnceCell<TlsConnector>,
}

impl Connector {
    pub fn new(openings: Vec<Opening>, timeout: Duration, vouching: Vec<CertificateDer<'static>>) -> Self {
        Self { openings, timeout, vouching, tls: OnceCell::new() }
    }

    /// Refuses a host when one of its addresses is not on the internet and not opened by the operator. A host that has
    /// both kinds is a mistake or an attack.
    pub fn check(&self, target: &Target, addresses: &[IpAddr]) -> Result<(), OutboundError> {
        for &address in addresses.iter().filter(|&&address| !self.is_open(target, address)) {
            if let Some(what) = not_global(address) {
                return Err(OutboundError::Prohibited { address, what });
            }
        }
        Ok(())
    }

    fn is_open(&self, target: &Target, address: IpAddr) -> bool {
        self.openings.iter().any(|opening| match opening {
            Opening::Network(network) => network.contains(&address),
            Opening::Address(open) => *open == SocketAddr::new(address, target.port),
            Opening::Host(host, port) => *host == target.host && *port == target.port,
        })
    }

    /// Connects to the first address that answers.
    ///
    /// # Errors
    ///
    /// What the last address that was tried said.
    pub async fn connect(&self, target: &Target, addresses: &[IpAddr]) -> Result<Box<dyn Wire>, OutboundError> {
        let mut last = OutboundError::ConnectTimeout(self.timeout);
        for &address in addresses.iter().take(ADDRESSES_TRIED) {
            match timeout(self.timeout, self.connect_to(target, address)).await {
                Ok(Ok(wire)) => return Ok(wire),
                // Who answers is the host. Another address of it would say the same.
                Ok(Err(error @ (OutboundError::Certificate(_) | OutboundError::Tls(_)))) => return Err(error),
                Ok(Err(error)) => last = error,
                Err(_late) => last = OutboundError::ConnectTimeout(self.timeout),
            }
        }
        Err(last)
    }

    async fn connect_to(&self, target: &Target, address: IpAddr) -> Result<Box<dyn Wire>, OutboundError> {
        let stream = TcpStream::connect((address, target.port)).await;
        let stream = stream.map_err(|source| OutboundError::Connect { address, source })?;
        // A request is one piece, and it is not to wait for a second.
        let _ = stream.set_nodelay(true);
        if !target.tls {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(target.host.to_string());
        let name = name.map_err(|_| BadTarget::Name(target.host.to_string()))?;
        let stream = self.tls().await?.connect(name, stream).await.map_err(OutboundError::tls)?;
        Ok(Box::new(stream))
    }

    async fn tls(&self) -> Result<&TlsConnector, OutboundError> {
        let make = || async {
            let vouching = self.vouching.clone();
            let made = tokio::task::spawn_blocking(move || tls::client(vouching)).await;
            let mut config = made.map_err(std::io::Error::other)?.map_err(std::io::Error::other)?;
            // Nothing of one tenant's connection is there for another's.
            config.resumption = Resumption::disabled();
            Ok(TlsConnector::from(Arc::new(config)))
        };
        self.tls.get_or_try_init(make).await.map_err(OutboundError::Tls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prohibited(openings: &[&str], url: &str, addresses: &[&str]) -> Option<String> {
        let openings = openings.iter().map(|opening| opening.parse().unwrap()).collect();
        let connector = Connector::new(openings, Duration::from_secs(1), Vec::new());
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let target = Target::of(&url.parse().unwrap()).unwrap();
        connector.check(&target, &addresses).err().map(|error| error.to_string())
    }

    #[test]
    fn one_address_that_is_not_on_the_internet_spoils_the_host() {
        assert_eq!(prohibited(&[], "https://a.example/", &["8.8.8.8", "2606:4700::1111"]), None);
        let told = prohibited(&[], "https://a.example/", &["8.8.8.8", "10.0.0.1"]).unwrap();
        assert_eq!(told, "the host has the address 10.0.0.1, which is private");
    }

    #[test]
    fn what_the_operator_opens_is_open_and_nothing_beside_it() {
        let url = "https://a.example:8443/";
        for opening in ["127.0.0.0/8", "127.0.0.1:8443", "a.example:8443"] {
            assert_eq!(prohibited(&[opening], url, &["127.0.0.1"]), None, "{opening}");
            let beside = prohibited(&[opening], "https://b.example/", &["10.0.0.1"]);
            assert!(beside.is_some(), "{opening}");
        }
        for opening in ["127.0.0.2/32", "127.0.0.1:443", "a.example:443", "b.example:8443", "[::1]:8443"] {
            assert!(prohibited(&[opening], url, &["127.0.0.1"]).is_some(), "{opening}");
        }
        // Written as IPv6 it is another address.
        assert!(prohibited(&["127.0.0.0/8"], url, &["::ffff:127.0.0.1"]).is_some());
    }
}
