//! What the CRM says in shared data of its latest changes.

use serde::Deserialize;
use tenon_plugin::Timestamp;
use tenon_plugin::shared_data::{self, Namespace};

const CRM: Namespace = shared_data::namespace("crm.events");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DealUpdate {
    updated_at_us: i64,
}

/// When a deal was last changed, if the CRM has told of it lately and this plugin was granted to read that. Having read it
/// makes the host drop a kept report with the next change.
pub fn deals_changed_at() -> Option<Timestamp> {
    let update: Option<DealUpdate> = CRM.json("last-deal-update").ok()?;
    update.map(|update| Timestamp::from_micros(update.updated_at_us))
}
