//! What reads bytes of a client, given bytes that are made up: what must hold for all of them.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::plugins::{arguments, body, headers, split};
use super::screen;
use crate::registry::manifest::PathTemplate;

/// A path that passes names one plugin, by its first segment, and nothing in it leads elsewhere.
fn path(path: &str) {
    if screen::path(path).is_err() {
        return;
    }
    let (id, rest) = split(path);
    assert!(!id.contains('/') && rest.starts_with('/'), "{path}");
    let lower = path.to_ascii_lowercase().replace("%2e", ".");
    assert!(lower.split('/').all(|segment| segment != "." && segment != ".."), "{path}");
}

/// A template, and a path for it.
fn template(template: &str, path: &str) {
    let Ok(template) = PathTemplate::parse(template) else { return };
    assert_eq!(PathTemplate::parse(&template.to_string()).as_ref(), Ok(&template));
    if let Some(found) = template.matches(path) {
        assert_eq!(found.len(), template.parameters().count(), "{template} {path}");
        assert!(found.iter().all(|(_, value)| !value.is_empty()), "{template} {path}");
    }
}

/// A query is text, or refused.
fn query(query: &str) {
    if let Ok(pairs) = arguments::pairs(Some(query)) {
        assert!(pairs.len() <= query.len() + 1, "{query}");
        let replaced = pairs.iter().any(|(key, value)| key.contains('\u{fffd}') || value.contains('\u{fffd}'));
        assert!(!replaced || query.contains('\u{fffd}') || query.to_ascii_lowercase().contains("%ef%bf%bd"), "{query}");
    }
}

/// Headers of a client and of a plugin: nothing of the connection or of identity is left, and the rest is as it was.
fn header_lines(lines: &[(&[u8], &[u8])]) {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    for clean in [headers::from_client, headers::from_plugin] {
        let mut left = map.clone();
        clean(&mut left);
        for name in left.keys() {
            let plain = name.as_str().replace('_', "-");
            let forbidden = ["connection", "transfer-encoding", "upgrade", "x-tenant-id", "x-caller-plugin-id"];
            assert!(!forbidden.contains(&plain.as_str()), "{name}");
            assert!(left.get_all(name).iter().eq(map.get_all(name)), "{name}");
        }
    }
}

/// A packed body unfolds to no more than the limit, in whatever pieces it comes.
fn packed(gzip: bool, piece: usize, limit: usize, bytes: &[u8]) {
    let coding = if gzip { body::Coding::Gzip } else { body::Coding::Deflate };
    let unpack = |piece: usize| {
        let mut unpacker = body::Unpacker::new(coding, limit);
        bytes.chunks(piece.max(1)).try_for_each(|piece| unpacker.push(piece))?;
        unpacker.finish()
    };
    let (whole, pieces) = (unpack(bytes.len()), unpack(piece));
    assert_eq!(whole.as_ref().ok(), pieces.as_ref().ok());
    assert!(whole.is_ok_and(|whole| whole.len() <= limit) || pieces.is_err());
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_input_keeps_what_is_promised(
            path in "(/|\\.|%|2|e|E|f|a|;|\\\\|\u{e9}){0,12}",
            template in "(/|a|b|\\{x\\}|\\{|\\.){0,8}",
            query in "(%|c|3|f|e|=|&|\\+|a|\u{e9}){0,16}",
            lines in vec(("(x|-|_|tenant|id|connection|upgrade|,| ){1,6}", "(x-a|,|close|\t| |\u{e9}){0,4}"), 0..6),
            bytes in vec(any::<u8>(), 0..64),
        ) {
            super::path(&path);
            super::template(&template, &path);
            super::query(&query);
            let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            super::header_lines(&lines);
            for gzip in [true, false] {
                super::packed(gzip, 3, 16, &bytes);
            }
        }
    }
}
