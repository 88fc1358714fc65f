//! Configuration fields: what a tenant may set, and whether a value may be set.
//!
//! Invariant: no [`ConfigError`] repeats the value it refuses. It may be a secret, and errors go
//! to logs and pages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::problem::quoted_list;
use super::text::{ConfigKey, Pattern};

/// One setting that each tenant can give a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigField {
    /// The name under which the plugin reads it.
    pub key: ConfigKey,
    #[serde(rename = "type")]
    pub kind: ConfigType,
    /// What forms show beside the input.
    #[schemars(length(min = 1, max = 200))]
    pub label: String,
    /// A sentence of help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub description: Option<String>,
    /// Whether the plugin can be enabled only with a value.
    #[serde(default)]
    pub required: bool,
    /// The value where the tenant sets none; null is none.
    #[serde(default, deserialize_with = "crate::json::deserialize_optional", skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether the value is encrypted at rest and never shown again.
    #[serde(default)]
    pub secret: bool,
    /// What select and multiselect offer; only for those two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    pub options: Vec<ConfigOption>,
    #[serde(default, skip_serializing_if = "Validation::is_empty")]
    pub validation: Validation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConfigType {
    /// A text.
    String,
    /// A finite number.
    Number,
    /// True or false.
    Boolean,
    /// One of the options.
    Select,
    /// Any of the options, each at most once.
    Multiselect,
    /// Any JSON value.
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigOption {
    /// What is stored and handed to the plugin.
    #[schemars(length(max = 200))]
    pub value: String,
    /// What forms show.
    #[schemars(length(min = 1, max = 200))]
    pub label: String,
}

/// Limits on a value: `min` and `max` for numbers, the others for strings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Validation {
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Number>,
    /// The greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Number>,
    /// The least length of a string, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    pub min_length: Option<u32>,
    /// The greatest length of a string, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    pub max_length: Option<u32>,
    /// What a string has to match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
}

/// Why a value may not be set. Made for a form: each is a sentence about the one field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("expected {expected}, found {found}")]
    WrongType { expected: &'static str, found: &'static str },
    #[error("must be at least {min}")]
    TooSmall { min: Number },
    #[error("must be at most {max}")]
    TooGreat { max: Number },
    #[error("must have at least {min_length} characters, has {length}")]
    TooShort { min_length: u32, length: usize },
    #[error("must have at most {max_length} characters, has {length}")]
    TooLong { max_length: u32, length: usize },
    #[error("must match {pattern}")]
    NoMatch { pattern: String },
    #[error("must be one of {options}")]
    NoOption { options: String },
    #[error("must not name an option twice")]
    Repeated,
    #[error("must not be empty, because it is required; to take the value away, unset it")]
    Empty,
}

impl ConfigField {
    /// Whether `value` may stand in this field. That a required field has a value at all is for
    /// the caller to see.
    pub fn check(&self, value: &Value) -> Result<(), ConfigError> {
        match (self.kind, value) {
            (ConfigType::String, Value::String(text)) => self.validation.check_text(text),
            (ConfigType::Number, Value::Number(number)) => self.validation.check_number(number),
            (ConfigType::Select, Value::String(choice)) => self.check_choice(choice),
            (ConfigType::Multiselect, Value::Array(choices)) => self.check_choices(choices),
            (ConfigType::Boolean, Value::Bool(_)) | (ConfigType::Json, _) => Ok(()),
            (kind, other) => Err(ConfigError::WrongType { expected: kind.expects(), found: type_name(other) }),
        }
    }

    /// Whether a tenant may set `value`: an empty text is no value where one is required.
    pub fn check_set(&self, value: &Value) -> Result<(), ConfigError> {
        match value {
            Value::String(text) if self.required && text.trim().is_empty() => Err(ConfigError::Empty),
            value => self.check(value),
        }
    }

    fn check_choice(&self, choice: &str) -> Result<(), ConfigError> {
        if self.options.iter().any(|option| option.value == choice) {
            return Ok(());
        }
        let options = quoted_list(self.options.iter().map(|option| &option.value));
        Err(ConfigError::NoOption { options })
    }

    fn check_choices(&self, choices: &[Value]) -> Result<(), ConfigError> {
        for (index, choice) in choices.iter().enumerate() {
            let Value::String(text) = choice else {
                let (expected, found) = (self.kind.expects(), type_name(choice));
                return Err(ConfigError::WrongType { expected, found });
            };
            self.check_choice(text)?;
            // Before this one stand distinct options only, so this costs no more than their square.
            if choices[..index].contains(choice) {
                return Err(ConfigError::Repeated);
            }
        }
        Ok(())
    }
}

impl ConfigType {
    pub fn as_str(self) -> &'static str {
        match self {
            ConfigType::String => "string",
            ConfigType::Number => "number",
            ConfigType::Boolean => "boolean",
            ConfigType::Select => "select",
            ConfigType::Multiselect => "multiselect",
            ConfigType::Json => "json",
        }
    }

    /// Whether fields of this type offer options.
    pub fn has_options(self) -> bool {
        matches!(self, ConfigType::Select | ConfigType::Multiselect)
    }

    fn expects(self) -> &'static str {
        match self {
            ConfigType::String => "a string",
            ConfigType::Number => "a finite number",
            ConfigType::Boolean => "true or false",
            ConfigType::Select => "a string, one of the options",
            ConfigType::Multiselect => "an array of strings, each one of the options",
            ConfigType::Json => "any JSON value",
        }
    }
}

impl Validation {
    pub fn is_empty(&self) -> bool {
        *self == Validation::default()
    }

    fn check_text(&self, text: &str) -> Result<(), ConfigError> {
        let length = text.chars().count();
        if let Some(min_length) = self.min_length.filter(|&min| length < min as usize) {
            return Err(ConfigError::TooShort { min_length, length });
        }
        if let Some(max_length) = self.max_length.filter(|&max| length > max as usize) {
            return Err(ConfigError::TooLong { max_length, length });
        }
        match &self.pattern {
            Some(pattern) if !pattern.is_match(text) => {
                let pattern = pattern.as_str().to_owned();
                Err(ConfigError::NoMatch { pattern })
            }
            _ => Ok(()),
        }
    }

    /// Numbers are compared as 64-bit floating point, which is how most guests will read them.
    fn check_number(&self, number: &Number) -> Result<(), ConfigError> {
        let Some(value) = number.as_f64().filter(|value| value.is_finite()) else {
            let (expected, found) = (ConfigType::Number.expects(), "a number beyond all bounds");
            return Err(ConfigError::WrongType { expected, found });
        };
        let beyond = |limit: &Number, is_beyond: fn(&f64, &f64) -> bool| {
            limit.as_f64().is_some_and(|limit| is_beyond(&value, &limit))
        };
        if let Some(min) = self.min.as_ref().filter(|min| beyond(min, f64::lt)) {
            return Err(ConfigError::TooSmall { min: min.clone() });
        }
        if let Some(max) = self.max.as_ref().filter(|max| beyond(max, f64::gt)) {
            return Err(ConfigError::TooGreat { max: max.clone() });
        }
        Ok(())
    }
}

/// What kind of JSON value this is, with its article.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(field: Value, value: Value) -> Option<String> {
        let mut whole = json!({"key": "k", "label": "L"});
        whole.as_object_mut().unwrap().extend(field.as_object().unwrap().clone());
        let field: ConfigField = serde_json::from_value(whole).unwrap();
        field.check(&value).err().map(|error| error.to_string())
    }

    #[test]
    fn strings_are_measured_in_characters() {
        let field = json!({"type": "string", "validation": {"minLength": 2, "maxLength": 3, "pattern": "^[a-zü]+$"}});
        assert_eq!(refusal(field.clone(), json!("üüü")), None);
        assert_eq!(refusal(field.clone(), json!("ü")).unwrap(), "must have at least 2 characters, has 1");
        assert_eq!(refusal(field.clone(), json!("üüüü")).unwrap(), "must have at most 3 characters, has 4");
        assert_eq!(refusal(field.clone(), json!("AB")).unwrap(), "must match ^[a-zü]+$");
        assert_eq!(refusal(field, json!(1)).unwrap(), "expected a string, found a number");
    }

    #[test]
    fn numbers_keep_their_limits_and_are_finite() {
        let field = json!({"type": "number", "validation": {"min": 1, "max": 168}});
        assert_eq!(refusal(field.clone(), json!(1)), None);
        assert_eq!(refusal(field.clone(), json!(168)), None);
        assert_eq!(refusal(field.clone(), json!(0.5)).unwrap(), "must be at least 1");
        assert_eq!(refusal(field.clone(), json!(168.5)).unwrap(), "must be at most 168");
        let huge: Value = serde_json::from_str("1e999").unwrap();
        assert_eq!(refusal(field, huge).unwrap(), "expected a finite number, found a number beyond all bounds");
    }

    #[test]
    fn choices_are_among_the_options_and_distinct() {
        let options = json!([{"value": "a", "label": "A"}, {"value": "b", "label": "B"}]);
        let select = json!({"type": "select", "options": options});
        assert_eq!(refusal(select.clone(), json!("a")), None);
        assert_eq!(refusal(select.clone(), json!("c")).unwrap(), "must be one of `a`, `b`");
        assert_eq!(refusal(select, json!(["a"])).unwrap(), "expected a string, one of the options, found an array");
        let many = json!({"type": "multiselect", "options": options});
        assert_eq!(refusal(many.clone(), json!([])), None);
        assert_eq!(refusal(many.clone(), json!(["b", "a"])), None);
        assert_eq!(refusal(many.clone(), json!(["a", "a"])).unwrap(), "must not name an option twice");
        assert!(refusal(many, json!(["a", 1])).unwrap().ends_with("found a number"));
    }

    #[test]
    fn any_json_stands_in_a_json_field_and_null_nowhere_else() {
        assert_eq!(refusal(json!({"type": "json"}), json!({"a": null})), None);
        assert_eq!(refusal(json!({"type": "boolean"}), json!(true)), None);
        assert_eq!(refusal(json!({"type": "boolean"}), Value::Null).unwrap(), "expected true or false, found null");
    }

    #[test]
    fn a_refusal_never_repeats_the_value() {
        let field = json!({"type": "string", "secret": true, "validation": {"maxLength": 3, "pattern": "^x"}});
        assert!(!refusal(field.clone(), json!("hunter2")).unwrap().contains("hunter2"));
        assert!(!refusal(field, json!("hu2")).unwrap().contains("hu2"));
    }
}
