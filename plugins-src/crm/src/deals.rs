//! `crm:deals`: what the business hopes to sell.
//!
//! An amount is stored in minor units of its currency, as an integer, and leaves here as a decimal with that
//! currency's number of places.

use tenon_plugin::sql::{self, ConstraintKind, Executor, Filter, FromRow, Row, Value, params};
use tenon_plugin::time::is_calendar_day;
use tenon_plugin::{Fields, Timestamp};

use crate::exports::crm::deals::deals::{
    Deal, DealChanges, DealOrder, DealPage, DealQuery, Decimal, Error, Guest, NewDeal, PipelineSummary, Stage,
};
use crate::pipeline::{self, stage_name, stage_named};
use crate::{Crm, currency, ids};

const COLUMNS: &str = "id, title, description, amount, currency, stage, probability, contact_id,
                       expected_close_date, created_at, updated_at";

/// The most a deal may be worth, in minor units. Hundreds of such deals, each times its percentage, still add
/// up within 64 bits; beyond that a summary fails, it never wraps.
const MAX_AMOUNT: i64 = 99_999_999_999_999;

impl Guest for Crm {
    fn list(query: DealQuery) -> Result<DealPage, Error> {
        let mut fields = Fields::new();
        let page = fields.page(query.skip, query.take);
        let order = match query.sort {
            None | Some(DealOrder::Created) => "id",
            Some(DealOrder::Value) => "currency, amount DESC, id",
        };
        let matching = matching(query, &mut fields);
        fields.finish()?;
        let (rows, total) = sql::page("deal", matching, page, |condition, total, limit| {
            format!("SELECT {COLUMNS}, {total} AS total FROM deal {condition} ORDER BY {order} {limit}")
        })?;
        let items = rows.map(|mut row| Deal::from_row(&mut row)).collect::<sql::Result<_>>()?;
        Ok(DealPage { items, total })
    }

    fn get(id: String) -> Result<Deal, Error> {
        find(&sql::Database, &id)
    }

    fn create(new: NewDeal) -> Result<Deal, Error> {
        let now = Timestamp::now().into();
        let stage = new.stage.unwrap_or(Stage::Lead);
        let mut deal = Deal {
            id: String::new(),
            title: new.title,
            description: new.description,
            value: new.value,
            currency: new.currency.unwrap_or_else(|| "USD".to_owned()),
            stage,
            probability: new.probability.unwrap_or(usual_probability(stage)),
            contact_id: new.contact_id,
            expected_close_date: new.expected_close_date,
            created_at: now,
            updated_at: now,
        };
        sql::transaction(|tx| {
            let contact = check(tx, &mut deal, Fields::new())?;
            let number = ids::next(tx, ids::DEAL)?;
            tx.execute(
                "INSERT INTO deal (title, description, amount, currency, stage, probability, contact_id,
                                   expected_close_date, search_text, updated_at, id, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $10)",
                &column_values(&deal, contact, number),
            )
            .map_err(contact_gone)?;
            Ok(Deal { id: ids::write(ids::DEAL, number), ..deal })
        })
    }

    fn update(id: String, changes: DealChanges) -> Result<Deal, Error> {
        let number = ids::read(ids::DEAL, &id).ok_or_else(|| not_found(&id))?;
        sql::transaction(|tx| {
            let before = find(tx, &id)?;
            let mut fields = Fields::new();
            if changes.value.is_none() {
                check_same_places(&before, changes.currency.as_deref(), &mut fields);
            }
            let mut deal = Deal {
                title: changes.title.unwrap_or(before.title),
                description: changes.description.or(before.description),
                value: changes.value.unwrap_or(before.value),
                currency: changes.currency.unwrap_or(before.currency),
                stage: changes.stage.unwrap_or(before.stage),
                probability: changes.probability.unwrap_or(before.probability),
                contact_id: changes.contact_id.or(before.contact_id),
                expected_close_date: changes.expected_close_date.or(before.expected_close_date),
                updated_at: Timestamp::now().into(),
                ..before
            };
            let contact = check(tx, &mut deal, fields)?;
            tx.execute(
                "UPDATE deal SET title = $1, description = $2, amount = $3, currency = $4, stage = $5,
                        probability = $6, contact_id = $7, expected_close_date = $8, search_text = $9,
                        updated_at = $10
                 WHERE id = $11",
                &column_values(&deal, contact, number),
            )
            .map_err(contact_gone)?;
            Ok(deal)
        })
    }

    fn summary(mut currency: Option<String>) -> Result<PipelineSummary, Error> {
        let mut fields = Fields::new();
        if let Some(code) = &mut currency {
            currency::check("currency", code, &mut fields);
        }
        fields.finish()?;
        pipeline::summary(currency)
    }
}

/// Checks the deal, brings its value to the places of its currency, and finds the number of its contact.
fn check(db: &impl Executor, deal: &mut Deal, mut fields: Fields) -> Result<Option<i64>, Error> {
    fields.required("title", &mut deal.title, 200);
    fields.optional("description", &mut deal.description, 5_000);
    if let Some(places) = currency::check("currency", &mut deal.currency, &mut fields) {
        check_value(deal, places, &mut fields);
    }
    if deal.probability > 100 {
        fields.reject("probability", format!("must be 0 to 100, not {}", deal.probability));
    }
    fields.optional("expectedCloseDate", &mut deal.expected_close_date, 50);
    if deal.expected_close_date.as_deref().is_some_and(|day| !is_calendar_day(day)) {
        fields.reject("expectedCloseDate", "must be a day of the calendar, written YYYY-MM-DD");
    }
    fields.optional("contactId", &mut deal.contact_id, 50);
    let contact = find_contact(db, deal.contact_id.as_deref(), &mut fields)?;
    fields.finish()?;
    Ok(contact)
}

fn check_value(deal: &mut Deal, places: u8, fields: &mut Fields) {
    let (value, limit) = (tenon_plugin::Decimal::from(deal.value), tenon_plugin::Decimal::new(MAX_AMOUNT, places));
    if value < tenon_plugin::Decimal::ZERO || value > limit {
        fields.reject("value", format!("must be 0 to {limit}"));
    } else if let Some(exact) = value.rescaled_exactly(places) {
        deal.value = exact.into();
    } else {
        fields.reject("value", format!("must have at most {places} decimal places, as {} has", deal.currency));
    }
}

/// A number that meant one currency's minor units means nothing in one that is divided otherwise.
fn check_same_places(before: &Deal, currency: Option<&str>, fields: &mut Fields) {
    let Some(code) = currency.map(|code| code.trim().to_ascii_uppercase()) else { return };
    if currency::places(&code).is_some_and(|places| places != before.value.scale) {
        let old = &before.currency;
        fields.reject("value", format!("must be given with the currency {code}, which is not divided as {old} is"));
    }
}

/// What a stage promises where nobody has judged better.
fn usual_probability(stage: Stage) -> u8 {
    match stage {
        Stage::Lead => 10,
        Stage::Qualified => 25,
        Stage::Proposal => 50,
        Stage::Negotiation => 75,
        Stage::Won => 100,
        Stage::Lost => 0,
    }
}

fn find_contact(db: &impl Executor, id: Option<&str>, fields: &mut Fields) -> sql::Result<Option<i64>> {
    let Some(id) = id else { return Ok(None) };
    let found = match ids::read(ids::CONTACT, id) {
        Some(number) => db.query_optional("SELECT id FROM contact WHERE id = $1", params![number])?,
        None => None,
    };
    if found.is_none() {
        fields.reject("contactId", format!("must be the id of a contact; there is no {id:?}"));
    }
    Ok(found)
}

fn matching(mut query: DealQuery, fields: &mut Fields) -> Filter {
    let mut filter = Filter::new();
    fields.optional("search", &mut query.search, 200);
    if let Some(search) = query.search {
        filter.and(r"search_text LIKE {} ESCAPE '\'", [sql::contains_pattern(&search.to_lowercase())]);
    }
    if let Some(mut stages) = query.stage.filter(|stages| !stages.is_empty()) {
        stages.sort_unstable_by_key(|stage| *stage as u8);
        stages.dedup();
        filter.and("stage IN ({})", stages.into_iter().map(stage_name));
    }
    if let Some(contact) = query.contact_id {
        // No contact has the number 0, so what is not an id of a contact finds nothing.
        filter.and("contact_id = {}", [ids::read(ids::CONTACT, &contact).unwrap_or(0)]);
    }
    if let Some(mut code) = query.currency {
        currency::check("currency", &mut code, fields);
        filter.and("currency = {}", [code]);
    }
    filter
}

/// The columns in the order both writing statements number them.
fn column_values(deal: &Deal, contact: Option<i64>, number: i64) -> [Value; 11] {
    let description = deal.description.as_deref().unwrap_or_default();
    [
        (&deal.title).into(),
        (&deal.description).into(),
        deal.value.coefficient.into(),
        (&deal.currency).into(),
        stage_name(deal.stage).into(),
        deal.probability.into(),
        contact.into(),
        (&deal.expected_close_date).into(),
        format!("{}\n{description}", deal.title).to_lowercase().into(),
        Timestamp::from(deal.updated_at).as_micros().into(),
        number.into(),
    ]
}

fn find(db: &impl Executor, id: &str) -> Result<Deal, Error> {
    let number = ids::read(ids::DEAL, id).ok_or_else(|| not_found(id))?;
    let statement = format!("SELECT {COLUMNS} FROM deal WHERE id = $1");
    db.query_optional(&statement, params![number])?.ok_or_else(|| not_found(id))
}

impl FromRow for Deal {
    fn from_row(row: &mut Row) -> sql::Result<Self> {
        let id = ids::write(ids::DEAL, row.get("id")?);
        let (title, description) = (row.get("title")?, row.get("description")?);
        let coefficient = row.get("amount")?;
        let currency: String = row.get("currency")?;
        let scale = currency::places(&currency).unwrap_or(0);
        Ok(Self {
            id,
            title,
            description,
            value: Decimal { coefficient, scale },
            currency,
            stage: stage_named(&row.get::<String>("stage")?),
            probability: row.get("probability")?,
            contact_id: row.get::<Option<i64>>("contact_id")?.map(|number| ids::write(ids::CONTACT, number)),
            expected_close_date: row.get("expected_close_date")?,
            created_at: Timestamp::from_micros(row.get("created_at")?).into(),
            updated_at: Timestamp::from_micros(row.get("updated_at")?).into(),
        })
    }
}

/// The contact was deleted between the look at it and the write: where the database lets others write meanwhile.
fn contact_gone(error: sql::Error) -> Error {
    if !error.violates(ConstraintKind::ForeignKey) {
        return error.into();
    }
    let mut fields = Fields::new();
    fields.reject("contactId", "must be the id of a contact; this one was just deleted");
    fields.finish().err().map_or_else(|| error.into(), Error::from)
}

fn not_found(id: &str) -> Error {
    Error::NotFound(format!("there is no deal {id:?}"))
}
