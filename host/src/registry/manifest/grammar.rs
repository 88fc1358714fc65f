//! From the name of a text type in the schema to the parser of that type.

use schemars::JsonSchema;
use semver::{Version, VersionReq};

use super::function::FunctionRef;
use super::path::PathTemplate;
use super::schedule::{CronPattern, ScheduleName, ZoneName};
use super::shared::Reader;
use super::text::{
    ComponentName, ConfigKey, Email, EventName, EventPattern, NotificationKind, Pattern, PermissionName,
    PermissionPart, VersionRequirement, WebUrl,
};
use crate::id::{HostPattern, InvalidText, Namespace, PluginId, ServiceName};

/// Runs the parser of a text type; none for definitions that are no such text.
pub(super) fn parse_named(definition: &str, text: &str) -> Option<Result<(), InvalidText>> {
    fn named<T: JsonSchema>(definition: &str) -> bool {
        T::schema_name() == definition
    }
    let semver = |what, error: semver::Error, example| InvalidText::new(what, text, error.to_string(), example);
    Some(match definition {
        _ if named::<PluginId>(definition) => PluginId::RULE.check(text),
        _ if named::<ServiceName>(definition) => ServiceName::RULE.check(text),
        _ if named::<HostPattern>(definition) => HostPattern::RULE.check(text),
        _ if named::<Namespace>(definition) => Namespace::RULE.check(text),
        _ if named::<Reader>(definition) => Reader::RULE.check(text),
        _ if named::<ConfigKey>(definition) => ConfigKey::RULE.check(text),
        _ if named::<PermissionPart>(definition) => PermissionPart::RULE.check(text),
        _ if named::<PermissionName>(definition) => PermissionName::RULE.check(text),
        _ if named::<EventName>(definition) => EventName::RULE.check(text),
        _ if named::<EventPattern>(definition) => EventPattern::RULE.check(text),
        _ if named::<NotificationKind>(definition) => NotificationKind::RULE.check(text),
        _ if named::<ComponentName>(definition) => ComponentName::RULE.check(text),
        _ if named::<WebUrl>(definition) => WebUrl::RULE.check(text),
        _ if named::<Email>(definition) => Email::RULE.check(text),
        _ if named::<ScheduleName>(definition) => ScheduleName::RULE.check(text),
        _ if named::<CronPattern>(definition) => CronPattern::parse(text).map(drop),
        _ if named::<ZoneName>(definition) => ZoneName::parse(text).map(drop),
        _ if named::<Pattern>(definition) => Pattern::parse(text).map(drop),
        _ if named::<PathTemplate>(definition) => PathTemplate::parse(text).map(drop),
        _ if named::<FunctionRef>(definition) => FunctionRef::parse(text).map(drop),
        _ if named::<Version>(definition) => {
            Version::parse(text).map(drop).map_err(|error| semver("a semantic version", error, "1.0.0"))
        }
        _ if named::<VersionRequirement>(definition) => {
            VersionReq::parse(text).map(drop).map_err(|error| semver("a range of versions", error, "^1.0.0"))
        }
        _ => return None,
    })
}
