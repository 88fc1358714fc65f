//! What the reports are made from: the CRM's services. They only read, so what is unavailable is asked again.

use tenon_plugin::retry;

use crate::crm::contacts::contacts::{self, Contact, ContactQuery};
use crate::crm::deals::deals::{self, Deal, DealQuery, Stage};
use crate::outcome::Problem;
use crate::{CONTACTS, DEALS};

/// The most rows a service gives at once.
const PAGE: u32 = 200;

/// Every contact there is.
pub fn all_contacts() -> Result<Vec<Contact>, Problem> {
    all(|skip| {
        let query = ContactQuery { skip: Some(skip), take: Some(PAGE), search: None, tags: None };
        retry(|| contacts::list(&query)).map(|page| (page.items, page.total)).map_err(Problem::from)
    })
}

/// Every deal in one of these stages; in any of them, for none named.
pub fn all_deals(stages: &[Stage]) -> Result<Vec<Deal>, Problem> {
    let mut query = DealQuery { stage: Some(stages.to_vec()), ..deals_query(PAGE) };
    all(|skip| {
        query.skip = Some(skip);
        retry(|| deals::list(&query)).map(|page| (page.items, page.total)).map_err(Problem::from)
    })
}

/// The first `take` deals there are.
pub fn deals_query(take: u32) -> DealQuery {
    DealQuery { skip: None, take: Some(take), search: None, stage: None, contact_id: None, currency: None, sort: None }
}

/// The first source that cannot answer at the moment, in words. One that refuses this caller is well.
pub fn unavailable() -> Option<String> {
    let one_contact = ContactQuery { skip: None, take: Some(1), search: None, tags: None };
    if let Err(error @ contacts::Error::Unavailable(_)) = contacts::list(&one_contact) {
        return Some(Problem::from(error).0);
    }
    match deals::list(&deals_query(1)) {
        Err(error @ deals::Error::Unavailable(_)) => Some(Problem::from(error).0),
        _ => None,
    }
}

/// Every row of a list, page after page. All or nothing: figures on some of the rows would look complete.
fn all<T>(mut page: impl FnMut(u32) -> Result<(Vec<T>, u64), Problem>) -> Result<Vec<T>, Problem> {
    let (mut rows, mut total) = page(0)?;
    while (rows.len() as u64) < total {
        let (more, still) = page(rows.len() as u32)?;
        // Rows may be deleted while the pages are read: the list is over when there are no more.
        if more.is_empty() {
            break;
        }
        rows.extend(more);
        total = still;
    }
    Ok(rows)
}

macro_rules! problem_from {
    ($service:ident: $name:expr) => {
        impl From<$service::Error> for Problem {
            fn from(error: $service::Error) -> Self {
                use $service::Error::{Conflict, Denied, Invalid, NotFound, Unavailable};
                let text = match error {
                    Unavailable(why) => format!("{} is unavailable: {why}", $name),
                    Denied(why) => format!("{} denies access: {why}", $name),
                    NotFound(why) | Conflict(why) => format!("{} cannot answer: {why}", $name),
                    Invalid(fields) => {
                        let of = |field: &$service::FieldError| format!("{} {}", field.field, field.message);
                        let fields: Vec<String> = fields.iter().map(of).collect();
                        format!("{} refuses the question: {}", $name, fields.join(", "))
                    }
                };
                Self(text)
            }
        }
    };
}

problem_from!(contacts: CONTACTS);
problem_from!(deals: DEALS);
