//! Namespaces of shared data, by the plugins that own them.

use super::call::is_file_name;
use super::text_type;

text_type! {
    /// A namespace of shared data. Its first word is the plugin that owns it, so no other can claim it.
    Namespace {
        what: "a namespace of shared data",
        allowed: "the id of the plugin that owns it, and after a dot each one or more words of a-z, 0-9, _ and -",
        example: "crm.events",
        pattern: r"^[a-z0-9][a-z0-9_-]{0,62}(\.[a-z0-9][a-z0-9_-]*)+$",
        max_length: 128,
        accepts: is_namespace,
    }
}

impl Namespace {
    /// The id of the plugin that owns it.
    pub fn owner(&self) -> &str {
        self.as_str().split('.').next().unwrap_or_default()
    }
}

fn is_namespace(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    let is_word = |word: &str| !word.is_empty() && !word.starts_with(['_', '-']) && word.bytes().all(inner);
    text.split_once('.').is_some_and(|(owner, words)| is_file_name(owner) && words.split('.').all(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_begins_with_the_plugin_that_owns_it() {
        for (text, owner) in [("crm.events", "crm"), ("7-up.a.b_c", "7-up"), ("a.0", "a")] {
            assert_eq!(Namespace::parse(text).unwrap().owner(), owner);
        }
        for text in ["crm", "crm.", ".crm", "crm..events", "crm.Events", "crm.a b", "-crm.a", "crm.-a", "crm.*", ""] {
            assert!(Namespace::parse(text).is_err(), "{text:?}");
        }
    }
}
