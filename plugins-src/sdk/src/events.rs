//! Telling other plugins what has happened, and hearing it from them.
//!
//! A topic that a plugin publishes stands in its manifest under `publishes`, one that it hears under `hooks`. Published in
//! a transaction an event is told of if and only if the transaction commits:
//!
//! ```ignore
//! sql::transaction(|tx| {
//!     tx.update("deal", number, columns)?;
//!     tx.publish("deal.won", &Won { id, value })?;
//!     Ok(deal)
//! })
//! ```
//!
//! It reaches each subscriber at least once. So a handler makes its changes in a transaction that begins with
//! [`Event::once`], and then its effect is there once:
//!
//! ```ignore
//! impl EventHandler for Bonus {
//!     fn handle(event: Event) -> Result<(), Unhandled> {
//!         let won: Won = event.data()?;
//!         sql::transaction(|tx| {
//!             if event.once(tx)? {
//!                 tx.execute("UPDATE bonus SET points = points + 1", &[])?;
//!             }
//!             Ok(())
//!         })
//!     }
//! }
//!
//! tenon_plugin::event_handler!(Bonus);
//! ```

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::tenon::host::events::Error as HostError;

use crate::bindings::tenon::host::events as host;
use crate::decimal::OutOfRange;
use crate::sql::{self, Transaction};

pub type Result<T> = std::result::Result<T, Error>;

/// Why an event was not published.
#[derive(Debug)]
pub enum Error {
    /// The host refused it or could not take it.
    Host(HostError),
    /// Its data cannot be written as JSON.
    Data(serde_json::Error),
}

/// Publishes an event and returns its id; it is on disk then. Within a transaction use [`Transaction::publish`].
pub fn publish(topic: &str, data: &impl Serialize) -> Result<String> {
    Draft::new(topic, data)?.publish()
}

/// An event that is to be published, where more than topic and data is to be said.
pub struct Draft(host::Event);

impl Draft {
    pub fn new(topic: &str, data: &impl Serialize) -> Result<Self> {
        let data = serde_json::to_string(data).map_err(Error::Data)?;
        Ok(Self(host::Event { topic: topic.to_owned(), key: None, subject: None, data }))
    }

    /// Events of the same key are handled one after the other, in the order in which they were published.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.key = Some(key.into());
        self
    }

    /// What it happened to.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.0.subject = Some(subject.into());
        self
    }

    /// Publishes it and returns its id; it is on disk then.
    pub fn publish(self) -> Result<String> {
        host::publish(&self.0).map_err(Error::Host)
    }

    /// Publishes it if the transaction commits, and returns the id that it has then.
    pub fn publish_in(self, transaction: &Transaction) -> Result<String> {
        host::publish_in(&transaction.0, &self.0).map_err(Error::Host)
    }
}

impl Error {
    /// What the plugin's caller may know: that nothing can be told at the moment, and nothing about a fault in the plugin,
    /// which goes to standard error.
    pub fn for_caller(&self) -> String {
        match self {
            Self::Host(HostError::Quota(_) | HostError::Hops(_) | HostError::Unavailable(_)) => self.to_string(),
            _ => {
                eprintln!("an event was not published: {self}");
                "the plugin could not tell others of it; its log says why".to_owned()
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(HostError::Hops(most)) => {
                write!(f, "{most} events have caused each other, and no chain may be longer")
            }
            Self::Host(
                HostError::Denied(why) | HostError::Invalid(why) | HostError::Quota(why) | HostError::Unavailable(why),
            ) => f.write_str(why),
            Self::Data(error) => write!(f, "the data of the event cannot be written as JSON: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// An event that a plugin hears.
#[derive(Debug, Clone)]
pub struct Event {
    /// The same whenever it is delivered.
    pub id: String,
    /// Who tells it: `/plugins/<id>`, `/host`, or `/external/<name>`.
    pub source: String,
    pub topic: String,
    pub subject: Option<String>,
    pub key: Option<String>,
    /// When it was published, as RFC 3339 writes it.
    pub time: String,
    /// One JSON value; [`Event::data`] reads it.
    pub json: String,
    pub correlation_id: String,
    /// How many events caused each other up to this one.
    pub hops: u8,
    /// From 1.
    pub attempt: u32,
}

impl Event {
    /// The data as a type. What cannot be read so can never be handled.
    pub fn data<T: DeserializeOwned>(&self) -> std::result::Result<T, Unhandled> {
        serde_json::from_str(&self.json).map_err(|error| Unhandled::Reject(format!("its data cannot be read: {error}")))
    }

    /// Notes in the transaction that this event is being handled. False if an earlier delivery did that and committed: then
    /// everything is done already.
    pub fn once(&self, transaction: &Transaction) -> Result<bool> {
        host::first_time_in(&transaction.0, &self.id).map_err(Error::Host)
    }
}

/// Why an event was not handled.
///
/// Through `?` it comes of every error of this crate, and of `unavailable` of a service that
/// [`service_types!`](crate::service_types) was told of with `Unavailable`: [`Retry`](Self::Retry) where the same can
/// succeed later, [`Reject`](Self::Reject) where the manifest or the code has to change first.
#[derive(Debug, PartialEq, Eq)]
pub enum Unhandled {
    /// Not now: it is delivered again, later.
    Retry(String),
    /// Never: it goes to the dead letters.
    Reject(String),
}

impl From<sql::Error> for Unhandled {
    fn from(error: sql::Error) -> Self {
        Self::Retry(error.to_string())
    }
}

impl From<Error> for Unhandled {
    fn from(error: Error) -> Self {
        match error {
            Error::Host(HostError::Quota(_) | HostError::Unavailable(_)) => Self::Retry(error.to_string()),
            _ => Self::Reject(error.to_string()),
        }
    }
}

/// A sum that is too large stays so.
impl From<OutOfRange> for Unhandled {
    fn from(error: OutOfRange) -> Self {
        Self::Reject(error.to_string())
    }
}

/// What a plugin does when it hears of something. Exported by [`event_handler!`](crate::event_handler!).
pub trait EventHandler {
    /// Handles one event, which may come more than once.
    fn handle(event: Event) -> std::result::Result<(), Unhandled>;
}

/// Exports a type's [`EventHandler`] as `tenon:plugin/event-handler`. The plugin's own world need not speak of it; the
/// crate `wit-bindgen` must be among the plugin's dependencies, as it is for that world.
#[macro_export]
macro_rules! event_handler {
    ($plugin:ident) => {
        mod tenon_event_handler {
            use super::$plugin;

            ::wit_bindgen::generate!({
                inline: "
                    package tenon:plugin@1.0.0;

                    interface event-handler {
                        record event {
                            id: string,
                            source: string,
                            spec-version: string,
                            topic: string,
                            subject: option<string>,
                            key: option<string>,
                            time: string,
                            data-content-type: string,
                            data: string,
                            tenant: string,
                            correlation-id: string,
                            hops: u8,
                            attempt: u32,
                        }

                        variant error {
                            retry(string),
                            reject(string),
                        }

                        handle: func(event: event) -> result<_, error>;
                    }

                    world with-event-handler {
                        export event-handler;
                    }
                ",
            });

            use exports::tenon::plugin::event_handler::{Error, Event, Guest};

            struct Exported;

            impl Guest for Exported {
                fn handle(event: Event) -> Result<(), Error> {
                    let event = $crate::Event {
                        id: event.id,
                        source: event.source,
                        topic: event.topic,
                        subject: event.subject,
                        key: event.key,
                        time: event.time,
                        json: event.data,
                        correlation_id: event.correlation_id,
                        hops: event.hops,
                        attempt: event.attempt,
                    };
                    <$plugin as $crate::EventHandler>::handle(event).map_err(|unhandled| match unhandled {
                        $crate::events::Unhandled::Retry(why) => Error::Retry(why),
                        $crate::events::Unhandled::Reject(why) => Error::Reject(why),
                    })
                }
            }

            self::export!(Exported);
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, http, keyvalue, notifications, shared_data};

    /// The interface of a service that a plugin calls, as `wit_bindgen` writes it.
    mod shop {
        #[derive(Debug)]
        pub enum Error {
            NotFound(String),
            Unavailable(String),
        }
    }

    crate::service_types! {
        crate::events::tests::shop: Unavailable;
    }

    fn is_tried_again(error: impl Into<Unhandled>) -> bool {
        matches!(error.into(), Unhandled::Retry(_))
    }

    #[test]
    fn what_can_pass_is_tried_again_and_nothing_else() {
        let text = || "why".to_owned();
        let passing: [Unhandled; 15] = [
            sql::Error::Host(sql::HostError::Busy).into(),
            Error::Host(HostError::Quota(text())).into(),
            notifications::Error::Host(notifications::HostError::Quota(text())).into(),
            notifications::Error::Host(notifications::HostError::Unavailable(text())).into(),
            shared_data::Error::Host(shared_data::HostError::Unavailable(text())).into(),
            keyvalue::Error::Busy.into(),
            keyvalue::Error::Quota(text()).into(),
            keyvalue::Error::Other("unavailable: the disk is full".to_owned()).into(),
            config::Error::Missing { key: text() }.into(),
            config::Error::Unavailable { key: text(), why: text() }.into(),
            http::Error::Timeout.into(),
            http::Error::Quota(text()).into(),
            http::Error::Status(429).into(),
            http::Error::Status(503).into(),
            shop::Error::Unavailable(text()).into(),
        ];
        for unhandled in passing {
            assert!(is_tried_again(unhandled));
        }
        let size = notifications::Size { part: "title".to_owned(), bytes: 300, most: 200 };
        let lasting: [Unhandled; 13] = [
            Error::Host(HostError::Hops(8)).into(),
            notifications::Error::Host(notifications::HostError::Denied(text())).into(),
            notifications::Error::Host(notifications::HostError::Invalid(text())).into(),
            notifications::Error::Host(notifications::HostError::TooLarge(size)).into(),
            shared_data::Error::Host(shared_data::HostError::Denied(text())).into(),
            keyvalue::Error::NoSuchStore.into(),
            keyvalue::Error::Value { key: text(), expected: "a text" }.into(),
            config::Error::Type { key: text(), expected: "a text" }.into(),
            http::Error::Denied.into(),
            http::Error::Status(404).into(),
            http::Error::Json(text()).into(),
            OutOfRange.into(),
            shop::Error::NotFound(text()).into(),
        ];
        for unhandled in lasting {
            assert!(!is_tried_again(unhandled));
        }
    }

    #[test]
    fn the_reason_of_a_service_is_kept() {
        let unhandled = Unhandled::from(shop::Error::Unavailable("the shop is closed".to_owned()));
        assert_eq!(unhandled, Unhandled::Retry("the shop is closed".to_owned()));
        let Unhandled::Reject(why) = shop::Error::NotFound("item-7".to_owned()).into() else { panic!("tried again") };
        assert!(why.contains("item-7"), "{why}");
    }
}
