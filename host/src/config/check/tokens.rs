//! The rules of `[auth.jwt]`: nothing that is half set, and keys only from where nobody can exchange them on the way.

use std::net::IpAddr;

use super::{Broken, require};
use crate::config::{JwtAlgorithm, JwtConfig};

pub(super) fn tokens_can_be_checked(jwt: &JwtConfig) -> Result<(), Broken> {
    let empty = |key: &str, value: &str, what: &str| {
        require(!value.is_empty(), || Broken {
            key: format!("auth.jwt.{key}"),
            found: "empty".into(),
            expected: format!("{what}, because auth.jwt.issuer is set"),
            fix: "set it, or leave out auth.jwt.issuer to take no tokens".into(),
        })
    };
    let unused = [("audience", &jwt.audience), ("jwks", &jwt.jwks), ("operator_role", &jwt.operator_role)];
    if !jwt.is_on() {
        return unused.into_iter().try_for_each(|(key, value)| {
            require(value.is_empty(), || Broken {
                key: "auth.jwt.issuer".into(),
                found: "empty".into(),
                expected: format!("the issuer of tokens, because auth.jwt.{key} is set"),
                fix: "set it to what `iss` is in the tokens".into(),
            })
        });
    }
    empty("audience", &jwt.audience, "what this host is called in `aud`: without it tokens for others would count")?;
    empty("jwks", &jwt.jwks, "the file or address of the issuer's keys")?;
    empty("user_claim", &jwt.user_claim, "the name of a claim")?;
    empty("tenant_claim", &jwt.tenant_claim, "the name of a claim")?;
    empty("roles_claim", &jwt.roles_claim, "the name of a claim")?;
    let Some(url) = jwt.url() else { return Ok(()) };
    let broken = |expected: &str, fix: &str| Broken {
        key: "auth.jwt.jwks".into(),
        found: format!("{url:?}"),
        expected: expected.into(),
        fix: fix.into(),
    };
    require(jwt.algorithm != JwtAlgorithm::HS256, || {
        broken("a file, because the keys of HS256 are secrets", "name a file, or choose another auth.jwt.algorithm")
    })?;
    require(is_safe(url), || {
        broken(
            "an https address, or http on a loopback address: over plain http anybody on the way could put in a key",
            "write it with https://",
        )
    })
}

fn is_safe(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else { return false };
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => {
            let name = host.trim_start_matches('[').trim_end_matches(']');
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_only_over_https_or_from_this_machine() {
        for safe in ["https://id.example.com/jwks", "http://127.0.0.1:80/x", "http://localhost/x", "http://[::1]:8/x"] {
            assert!(is_safe(safe), "{safe}");
        }
        for unsafe_ in [
            "http://id.example.com/jwks",
            "http://127.0.0.1.example.com/x",
            "http://localhost.example.com/x",
            "http://10.0.0.1/x",
            "ftp://127.0.0.1/x",
            "https://",
            "file:///etc/passwd",
        ] {
            assert!(!is_safe(unsafe_), "{unsafe_}");
        }
    }
}
