//! The credential of a request: one `Authorization: Bearer …`, a key of this host or a token.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Local;
use crate::access::Refused;
use crate::http::envelope::ApiError;

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// Over the host's own socket.
    pub local: bool,
    /// The address of the client, or of the proxy before it.
    pub address: Option<IpAddr>,
}

impl Origin {
    pub fn of(request: &Request) -> Self {
        let extensions = request.extensions();
        let address = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
        Self { local: extensions.get::<Local>().is_some(), address }
    }
}

/// What stands after `Bearer`; none when the request carries no credential at all.
///
/// # Errors
///
/// 401 for a header of another kind, and for several: a request that shows something is never taken for one that
/// shows nothing.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let unreadable = || {
        let message = "the header Authorization must stand once and read `Bearer`, a space, and a key or token";
        refusal("invalid_request", message)
    };
    if values.next().is_some() {
        return Err(unreadable());
    }
    let (scheme, credential) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(unreadable)?;
    let credential = credential.trim_matches(' ');
    let is_one = !credential.is_empty() && credential.bytes().all(|byte| byte.is_ascii_graphic());
    if scheme.eq_ignore_ascii_case("bearer") && is_one { Ok(Some(credential)) } else { Err(unreadable()) }
}

/// 401 for a request without any credential.
pub(super) fn missing() -> ApiError {
    let message = "this request carries no credential: send the header Authorization: Bearer with a key or token";
    let answer = ApiError::new(StatusCode::UNAUTHORIZED, "unauthenticated", message);
    answer.with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// 401 with a challenge in the words of RFC 6750.
fn refusal(error: &str, message: &str) -> ApiError {
    let answer = ApiError::new(StatusCode::UNAUTHORIZED, error, message);
    let described: String = message.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
    let challenge = format!("Bearer error=\"{error}\", error_description=\"{described}\"");
    match HeaderValue::from_str(&challenge) {
        Ok(challenge) => answer.with_header(WWW_AUTHENTICATE, challenge),
        Err(_) => answer.with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused {
            Refused::TooOften { again_in } => {
                let seconds = again_in.as_secs().saturating_add(1);
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", message)
                    .with_header(RETRY_AFTER, HeaderValue::from(seconds))
            }
            Refused::NoIssuerKeys => Self::new(StatusCode::SERVICE_UNAVAILABLE, "issuer_unavailable", message)
                .with_header(RETRY_AFTER, HeaderValue::from_static("5")),
            Refused::Db(error) => error.into(),
            Refused::Unknown
            | Refused::NoSuchKey
            | Refused::Revoked
            | Refused::Expired
            | Refused::NoTokens
            | Refused::Token(_) => refusal("invalid_token", &message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Option<String>, u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        bearer(&headers).map(|found| found.map(str::to_owned)).map_err(|error| error.status.as_u16())
    }

    #[test]
    fn one_bearer_is_a_credential_and_anything_else_is_refused() {
        assert_eq!(read(&[]), Ok(None));
        for value in ["Bearer x.y-z", "bearer x.y-z", "BEARER  x.y-z "] {
            assert_eq!(read(&[value]), Ok(Some("x.y-z".to_owned())), "{value}");
        }
        for value in
            ["", "Bearer", "Bearer ", "Basic eDp5", "x.y-z", "Bearer a b", "Bearer a,b c", "Bearer é", "Bearer\tx"]
        {
            assert_eq!(read(&[value]), Err(401), "{value:?}");
        }
        assert_eq!(read(&["Bearer a", "Bearer a"]), Err(401));
    }
}
