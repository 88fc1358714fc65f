//! Notifies whomever a test says, as often as it says, and gives the host's own word of why it could not.

#![cfg(target_family = "wasm")]

use exports::demo::notifier::notifier::{Error, Guest, Notice, To as Named};
use tenon_plugin::notifications::{self, HostError, Notification, To};
use tenon_plugin::sql;

wit_bindgen::generate!({
    inline: "
        package notifier:plugin;

        world plugin {
            export demo:notifier/notifier@1.0.0;
        }
    ",
    path: ["../wit/demo-notifier"],
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Notifier;

impl Guest for Notifier {
    fn send(to: Named, notice: Notice, count: Option<u32>) -> Result<String, Error> {
        let mut last = String::new();
        for number in 0..count.unwrap_or(1) {
            last = notification(&notice, number)?.send(named(&to))?;
        }
        Ok(last)
    }

    fn transact(to: Named, notice: Notice, count: Option<u32>, commit: bool) -> Result<String, Error> {
        let done = sql::transaction(|tx| {
            let mut last = String::new();
            for number in 0..count.unwrap_or(1) {
                last = tx.notify(named(&to), notification(&notice, number)?)?;
            }
            if commit { Ok(last) } else { Err(Undone::Asked(last)) }
        });
        match done {
            Ok(last) | Err(Undone::Asked(last)) => Ok(last),
            Err(Undone::Failed(error)) => Err(error),
        }
    }
}

fn named(to: &Named) -> To<'_> {
    match (&to.user, &to.role) {
        (Some(user), _) => To::User(user),
        (None, Some(role)) => To::Role(role),
        (None, None) => To::Everyone,
    }
}

fn notification(notice: &Notice, number: u32) -> Result<Notification, Error> {
    let title = notice.title.replace("{n}", &number.to_string());
    let mut notification = Notification::new(&notice.kind, title).body(notice.body.clone().unwrap_or_default());
    if let Some(link) = &notice.link {
        notification = notification.link(link);
    }
    match &notice.data {
        Some(data) => Ok(notification.data(data)?),
        None => Ok(notification),
    }
}

/// Why a transaction was rolled back.
enum Undone {
    Asked(String),
    Failed(Error),
}

impl From<sql::Error> for Undone {
    fn from(error: sql::Error) -> Self {
        Self::Failed(Error::Unavailable(error.to_string()))
    }
}

impl From<notifications::Error> for Undone {
    fn from(error: notifications::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Error> for Undone {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<notifications::Error> for Error {
    fn from(error: notifications::Error) -> Self {
        let why = error.to_string();
        match error {
            notifications::Error::Host(HostError::Denied(_)) => Self::Denied(why),
            notifications::Error::Host(HostError::TooLarge(_)) => Self::TooLarge(why),
            notifications::Error::Host(HostError::Quota(_)) => Self::Quota(why),
            notifications::Error::Host(HostError::Unavailable(_)) => Self::Unavailable(why),
            notifications::Error::Host(HostError::Invalid(_)) | notifications::Error::Data(_) => Self::Invalid(why),
        }
    }
}

export!(Notifier);
