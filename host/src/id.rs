//! Every identity has a type of its own, so that a tenant can never stand where a plugin is meant.
//!
//! Invariant: a value of one of these types has passed its grammar, [`TenantId::nobody`] apart. Nothing else builds
//! one, and deserialising checks as parsing does. The text sits in an `Arc<str>`: a clone, made for every
//! call context, costs one count.

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

/// Defines a checked text type from its [`TextRule`].
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident { $($rule:tt)* }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            pub const RULE: $crate::id::TextRule = $crate::id::TextRule { $($rule)* };

            pub fn parse(text: &str) -> Result<Self, $crate::id::InvalidText> {
                Self::RULE.check(text)?;
                Ok(Self(text.into()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::InvalidText;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": format!("{}: {}.", Self::RULE.what, Self::RULE.allowed),
                    "pattern": Self::RULE.pattern,
                    "maxLength": Self::RULE.max_length,
                    "examples": [Self::RULE.example],
                })
            }
        }
    };
}
pub(crate) use text_type;

text_type! {
    /// A tenant. It names directories and database files, which is why it is lower case, short
    /// and free of dots: no two tenants share a file on any file system, and none leaves its own.
    TenantId {
        what: "a tenant id",
        allowed: "1 to 63 of a-z, 0-9, _ and -, beginning with a letter or a digit (it becomes a file name)",
        example: "acme",
        pattern: "^[a-z0-9][a-z0-9_-]{0,62}$",
        max_length: 63,
        accepts: is_file_name,
    }
}

impl TenantId {
    /// No tenant at all, for whom a plugin is installed and uninstalled. Its text is empty, so it comes from no request
    /// and no file; capabilities that hold data refuse it.
    pub fn nobody() -> Self {
        Self("".into())
    }

    pub fn is_nobody(&self) -> bool {
        self.0.is_empty()
    }
}

text_type! {
    /// A plugin, in any of its versions. A file name too, under the same rule as [`TenantId`].
    PluginId {
        what: "a plugin id",
        allowed: "1 to 63 of a-z, 0-9, _ and -, beginning with a letter or a digit (it becomes a file name)",
        example: "crm",
        pattern: "^[a-z0-9][a-z0-9_-]{0,62}$",
        max_length: 63,
        accepts: is_file_name,
    }
}

text_type! {
    /// A person or a machine, as its identity provider names it.
    UserId {
        what: "a user id",
        allowed: "1 to 128 visible ASCII characters, without spaces",
        example: "user-42",
        pattern: "^[!-~]{1,128}$",
        max_length: 128,
        accepts: is_visible_ascii,
    }
}

text_type! {
    /// What a user is within a tenant. What it may do stands in the configuration.
    RoleName {
        what: "a role",
        allowed: "1 to 63 of a-z, 0-9, _ and -, beginning with a letter or a digit",
        example: "member",
        pattern: "^[a-z0-9][a-z0-9_-]{0,62}$",
        max_length: 63,
        accepts: is_file_name,
    }
}

text_type! {
    /// An API key: the part of its text that is no secret.
    KeyId {
        what: "the id of a key",
        allowed: "16 of 0-9 and a-f, the part between the two _ of a key",
        example: "0a1b2c3d4e5f6071",
        pattern: "^[0-9a-f]{16}$",
        max_length: 16,
        accepts: is_key_id,
    }
}

text_type! {
    /// A part of a tenant's work that its users switch between.
    WorkspaceId {
        what: "a workspace id",
        allowed: "1 to 128 visible ASCII characters, without spaces",
        example: "sales-emea",
        pattern: "^[!-~]{1,128}$",
        max_length: 128,
        accepts: is_visible_ascii,
    }
}

text_type! {
    /// What joins the log lines, events and answers of one request.
    CorrelationId {
        what: "a correlation id",
        allowed: "1 to 128 visible ASCII characters, without spaces",
        example: "018f6f3e-6c1c-7cc5-a6fb-6d8c0f1e2a3b",
        pattern: "^[!-~]{1,128}$",
        max_length: 128,
        accepts: is_visible_ascii,
    }
}

impl CorrelationId {
    /// A new one, unlike any other; later ones sort after earlier ones.
    #[expect(clippy::new_without_default, reason = "each is different, so there is no default one")]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().to_string().into())
    }
}

text_type! {
    /// A host by its name. Its last label begins with a letter, so it can be read as no address, in whatever form: not
    /// as `127.1`, not as `0x7f000001`.
    HostName {
        what: "a host name",
        allowed: "labels of a-z, 0-9 and - joined by dots, the last beginning with a letter; no address, no port",
        example: "api.example.com",
        pattern: r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$",
        max_length: 253,
        accepts: is_host_name,
    }
}

text_type! {
    /// Hosts: one by its name, or with `*.` all below a name, not that name itself.
    HostPattern {
        what: "a host",
        allowed: "labels of a-z, 0-9 and - joined by dots, the last beginning with a letter; with *. before two labels or more \
                  for all below them; no address, no port",
        example: "api.example.com",
        pattern: r"^(\*\.([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+|([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*)[a-z]([a-z0-9-]{0,61}[a-z0-9])?$",
        max_length: 255,
        accepts: is_host_pattern,
    }
}

impl HostPattern {
    pub fn matches(&self, host: &HostName) -> bool {
        match self.as_str().strip_prefix('*') {
            // With the dot before it, so that `*.example.com` is not `badexample.com`.
            Some(below) => host.as_str().ends_with(below),
            None => self.as_str() == host.as_str(),
        }
    }
}

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
        self.0.split('.').next().unwrap_or_default()
    }
}

text_type! {
    /// A service, which is a WIT package without its version.
    ServiceName {
        what: "a service name",
        allowed: "a WIT package name, <namespace>:<package> in lower-case kebab-case",
        example: "crm:contacts",
        pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*:[a-z][a-z0-9]*(-[a-z0-9]+)*$",
        max_length: 128,
        accepts: is_service_name,
    }
}

text_type! {
    /// An interface of a service, without its version.
    InterfaceName {
        what: "an interface name",
        allowed: "a WIT interface name, <namespace>:<package>/<interface> in kebab-case",
        example: "crm:contacts/contacts",
        pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*:[a-z][a-z0-9]*(-[a-z0-9]+)*/([a-z][a-z0-9]*|[A-Z][A-Z0-9]*)(-([a-z0-9]+|[A-Z0-9]+))*$",
        max_length: 192,
        accepts: is_interface_name,
    }
}

impl InterfaceName {
    /// How the name of a deferred view ends, which the host offers beside the interface itself.
    pub const DEFERRED_SUFFIX: &'static str = "-deferred";

    /// Whether this interface belongs to the service.
    pub fn is_of(&self, service: &ServiceName) -> bool {
        self.split().0 == service.as_str()
    }

    pub fn service(&self) -> ServiceName {
        ServiceName(self.split().0.into())
    }

    /// The interface's own name within its package: `contacts` of `crm:contacts/contacts`.
    pub fn label(&self) -> &str {
        self.split().1
    }

    /// The interface whose deferred view this is: `crm:deals/deals` for `crm:deals/deals-deferred`.
    pub fn deferred_from(&self) -> Option<InterfaceName> {
        Self::parse(self.0.strip_suffix(Self::DEFERRED_SUFFIX)?).ok()
    }

    fn split(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or((&self.0, ""))
    }
}

/// Whether this is a WIT label: kebab-case, each word wholly in lower or wholly in upper case.
pub fn is_wit_label(text: &str) -> bool {
    let word = |w: &str| {
        let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        !w.is_empty() && (w.bytes().all(lower) || w.bytes().all(upper))
    };
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.split('-').all(word)
}

fn is_file_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (1..=63).contains(&text.len()) && !text.starts_with(['_', '-']) && text.bytes().all(inner)
}

fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && text.split('.').all(is_label) && last.starts_with(|first: char| first.is_ascii_lowercase())
}

fn is_host_pattern(text: &str) -> bool {
    match text.strip_prefix("*.") {
        Some(below) => below.contains('.') && is_host_name(below),
        None => is_host_name(text),
    }
}

fn is_namespace(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    let is_word = |word: &str| !word.is_empty() && !word.starts_with(['_', '-']) && word.bytes().all(inner);
    text.split_once('.').is_some_and(|(owner, words)| is_file_name(owner) && words.split('.').all(is_word))
}

fn is_visible_ascii(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn is_key_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_service_name(text: &str) -> bool {
    let lower_label = |s: &str| is_wit_label(s) && !s.bytes().any(|b| b.is_ascii_uppercase());
    text.split_once(':').is_some_and(|(namespace, package)| lower_label(namespace) && lower_label(package))
}

fn is_interface_name(text: &str) -> bool {
    text.split_once('/').is_some_and(|(service, label)| is_service_name(service) && is_wit_label(label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tenant_id_that_could_leave_its_directory_is_refused() {
        for text in ["", "..", "a/b", "a.b", "-a", "_a", "Acme", "ü", &"a".repeat(64)] {
            assert!(TenantId::parse(text).is_err(), "{text:?}");
        }
        for text in ["a", "0", "acme-eu_2", &"a".repeat(63)] {
            assert_eq!(TenantId::parse(text).unwrap().as_str(), text);
        }
    }

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

    #[test]
    fn an_interface_knows_its_service_and_its_plain_form() {
        let deferred = InterfaceName::parse("crm:deals/deals-deferred").unwrap();
        assert_eq!(deferred.service().as_str(), "crm:deals");
        assert!(deferred.is_of(&ServiceName::parse("crm:deals").unwrap()));
        let plain = deferred.deferred_from().unwrap();
        assert_eq!((plain.as_str(), plain.label()), ("crm:deals/deals", "deals"));
        assert_eq!(plain.deferred_from(), None);
    }

    #[test]
    fn a_host_is_a_name_and_cannot_be_read_as_an_address() {
        for text in ["localhost", "api.example.com", "xn--bcher-kva.example", "1and1.com", "a.b-c.d0"] {
            assert!(HostName::parse(text).is_ok() && HostPattern::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a.b",
            "a-.b",
            "A.b",
            "a_b.c",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "1.2.3.0x4",
            "[::1]",
            "::1",
            "a b",
            "a:80",
            "a/b",
            "bücher.example",
            "*.example.com",
        ] {
            assert!(HostName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_covers_what_is_below_a_name() {
        let covers =
            |pattern: &str, host: &str| HostPattern::parse(pattern).unwrap().matches(&HostName::parse(host).unwrap());
        assert!(covers("example.com", "example.com") && !covers("example.com", "a.example.com"));
        assert!(covers("*.example.com", "a.example.com") && covers("*.example.com", "a.b.example.com"));
        assert!(!covers("*.example.com", "example.com") && !covers("*.example.com", "badexample.com"));
        assert!(!covers("*.example.com", "a.example.com.evil.net"));
        for pattern in ["*", "*.", "*.com", "a.*.com", "*a.example.com", "**.example.com", "*.127.0.0.1"] {
            assert!(HostPattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_namespace_begins_with_the_plugin_that_owns_it() {
        for (text, owner) in [("crm.events", "crm"), ("7-up.a.b_c", "7-up"), ("a.0", "a")] {
            assert_eq!(Namespace::parse(text).unwrap().owner(), owner);
        }
        for text in ["crm", "crm.", ".crm", "crm..events", "crm.Events", "crm.a b", "-crm.a", "crm.-a", "crm.*", ""] {
            assert!(Namespace::parse(text).is_err(), "{text:?}");
        }
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
