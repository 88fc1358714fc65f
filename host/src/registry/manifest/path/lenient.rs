//! Paths as somebody else might read them.
//!
//! A request that goes to a plugin's own handler is read by the handler, and the permissions of its endpoints are to hold
//! in the usual ways of reading. So this rather takes a path for ours that is none. A handler that decodes twice, or
//! looks at beginnings alone, is beyond it.

use super::{PathTemplate, Segment, hex_digit};

impl PathTemplate {
    /// Whether a handler that reads paths more kindly than [`Self::matches`] might take this one for ours: decoded
    /// before it is cut or after, without empty segments, with `.` and `..` resolved or as they stand, with what
    /// follows a semicolon or without, in upper or lower case, whatever its bytes.
    pub fn may_match(&self, path: &str) -> bool {
        let whole = decode_lossy(path);
        let apart: Vec<String> = path.split('/').map(decode_lossy).collect();
        let decoded_first: Vec<&str> = whole.split(['/', '\\']).collect();
        let cut_first: Vec<&str> = apart.iter().map(String::as_str).collect();
        [decoded_first, cut_first].iter().any(|parts| {
            let readings = [(false, false), (false, true), (true, false), (true, true)];
            readings.iter().any(|(bare, resolved)| self.is(&read(parts, *bare, *resolved)))
        })
    }

    fn is(&self, parts: &[&str]) -> bool {
        parts.len() == self.segments.len()
            && self.segments.iter().zip(parts).all(|(segment, part)| match segment {
                Segment::Literal(literal) => literal.eq_ignore_ascii_case(part),
                Segment::Parameter(_) => true,
            })
    }
}

/// The segments that count: without what follows a semicolon if `bare`, with dots resolved if `resolved`.
fn read<'a>(parts: &[&'a str], bare: bool, resolved: bool) -> Vec<&'a str> {
    let mut read = Vec::new();
    for part in parts {
        match if bare { part.split(';').next().unwrap_or_default() } else { part } {
            "" => {}
            "." if resolved => {}
            ".." if resolved => drop(read.pop()),
            part => read.push(part),
        }
    }
    read
}

/// The text with every `%xx` decoded, once. What is no such pair stays, and what is no UTF-8 is replaced.
fn decode_lossy(text: &str) -> String {
    let text = text.as_bytes();
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let pair = text.get(at + 1).zip(text.get(at + 2)).filter(|_| byte == b'%');
        let decoded = pair.and_then(|(&a, &b)| Some(hex_digit(a)? << 4 | hex_digit(b)?));
        bytes.push(decoded.unwrap_or(byte));
        at += if decoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(text: &str) -> PathTemplate {
        PathTemplate::parse(text).unwrap()
    }

    #[test]
    fn what_a_kind_handler_might_take_for_a_path_is_known() {
        let files = template("/files/{name}");
        for path in [
            "/files/a",
            "//files//a/",
            "/./files/a",
            "/x/../files/a",
            "/FILES/a",
            "/%66iles/a",
            "/files%2Fa",
            "/files/%ff",
            "/files/%",
            "\\files\\a",
            "/files;v=1/a",
            "/FILES/hr%2Fsalaries",
            "//files/hr%2Fsalaries",
            "/files/hr%2Fsalaries/",
            "//files/;x",
            "//files/..;x",
            "/%2e%2e/files/a",
        ] {
            assert!(files.may_match(path), "{path}");
        }
        for path in ["/", "/files", "/files/", "/files/a/b", "/filesx/a", "/filesx/..%2fa"] {
            assert!(!files.may_match(path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn whatever_matches_may_match(path in "/[a-b./%0-9;]{0,8}") {
            for text in ["/", "/a", "/{x}", "/a/{x}"] {
                let template = template(text);
                prop_assert!(template.matches(&path).is_none() || template.may_match(&path), "{} {}", text, path);
            }
        }
    }
}
