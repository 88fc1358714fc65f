//! `crm:deals`, made up. All of them are in USD.

use std::cmp::Reverse;

use tenon_plugin::Decimal;

use crate::exports::crm::deals::deals::{
    CurrencySummary, Deal, DealChanges, DealOrder, DealPage, DealQuery, Error, Guest, NewDeal, PipelineSummary, Stage,
    StageSummary,
};
use crate::{CREATED, Double, Stock, admit, number, page};

const CURRENCY: &str = "USD";

/// Each stage with the probability of its deals.
const STAGES: [(Stage, u8); 6] = [
    (Stage::Lead, 10),
    (Stage::Qualified, 25),
    (Stage::Proposal, 50),
    (Stage::Negotiation, 75),
    (Stage::Won, 100),
    (Stage::Lost, 0),
];

impl Guest for Double {
    fn list(query: DealQuery) -> Result<DealPage, Error> {
        let stock = admit().map_err(Error::Denied)?;
        let stages = query.stage.as_deref().unwrap_or_default();
        let mut all = matching(stock, |deal| {
            (stages.is_empty() || stages.contains(&deal.stage))
                && query.search.as_ref().is_none_or(|text| deal.title.to_lowercase().contains(&text.to_lowercase()))
                && query.contact_id.as_ref().is_none_or(|id| deal.contact_id.as_ref() == Some(id))
                && query.currency.as_ref().is_none_or(|code| deal.currency.eq_ignore_ascii_case(code))
        });
        if query.sort == Some(DealOrder::Value) {
            all.sort_by_key(|deal| Reverse(deal.value.coefficient));
        }
        let (items, total) = page(all, query.skip, query.take);
        Ok(DealPage { items, total })
    }

    fn get(id: String) -> Result<Deal, Error> {
        let stock = admit().map_err(Error::Denied)?;
        let number = number(&id, "deal", stock.deals);
        number.map(|number| deal(number, stock)).ok_or_else(|| Error::NotFound(format!("there is no deal {id:?}")))
    }

    fn create(new: NewDeal) -> Result<Deal, Error> {
        let stock = admit().map_err(Error::Denied)?;
        let stage = new.stage.unwrap_or(Stage::Lead);
        Ok(Deal {
            title: new.title,
            description: new.description,
            value: new.value,
            currency: new.currency.unwrap_or_else(|| CURRENCY.to_owned()),
            stage,
            probability: new.probability.unwrap_or(probability(stage)),
            contact_id: new.contact_id,
            expected_close_date: new.expected_close_date,
            ..deal(stock.deals + 1, stock)
        })
    }

    fn update(id: String, changes: DealChanges) -> Result<Deal, Error> {
        let before = Self::get(id)?;
        Ok(Deal {
            title: changes.title.unwrap_or(before.title),
            description: changes.description.or(before.description),
            value: changes.value.unwrap_or(before.value),
            currency: changes.currency.unwrap_or(before.currency),
            stage: changes.stage.unwrap_or(before.stage),
            probability: changes.probability.unwrap_or(before.probability),
            contact_id: changes.contact_id.or(before.contact_id),
            expected_close_date: changes.expected_close_date.or(before.expected_close_date),
            ..before
        })
    }

    fn delete(id: String) -> Result<(), Error> {
        Self::get(id).map(drop)
    }

    fn summary(currency: Option<String>) -> Result<PipelineSummary, Error> {
        let stock = admit().map_err(Error::Denied)?;
        assert!(!stock.summary_traps, "the summary of the tenant `half` traps");
        let deals = matching(stock, |deal| {
            currency.as_ref().is_none_or(|currency| deal.currency.eq_ignore_ascii_case(currency))
        });
        summarise(&deals)
    }
}

fn summarise(deals: &[Deal]) -> Result<PipelineSummary, Error> {
    let count = deals.len() as u64;
    let value = cents(deals, |_| true);
    let points: i64 = deals.iter().map(|deal| i64::from(deal.probability)).sum();
    let average =
        Decimal::ratio(points, (count as i64).max(1), 2).map_err(|error| Error::Unavailable(error.to_string()))?;
    let weighted = deals.iter().map(|deal| deal.value.coefficient * i64::from(deal.probability)).sum();
    let of_stage = |(stage, _): (Stage, u8)| {
        let count = deals.iter().filter(|deal| deal.stage == stage).count() as u64;
        let value = cents(deals, |deal| deal.stage == stage);
        (count > 0).then(|| (stage, StageSummary { count, value: Some(value.into()) }))
    };
    // A percentage of cents has two places more than the cents.
    let all = CurrencySummary { count, value: value.into(), weighted_value: Decimal::new(weighted, 4).into() };
    Ok(PipelineSummary {
        total_deals: count,
        currency: Some(CURRENCY.to_owned()),
        total_value: Some(value.into()),
        avg_probability: average.into(),
        by_stage: STAGES.into_iter().filter_map(of_stage).collect(),
        by_currency: if count == 0 { Vec::new() } else { vec![(CURRENCY.to_owned(), all)] },
    })
}

fn matching(stock: Stock, keep: impl Fn(&Deal) -> bool) -> Vec<Deal> {
    (1..=stock.deals).map(|number| deal(number, stock)).filter(keep).collect()
}

fn cents(deals: &[Deal], keep: impl Fn(&Deal) -> bool) -> Decimal {
    Decimal::new(deals.iter().filter(|deal| keep(deal)).map(|deal| deal.value.coefficient).sum(), 2)
}

fn probability(stage: Stage) -> u8 {
    STAGES.into_iter().find(|(known, _)| *known == stage).map_or(0, |(_, probability)| probability)
}

/// The stages take turns, and every deal is worth 1,000 more than the one before: the first is one in negotiation of
/// 1,000, the second is won.
fn deal(number: u32, stock: Stock) -> Deal {
    let (stage, probability) = STAGES[(number as usize + 2) % STAGES.len()];
    Deal {
        id: format!("deal-{number}"),
        title: format!("Deal number {number}"),
        description: None,
        value: Decimal::new(i64::from(number) * 100_000, 2).into(),
        currency: CURRENCY.to_owned(),
        stage,
        probability,
        contact_id: Some(format!("contact-{}", (number - 1) % stock.contacts + 1)),
        expected_close_date: Some("2026-06-30".to_owned()),
        created_at: CREATED.into(),
        updated_at: CREATED.into(),
    }
}
