//! Which plugins a key may sign.

use crate::id::{PluginId, text_type};

text_type! {
    /// One plugin id or, with `*` at the end, all that begin so.
    PluginPattern {
        what: "a pattern of plugin ids",
        allowed: "a plugin id, the beginning of one followed by `*`, or `*` alone for all",
        example: "acme-*",
        pattern: r"^(\*|[a-z0-9][a-z0-9_-]*\*?)$",
        max_length: 63,
        accepts: is_pattern,
    }
}

text_type! {
    /// What an operator calls a key.
    SignerName {
        what: "a name of a key",
        allowed: "1 to 63 of a-z, 0-9, _, - and ., beginning with a letter or digit",
        example: "acme",
        pattern: r"^[a-z0-9][a-z0-9._-]{0,62}$",
        max_length: 63,
        accepts: is_name,
    }
}

impl PluginPattern {
    pub fn covers(&self, plugin: &PluginId) -> bool {
        match self.as_str().strip_suffix('*') {
            Some(beginning) => plugin.as_str().starts_with(beginning),
            None => plugin.as_str() == self.as_str(),
        }
    }
}

fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    !text.is_empty() && text.len() <= 63 && !text.starts_with(['.', '_', '-']) && text.bytes().all(inner)
}

fn is_pattern(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    let beginning = text.strip_suffix('*').unwrap_or(text);
    text == "*" || !beginning.is_empty() && !beginning.starts_with(['_', '-']) && beginning.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_whatever_follows() {
        let covers =
            |pattern: &str, id: &str| PluginPattern::parse(pattern).unwrap().covers(&PluginId::parse(id).unwrap());
        for (pattern, id) in [("crm", "crm"), ("*", "crm"), ("acme-*", "acme-crm"), ("crm*", "crm"), ("c*", "crm")] {
            assert!(covers(pattern, id), "{pattern} {id}");
        }
        for (pattern, id) in [("crm", "crm2"), ("crm2", "crm"), ("acme-*", "acme"), ("acme-*", "acme2-crm")] {
            assert!(!covers(pattern, id), "{pattern} {id}");
        }
    }

    proptest! {
        #[test]
        fn the_published_pattern_is_the_grammar(text in "[a-bA0_*:. -]{0,6}|[!-~é]{0,4}") {
            for rule in [PluginPattern::RULE, SignerName::RULE] {
                let published = regex::Regex::new(rule.pattern).unwrap().is_match(&text);
                prop_assert_eq!(published, (rule.accepts)(&text), "{} {:?}", rule.what, text);
            }
        }
    }
}
