//! Whether the definition of a configuration field makes sense in itself.

use serde_json::Number;

use super::config::{ConfigField, ConfigType};
use super::problem::{JsonPath, Problems};
use super::rules::distinct;

pub(super) fn check_config(fields: &[ConfigField], problems: &mut Problems) {
    let list = JsonPath::root().field("config");
    distinct(&list, "key", fields, |a, b| a.key == b.key, |field| format!("`{}`", field.key), problems);
    for (index, field) in fields.iter().enumerate() {
        check_field(field, &list.item(index), problems);
    }
}

fn check_field(field: &ConfigField, at: &JsonPath, problems: &mut Problems) {
    let mut own = Problems::default();
    check_options(field, &at.field("options"), &mut own);
    check_validation_fits(field, &at.field("validation"), &mut own);
    check_limits(field, &at.field("validation"), &mut own);
    // A default is judged by a definition that can be trusted.
    if own.is_empty() {
        check_default(field, &at.field("default"), &mut own);
    }
    problems.append(own);
}

fn check_options(field: &ConfigField, at: &JsonPath, problems: &mut Problems) {
    let kind = field.kind.as_str();
    match (field.kind.has_options(), field.options.is_empty()) {
        (true, true) => {
            let fix = "add \"options\": [{\"value\": …, \"label\": …}]";
            problems.add(at, "no options", format!("at least one, for type `{kind}`"), fix);
        }
        (false, false) => {
            let fix = "remove them, or make the type `select` or `multiselect`";
            problems.add(at, "options", format!("none, for type `{kind}`"), fix);
        }
        _ => distinct(
            at,
            "value",
            &field.options,
            |a, b| a.value == b.value,
            |option| format!("{:?}", option.value),
            problems,
        ),
    }
}

fn check_validation_fits(field: &ConfigField, at: &JsonPath, problems: &mut Problems) {
    let given = &field.validation;
    let members = [
        ("min", given.min.is_some(), ConfigType::Number),
        ("max", given.max.is_some(), ConfigType::Number),
        ("minLength", given.min_length.is_some(), ConfigType::String),
        ("maxLength", given.max_length.is_some(), ConfigType::String),
        ("pattern", given.pattern.is_some(), ConfigType::String),
    ];
    for (member, is_given, its_type) in members {
        if is_given && field.kind != its_type {
            let found = format!("`{member}` on a field of type `{}`", field.kind.as_str());
            let expected = format!("it on type `{}` only", its_type.as_str());
            problems.add(&at.field(member), found, expected, "remove it, or change the type");
        }
    }
}

fn check_limits(field: &ConfigField, at: &JsonPath, problems: &mut Problems) {
    let given = &field.validation;
    for (member, limit) in [("min", &given.min), ("max", &given.max)] {
        if limit.as_ref().is_some_and(|limit| finite(limit).is_none()) {
            let fix = "leave it out where there is no limit";
            problems.add(&at.field(member), "a number beyond all bounds", "a finite number", fix);
        }
    }
    if let (Some(min), Some(max)) = (&given.min, &given.max)
        && finite(min) > finite(max)
    {
        problems.add(
            &at.field("max"),
            max.to_string(),
            format!("at least `min`, which is {min}"),
            "swap or widen them",
        );
    }
    if let (Some(min), Some(max)) = (given.min_length, given.max_length)
        && min > max
    {
        let expected = format!("at least `minLength`, which is {min}");
        problems.add(&at.field("maxLength"), max.to_string(), expected, "swap or widen them");
    }
}

fn check_default(field: &ConfigField, at: &JsonPath, problems: &mut Problems) {
    let Some(default) = &field.default else {
        return;
    };
    if field.secret {
        let expected = "none: whoever has the file can read it";
        problems.add(at, "a default for a secret", expected, "remove it and set \"required\": true");
    } else if let Err(error) = field.check(default) {
        let fix = "change the default, or what the field allows";
        problems.add(at, format!("a default its own field refuses: it {error}"), "a value that tenants could set", fix);
    }
}

fn finite(number: &Number) -> Option<f64> {
    number.as_f64().filter(|number| number.is_finite())
}
