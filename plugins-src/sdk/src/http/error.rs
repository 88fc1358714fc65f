//! Why there is no answer, in the few ways a plugin can tell apart.

use std::fmt;

use wasip2::http::types::ErrorCode;

use crate::events::Unhandled;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The URL, a header or the method cannot be used, and why.
    Invalid(String),
    /// The manifest does not ask for the host or its port, or an operator has not granted it.
    Denied,
    /// The host's address is not on the internet.
    Prohibited,
    /// The host's name is not known.
    UnknownHost,
    /// There is no connection to it, or it broke off.
    Unreachable(String),
    /// It did not prove that it is who it is.
    Tls(String),
    /// It took too long.
    Timeout,
    /// The plugin has too many requests under way, or made too many in a short time: later it may again.
    TooMany,
    /// The hour's quota is used up, and until when.
    Quota(String),
    /// The request or its answer is larger than the host's operator allows.
    TooLarge,
    /// The answer's status is none of success ([`super::Response::success`]).
    Status(u16),
    /// What was to be sent or was received is not the JSON meant.
    Json(String),
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::HttpRequestDenied => Self::Denied,
            ErrorCode::DestinationIpProhibited => Self::Prohibited,
            ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => Self::UnknownHost,
            ErrorCode::DnsTimeout
            | ErrorCode::ConnectionTimeout
            | ErrorCode::ConnectionReadTimeout
            | ErrorCode::ConnectionWriteTimeout
            | ErrorCode::HttpResponseTimeout => Self::Timeout,
            ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => {
                Self::Tls(code.to_string())
            }
            ErrorCode::ConnectionLimitReached => Self::TooMany,
            ErrorCode::InternalError(Some(text)) if text.starts_with("the quota") => Self::Quota(text),
            ErrorCode::HttpRequestUriInvalid => Self::Invalid("the URL cannot be used".to_owned()),
            ErrorCode::HttpRequestMethodInvalid => Self::Invalid("the method cannot be used".to_owned()),
            ErrorCode::HttpRequestBodySize(_)
            | ErrorCode::HttpResponseBodySize(_)
            | ErrorCode::HttpResponseHeaderSectionSize(_) => Self::TooLarge,
            other => Self::Unreachable(other.to_string()),
        }
    }
}

impl Error {
    /// Whether the same request can succeed later, with nothing about it or the plugin's grants changed.
    fn may_pass(&self) -> bool {
        match self {
            Self::UnknownHost
            | Self::Unreachable(_)
            | Self::Tls(_)
            | Self::Timeout
            | Self::TooMany
            | Self::Quota(_)
            // Of a client's mistakes: too slow, too early, too often.
            | Self::Status(408 | 425 | 429 | 500..) => true,
            Self::Invalid(_)
            | Self::Denied
            | Self::Prohibited
            | Self::TooLarge
            | Self::Status(_)
            | Self::Json(_) => false,
        }
    }
}

impl From<Error> for Unhandled {
    fn from(error: Error) -> Self {
        if error.may_pass() { Self::Retry(error.to_string()) } else { Self::Reject(error.to_string()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(what) => f.write_str(what),
            Self::Denied => f.write_str("the plugin may not ask this host"),
            Self::Prohibited => f.write_str("the host's address is not on the internet"),
            Self::UnknownHost => f.write_str("the host's name is not known"),
            Self::Unreachable(why) => write!(f, "the host cannot be reached: {why}"),
            Self::Tls(why) => write!(f, "the host does not prove who it is: {why}"),
            Self::Timeout => f.write_str("the host took too long"),
            Self::TooMany => f.write_str("too many requests to hosts outside at once"),
            Self::Quota(until) => f.write_str(until),
            Self::TooLarge => f.write_str("the request or its answer is too large"),
            Self::Status(status) => write!(f, "the host answered with status {status}"),
            Self::Json(why) => write!(f, "not the JSON that was meant: {why}"),
        }
    }
}

impl std::error::Error for Error {}
