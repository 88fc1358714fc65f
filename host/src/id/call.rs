//! Who does something for whom: what a call context holds, and what leads to it.

use super::text_type;

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

impl PluginId {
    /// All other systems of a tenant, where what they do is counted as a plugin's would be. No plugin has this id.
    pub fn external() -> Self {
        Self("external".into())
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

pub(super) fn is_file_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (1..=63).contains(&text.len()) && !text.starts_with(['_', '-']) && text.bytes().all(inner)
}

fn is_visible_ascii(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn is_key_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_id_that_could_leave_its_directory_is_refused() {
        for text in ["", "..", "a/b", "a.b", "-a", "_a", "Acme", "ü", &"a".repeat(64)] {
            assert!(TenantId::parse(text).is_err(), "{text:?}");
        }
        for text in ["a", "0", "acme-eu_2", &"a".repeat(63)] {
            assert_eq!(TenantId::parse(text).unwrap().as_str(), text);
        }
    }
}
