//! The small texts of a manifest that have a grammar of their own.

use std::borrow::Cow;
use std::fmt;

use regex::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{InvalidText, text_type};
pub use crate::permission::{PermissionName, PermissionPart};

text_type! {
    /// The name of a configuration field.
    ConfigKey {
        what: "a configuration key",
        allowed: "1 to 64 letters, digits, _, - and ., beginning with a letter",
        example: "reportingInterval",
        pattern: "^[A-Za-z][A-Za-z0-9_.-]{0,63}$",
        max_length: 64,
        accepts: |text| is_word(text, char_of_name, "_-."),
    }
}

text_type! {
    /// What kind of thing an event tells of: its topic.
    EventName {
        what: "an event name",
        allowed: "two or more words of a-z, 0-9, _ and -, each beginning with a letter, joined by dots",
        example: "sale.created",
        pattern: r"^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+$",
        max_length: 128,
        accepts: |text| text.contains('.') && text.split('.').all(is_topic_word),
    }
}

impl EventName {
    /// Whether only the host publishes it.
    pub fn is_of_the_host(&self) -> bool {
        HOST_TOPICS.iter().any(|first| self.as_str().split('.').next() == Some(first))
    }
}

/// The first words of topics that only the host publishes.
pub const HOST_TOPICS: [&str; 6] = ["tenant", "plugin", "user", "api", "config", "shared-data"];

text_type! {
    /// Events a plugin wants to hear of: `*` stands for any one word. There is no pattern for any number of words.
    EventPattern {
        what: "an event name or a pattern of names",
        allowed: "two or more words joined by dots, each either * or of a-z, 0-9, _ and -, beginning with a letter",
        example: "sale.*",
        pattern: r"^(\*|[a-z][a-z0-9_-]*)(\.(\*|[a-z][a-z0-9_-]*))+$",
        max_length: 128,
        accepts: |text| text.contains('.') && text.split('.').all(|word| word == "*" || is_topic_word(word)),
    }
}

impl EventPattern {
    /// Whether events of this topic are meant.
    pub fn covers(&self, topic: &str) -> bool {
        let (mut words, mut found) = (self.as_str().split('.'), topic.split('.'));
        loop {
            match (words.next(), found.next()) {
                (None, None) => return true,
                (Some(word), Some(found)) if word == "*" || word == found => {}
                _ => return false,
            }
        }
    }
}

text_type! {
    /// What a notification is about, among all that a plugin sends.
    NotificationKind {
        what: "a kind of notification",
        allowed: "1 to 64 of a-z, 0-9, _ and -, beginning with a letter",
        example: "deal-won",
        pattern: "^[a-z][a-z0-9_-]{0,63}$",
        max_length: 64,
        accepts: |text| text.len() <= 64 && is_topic_word(text),
    }
}

fn is_topic_word(word: &str) -> bool {
    begins_lower(word) && all_of(word, char_of_lower_name, "_-")
}

text_type! {
    /// A user interface component among the plugin's assets; it becomes a file name.
    ComponentName {
        what: "a component name",
        allowed: "1 to 64 letters, digits, _ and -, beginning with a letter (it becomes a file name)",
        example: "ContactsPage",
        pattern: "^[A-Za-z][A-Za-z0-9_-]{0,63}$",
        max_length: 64,
        accepts: |text| is_word(text, char_of_name, "_-"),
    }
}

text_type! {
    /// A web address that pages may link to, so nothing but http and https.
    WebUrl {
        what: "a web address",
        allowed: "http:// or https:// and a host, in visible ASCII without quotes, angle brackets or backslashes",
        example: "https://example.com/crm",
        pattern: r#"^https?://[!#-&(-;=?-\[\]-_a-~]+$"#,
        max_length: 2048,
        accepts: |text| {
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            let safe = |b: u8| b.is_ascii_graphic() && !b"\"'<>\\`".contains(&b);
            rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(safe))
        },
    }
}

text_type! {
    Email {
        what: "an email address",
        allowed: "one @ between visible ASCII characters, without spaces or angle brackets",
        example: "jo@example.com",
        pattern: "^[!-;=?A-~]+@[!-;=?A-~]+$",
        max_length: 254,
        accepts: |text| {
            let safe = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && !b"<>@".contains(&b));
            text.split_once('@').is_some_and(|(user, host)| safe(user) && safe(host))
        },
    }
}

/// A regular expression that a text has to match somewhere; `^` and `$` tie it to the ends.
///
/// Bound: matching takes time linear in the text (so there are no look-arounds and no back
/// references), and the compiled form takes at most [`Pattern::MAX_COMPILED_BYTES`].
#[derive(Clone)]
pub struct Pattern(Regex);

impl Pattern {
    pub const MAX_COMPILED_BYTES: usize = 1024 * 1024;
    const EXAMPLE: &str = "^[a-z]+$";

    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let compiled = RegexBuilder::new(text)
            .size_limit(Self::MAX_COMPILED_BYTES)
            .dfa_size_limit(Self::MAX_COMPILED_BYTES)
            .build();
        compiled.map(Pattern).map_err(|error| {
            let message = error.to_string();
            let why = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
            InvalidText::new("a regular expression without look-arounds and back references", text, why, Self::EXAMPLE)
        })
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.as_str())
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A regular expression, matched anywhere in the text, without look-arounds and back references.",
            "examples": [Self::EXAMPLE],
        })
    }
}

/// Stands for `semver::VersionReq` in the schema, which schemars does not know.
pub(super) struct VersionRequirement;

impl JsonSchema for VersionRequirement {
    fn schema_name() -> Cow<'static, str> {
        "VersionRequirement".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A range of versions as Cargo writes it: ^1.0.0, ~1.2, >=1.1, <1.5, *.",
            "examples": ["^1.0.0"],
        })
    }
}

/// 1 to 64 characters of which the first is a letter.
fn is_word(text: &str, allowed: fn(char) -> bool, extra: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() && allowed(c));
    begins && text.len() <= 64 && all_of(text, allowed, extra)
}

fn all_of(text: &str, allowed: fn(char) -> bool, extra: &str) -> bool {
    text.chars().all(|c| allowed(c) || extra.contains(c))
}

fn begins_lower(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
}

fn char_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn char_of_lower_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_published_pattern_is_the_grammar(
            text in "[!-~é ]{0,6}|[a-bA0_.*-]{0,8}|https?://[!-~]{0,3}|[a-b@]{0,5}"
        ) {
            for rule in [
                ConfigKey::RULE, EventName::RULE, EventPattern::RULE, NotificationKind::RULE, ComponentName::RULE, WebUrl::RULE, Email::RULE,
            ] {
                let published = Regex::new(rule.pattern).unwrap().is_match(&text);
                prop_assert_eq!(published, (rule.accepts)(&text), "{} {:?}", rule.what, text);
            }
        }
    }

    #[test]
    fn every_example_obeys_its_own_rule() {
        for rule in [
            ConfigKey::RULE,
            EventName::RULE,
            EventPattern::RULE,
            NotificationKind::RULE,
            ComponentName::RULE,
            WebUrl::RULE,
            Email::RULE,
        ] {
            assert_eq!(rule.check(rule.example), Ok(()));
        }
    }

    #[test]
    fn a_star_stands_for_exactly_one_word() {
        let covers = |pattern: &str, topic| EventPattern::parse(pattern).unwrap().covers(topic);
        assert!(covers("deal.won", "deal.won") && covers("deal.*", "deal.won") && covers("*.won", "deal.won"));
        assert!(covers("crm.*.won", "crm.deal.won") && covers("*.*", "deal.won"));
        for (pattern, topic) in [
            ("deal.won", "deal.lost"),
            ("deal.*", "deal.stage.changed"),
            ("deal.*", "deals.won"),
            ("*.*.*", "deal.won"),
        ] {
            assert!(!covers(pattern, topic), "{pattern} {topic}");
        }
        for wrong in ["deal", "*", "deal.**", "deal.w*", "deal..won", ".won", "Deal.won"] {
            assert!(EventPattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_begins_as_a_word_of_the_hosts_is_not_the_hosts() {
        let is_of_the_host = |topic| EventName::parse(topic).unwrap().is_of_the_host();
        assert!(is_of_the_host("shared-data.changed"));
        assert!(is_of_the_host("tenant.created") && is_of_the_host("api.request") && is_of_the_host("plugin.x.y"));
        assert!(!is_of_the_host("tenants.created") && !is_of_the_host("crm.plugin.x"));
    }

    #[test]
    fn a_pattern_that_does_not_compile_says_why() {
        let error = Pattern::parse("(a").unwrap_err().to_string();
        assert!(error.contains("unclosed group"), "{error}");
        assert!(Pattern::parse("(?=a)b").is_err());
        assert!(Pattern::parse("(\\w{500}){500}").is_err());
    }

    #[test]
    fn an_address_that_runs_script_is_no_web_address() {
        assert!(WebUrl::parse("javascript:alert(1)").is_err());
        assert!(WebUrl::parse("https://a\"onclick=").is_err());
        assert!(WebUrl::parse("https://example.com/?q=1#top").is_ok());
    }
}
