//! Which events a client wants to hear of: `deal.*@crm,contact.created`.

use crate::id::{InvalidText, PluginId};
use crate::registry::TenantView;
use crate::registry::manifest::EventPattern;

/// Patterns in one request.
const MOST: usize = 50;

/// All that its client may see, or these of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topics {
    All,
    /// None of them is no events at all.
    Only(Vec<TopicFilter>),
}

/// Topics by a pattern, from one plugin if it is named: as plugins ask for them, and operators grant them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFilter {
    pattern: EventPattern,
    from: Option<PluginId>,
}

impl Topics {
    /// Reads a list, separated by commas; no list is all.
    ///
    /// # Errors
    ///
    /// What in it is no pattern, or that there are too many.
    pub fn parse(list: Option<&str>) -> Result<Self, String> {
        let Some(list) = list else { return Ok(Self::All) };
        let named = list.split(',').map(str::trim).filter(|text| !text.is_empty());
        let filters: Result<Vec<_>, InvalidText> = named.map(TopicFilter::parse).collect();
        let filters = filters.map_err(|error| error.to_string())?;
        if filters.len() > MOST {
            return Err(format!(
                "has {} patterns, at most {MOST} are allowed; name fewer, or none for all",
                filters.len()
            ));
        }
        Ok(Self::Only(filters))
    }

    /// Whether an event of this topic is wanted, from this plugin if from one.
    pub fn covers(&self, topic: &str, from: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Only(filters) => filters.iter().any(|filter| filter.covers(topic, from)),
        }
    }

    /// Those that were named one by one.
    pub fn named(&self) -> &[TopicFilter] {
        match self {
            Self::All => &[],
            Self::Only(filters) => filters,
        }
    }
}

impl TopicFilter {
    fn parse(text: &str) -> Result<Self, InvalidText> {
        let (pattern, from) = match text.split_once('@') {
            Some((pattern, from)) => (pattern, Some(PluginId::parse(from)?)),
            None => (text, None),
        };
        Ok(Self { pattern: EventPattern::parse(pattern)?, from })
    }

    fn covers(&self, topic: &str, from: Option<&str>) -> bool {
        self.pattern.covers(topic) && self.from.as_ref().is_none_or(|id| from == Some(id.as_str()))
    }

    /// Whether some plugin of the tenant publishes such a topic to those who have a permission that `may` has.
    pub fn is_open_to(&self, view: &TenantView, may: impl Fn(&crate::permission::PermissionName) -> bool) -> bool {
        view.active().any(|plugin| {
            let id = plugin.key().id.as_str();
            plugin.manifest.publishes.iter().any(|published| {
                self.covers(published.name.as_str(), Some(id)) && published.permission.as_ref().is_some_and(&may)
            })
        })
    }
}

impl std::fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.from {
            Some(from) => write!(f, "{}@{from}", self.pattern),
            None => write!(f, "{}", self.pattern),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_topics_and_who_publishes_them() {
        let topics = Topics::parse(Some("deal.*@crm, contact.created")).unwrap();
        for (topic, from, expected) in [
            ("deal.won", Some("crm"), true),
            ("deal.won", Some("other"), false),
            ("deal.won", None, false),
            ("deal.stage.changed", Some("crm"), false),
            ("contact.created", None, true),
            ("contact.created", Some("other"), true),
            ("contact.deleted", Some("crm"), false),
        ] {
            assert_eq!(topics.covers(topic, from), expected, "{topic} {from:?}");
        }
        assert!(Topics::parse(None).unwrap().covers("any.thing", None), "no list is all");
        assert!(!Topics::parse(Some("")).unwrap().covers("any.thing", None), "an empty one is none");
        for wrong in ["deal", "deal.won@", "deal.won@Crm", "a.b,*", "a.b@c@d"] {
            assert!(Topics::parse(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(Topics::parse(Some(&["a.b"; 51].join(","))).is_err());
    }
}
