//! `crm:contacts`: who the business deals with.

use tenon_plugin::sql::{self, Columns, ConstraintKind, Executor, Filter, FromRow, Row, Transaction, params};
use tenon_plugin::{Fields, Ids, Timestamp, patch};

use crate::exports::crm::contacts::contacts::{
    Contact, ContactChanges, ContactPage, ContactQuery, Error, Guest, NewContact,
};
use crate::{Crm, news};

/// What contacts are called: `contact-7`.
pub const IDS: Ids = Ids::of("contact");

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
        find(&sql::Database, IDS.read(&id)?)
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
            let number = IDS.next(tx)?;
            let columns = columns(&contact).set("id", number).set("created_at", contact.created_at);
            tx.insert("contact", columns).map_err(|error| email_taken(error, &contact.email))?;
            save_tags(tx, number, &contact.tags)?;
            contact.id = IDS.write(number);
            news::contact(tx, "contact.created", &contact)?;
            Ok(contact)
        })
    }

    fn update(id: String, changes: ContactChanges) -> Result<Contact, Error> {
        let number = IDS.read(&id)?;
        let retagged = changes.tags.is_some();
        sql::transaction(|tx| {
            let mut contact = find(tx, number)?;
            patch!(contact from changes: first_name, last_name, email, phone, company, position, tags);
            contact.updated_at = Timestamp::now().into();
            check(&mut contact)?;
            tx.update("contact", number, columns(&contact)).map_err(|error| email_taken(error, &contact.email))?;
            if retagged {
                tx.execute("DELETE FROM contact_tag WHERE contact_id = $1", params![number])?;
                save_tags(tx, number, &contact.tags)?;
            }
            news::contact(tx, "contact.updated", &contact)?;
            Ok(contact)
        })
    }

    fn delete(id: String) -> Result<(), Error> {
        let number = IDS.read(&id)?;
        sql::transaction(|tx| {
            let deals: u64 = tx.query_one("SELECT count(*) FROM deal WHERE contact_id = $1", params![number])?;
            if deals > 0 {
                let deals_refer = if deals == 1 { "deal refers" } else { "deals refer" };
                let fix = "first move what is to stay to another contact";
                return Err(Error::Conflict(format!("{deals} {deals_refer} to {id}; {fix}")));
            }
            let contact = find(tx, number)?;
            tx.execute("DELETE FROM contact WHERE id = $1", params![number])?;
            Ok(news::contact(tx, "contact.deleted", &contact)?)
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

fn matching(mut query: ContactQuery, fields: &mut Fields) -> Filter {
    let mut filter = Filter::new();
    fields.optional("search", &mut query.search, 200);
    filter.and_search("search_text", query.search.as_deref());
    let mut tags = query.tags.unwrap_or_default();
    fields.labels("tags", &mut tags, 50, 50);
    filter.and_given("id IN (SELECT contact_id FROM contact_tag WHERE tag IN ({}))", tags);
    filter
}

/// What is stored of a contact, but for what never changes. `email_key` keeps emails unique whatever their case.
fn columns(contact: &Contact) -> Columns {
    let Contact { first_name, last_name, email, .. } = contact;
    Columns::new()
        .set("first_name", first_name)
        .set("last_name", last_name)
        .set("email", email)
        .set("email_key", email.to_lowercase())
        .set("phone", &contact.phone)
        .set("company", &contact.company)
        .set("job_title", &contact.position)
        .set("search_text", sql::search_text([first_name, last_name, email]))
        .set("updated_at", contact.updated_at)
}

fn save_tags(tx: &Transaction, contact: i64, tags: &[String]) -> sql::Result<()> {
    let rows = tags.iter().map(|tag| [contact.into(), tag.into()]);
    tx.insert_all("contact_tag", ["contact_id", "tag"], rows)
}

fn find(db: &impl Executor, number: i64) -> Result<Contact, Error> {
    let statement =
        format!("SELECT {COLUMNS}, tag FROM contact LEFT JOIN contact_tag ON contact_id = id WHERE id = $1");
    let found = read(db.query(&statement, params![number])?)?.pop();
    found.ok_or_else(|| IDS.unknown(number).into())
}

/// The contacts in the rows, which hold one row for each tag of a contact and at least one for each contact.
fn read(rows: impl Iterator<Item = Row>) -> sql::Result<Vec<Contact>> {
    let mut contacts = sql::join(rows, "id", |contact: &mut Contact, row| {
        contact.tags.extend(row.get::<Option<String>>("tag")?);
        Ok(())
    })?;
    for contact in &mut contacts {
        contact.tags.sort_unstable();
    }
    Ok(contacts)
}

impl FromRow for Contact {
    fn from_row(row: &mut Row) -> sql::Result<Self> {
        Ok(Self {
            id: IDS.write(row.get("id")?),
            first_name: row.get("first_name")?,
            last_name: row.get("last_name")?,
            email: row.get("email")?,
            phone: row.get("phone")?,
            company: row.get("company")?,
            position: row.get("job_title")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            tags: Vec::new(),
        })
    }
}

fn email_taken(error: sql::Error, email: &str) -> Error {
    error.explain(ConstraintKind::Unique, || {
        Error::Conflict(format!("another contact has the email {email}; emails are unique, whatever their case"))
    })
}
