//! `crm:deals`: what the business hopes to sell.
//!
//! An amount is stored in minor units of its currency, as an integer, and leaves here as a decimal with that
//! currency's number of places.

use tenon_plugin::fields::Invalid;
use tenon_plugin::sql::{self, Columns, ConstraintKind, Executor, Filter, FromRow, Row, params};
use tenon_plugin::{Decimal, Fields, Ids, Timestamp, currency, patch};

use crate::exports::crm::deals::deals::{
    Deal, DealChanges, DealOrder, DealPage, DealQuery, Error, Guest, NewDeal, PipelineSummary, Stage,
};
use crate::pipeline::{self, stage_name, stage_named, usual_probability};
use crate::{Crm, contacts, news};

/// What deals are called: `deal-12`.
const IDS: Ids = Ids::of("deal");

/// The currency is needed to read the amount, so it comes first.
const COLUMNS: &str = "currency, id, title, description, amount, stage, probability, contact_id,
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
        let (items, total) = sql::page_as("deal", matching, page, |condition, total, limit| {
            format!("SELECT {COLUMNS}, {total} AS total FROM deal {condition} ORDER BY {order} {limit}")
        })?;
        Ok(DealPage { items, total })
    }

    fn get(id: String) -> Result<Deal, Error> {
        find(&sql::Database, IDS.read(&id)?)
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
            let number = IDS.next(tx)?;
            let columns = columns(&deal, contact).set("id", number).set("created_at", deal.created_at);
            tx.insert("deal", columns).map_err(contact_gone)?;
            deal.id = IDS.write(number);
            news::deal(tx, "deal.created", &deal, None)?;
            news::last_deal(tx, "create", &deal)?;
            Ok(deal)
        })
    }

    fn update(id: String, changes: DealChanges) -> Result<Deal, Error> {
        let number = IDS.read(&id)?;
        sql::transaction(|tx| {
            let mut deal = find(tx, number)?;
            let before = deal.stage;
            let mut fields = Fields::new();
            if changes.value.is_none() {
                check_same_places(&deal, changes.currency.as_deref(), &mut fields);
            }
            patch! {
                deal from changes:
                title, description, value, currency, stage, probability, contact_id, expected_close_date
            }
            deal.updated_at = Timestamp::now().into();
            let contact = check(tx, &mut deal, fields)?;
            tx.update("deal", number, columns(&deal, contact)).map_err(contact_gone)?;
            news::deal(tx, "deal.updated", &deal, Some(before))?;
            news::last_deal(tx, "update", &deal)?;
            Ok(deal)
        })
    }

    fn delete(id: String) -> Result<(), Error> {
        let number = IDS.read(&id)?;
        sql::transaction(|tx| {
            let deal = find(tx, number)?;
            tx.execute("DELETE FROM deal WHERE id = $1", params![number])?;
            Ok(news::deal(tx, "deal.deleted", &deal, Some(deal.stage))?)
        })
    }

    fn summary(mut currency: Option<String>) -> Result<PipelineSummary, Error> {
        let mut fields = Fields::new();
        if let Some(code) = &mut currency {
            check_currency(code, &mut fields);
        }
        fields.finish()?;
        pipeline::summary(currency)
    }
}

/// Checks the deal, brings its value to the places of its currency, and finds the number of its contact.
fn check(db: &impl Executor, deal: &mut Deal, mut fields: Fields) -> Result<Option<i64>, Error> {
    fields.required("title", &mut deal.title, 200);
    fields.optional("description", &mut deal.description, 5_000);
    if let Some(places) = check_currency(&mut deal.currency, &mut fields) {
        check_value(deal, places, &mut fields);
    }
    fields.within("probability", deal.probability, 0..=100);
    fields.optional_day("expectedCloseDate", &mut deal.expected_close_date);
    fields.optional("contactId", &mut deal.contact_id, 50);
    let contact = find_contact(db, deal.contact_id.as_deref(), &mut fields)?;
    fields.finish()?;
    Ok(contact)
}

/// Brings the code into capitals, and gives the currency's decimal places if it is one the CRM deals in.
fn check_currency(code: &mut String, fields: &mut Fields) -> Option<u8> {
    fields.required("currency", code, 50);
    code.make_ascii_uppercase();
    let places = currency::places(code);
    if places.is_none() && !code.is_empty() {
        fields.reject("currency", format!("must be an ISO 4217 code the CRM knows, such as USD or EUR, not {code:?}"));
    }
    places
}

fn check_value(deal: &mut Deal, places: u8, fields: &mut Fields) {
    let (value, limit) = (Decimal::from(deal.value), Decimal::new(MAX_AMOUNT, places));
    if value < Decimal::ZERO || value > limit {
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

fn find_contact(db: &impl Executor, id: Option<&str>, fields: &mut Fields) -> sql::Result<Option<i64>> {
    let Some(id) = id else { return Ok(None) };
    let found = match contacts::IDS.read(id) {
        Ok(number) => db.query_optional("SELECT id FROM contact WHERE id = $1", params![number])?,
        Err(_) => None,
    };
    if found.is_none() {
        fields.reject("contactId", format!("must be the id of a contact; there is no {id:?}"));
    }
    Ok(found)
}

fn matching(mut query: DealQuery, fields: &mut Fields) -> Filter {
    let mut filter = Filter::new();
    fields.optional("search", &mut query.search, 200);
    filter.and_search("search_text", query.search.as_deref());
    let mut stages = query.stage.unwrap_or_default();
    stages.sort_unstable_by_key(|stage| *stage as u8);
    stages.dedup();
    filter.and_given("stage IN ({})", stages.into_iter().map(stage_name));
    // No contact has the number 0, so what is not an id of a contact finds nothing.
    let contact = query.contact_id.map(|id| contacts::IDS.read(&id).unwrap_or(0));
    filter.and_given("contact_id = {}", contact);
    if let Some(code) = &mut query.currency {
        check_currency(code, fields);
    }
    filter.and_given("currency = {}", query.currency);
    filter
}

/// What is stored of a deal, but for what never changes.
fn columns(deal: &Deal, contact: Option<i64>) -> Columns {
    Columns::new()
        .set("title", &deal.title)
        .set("description", &deal.description)
        .set("amount", deal.value.coefficient)
        .set("currency", &deal.currency)
        .set("stage", stage_name(deal.stage))
        .set("probability", deal.probability)
        .set("contact_id", contact)
        .set("expected_close_date", &deal.expected_close_date)
        .set("search_text", sql::search_text([&deal.title, deal.description.as_deref().unwrap_or_default()]))
        .set("updated_at", deal.updated_at)
}

fn find(db: &impl Executor, number: i64) -> Result<Deal, Error> {
    let statement = format!("SELECT {COLUMNS} FROM deal WHERE id = $1");
    db.query_optional(&statement, params![number])?.ok_or_else(|| IDS.unknown(number).into())
}

impl FromRow for Deal {
    fn from_row(row: &mut Row) -> sql::Result<Self> {
        let currency: String = row.get("currency")?;
        let places = currency::places(&currency).unwrap_or(0);
        Ok(Self {
            id: IDS.write(row.get("id")?),
            title: row.get("title")?,
            description: row.get("description")?,
            value: Decimal::new(row.get("amount")?, places).into(),
            currency,
            stage: stage_named(&row.get::<String>("stage")?),
            probability: row.get("probability")?,
            contact_id: row.get::<Option<i64>>("contact_id")?.map(|number| contacts::IDS.write(number)),
            expected_close_date: row.get("expected_close_date")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

/// The contact was deleted between the look at it and the write: where the database lets others write meanwhile.
fn contact_gone(error: sql::Error) -> Error {
    error.explain(ConstraintKind::ForeignKey, || {
        Invalid::field("contactId", "must be the id of a contact; this one was just deleted").into()
    })
}
