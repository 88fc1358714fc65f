//! report-4: what each contact has brought with the deals that were won.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use tenon_plugin::Decimal;
use tenon_plugin::decimal::OutOfRange;

use crate::crm::contacts::contacts::Contact;
use crate::crm::deals::deals::{Deal, Stage};
use crate::exports::analytics::reports::reports::{CustomerLifetimeValue, CustomerValue, ReportData};
use crate::outcome::{Outcome, Problem};
use crate::{CONTACTS, DEALS, sources};

/// Amounts by the code of their currency.
type Amounts = BTreeMap<String, Decimal>;

/// What the deals say of one contact.
#[derive(Default)]
struct Customer {
    name: Option<String>,
    company: Option<String>,
    won: Amounts,
    deals: u64,
}

pub fn value() -> Outcome {
    let mut outcome = Outcome::default();
    // Without deals nobody has a value; without contacts the values are there, only their names are missing.
    let Some(deals) = outcome.answer(DEALS, sources::all_deals(&[])) else { return outcome };
    let contacts = outcome.answer(CONTACTS, sources::all_contacts());
    outcome.records = deals.len() as u64 + contacts.as_ref().map_or(0, |contacts| contacts.len() as u64);
    let report = report(contacts.unwrap_or_default(), deals).map_err(Problem::from);
    outcome.data = outcome.keep(report).map(ReportData::CustomerLifetimeValue);
    outcome
}

fn report(contacts: Vec<Contact>, deals: Vec<Deal>) -> Result<CustomerLifetimeValue, OutOfRange> {
    let mut customers: BTreeMap<String, Customer> = contacts.into_iter().map(customer).collect();
    let mut totals = Amounts::new();
    for deal in deals {
        let Some(contact) = deal.contact_id else { continue };
        let customer = customers.entry(contact).or_default();
        customer.deals += 1;
        if deal.stage == Stage::Won {
            let value = Decimal::from(deal.value);
            add(&mut totals, &deal.currency, value)?;
            add(&mut customer.won, &deal.currency, value)?;
        }
    }

    let count = customers.len() as u64;
    let average = |(code, total): (String, Decimal)| Ok((code, total.shared_by(count)?.into()));
    let avg_lifetime_value = totals.into_iter().map(average).collect::<Result<_, OutOfRange>>()?;
    let mut customers: Vec<(String, Customer)> = customers.into_iter().collect();
    // Ids hold a rising number: by length and then by text, they are in the order of creation.
    let created = |id: &str, other: &str| id.len().cmp(&other.len()).then_with(|| id.cmp(other));
    customers
        .sort_by(|(id, one), (other_id, other)| most_valuable_first(one, other).then_with(|| created(id, other_id)));
    Ok(CustomerLifetimeValue { contacts: customers.into_iter().map(exported).collect(), avg_lifetime_value })
}

fn customer(contact: Contact) -> (String, Customer) {
    let name = format!("{} {}", contact.first_name, contact.last_name);
    (contact.id, Customer { name: Some(name), company: contact.company, ..Customer::default() })
}

fn add(amounts: &mut Amounts, currency: &str, value: Decimal) -> Result<(), OutOfRange> {
    match amounts.get_mut(currency) {
        Some(amount) => *amount = amount.checked_add(value)?,
        None => {
            amounts.insert(currency.to_owned(), value);
        }
    }
    Ok(())
}

/// Amounts of different currencies do not compare, so customers are ranked currency by currency, in the order
/// of the codes: first by what they brought in the first, then in the next.
fn most_valuable_first(one: &Customer, other: &Customer) -> Ordering {
    let codes: BTreeSet<&String> = one.won.keys().chain(other.won.keys()).collect();
    codes
        .into_iter()
        .map(|code| other.won.get(code).cmp(&one.won.get(code)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn exported((contact_id, customer): (String, Customer)) -> CustomerValue {
    CustomerValue {
        contact_id,
        contact_name: customer.name,
        company: customer.company,
        lifetime_value: customer.won.into_iter().map(|(code, value)| (code, value.into())).collect(),
        deal_count: customer.deals,
    }
}
