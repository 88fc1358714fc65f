//! report-1: how many contacts there are, by company and by tag.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::exports::analytics::reports::reports::{CompanyCount, ContactsSummary, ReportData};
use crate::outcome::Outcome;
use crate::{CONTACTS, sources};

/// How many companies the report names as those with the most contacts.
const TOP: usize = 5;

pub fn summary() -> Outcome {
    let mut outcome = Outcome::default();
    let Some(contacts) = outcome.answer(CONTACTS, sources::all_contacts()) else { return outcome };
    let total_contacts = contacts.len() as u64;
    let mut by_company = BTreeMap::<String, u64>::new();
    let mut by_tag = BTreeMap::<String, u64>::new();
    for contact in contacts {
        for tag in contact.tags {
            *by_tag.entry(tag).or_default() += 1;
        }
        if let Some(company) = contact.company {
            *by_company.entry(company).or_default() += 1;
        }
    }

    // The sort is stable, so companies with as many contacts stay in alphabetical order.
    let mut ranked: Vec<(&String, u64)> = by_company.iter().map(|(company, count)| (company, *count)).collect();
    ranked.sort_by_key(|(_, count)| Reverse(*count));
    ranked.truncate(TOP);
    let top = |(company, count): (&String, u64)| CompanyCount { company: company.clone(), count };
    let top_companies = ranked.into_iter().map(top).collect();

    outcome.records = total_contacts;
    outcome.data = Some(ReportData::ContactsSummary(ContactsSummary {
        total_contacts,
        by_company: by_company.into_iter().collect(),
        by_tag: by_tag.into_iter().collect(),
        top_companies,
    }));
    outcome
}
