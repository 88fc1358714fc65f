//! A URL in the parts that `wasi:http` wants. What may stand in them, the host judges.

use wasip2::http::types::Scheme;

use super::Error;

pub(super) struct Parts<'a> {
    pub scheme: Scheme,
    pub authority: &'a str,
    /// With the query. What stands behind `#` is not sent.
    pub path: String,
}

pub(super) fn parts(url: &str) -> Result<Parts<'_>, Error> {
    let wrong = || Error::Invalid(format!("{url:?} is no URL such as https://api.example.com/path"));
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => Scheme::Other(other.to_owned()),
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.is_empty() {
        return Err(wrong());
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Parts { scheme, authority, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_comes_apart() {
        for (url, authority, path) in [
            ("https://a.example", "a.example", "/"),
            ("https://a.example:81/b/c?d=/e#f", "a.example:81", "/b/c?d=/e"),
            ("http://a.example?d", "a.example", "/?d"),
        ] {
            let parts = parts(url).unwrap();
            assert_eq!((parts.authority, parts.path.as_str()), (authority, path));
        }
        for url in ["", "a.example", "https://", "https:///path"] {
            assert!(parts(url).is_err(), "{url}");
        }
    }
}
