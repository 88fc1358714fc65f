//! Why nothing is rolled out or taken back, and what to do instead.

use http::StatusCode;
use semver::Version;

use super::versions;
use crate::http::envelope::ApiError;
use crate::id::PluginId;
use crate::registry::Snapshot;
use crate::registry::choices::rollout::{NotGiven, Rollout};

pub(super) fn no_rollout(plugin: &PluginId) -> ApiError {
    let message = format!("there is no rollout of {plugin}: every tenant gets its highest version that works");
    ApiError::not_found("rollout_not_found", message)
}

pub(super) fn no_plugin(id: &str) -> ApiError {
    ApiError::not_found("plugin_not_found", format!("there is no plugin `{id}`"))
}

pub(super) fn not_given(plugin: &PluginId, version: &Version, error: NotGiven) -> ApiError {
    let (code, message) = match error {
        NotGiven::Shrinks { reached } => (
            "rollout_shrinks",
            format!(
                "{plugin} {version} has reached {reached} percent of the tenants, and a rollout takes nothing back: \
                 give some of them another version (tenon rollout {plugin} VERSION --tenants a,b), or take it back from \
                 all (tenon rollback {plugin})"
            ),
        ),
        NotGiven::TooMany => (
            "too_many_rollouts",
            format!(
                "as many rollouts of {plugin} are under way as there may be (lifecycle.rollout_steps): let one reach \
                 everybody (tenon rollout {plugin} VERSION --percent 100), or take one back (tenon rollback {plugin})"
            ),
        ),
    };
    ApiError::new(StatusCode::CONFLICT, code, message)
}

pub(super) fn nothing_before(snapshot: &Snapshot, plugin: &PluginId, now: &Rollout) -> ApiError {
    let has = now.rest();
    let higher = versions(snapshot, plugin).map(|known| &known.key().version).filter(|known| *known > has).max();
    let forward = higher.map(|higher| format!("; to go forward: tenon rollout {plugin} {higher} --percent 100"));
    let message = format!(
        "there is nothing to go back to: tenants have {plugin} {has}, nothing else was decided before, and no lower \
         version is loaded{}",
        forward.unwrap_or_default()
    );
    ApiError::new(StatusCode::CONFLICT, "nothing_before", message)
}

pub(super) fn not_back(plugin: &PluginId, now: &Rollout, version: &Version) -> ApiError {
    let message = format!(
        "{version} is no way back: tenants have {plugin} {now}; to go forward: tenon rollout {plugin} {version} \
         --percent 100"
    );
    ApiError::new(StatusCode::CONFLICT, "not_back", message)
}

pub(super) fn not_loaded(snapshot: &Snapshot, plugin: &PluginId, version: &Version) -> ApiError {
    let lower = versions(snapshot, plugin).map(|known| &known.key().version).filter(|known| *known < version).max();
    let other = lower.map(|lower| format!(", or go further: tenon rollback {plugin} --to {lower}"));
    let message = format!(
        "{plugin} {version} is not loaded, so nobody can go back to it: put its file into the plugins directory \
         again{}",
        other.unwrap_or_default()
    );
    ApiError::new(StatusCode::CONFLICT, "version_not_loaded", message)
}
