//! A reference to an exported WIT function, as an endpoint names it: `crm:contacts/contacts.get`.
//!
//! Invariant: interface and function are well-formed WIT names. Whether the component exports
//! them is for the loader to say. The version is the one under which the manifest offers the
//! service; functions of resources are not offered over HTTP and cannot be named.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{InterfaceName, InvalidText, is_wit_label};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionRef {
    pub interface: InterfaceName,
    pub function: String,
}

impl FunctionRef {
    const EXAMPLE: &str = "crm:contacts/contacts.get";
    const ALLOWED: &str = "<namespace>:<package>/<interface>.<function> in kebab-case, without a version";

    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let parsed = text.split_once('.').and_then(|(interface, function)| {
            is_wit_label(function).then_some(FunctionRef {
                interface: InterfaceName::parse(interface).ok()?,
                function: function.to_owned(),
            })
        });
        parsed.ok_or_else(|| InvalidText::new("a function reference", text, Self::ALLOWED, Self::EXAMPLE))
    }
}

impl fmt::Display for FunctionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.interface, self.function)
    }
}

impl Serialize for FunctionRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FunctionRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for FunctionRef {
    fn schema_name() -> Cow<'static, str> {
        "FunctionRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let interface = InterfaceName::RULE.pattern.trim_end_matches('$');
        json_schema!({
            "type": "string",
            "description": format!("An exported WIT function: {}.", Self::ALLOWED),
            "pattern": format!(r"{interface}\.([a-z][a-z0-9]*|[A-Z][A-Z0-9]*)(-([a-z0-9]+|[A-Z0-9]+))*$"),
            "examples": [Self::EXAMPLE],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_reads_and_prints_the_same() {
        let reference = FunctionRef::parse("crm:deals/deals.pipeline-summary").unwrap();
        assert_eq!(reference.interface.as_str(), "crm:deals/deals");
        assert_eq!(reference.function, "pipeline-summary");
        assert_eq!(reference.to_string(), "crm:deals/deals.pipeline-summary");
    }

    #[test]
    fn what_is_no_plain_function_is_refused() {
        for text in [
            "contacts.get",
            "crm:contacts.get",
            "crm:contacts/contacts",
            "crm:contacts/contacts.",
            "crm:contacts/contacts.getAll",
            "crm:contacts/contacts@1.0.0.get",
            "crm:contacts/contacts.[method]page.next",
        ] {
            let error = FunctionRef::parse(text).unwrap_err().to_string();
            assert!(error.contains("is not a function reference"), "{error}");
        }
    }
}
