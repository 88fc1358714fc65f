//! Services and interfaces, in WIT's names.

use super::text_type;

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

    #[test]
    fn an_interface_knows_its_service_and_its_plain_form() {
        let deferred = InterfaceName::parse("crm:deals/deals-deferred").unwrap();
        assert_eq!(deferred.service().as_str(), "crm:deals");
        assert!(deferred.is_of(&ServiceName::parse("crm:deals").unwrap()));
        let plain = deferred.deferred_from().unwrap();
        assert_eq!((plain.as_str(), plain.label()), ("crm:deals/deals", "deals"));
        assert_eq!(plain.deferred_from(), None);
    }
}
