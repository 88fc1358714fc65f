//! Shared data as it is asked to, of its own and of others, through the interface as it is. It embeds no manifest: a test
//! writes one beside the file, and so decides what it owns and reads.

#![cfg(target_family = "wasm")]

use exports::demo::sharer::sharer::{Error, Guest, Seen};
use tenon::host::shared_data as host;
use tenon::host::sql::Transaction;
use tenon_plugin::events::Unhandled;
use tenon_plugin::{Event, EventHandler, keyvalue};

wit_bindgen::generate!({
    inline: "
        package demo:sharer@1.0.0;

        interface sharer {
            variant error {
                denied(string),
                unavailable(string),
                /// What the host answered.
                refused(string),
            }

            record seen {
                value: string,
                version: u64,
                expires-in-ms: option<u64>,
            }

            set: func(namespace: string, key: string, value: string, ttl-ms: option<u64>) -> result<u64, error>;
            get: func(namespace: string, key: string) -> result<option<seen>, error>;
            /// The same; a manifest may have its answers kept.
            look: func(namespace: string, key: string) -> result<option<seen>, error>;
            /// The keys of a namespace; a manifest may have its answers kept.
            keys: func(namespace: string) -> result<list<string>, error>;
            remove: func(namespace: string, key: string) -> result<bool, error>;
            /// Sets a key of that many bytes to that many bytes.
            giant: func(namespace: string, key-bytes: u32, value-bytes: u32) -> result<u64, error>;
            /// Sets as many keys of that many bytes as it may, and says how many and what ended it.
            fill: func(namespace: string, prefix: string, bytes: u32, ttl-ms: option<u64>) -> result<string, error>;
            swap: func(namespace: string, key: string, expected: option<u64>, value: string) -> result<u64, error>;
            /// Adds one to a number through compare-and-swap, and says how often it had to.
            add: func(namespace: string, key: string) -> result<u32, error>;
            /// Sets one key and removes another in a transaction, and ends that.
            transact: func(namespace: string, key: string, value: string, gone: string, commit: bool) -> result<_, error>;
            /// Sets a key outside of the transaction that is open.
            beside: func(namespace: string, key: string) -> result<_, error>;
            /// Lists a namespace from a cursor.
            from-cursor: func(namespace: string, cursor: string) -> result<u32, error>;
            /// The data of the events that it heard.
            heard: func() -> result<list<string>, error>;
        }

        world plugin {
            import tenon:host/sql@1.0.0;
            import tenon:host/shared-data@1.0.0;
            export sharer;
        }
    ",
    path: ["../../../wit/tenon-host"],
    generate_all,
});

struct Sharer;

impl Guest for Sharer {
    fn set(namespace: String, key: String, value: String, ttl_ms: Option<u64>) -> Result<u64, Error> {
        Ok(host::set(&namespace, &key, value.as_bytes(), ttl_ms)?)
    }

    fn get(namespace: String, key: String) -> Result<Option<Seen>, Error> {
        let entry = host::get(&namespace, &key)?;
        Ok(entry.map(|entry| Seen {
            value: String::from_utf8_lossy(&entry.value).into_owned(),
            version: entry.version,
            expires_in_ms: entry.expires_in_ms,
        }))
    }

    fn look(namespace: String, key: String) -> Result<Option<Seen>, Error> {
        Self::get(namespace, key)
    }

    fn keys(namespace: String) -> Result<Vec<String>, Error> {
        let (mut keys, mut cursor) = (Vec::new(), None);
        loop {
            let page = host::list_keys(&namespace, cursor.as_deref())?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }

    fn remove(namespace: String, key: String) -> Result<bool, Error> {
        Ok(host::delete(&namespace, &key)?)
    }

    fn giant(namespace: String, key_bytes: u32, value_bytes: u32) -> Result<u64, Error> {
        Ok(host::set(&namespace, &"k".repeat(key_bytes as usize), &vec![b'x'; value_bytes as usize], None)?)
    }

    fn fill(namespace: String, prefix: String, bytes: u32, ttl_ms: Option<u64>) -> Result<String, Error> {
        let value = vec![b'x'; bytes as usize];
        for number in 0.. {
            if let Err(error) = host::set(&namespace, &format!("{prefix}{number}"), &value, ttl_ms) {
                return Ok(format!("{number}: {}", told(error)));
            }
        }
        Ok(String::new())
    }

    fn swap(namespace: String, key: String, expected: Option<u64>, value: String) -> Result<u64, Error> {
        Ok(host::compare_and_swap(&namespace, &key, expected, value.as_bytes(), None)?)
    }

    fn add(namespace: String, key: String) -> Result<u32, Error> {
        for tries in 1.. {
            let (version, value) = host::get(&namespace, &key)?.map(|entry| (entry.version, entry.value)).unzip();
            let number = value.map_or(0, |value| String::from_utf8_lossy(&value).parse::<u64>().unwrap());
            match host::compare_and_swap(&namespace, &key, version, (number + 1).to_string().as_bytes(), None) {
                Ok(_) => return Ok(tries),
                Err(host::Error::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(0)
    }

    fn transact(namespace: String, key: String, value: String, gone: String, commit: bool) -> Result<(), Error> {
        let transaction = begin()?;
        host::set_in(&transaction, &namespace, &key, value.as_bytes(), None)?;
        host::delete_in(&transaction, &namespace, &gone)?;
        match commit {
            true => Transaction::commit(transaction).map_err(|error| Error::Refused(format!("{error:?}"))),
            false => {
                Transaction::rollback(transaction);
                Ok(())
            }
        }
    }

    fn beside(namespace: String, key: String) -> Result<(), Error> {
        let transaction = begin()?;
        let set = host::set(&namespace, &key, b"x", None);
        drop(transaction);
        Ok(set.map(drop)?)
    }

    fn from_cursor(namespace: String, cursor: String) -> Result<u32, Error> {
        Ok(host::list_keys(&namespace, Some(&cursor))?.keys.len() as u32)
    }

    fn heard() -> Result<Vec<String>, Error> {
        let heard = keyvalue::open("heard").and_then(|heard| {
            let keys = heard.keys().collect::<keyvalue::Result<Vec<_>>>()?;
            keys.iter().map(|key| Ok(heard.text(key)?.unwrap_or_default())).collect()
        });
        heard.map_err(|error| Error::Unavailable(error.to_string()))
    }
}

impl EventHandler for Sharer {
    fn handle(event: Event) -> Result<(), Unhandled> {
        let heard = keyvalue::open("heard").and_then(|heard| heard.set(&event.id, &event.json));
        heard.map_err(|error| Unhandled::Retry(error.to_string()))
    }
}

tenon_plugin::event_handler!(Sharer);

fn begin() -> Result<Transaction, Error> {
    Transaction::begin().map_err(|error| Error::Refused(format!("{error:?}")))
}

fn told(error: host::Error) -> String {
    match error {
        host::Error::Denied(why) => format!("denied: {why}"),
        host::Error::Invalid(why) => format!("invalid: {why}"),
        host::Error::TooLarge(why) => format!("too large: {why}"),
        host::Error::Quota(why) => format!("quota: {why}"),
        host::Error::Conflict(version) => format!("conflict: {version:?}"),
        host::Error::Unavailable(why) => format!("unavailable: {why}"),
    }
}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        Self::Refused(told(error))
    }
}

export!(Sharer);
