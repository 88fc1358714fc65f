//! report-2: what the deals are worth, stage by stage, and which are the most valuable.

use tenon_plugin::{Decimal, Retry};

use crate::crm::deals::deals::{self, Deal, DealOrder, DealQuery, PipelineSummary, Stage, StageSummary};
use crate::crm::deals::deals_deferred::{ListCall, SummaryCall};
use crate::exports::analytics::reports::reports::{self, DealsPipeline, ReportData, StageFigures, TopDeal};
use crate::outcome::{Outcome, Problem};
use crate::{DEALS, sources};

/// How many deals the report names as the most valuable.
const TOP: u32 = 10;

pub fn analysis() -> Outcome {
    let mut outcome = Outcome::default();
    // Both calls are begun before either is waited for, so the report takes the time of one.
    let query = DealQuery { sort: Some(DealOrder::Value), ..sources::deals_query(TOP) };
    let begun = Retry::default().begin();
    let (list, summary) = (ListCall::start(&query), SummaryCall::start(None));
    let list = begun.or_again(list.get(), || deals::list(&query));
    let list = outcome.answer(DEALS, list.map_err(Problem::from));
    let summary = begun.or_again(summary.get(), || deals::summary(None));
    let summary = outcome.answer(DEALS, summary.map_err(Problem::from));
    if list.is_none() && summary.is_none() {
        return outcome;
    }

    let mut report = DealsPipeline {
        total_deals: None,
        currency: None,
        total_value: None,
        avg_deal_value: None,
        avg_probability: None,
        by_stage: None,
        by_currency: None,
        top_deals: None,
    };
    if let Some(list) = list {
        report.total_deals = Some(list.total);
        report.top_deals = Some(list.items.into_iter().map(top_deal).collect());
    }
    if let Some(summary) = summary {
        fill(&mut report, summary, &mut outcome);
    }
    outcome.records = report.total_deals.unwrap_or(0);
    outcome.data = Some(ReportData::DealsPipeline(report));
    outcome
}

fn fill(report: &mut DealsPipeline, summary: PipelineSummary, outcome: &mut Outcome) {
    report.total_deals = Some(summary.total_deals);
    report.currency = summary.currency;
    report.avg_deal_value = average(summary.total_value, summary.total_deals, outcome);
    report.total_value = summary.total_value.map(exported);
    report.avg_probability = Some(exported(summary.avg_probability));
    report.by_stage = Some(summary.by_stage.into_iter().map(|part| stage_figures(part, outcome)).collect());
    report.by_currency =
        Some(summary.by_currency.into_iter().map(|(code, part)| (code, exported(part.value))).collect());
}

fn stage_figures((stage, part): (Stage, StageSummary), outcome: &mut Outcome) -> (String, StageFigures) {
    let figures = StageFigures {
        count: part.count,
        value: part.value.map(exported),
        avg_value: average(part.value, part.count, outcome),
    };
    (stage_name(stage).to_owned(), figures)
}

/// The average to the minor unit, half to even; zero where there is nothing to average.
fn average(sum: Option<deals::Decimal>, count: u64, outcome: &mut Outcome) -> Option<reports::Decimal> {
    let average = Decimal::from(sum?).shared_by(count.max(1));
    outcome.keep(average.map_err(Problem::from)).map(Into::into)
}

fn top_deal(deal: Deal) -> TopDeal {
    TopDeal {
        id: deal.id,
        title: deal.title,
        value: exported(deal.value),
        currency: deal.currency,
        stage: stage_name(deal.stage).to_owned(),
        probability: deal.probability,
    }
}

fn exported(value: deals::Decimal) -> reports::Decimal {
    Decimal::from(value).into()
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Lead => "lead",
        Stage::Qualified => "qualified",
        Stage::Proposal => "proposal",
        Stage::Negotiation => "negotiation",
        Stage::Won => "won",
        Stage::Lost => "lost",
    }
}
