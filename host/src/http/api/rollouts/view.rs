//! A rollout as it is shown.

use semver::Version;
use serde::Serialize;

use super::reach::Outcome;
use super::{before, is_loaded};
use crate::id::PluginId;
use crate::registry::Snapshot;
use crate::registry::choices::rollout::{Rollout, Step};

/// Who gets what.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Given {
    /// Of the last step.
    version: String,
    percent: u8,
    tenants: Vec<String>,
    /// What others have by earlier steps, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    below: Vec<StepView>,
    /// What all the others have; null where there are none.
    previous: Option<String>,
}

#[derive(Serialize)]
struct StepView {
    version: String,
    percent: u8,
    tenants: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RolloutView {
    plugin: String,
    #[serde(flatten)]
    given: Given,
    /// What a rollback would give; null where there is nothing to go back to.
    back_to: Option<String>,
    /// Whether all these versions are loaded; the tenants of one that is not have what they had before it.
    loaded: bool,
    /// What was taken back, in the answer to a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<String>,
    /// What came of it for the tenants that were named, and those whose data was in the way; the others are moved in
    /// the background.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<Outcome>,
    /// Those that the request had no time left for: they are moved in the background too, or at their next request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_reached: Vec<String>,
    /// Those that have another version than they are given, with the reason as far as it is known. In the answer to a
    /// change those alone that were not named and that it failed for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_moved: Vec<Outcome>,
    /// Those that take part and lack a setting which the version requires, so that they stay on what they had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unconfigured: Vec<Outcome>,
    revision: i64,
}

impl RolloutView {
    pub fn new(snapshot: &Snapshot, plugin: &PluginId, rollout: &Rollout) -> Self {
        Self {
            plugin: plugin.to_string(),
            given: Given::new(rollout),
            back_to: before(snapshot, plugin, rollout).map(|before| before.to_string()),
            loaded: rollout.versions().into_iter().all(|version| is_loaded(snapshot, plugin, version)),
            taken_back: None,
            outcomes: Vec::new(),
            not_reached: Vec::new(),
            not_moved: Vec::new(),
            unconfigured: Vec::new(),
            revision: rollout.revision,
        }
    }
}

impl Given {
    pub fn new(rollout: &Rollout) -> Self {
        let Some(last) = rollout.steps.last() else {
            let version = rollout.base.to_string();
            return Self { version, percent: 100, tenants: Vec::new(), below: Vec::new(), previous: None };
        };
        let StepView { version, percent, tenants } = StepView::new(last);
        if last.reaches_all() {
            return Self { version, percent, tenants, below: Vec::new(), previous: None };
        }
        let earlier = rollout.in_force().filter(|step| !std::ptr::eq(*step, last));
        let below = earlier.take_while(|step| !step.reaches_all()).map(StepView::new).collect();
        Self { version, percent, tenants, below, previous: Some(Version::to_string(rollout.rest())) }
    }
}

impl StepView {
    fn new(step: &Step) -> Self {
        Self {
            version: step.version.to_string(),
            percent: step.percent,
            tenants: step.tenants.iter().map(ToString::to_string).collect(),
        }
    }
}
