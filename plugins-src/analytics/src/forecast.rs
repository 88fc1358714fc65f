//! report-3: what the open deals would bring.

use std::collections::BTreeMap;

use tenon_plugin::Decimal;
use tenon_plugin::decimal::OutOfRange;

use crate::crm::deals::deals::{Deal, Stage};
use crate::exports::analytics::reports::reports::{Confidence, Forecast, ReportData, SalesForecast};
use crate::outcome::{Outcome, Problem};
use crate::{DEALS, sources};

/// The stages of a deal that is neither won nor lost.
const OPEN: [Stage; 4] = [Stage::Lead, Stage::Qualified, Stage::Proposal, Stage::Negotiation];

/// Confidence is high where more than this part of the expected revenue remains after weighting.
const HIGH: Decimal = Decimal::new(7, 1);

pub fn forecast() -> Outcome {
    let mut outcome = Outcome::default();
    let Some(deals) = outcome.answer(DEALS, sources::all_deals(&OPEN)) else { return outcome };
    outcome.records = deals.len() as u64;
    let by_currency = by_currency(&deals).map_err(Problem::from);
    if let Some(by_currency) = outcome.keep(by_currency) {
        outcome.data = Some(ReportData::SalesForecast(report(deals.len() as u64, by_currency)));
    }
    outcome
}

fn report(open_deals: u64, by_currency: Vec<(String, Forecast)>) -> SalesForecast {
    let none = Forecast {
        expected_revenue: Decimal::ZERO.into(),
        weighted_revenue: Decimal::ZERO.into(),
        confidence_level: Confidence::Medium,
    };
    // Amounts of several currencies have no sum; no deals at all amount to nothing in any.
    let (currency, figures) = match by_currency.as_slice() {
        [] => (None, Some(none)),
        [(code, only)] => (Some(code.clone()), Some(*only)),
        _ => (None, None),
    };
    SalesForecast {
        open_deals,
        currency,
        expected_revenue: figures.map(|all| all.expected_revenue),
        weighted_revenue: figures.map(|all| all.weighted_revenue),
        confidence_level: figures.map(|all| all.confidence_level),
        by_currency,
    }
}

fn by_currency(deals: &[Deal]) -> Result<Vec<(String, Forecast)>, OutOfRange> {
    let mut sums = BTreeMap::<&str, (Decimal, Decimal)>::new();
    for deal in deals {
        let value = Decimal::from(deal.value);
        let (expected, weighted) = sums.entry(&deal.currency).or_insert((Decimal::ZERO, Decimal::ZERO));
        *expected = expected.checked_add(value)?;
        *weighted = weighted.checked_add(value.percent(deal.probability)?)?;
    }
    sums.into_iter()
        .map(|(currency, (expected, weighted))| {
            let high = weighted > expected.checked_mul(HIGH)?;
            let forecast = Forecast {
                expected_revenue: expected.into(),
                weighted_revenue: weighted.into(),
                confidence_level: if high { Confidence::High } else { Confidence::Medium },
            };
            Ok((currency.to_owned(), forecast))
        })
        .collect()
}
