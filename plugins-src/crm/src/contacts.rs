//! `crm:contacts`: who the business deals with.

use tenon_plugin::sql::{self, ConstraintKind, Executor, Filter, Row, Transaction, Value, params};
use tenon_plugin::{Fields, Timestamp};

use crate::exports::crm::contacts::contacts::{
    Contact, ContactChanges, ContactPage, ContactQuery, Error, Guest, NewContact,
};
use crate::{Crm, ids};

const COLUMNS: &str = "id, first_name, last_name, email, phone, company, job_title, created_at, updated_at";

impl Guest for Crm {
    fn list(query: ContactQuery) -> Result<ContactPage, Error> {
        let mut fields = Fields::new();
        let page = fields.page(query.skip, query.take);
        let matching = matching(query, &mut fields);
        fields.finish()?;

        let (rows, total) = sql::page("contact", matching, page, |condition, total, limit| {
            format!(
                "WITH page AS (SELECT {COLUMNS}, {total} AS total FROM contact {condition} ORDER BY id {limit})
                 SELECT {COLUMNS}, tag, total FROM page LEFT JOIN contact_tag ON contact_id = id ORDER BY id"
            )
        })?;
        Ok(ContactPage { items: read(rows)?, total })
    }

    fn get(id: String) -> Result<Contact, Error> {
        find(&sql::Database, &id)
    }

    fn create(new: NewContact) -> Result<Contact, Error> {
        let now = Timestamp::now().into();
        let mut contact = Contact {
            id: String::new(),
            first_name: new.first_name,
            last_name: new.last_name,
            email: new.email,
            phone: new.phone,
            company: new.company,
            position: new.position,
            tags: new.tags.unwrap_or_default(),
            created_at: now,
            updated_at: now,
        };
        check(&mut contact)?;
        sql::transaction(|tx| {
            let number = ids::next(tx, ids::CONTACT)?;
            tx.execute(
                "INSERT INTO contact (first_name, last_name, email, email_key, phone, company, job_title,
                                      search_text, updated_at, id, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9)",
                &column_values(&contact, number),
            )
            .map_err(|error| email_taken(error, &contact.email))?;
            save_tags(tx, number, &contact.tags)?;
            Ok(Contact { id: ids::write(ids::CONTACT, number), ..contact })
        })
    }

    fn update(id: String, changes: ContactChanges) -> Result<Contact, Error> {
        let number = ids::read(ids::CONTACT, &id).ok_or_else(|| not_found(&id))?;
        sql::transaction(|tx| {
            let before = find(tx, &id)?;
            let retagged = changes.tags.is_some();
            let mut contact = Contact {
                first_name: changes.first_name.unwrap_or(before.first_name),
                last_name: changes.last_name.unwrap_or(before.last_name),
                email: changes.email.unwrap_or(before.email),
                phone: changes.phone.or(before.phone),
                company: changes.company.or(before.company),
                position: changes.position.or(before.position),
                tags: changes.tags.unwrap_or(before.tags),
                updated_at: Timestamp::now().into(),
                ..before
            };
            check(&mut contact)?;
            tx.execute(
                "UPDATE contact SET first_name = $1, last_name = $2, email = $3, email_key = $4, phone = $5,
                        company = $6, job_title = $7, search_text = $8, updated_at = $9
                 WHERE id = $10",
                &column_values(&contact, number),
            )
            .map_err(|error| email_taken(error, &contact.email))?;
            if retagged {
                tx.execute("DELETE FROM contact_tag WHERE contact_id = $1", params![number])?;
                save_tags(tx, number, &contact.tags)?;
            }
            Ok(contact)
        })
    }

    fn delete(id: String) -> Result<(), Error> {
        let number = ids::read(ids::CONTACT, &id).ok_or_else(|| not_found(&id))?;
        sql::transaction(|tx| {
            let deals: u64 = tx.query_one("SELECT count(*) FROM deal WHERE contact_id = $1", params![number])?;
            if deals > 0 {
                let deals_refer = if deals == 1 { "deal refers" } else { "deals refer" };
                let fix = "first move what is to stay to another contact";
                return Err(Error::Conflict(format!("{deals} {deals_refer} to {id}; {fix}")));
            }
            match tx.execute("DELETE FROM contact WHERE id = $1", params![number])? {
                0 => Err(not_found(&id)),
                _ => Ok(()),
            }
        })
    }
}

fn check(contact: &mut Contact) -> Result<(), Error> {
    let mut fields = Fields::new();
    fields.required("firstName", &mut contact.first_name, 100);
    fields.required("lastName", &mut contact.last_name, 100);
    fields.email("email", &mut contact.email);
    fields.optional("phone", &mut contact.phone, 50);
    fields.optional("company", &mut contact.company, 200);
    fields.optional("position", &mut contact.position, 100);
    fields.labels("tags", &mut contact.tags, 50, 50);
    Ok(fields.finish()?)
}

/// The conditions of a query. What people search for is compared in lower case made here, because databases
/// differ in which letters they know the case of.
fn matching(mut query: ContactQuery, fields: &mut Fields) -> Filter {
    let mut filter = Filter::new();
    fields.optional("search", &mut query.search, 200);
    if let Some(search) = query.search {
        filter.and(r"search_text LIKE {} ESCAPE '\'", [sql::contains_pattern(&search.to_lowercase())]);
    }
    let mut tags = query.tags.unwrap_or_default();
    fields.labels("tags", &mut tags, 50, 50);
    if !tags.is_empty() {
        filter.and("id IN (SELECT contact_id FROM contact_tag WHERE tag IN ({}))", tags);
    }
    filter
}

/// The columns in the order both writing statements number them; `search_text` holds what a search looks
/// through, one line each, so that nothing is found across two of them.
fn column_values(contact: &Contact, number: i64) -> [Value; 10] {
    let Contact { first_name, last_name, email, .. } = contact;
    [
        first_name.into(),
        last_name.into(),
        email.into(),
        email.to_lowercase().into(),
        (&contact.phone).into(),
        (&contact.company).into(),
        (&contact.position).into(),
        format!("{first_name}\n{last_name}\n{email}").to_lowercase().into(),
        Timestamp::from(contact.updated_at).as_micros().into(),
        number.into(),
    ]
}

fn save_tags(tx: &Transaction, contact: i64, tags: &[String]) -> sql::Result<()> {
    if tags.is_empty() {
        return Ok(());
    }
    let rows: Vec<String> = (2..tags.len() + 2).map(|i| format!("($1, ${i})")).collect();
    let statement = format!("INSERT INTO contact_tag (contact_id, tag) VALUES {}", rows.join(", "));
    let parameters: Vec<Value> = std::iter::once(contact.into()).chain(tags.iter().map(Value::from)).collect();
    tx.execute(&statement, &parameters).map(drop)
}

fn find(db: &impl Executor, id: &str) -> Result<Contact, Error> {
    let number = ids::read(ids::CONTACT, id).ok_or_else(|| not_found(id))?;
    let statement =
        format!("SELECT {COLUMNS}, tag FROM contact LEFT JOIN contact_tag ON contact_id = id WHERE id = $1");
    read(db.query(&statement, params![number])?)?.pop().ok_or_else(|| not_found(id))
}

/// The contacts in the rows, which hold one row for each tag of a contact and at least one for each contact.
fn read(rows: impl Iterator<Item = Row>) -> sql::Result<Vec<Contact>> {
    let mut contacts: Vec<Contact> = Vec::new();
    let mut last = None;
    for mut row in rows {
        let number: i64 = row.get("id")?;
        if last != Some(number) {
            contacts.push(read_one(number, &mut row)?);
            last = Some(number);
        }
        if let (Some(contact), Some(tag)) = (contacts.last_mut(), row.get("tag")?) {
            contact.tags.push(tag);
        }
    }
    for contact in &mut contacts {
        contact.tags.sort_unstable();
    }
    Ok(contacts)
}

fn read_one(number: i64, row: &mut Row) -> sql::Result<Contact> {
    Ok(Contact {
        id: ids::write(ids::CONTACT, number),
        first_name: row.get("first_name")?,
        last_name: row.get("last_name")?,
        email: row.get("email")?,
        phone: row.get("phone")?,
        company: row.get("company")?,
        position: row.get("job_title")?,
        created_at: Timestamp::from_micros(row.get("created_at")?).into(),
        updated_at: Timestamp::from_micros(row.get("updated_at")?).into(),
        tags: Vec::new(),
    })
}

fn not_found(id: &str) -> Error {
    Error::NotFound(format!("there is no contact {id:?}"))
}

fn email_taken(error: sql::Error, email: &str) -> Error {
    if error.violates(ConstraintKind::Unique) {
        return Error::Conflict(format!(
            "another contact has the email {email}; emails are unique, whatever their case"
        ));
    }
    error.into()
}
