//! What a user may do, and what a function asks for.
//!
//! A permission is a name; who may do something has a [`PermissionSet`], which is a list of patterns. Nothing is
//! ever granted by the absence of something: the empty set covers no name, and a set only grows by its patterns.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{PluginId, text_type};

text_type! {
    /// The resource or the action of a permission.
    PermissionPart {
        what: "a part of a permission",
        allowed: "1 to 64 of a-z, 0-9, _ and -, beginning with a letter",
        example: "contacts",
        pattern: "^[a-z][a-z0-9_-]{0,63}$",
        max_length: 64,
        accepts: |text| text.starts_with(|c: char| c.is_ascii_lowercase()) && text.len() <= 64 && text.bytes().all(is_inner),
    }
}

text_type! {
    /// A plugin's permission under its full name.
    PermissionName {
        what: "a permission's full name",
        allowed: "plugin.<plugin id>.<resource>.<action>",
        example: "plugin.crm.contacts.read",
        pattern: r"^plugin\.[a-z0-9][a-z0-9_-]{0,62}\.[a-z][a-z0-9_-]{0,63}\.[a-z][a-z0-9_-]{0,63}$",
        max_length: 200,
        accepts: is_permission_name,
    }
}

impl PermissionName {
    pub fn new(plugin: &PluginId, resource: &PermissionPart, action: &PermissionPart) -> Self {
        Self(format!("plugin.{plugin}.{resource}.{action}").into())
    }
}

text_type! {
    /// One permission or, with `*`, many: `*` stands for one segment, and as the last one for all that follow.
    PermissionPattern {
        what: "a pattern of permissions",
        allowed: "`*`, or segments of a-z, 0-9, _ and -, joined by `.` or `:`, of which all but the first can be `*`",
        example: "plugin.crm.*",
        pattern: r"^(\*|[a-z][a-z0-9_-]*([.:](\*|[a-z0-9][a-z0-9_-]*))*)$",
        max_length: 200,
        accepts: is_pattern,
    }
}

impl PermissionPattern {
    /// Whether a permission of this name is meant.
    pub fn covers(&self, name: &str) -> bool {
        let (mut pattern, mut name) = (self.as_str(), name);
        loop {
            let ((expected, expected_rest), (found, found_rest)) = (cut(pattern), cut(name));
            let fits = if expected == "*" { !found.is_empty() } else { expected == found };
            match (expected_rest, found_rest) {
                (None, None) => return fits,
                (None, Some(_)) => return fits && expected == "*",
                (Some((a, next)), Some((b, rest))) if fits && a == b => (pattern, name) = (next, rest),
                _ => return false,
            }
        }
    }
}

/// What somebody may do: a name is covered when one of the patterns covers it.
///
/// A clone costs one count. The set of everything is known as such, so that asking it costs a boolean.
#[derive(Clone, PartialEq, Eq)]
pub struct PermissionSet {
    everything: bool,
    patterns: Arc<[PermissionPattern]>,
}

impl PermissionSet {
    pub fn none() -> Self {
        Self::from_iter([])
    }

    pub fn covers(&self, name: &PermissionName) -> bool {
        self.everything || self.patterns.iter().any(|pattern| pattern.covers(name.as_str()))
    }

    /// What it is made of.
    pub fn patterns(&self) -> &[PermissionPattern] {
        &self.patterns
    }

    /// The first of these that is not covered.
    pub fn first_missing<'a>(&self, names: &'a [PermissionName]) -> Option<&'a PermissionName> {
        if self.everything { None } else { names.iter().find(|name| !self.covers(name)) }
    }

    /// Whether an operation of the host itself is meant, as `plugins:read`.
    pub fn covers_operation(&self, name: &str) -> bool {
        self.everything || self.patterns.iter().any(|pattern| pattern.covers(name))
    }

    /// The first pattern of the other set that is not covered by one of this: whoever has this set and not that may
    /// not hand that on. What only several patterns together cover counts as not covered.
    pub fn first_beyond<'a>(&self, other: &'a Self) -> Option<&'a PermissionPattern> {
        // A pattern read as a name: where it has `*`, a literal segment does not fit, and `*` does.
        other.patterns.iter().find(|pattern| !self.covers_operation(pattern.as_str()))
    }

    /// All that either covers.
    pub fn or(&self, other: &Self) -> Self {
        match (self.everything || other.patterns.is_empty(), other.everything || self.patterns.is_empty()) {
            (true, _) => self.clone(),
            (_, true) => other.clone(),
            _ => self.patterns.iter().chain(other.patterns.iter()).cloned().collect(),
        }
    }
}

impl FromIterator<PermissionPattern> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = PermissionPattern>>(patterns: I) -> Self {
        let patterns: Arc<[PermissionPattern]> = patterns.into_iter().collect();
        Self { everything: patterns.iter().any(|pattern| pattern.as_str() == "*"), patterns }
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.patterns.iter().map(PermissionPattern::as_str)).finish()
    }
}

impl Serialize for PermissionSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.patterns.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PermissionSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<PermissionPattern>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// The first segment; behind it the separator and the rest, where there is one.
fn cut(text: &str) -> (&str, Option<(u8, &str)>) {
    match text.find(['.', ':']) {
        Some(at) => (&text[..at], Some((text.as_bytes()[at], &text[at + 1..]))),
        None => (text, None),
    }
}

fn is_permission_name(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let part = |text: &str| (PermissionPart::RULE.accepts)(text);
    match parts[..] {
        ["plugin", id, resource, action] => (PluginId::RULE.accepts)(id) && part(resource) && part(action),
        _ => false,
    }
}

fn is_pattern(text: &str) -> bool {
    let begins = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let word = |word: &str| word.starts_with(begins) && word.bytes().all(is_inner);
    let begins_with_letter = text.starts_with(|c: char| c.is_ascii_lowercase());
    text == "*" || begins_with_letter && text.split(['.', ':']).all(|segment| segment == "*" || word(segment))
}

fn is_inner(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn covers(pattern: &str, name: &str) -> bool {
        PermissionPattern::parse(pattern).unwrap().covers(name)
    }

    fn set(patterns: &[&str]) -> PermissionSet {
        patterns.iter().map(|pattern| PermissionPattern::parse(pattern).unwrap()).collect()
    }

    #[test]
    fn a_star_is_one_segment_and_at_the_end_all_that_follow() {
        let read = "plugin.crm.deals.read";
        for pattern in
            ["*", read, "plugin.*", "plugin.crm.*", "plugin.crm.deals.*", "plugin.*.*.read", "plugin.*.deals.*"]
        {
            assert!(covers(pattern, read), "{pattern}");
        }
        for pattern in [
            "plugin",
            "plugin.crm",
            "plugin.cr.*",
            "plugin.crm.deals",
            "plugin.crm.deals.read.*",
            "plugin.*.read",
            "plugin.*.contacts.*",
            "plugins.*",
            "plugin:*",
            "plugin:crm.*",
            "plugin.crm.deals.update",
        ] {
            assert!(!covers(pattern, read), "{pattern}");
        }
        assert!(covers("plugins:*", "plugins:install") && covers("admin:system:*", "admin:system:stop"));
        assert!(!covers("plugin.crm.*", "plugin.crm2.deals.read") && !covers("plugin.crm.*", "plugin.crm"));
    }

    #[test]
    fn the_empty_set_covers_nothing_and_the_whole_one_everything() {
        let name = PermissionName::parse("plugin.crm.deals.read").unwrap();
        let names = std::slice::from_ref(&name);
        assert_eq!(PermissionSet::none().first_missing(names), Some(&name));
        assert_eq!(PermissionSet::none().first_missing(&[]), None);
        assert_eq!(set(&["plugin.crm.contacts.read", "*"]).first_missing(names), None);
    }

    #[test]
    fn two_sets_together_cover_what_either_covers_and_no_more() {
        let (a, b) = (set(&["plugin.x.a.read"]), set(&["plugin.x.b.*"]));
        let both = a.or(&b);
        for (name, expected) in [("plugin.x.a.read", true), ("plugin.x.b.read", true), ("plugin.x.a.write", false)] {
            assert_eq!(both.covers(&PermissionName::parse(name).unwrap()), expected, "{name}");
        }
        let none = PermissionSet::none();
        assert_eq!((a.or(&none), none.or(&a), none.or(&none)), (a.clone(), a.clone(), none));
        assert!(a.or(&set(&["*"])).everything && set(&["*"]).or(&a).everything);
    }

    proptest! {
        #[test]
        fn the_published_pattern_is_the_grammar(text in "[!-~é ]{0,6}|[a-b0*.:_-]{0,8}|plugin(\\.[a-b0*-]{1,3}){1,4}") {
            for rule in [PermissionPart::RULE, PermissionName::RULE, PermissionPattern::RULE] {
                let published = regex::Regex::new(rule.pattern).unwrap().is_match(&text);
                prop_assert_eq!(published, (rule.accepts)(&text), "{} {:?}", rule.what, text);
            }
        }

        #[test]
        fn a_pattern_covers_what_it_says_read_as_an_expression(
            pattern in "\\*|[ab]([.:](\\*|[ab])){0,3}", name in "[ab]([.:][ab]){0,4}"
        ) {
            let escaped = pattern.replace('.', r"\.");
            let whole = match escaped.strip_suffix('*') {
                Some(head) => format!("^{}.+$", head.replace('*', "[^.:]+")),
                None => format!("^{}$", escaped.replace('*', "[^.:]+")),
            };
            prop_assert_eq!(covers(&pattern, &name), regex::Regex::new(&whole).unwrap().is_match(&name));
        }
    }

    #[test]
    fn every_example_obeys_its_own_rule() {
        for rule in [PermissionPart::RULE, PermissionName::RULE, PermissionPattern::RULE] {
            assert_eq!(rule.check(rule.example), Ok(()));
        }
    }
}
