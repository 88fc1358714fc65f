//! Analytics: reports on what the CRM knows.
//!
//! One service, `analytics:reports`, computed from `crm:contacts` and `crm:deals`. It keeps no data of its own: what `show`
//! answers the host keeps, until something changes that it was made from. A report whose source fails says so and gives
//! what the others allow.

// The exports exist for WebAssembly alone: without them a native check would call the whole plugin unused.
#![cfg_attr(not(target_family = "wasm"), allow(dead_code, unused_macros))]

mod contacts;
mod forecast;
mod lifetime;
mod news;
mod outcome;
mod pipeline;
mod sources;

use exports::analytics::reports::reports::{
    Error, Guest, Report, ReportList, ReportMetadata, ReportResult, ReportType,
};
use exports::tenon::plugin::health;
use tenon_plugin::Timestamp;

wit_bindgen::generate!({
    inline: "
        package analytics:plugin;

        world analytics {
            import crm:contacts/contacts@1.0.0;
            import crm:deals/deals@1.0.0;
            import crm:deals/deals-deferred@1.0.0;
            export analytics:reports/reports@1.0.0;
            export tenon:plugin/health@1.0.0;
        }
    ",
    path: [
        "../../wit/wasi-io",
        "../../wit/tenon-plugin",
        "../../wit/crm-contacts",
        "../../wit/crm-deals",
        "../../wit/analytics-reports",
    ],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

tenon_plugin::service_types! {
    crate::crm::contacts::contacts: Unavailable;
    crate::crm::deals::deals: Decimal, Unavailable;
    crate::exports::analytics::reports::reports: Timestamp, Decimal;
}

/// What the CRM's services are called in a report's `dataSource` and in messages.
const CONTACTS: &str = "crm:contacts";
const DEALS: &str = "crm:deals";

/// Each report's id, name, type and description.
const REPORTS: [(&str, &str, ReportType, &str); 4] = [
    (
        "report-1",
        "Contacts Overview",
        ReportType::ContactsSummary,
        "How many contacts there are, by company and by tag.",
    ),
    (
        "report-2",
        "Sales Pipeline Analysis",
        ReportType::DealsPipeline,
        "What the deals are worth, stage by stage, and which are the most valuable.",
    ),
    (
        "report-3",
        "Revenue Forecast",
        ReportType::SalesForecast,
        "What the open deals would bring, in full and weighted by their probability.",
    ),
    (
        "report-4",
        "Customer Lifetime Value",
        ReportType::CustomerLifetimeValue,
        "What each contact has brought with the deals that were won.",
    ),
];

struct Analytics;

impl Guest for Analytics {
    fn list() -> Result<ReportList, Error> {
        let describe = |(id, name, type_, description): (&str, &str, ReportType, &str)| Report {
            id: id.to_owned(),
            name: name.to_owned(),
            type_,
            description: description.to_owned(),
        };
        Ok(ReportList { items: REPORTS.map(describe).into(), total: REPORTS.len() as u64 })
    }

    fn run(id: String) -> Result<ReportResult, Error> {
        compute(id)
    }

    fn show(id: String) -> Result<ReportResult, Error> {
        // Read before the deals are asked for: what changes meanwhile is another change.
        let deals_changed_at = news::deals_changed_at().map(Into::into);
        let report = compute(id)?;
        Ok(ReportResult { metadata: ReportMetadata { deals_changed_at, ..report.metadata }, ..report })
    }
}

fn compute(id: String) -> Result<ReportResult, Error> {
    let known = REPORTS.iter().find(|(known, ..)| *known == id);
    let Some(&(_, name, type_, _)) = known else {
        return Err(Error::NotFound(format!("there is no report {id:?}; the list of reports names those there are")));
    };
    let outcome = match type_ {
        ReportType::ContactsSummary => contacts::summary(),
        ReportType::DealsPipeline => pipeline::analysis(),
        ReportType::SalesForecast => forecast::forecast(),
        ReportType::CustomerLifetimeValue => lifetime::value(),
    };
    Ok(ReportResult {
        report_id: id,
        report_name: name.to_owned(),
        type_,
        generated_at: Timestamp::now().into(),
        metadata: ReportMetadata {
            data_source: outcome.sources.iter().map(|source| (*source).to_owned()).collect(),
            records_analyzed: outcome.records,
            time_period: "all".to_owned(),
            deals_changed_at: None,
        },
        error: outcome.error(),
        data: outcome.data,
    })
}

impl health::Guest for Analytics {
    /// Reports are only as good as what they are made from, so a source that does not answer degrades them.
    fn check() -> health::Report {
        match sources::unavailable() {
            None => health::Report { status: health::Status::Healthy, reason: None },
            reason => health::Report { status: health::Status::Degraded, reason },
        }
    }
}

// The names of a component's exports are none that a linker for another target takes.
#[cfg(target_family = "wasm")]
export!(Analytics);
