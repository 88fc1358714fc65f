//! The pipeline in figures.

use tenon_plugin::currency;
use tenon_plugin::decimal::{Decimal, OutOfRange};
use tenon_plugin::sql::{self, Filter, FromRow, Row};

use crate::exports::crm::deals::deals::{CurrencySummary, Error, PipelineSummary, Stage, StageSummary};

/// Stages in the order of the pipeline, each with the name it has in the database and the probability it promises, in
/// percent, where nobody has judged better.
const STAGES: [(Stage, &str, u8); 6] = [
    (Stage::Lead, "lead", 10),
    (Stage::Qualified, "qualified", 25),
    (Stage::Proposal, "proposal", 50),
    (Stage::Negotiation, "negotiation", 75),
    (Stage::Won, "won", 100),
    (Stage::Lost, "lost", 0),
];

pub fn stage_name(stage: Stage) -> &'static str {
    STAGES[stage as usize].1
}

pub fn usual_probability(stage: Stage) -> u8 {
    STAGES[stage as usize].2
}

/// The stage of this name. The column holds no other names, since only [`stage_name`] makes them.
pub fn stage_named(name: &str) -> Stage {
    STAGES.iter().find(|(_, known, _)| *known == name).map_or(Stage::Lead, |(stage, ..)| *stage)
}

/// The deals of one currency in one stage.
struct Figures {
    currency: String,
    stage: Stage,
    deals: u64,
    value: Decimal,
    weighted: Decimal,
    /// The sum of the probabilities, in percent.
    probability: i64,
}

/// The pipeline in figures: all of it, or the deals in one currency.
pub fn summary(currency: Option<String>) -> Result<PipelineSummary, Error> {
    let mut filter = Filter::new();
    filter.and_given("currency = {}", &currency);
    // A sum of BIGINT is a NUMERIC on PostgreSQL, hence the casts.
    let statement = format!(
        "SELECT currency, stage, count(*) AS deals, CAST(sum(amount) AS BIGINT) AS total,
                CAST(sum(amount * probability) AS BIGINT) AS weighted,
                CAST(sum(probability) AS BIGINT) AS points
         FROM deal {} GROUP BY currency, stage ORDER BY currency",
        filter.clause()
    );
    let figures: Vec<Figures> = sql::query_as(&statement, filter.parameters())?;

    let total_deals: u64 = figures.iter().map(|part| part.deals).sum();
    let points: i64 = figures.iter().map(|part| part.probability).sum();
    let by_currency = by_currency(&figures)?;
    let (currency, total_value) = match by_currency.as_slice() {
        [] => (currency, Some(Decimal::ZERO.into())),
        [(code, only)] => (Some(code.clone()), Some(only.value)),
        _ => (None, None),
    };
    Ok(PipelineSummary {
        total_deals,
        currency,
        total_value,
        avg_probability: Decimal::ratio(points, total_deals.max(1) as i64, 2)?.into(),
        by_stage: by_stage(&figures),
        by_currency,
    })
}

fn by_stage(figures: &[Figures]) -> Vec<(Stage, StageSummary)> {
    let of_stage = |(stage, ..): (Stage, &str, u8)| {
        let parts: Vec<&Figures> = figures.iter().filter(|part| part.stage == stage).collect();
        let value = match parts.as_slice() {
            [] => return None,
            [only] => Some(only.value.into()),
            _ => None,
        };
        Some((stage, StageSummary { count: parts.iter().map(|part| part.deals).sum(), value }))
    };
    STAGES.into_iter().filter_map(of_stage).collect()
}

/// One entry for each currency, in the order of the figures.
fn by_currency(figures: &[Figures]) -> Result<Vec<(String, CurrencySummary)>, OutOfRange> {
    figures
        .chunk_by(|one, next| one.currency == next.currency)
        .map(|parts| {
            let summary = CurrencySummary {
                count: parts.iter().map(|part| part.deals).sum(),
                value: Decimal::checked_sum(parts.iter().map(|part| part.value))?.into(),
                weighted_value: Decimal::checked_sum(parts.iter().map(|part| part.weighted))?.into(),
            };
            Ok((parts[0].currency.clone(), summary))
        })
        .collect()
}

impl FromRow for Figures {
    fn from_row(row: &mut Row) -> sql::Result<Self> {
        let currency: String = row.get("currency")?;
        let places = currency::places(&currency).unwrap_or(0);
        Ok(Self {
            stage: stage_named(&row.get::<String>("stage")?),
            deals: row.get("deals")?,
            value: Decimal::new(row.get("total")?, places),
            // A value times a percentage has two places more than the value.
            weighted: Decimal::new(row.get("weighted")?, places + 2),
            probability: row.get("points")?,
            currency,
        })
    }
}
