//! What the CRM tells others, in the transaction of each change: the events `contact.*` and `deal.*`, and in the shared data
//! `crm.events` which deal was changed last.
//!
//! An event's subject and key are the id, so that whoever hears it hears what happened to one contact or deal in its order.

use std::time::Duration;

use serde::Serialize;
use tenon_plugin::events::{self, Draft};
use tenon_plugin::shared_data::{self, Namespace};
use tenon_plugin::sql::Transaction;
use tenon_plugin::{Decimal, Timestamp};

use crate::exports::crm::contacts::contacts::Contact;
use crate::exports::crm::deals::deals::{Deal, Stage};
use crate::pipeline::stage_name;

/// Where others look up what has changed lately.
const EVENTS: Namespace = shared_data::namespace("crm.events").lasting(Duration::from_secs(300));

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DealUpdate<'a> {
    deal_id: &'a str,
    action: &'a str,
    /// Microseconds since 1970.
    updated_at_us: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContactNews<'a> {
    id: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    email: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DealNews<'a> {
    id: &'a str,
    title: &'a str,
    value: Decimal,
    currency: &'a str,
    stage: &'a str,
    /// Only where it has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_stage: Option<&'a str>,
    probability: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_id: Option<&'a str>,
}

pub fn contact(tx: &Transaction, topic: &str, contact: &Contact) -> events::Result<()> {
    let Contact { id, first_name, last_name, email, .. } = contact;
    tell(tx, topic, id, &ContactNews { id, first_name, last_name, email })
}

/// `deal.created`, `deal.updated` or `deal.deleted`, and what came of its stage, which was `before`.
pub fn deal(tx: &Transaction, topic: &str, deal: &Deal, before: Option<Stage>) -> events::Result<()> {
    let news = DealNews {
        id: &deal.id,
        title: &deal.title,
        value: deal.value.into(),
        currency: &deal.currency,
        stage: stage_name(deal.stage),
        previous_stage: None,
        probability: deal.probability,
        contact_id: deal.contact_id.as_deref(),
    };
    tell(tx, topic, &deal.id, &news)?;
    if before == Some(deal.stage) {
        return Ok(());
    }
    if let Some(before) = before {
        let news = DealNews { previous_stage: Some(stage_name(before)), value: deal.value.into(), ..news };
        tell(tx, "deal.stage-changed", &deal.id, &news)?;
    }
    match deal.stage {
        Stage::Won => tell(tx, "deal.won", &deal.id, &news),
        Stage::Lost => tell(tx, "deal.lost", &deal.id, &news),
        _ => Ok(()),
    }
}

/// Says in the shared data which deal was changed last, and how.
pub fn last_deal(tx: &Transaction, action: &str, deal: &Deal) -> shared_data::Result<()> {
    let updated_at_us = Timestamp::from(deal.updated_at).as_micros();
    EVENTS.set_json_in(tx, "last-deal-update", &DealUpdate { deal_id: &deal.id, action, updated_at_us }).map(drop)
}

fn tell(tx: &Transaction, topic: &str, id: &str, news: &impl Serialize) -> events::Result<()> {
    Draft::new(topic, news)?.key(id).subject(id).publish_in(tx).map(drop)
}
