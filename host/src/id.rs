//! Every identity has a type of its own, so that a tenant can never stand where a plugin is meant.
//!
//! Invariant: a value of one of these types has passed its grammar, [`TenantId::nobody`] apart. Nothing else builds
//! one, and deserialising checks as parsing does. The text sits in an `Arc<str>`: a clone, made for every
//! call context, costs one count.

mod call;
mod host;
mod namespace;
mod service;
mod text_type;

pub use self::call::{CorrelationId, KeyId, PluginId, RoleName, TenantId, UserId, WorkspaceId};
pub use self::host::{HostName, HostPattern};
pub use self::namespace::Namespace;
pub use self::service::{InterfaceName, ServiceName, is_wit_label};
pub(crate) use self::text_type::text_type;

/// The grammar of one kind of text: a test for the host, a pattern for the JSON Schema, words and
/// an example for whoever got it wrong.
#[derive(Debug, Clone, Copy)]
pub struct TextRule {
    /// With its article, as in "a tenant id".
    pub what: &'static str,
    /// What may be written, in words.
    pub allowed: &'static str,
    pub example: &'static str,
    /// The same grammar as `accepts`, except for the length; a test holds the two together.
    pub pattern: &'static str,
    /// In characters.
    pub max_length: usize,
    pub accepts: fn(&str) -> bool,
}

impl TextRule {
    pub fn check(&self, text: &str) -> Result<(), InvalidText> {
        if text.chars().count() <= self.max_length && (self.accepts)(text) {
            return Ok(());
        }
        Err(InvalidText::new(self.what, text, self.allowed, self.example))
    }
}

/// A text that is not what its place asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {what}: {allowed}; for example {example:?}")]
pub struct InvalidText {
    /// With its article, as in "a tenant id".
    pub what: &'static str,
    /// What was read, cut off where it is long.
    pub found: String,
    /// What may be written there, or what exactly is wrong.
    pub allowed: String,
    pub example: &'static str,
}

impl InvalidText {
    pub fn new(what: &'static str, found: &str, allowed: impl Into<String>, example: &'static str) -> Self {
        InvalidText { what, found: excerpt(found), allowed: allowed.into(), example }
    }
}

/// The beginning of a text, short enough for one line of an error message.
pub fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_error_says_what_was_found_and_what_is_allowed() {
        let error = PluginId::parse("My CRM").unwrap_err().to_string();
        assert!(error.starts_with("\"My CRM\" is not a plugin id: 1 to 63"), "{error}");
        assert!(error.ends_with("for example \"crm\""), "{error}");
    }

    #[test]
    fn deserialising_checks_as_parsing_does() {
        assert!(serde_json::from_str::<UserId>("\"a b\"").is_err());
        let user: UserId = serde_json::from_str("\"jo@acme.com\"").unwrap();
        assert_eq!(serde_json::to_string(&user).unwrap(), "\"jo@acme.com\"");
    }

    proptest! {
        #[test]
        fn the_published_pattern_is_the_grammar(text in "[a-cA-B0-1_:/. -]{0,10}|[!-~é]{0,8}|[*]?[.a-b0-]{0,9}") {
            for rule in [
                TenantId::RULE, PluginId::RULE, UserId::RULE, RoleName::RULE, WorkspaceId::RULE,
                CorrelationId::RULE, ServiceName::RULE, InterfaceName::RULE, KeyId::RULE, HostName::RULE, HostPattern::RULE,
                Namespace::RULE,
            ] {
                let published = regex::Regex::new(rule.pattern).unwrap().is_match(&text);
                prop_assert_eq!(published, (rule.accepts)(&text), "{} {:?}", rule.what, text);
            }
        }
    }
}
