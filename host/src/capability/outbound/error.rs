//! Why a request to a host outside came to nothing: for the log in words, for the guest as the standard's code.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;

use super::target::BadTarget;
use crate::usage::Exceeded;

/// Every way in which a request can fail.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("the address cannot be used: {0}")]
    Target(#[from] BadTarget),
    #[error("the method {0} is not one to ask a host outside with")]
    Method(http::Method),
    #[error("the header {0} belongs to one connection, which is the host's own matter")]
    Header(http::HeaderName),
    #[error("the manifest does not ask for this host; name it in `outbound`")]
    HostNotAsked,
    #[error("the manifest does not ask for port {port} of this host; name it in `ports`")]
    PortNotAsked { port: u16 },
    #[error("it was not granted; an operator can with --host {grant}")]
    NotGranted { grant: String },
    #[error("{limit} requests are under way already, and {setting} allows no more")]
    TooMany { setting: &'static str, limit: usize },
    #[error(
        "the plugin made more than outbound.requests_per_minute = {limit} for this tenant; the next one can come in {wait:?}"
    )]
    Rate { limit: u32, wait: Duration },
    #[error("{0}")]
    Quota(Exceeded),
    #[error("the host's name could not be looked up: {0}")]
    Lookup(#[source] LookupError),
    #[error("the host has the address {address}, which is {what}")]
    Prohibited { address: IpAddr, what: &'static str },
    #[error("there is no connection to {address}: {source}")]
    Connect { address: IpAddr, source: io::Error },
    #[error("there was no connection within {0:?}")]
    ConnectTimeout(Duration),
    #[error("the host does not prove who it is: {0}")]
    Certificate(#[source] rustls::Error),
    #[error("TLS did not come about: {0}")]
    Tls(#[source] io::Error),
    #[error("it took longer than it may")]
    Timeout,
    #[error("the body sent is larger than outbound.request_bytes = {limit}")]
    RequestBody { limit: u64 },
    #[error("the head of the answer is larger than outbound.header_bytes = {limit}")]
    ResponseHead { limit: usize },
    #[error("the body of the answer is larger than outbound.response_bytes = {limit}")]
    ResponseBody { limit: u64 },
    #[error("the answer's body says that it is gzip, and is not")]
    Coding,
    #[error("the answer broke off: {0}")]
    Incomplete(#[source] hyper::Error),
    #[error("the exchange went wrong: {0}")]
    Exchange(#[source] hyper::Error),
}

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    #[error("{0}")]
    System(#[source] io::Error),
    #[error("the name server cannot be asked: {0}")]
    Server(#[source] io::Error),
    #[error("the name server answers with code {0}")]
    Code(u8),
    #[error("the name server's answer cannot be read")]
    Unreadable,
    #[error("there is no such name, or it has no address")]
    NoAddress,
    #[error("it took longer than it may")]
    Timeout,
}

impl OutboundError {
    /// What the connection says to a request or an answer that it could not carry to its end.
    pub fn exchange(error: hyper::Error, header_bytes: usize, request_bytes: u64) -> Self {
        let source = std::error::Error::source(&error);
        if let Some(Error::HttpRequestBodySize(_)) = source.and_then(|source| source.downcast_ref()) {
            return Self::RequestBody { limit: request_bytes };
        }
        match () {
            () if error.is_parse_too_large() => Self::ResponseHead { limit: header_bytes },
            () if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => Self::Incomplete(error),
            () => Self::Exchange(error),
        }
    }

    /// Of a TLS handshake.
    pub fn tls(error: io::Error) -> Self {
        match error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>()) {
            Some(certificate @ rustls::Error::InvalidCertificate(_)) => Self::Certificate(certificate.clone()),
            _ => Self::Tls(error),
        }
    }

    /// What the guest is told.
    pub fn code(&self) -> Error {
        match self {
            Self::Target(BadTarget::Scheme(_)) | Self::Header(_) | Self::Exchange(_) => Error::HttpProtocolError,
            Self::Target(_) => Error::HttpRequestUriInvalid,
            Self::Method(_) => Error::HttpRequestMethodInvalid,
            Self::HostNotAsked | Self::PortNotAsked { .. } | Self::NotGranted { .. } => Error::HttpRequestDenied,
            Self::TooMany { .. } | Self::Rate { .. } => Error::ConnectionLimitReached,
            // The one code with room for what it is and when it ends.
            Self::Quota(exceeded) => Error::InternalError(Some(exceeded.to_string())),
            Self::Lookup(LookupError::Timeout) => Error::DnsTimeout,
            Self::Lookup(error) => Error::DnsError { rcode: error.rcode(), info_code: None },
            Self::Prohibited { .. } => Error::DestinationIpProhibited,
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
                Error::ConnectionRefused
            }
            Self::Connect { .. } => Error::DestinationUnavailable,
            Self::ConnectTimeout(_) => Error::ConnectionTimeout,
            Self::Certificate(_) => Error::TlsCertificateError,
            Self::Tls(_) => Error::TlsProtocolError,
            Self::Timeout => Error::HttpResponseTimeout,
            Self::RequestBody { limit } => Error::HttpRequestBodySize(Some(*limit)),
            Self::ResponseHead { limit } => Error::HttpResponseHeaderSectionSize(u32::try_from(*limit).ok()),
            Self::ResponseBody { limit } => Error::HttpResponseBodySize(Some(*limit)),
            Self::Coding => Error::HttpResponseContentCoding(Some("gzip".to_owned())),
            Self::Incomplete(_) => Error::HttpResponseIncomplete,
        }
    }
}

impl LookupError {
    fn rcode(&self) -> Option<String> {
        let code = match self {
            Self::NoAddress | Self::Code(3) => "NXDOMAIN",
            Self::Code(2) => "SERVFAIL",
            Self::Code(5) => "REFUSED",
            _ => return None,
        };
        Some(code.to_owned())
    }
}

/// What the guest is told of an error that ended an answer's body: those that [`super::body`] makes.
pub fn body_code(error: &Error) -> Option<ErrorCode> {
    Some(match error {
        Error::HttpResponseTimeout => ErrorCode::HttpResponseTimeout,
        Error::HttpResponseBodySize(limit) => ErrorCode::HttpResponseBodySize(*limit),
        Error::HttpResponseContentCoding(coding) => ErrorCode::HttpResponseContentCoding(coding.clone()),
        Error::HttpResponseIncomplete => ErrorCode::HttpResponseIncomplete,
        _ => return None,
    })
}
