//! Versions on their way to tenants: to whom, since when, and what is being done.

use serde::Serialize;

use crate::id::TenantId;
use crate::registry::Plugin;
use crate::registry::lifecycle::{Lifecycle, UnderWay};

/// As many as are told of one version.
const TOLD: usize = 100;

/// A version on its way to a tenant.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Activating {
    pub tenant: String,
    pub since: String,
    /// `on-install`, `migrations` or `on-activate`.
    pub step: &'static str,
    /// Whether the version before answers the tenant's requests meanwhile. Otherwise they wait.
    pub version_before_answers: bool,
}

impl Activating {
    /// The tenant a version is on its way to; all of them for whoever names none, those that wait longest first.
    pub fn of(lifecycle: &Lifecycle, tenant: Option<&TenantId>, plugin: &Plugin) -> Vec<Self> {
        let moves = lifecycle.moves();
        let under_way = match tenant {
            Some(tenant) => {
                moves.under_way(tenant, plugin.key()).map(|move_| (tenant.clone(), move_)).into_iter().collect()
            }
            None => moves.under_way_to(plugin.key()),
        };
        under_way.into_iter().take(TOLD).map(Self::from).collect()
    }

    /// In words, for the tenant.
    pub fn told(&self) -> String {
        let meanwhile = match self.version_before_answers {
            true => "the version before answers until it has ended",
            false => "requests wait for it",
        };
        format!("{} runs for {}; {meanwhile}", self.step, self.tenant)
    }
}

impl From<(TenantId, UnderWay)> for Activating {
    fn from((tenant, move_): (TenantId, UnderWay)) -> Self {
        let version_before_answers = move_.is_stood_in_for();
        Self { tenant: tenant.to_string(), since: move_.since.to_string(), step: move_.step, version_before_answers }
    }
}
