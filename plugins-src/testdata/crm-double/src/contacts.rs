//! `crm:contacts`, made up.

use crate::exports::crm::contacts::contacts::{
    Contact, ContactChanges, ContactPage, ContactQuery, Error, Guest, NewContact,
};
use crate::{CREATED, Double, admit, number, page};

impl Guest for Double {
    fn list(query: ContactQuery) -> Result<ContactPage, Error> {
        let stock = admit().map_err(Error::Denied)?;
        let matches = |contact: &Contact| {
            let text = format!("{}\n{}\n{}", contact.first_name, contact.last_name, contact.email).to_lowercase();
            let found = query.search.as_ref().is_none_or(|search| text.contains(&search.to_lowercase()));
            let tags = query.tags.as_deref().unwrap_or_default();
            found && (tags.is_empty() || contact.tags.iter().any(|tag| tags.contains(tag)))
        };
        let all = (1..=stock.contacts).map(contact).filter(matches).collect();
        let (items, total) = page(all, query.skip, query.take);
        Ok(ContactPage { items, total })
    }

    fn get(id: String) -> Result<Contact, Error> {
        let stock = admit().map_err(Error::Denied)?;
        number(&id, "contact", stock.contacts).map(contact).ok_or_else(|| not_found(&id))
    }

    fn create(new: NewContact) -> Result<Contact, Error> {
        let stock = admit().map_err(Error::Denied)?;
        Ok(Contact {
            first_name: new.first_name,
            last_name: new.last_name,
            email: new.email,
            phone: new.phone,
            company: new.company,
            position: new.position,
            tags: new.tags.unwrap_or_default(),
            ..contact(stock.contacts + 1)
        })
    }

    fn update(id: String, changes: ContactChanges) -> Result<Contact, Error> {
        let before = Self::get(id)?;
        Ok(Contact {
            first_name: changes.first_name.unwrap_or(before.first_name),
            last_name: changes.last_name.unwrap_or(before.last_name),
            email: changes.email.unwrap_or(before.email),
            phone: changes.phone.or(before.phone),
            company: changes.company.or(before.company),
            position: changes.position.or(before.position),
            tags: changes.tags.unwrap_or(before.tags),
            ..before
        })
    }

    fn delete(id: String) -> Result<(), Error> {
        Self::get(id).map(drop)
    }
}

fn contact(number: u32) -> Contact {
    Contact {
        id: format!("contact-{number}"),
        first_name: "Double".to_owned(),
        last_name: format!("Number {number}"),
        email: format!("double-{number}@example.com"),
        phone: None,
        company: Some(format!("Company {}", number % 50)),
        position: None,
        tags: vec!["customer".to_owned(), "double".to_owned()],
        created_at: CREATED.into(),
        updated_at: CREATED.into(),
    }
}

fn not_found(id: &str) -> Error {
    Error::NotFound(format!("there is no contact {id:?}"))
}
