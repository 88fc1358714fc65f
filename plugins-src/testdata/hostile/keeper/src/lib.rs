//! Keeps more under keys than it may, asks for more than there is, and tells what it sees. Through the interfaces as
//! they are, of either draft, without the face that the SDK gives them.

#![cfg(target_family = "wasm")]

use exports::hostile::keeper::keeper::{Error, Guest};
use tenon::host::shared_data;
use tenon::host::sql::Transaction;
use wasi::config::store as settings;
use wasi::keyvalue0_2_0_draft as old;
use wasi::keyvalue0_2_0_draft2::atomics::{Cas, CasError};
use wasi::keyvalue0_2_0_draft2::{atomics, batch, store};
use wasi::logging::logging::{Level, log};

wit_bindgen::generate!({
    inline: "
        package hostile:keeper@1.0.0;

        interface keeper {
            variant error {
                denied(string),
                unavailable(string),
                /// What the host answered.
                refused(string),
            }

            /// Sets a key to that many bytes.
            set: func(bucket: string, key: string, bytes: u32) -> result<_, error>;
            /// How many bytes there are under a key.
            get: func(bucket: string, key: string) -> result<option<u32>, error>;
            /// Sets as many keys of that many bytes as it may, and says how many and what ended it.
            fill: func(prefix: string, bytes: u32) -> result<string, error>;
            /// Sets and reads that many keys of that many bytes at once.
            batch: func(prefix: string, count: u32, bytes: u32) -> result<u32, error>;
            /// Lists a bucket, page by page, and says how many pages and keys there are.
            list-all: func(bucket: string) -> result<tuple<u32, u32>, error>;
            /// Adds one to a number through compare-and-swap, and says how often it had to.
            swap: func(key: string) -> result<u32, error>;
            /// Sets a key between looking at it and swapping it; says whether the swap was refused.
            race: func(key: string) -> result<bool, error>;
            /// Swaps through a cursor, a handle and a name that are none.
            stale: func(cursor: string) -> result<_, error>;
            /// Does everything that the older draft has, and says what came of it.
            old: func(key: string) -> result<list<string>, error>;
            /// Opens that many buckets and keeps them.
            hold: func(count: u32) -> result<u32, error>;
            /// Sets a key while a transaction is open.
            in-transaction: func(key: string) -> result<_, error>;
            /// Logs a message of that many bytes so often, at each level.
            log: func(message: string, bytes: u32, times: u32) -> result<_, error>;
            /// Sets a key of shared data to that many bytes.
            share: func(namespace: string, key: string, bytes: u32) -> result<_, error>;
            /// Reads one.
            read-shared: func(namespace: string, key: string) -> result<option<u32>, error>;
            /// Sets as many as it may, and says how many and what ended it.
            share-all: func(namespace: string, prefix: string, bytes: u32) -> result<string, error>;
            /// Adds one to a number in shared data through compare-and-swap, and says how often it had to.
            share-swap: func(namespace: string, key: string) -> result<u32, error>;
            /// All that it can read of its configuration.
            config: func() -> result<list<tuple<string, string>>, error>;
        }

        world plugin {
            import tenon:host/sql@1.0.0;
            import tenon:host/shared-data@1.0.0;
            import wasi:config/store@0.2.0-rc.1;
            import wasi:logging/logging@0.1.0-draft;
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasi:keyvalue/batch@0.2.0-draft;
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/atomics@0.2.0-draft2;
            import wasi:keyvalue/batch@0.2.0-draft2;
            export keeper;
        }
    ",
    path: [
        "../../../../wit/tenon-host",
        "../../../../wit/wasi-config",
        "../../../../wit/wasi-logging",
        "../../../../wit/wasi-keyvalue-draft",
        "../../../../wit/wasi-keyvalue",
    ],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Keeper;

fn bucket() -> Result<store::Bucket, Error> {
    Ok(store::open("default")?)
}

impl Guest for Keeper {
    fn set(bucket: String, key: String, bytes: u32) -> Result<(), Error> {
        Ok(store::open(&bucket)?.set(&key, &vec![b'x'; bytes as usize])?)
    }

    fn get(bucket: String, key: String) -> Result<Option<u32>, Error> {
        Ok(store::open(&bucket)?.get(&key)?.map(|value| value.len() as u32))
    }

    fn fill(prefix: String, bytes: u32) -> Result<String, Error> {
        let (bucket, value) = (bucket()?, vec![b'x'; bytes as usize]);
        for number in 0.. {
            if let Err(store::Error::Other(why)) = bucket.set(&format!("{prefix}{number}"), &value) {
                return Ok(format!("{number}: {why}"));
            }
        }
        Ok(String::new())
    }

    fn batch(prefix: String, count: u32, bytes: u32) -> Result<u32, Error> {
        let (bucket, value) = (bucket()?, vec![b'x'; bytes as usize]);
        let keys: Vec<String> = (0..count).map(|number| format!("{prefix}{number}")).collect();
        let entries: Vec<_> = keys.iter().map(|key| (key.clone(), value.clone())).collect();
        batch::set_many(&bucket, &entries)?;
        let found = batch::get_many(&bucket, &keys)?;
        let there = found.iter().flatten().filter(|(_, found)| *found == value).count() as u32;
        batch::delete_many(&bucket, &keys)?;
        Ok(there)
    }

    fn list_all(bucket: String) -> Result<(u32, u32), Error> {
        let bucket = store::open(&bucket)?;
        let (mut pages, mut keys, mut cursor) = (0, 0, None);
        loop {
            let page = bucket.list_keys(cursor.as_deref())?;
            pages += 1;
            keys += page.keys.len() as u32;
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok((pages, keys));
            }
        }
    }

    fn swap(key: String) -> Result<u32, Error> {
        let mut cas = Cas::new(&bucket()?, &key)?;
        for tries in 1.. {
            let number = cas.current()?.map_or(Ok(0), |value| String::from_utf8_lossy(&value).parse::<u64>());
            let number = number.map_err(|error| Error::Refused(error.to_string()))?;
            match atomics::swap(cas, (number + 1).to_string().as_bytes()) {
                Ok(()) => return Ok(tries),
                Err(CasError::CasFailed(anew)) => cas = anew,
                Err(CasError::StoreError(error)) => return Err(error.into()),
            }
        }
        Ok(0)
    }

    fn race(key: String) -> Result<bool, Error> {
        let bucket = bucket()?;
        let cas = Cas::new(&bucket, &key)?;
        bucket.set(&key, b"another's")?;
        let seen = cas.current()?;
        let swapped = atomics::swap(cas, b"mine");
        Ok(matches!(swapped, Err(CasError::CasFailed(_))) && seen.as_deref() == Some(b"another's"))
    }

    fn stale(cursor: String) -> Result<(), Error> {
        bucket()?.list_keys(Some(&cursor))?;
        Ok(())
    }

    fn old(key: String) -> Result<Vec<String>, Error> {
        let bucket = old::store::open("default")?;
        let mut told = Vec::new();
        bucket.set(&key, b"41")?;
        told.push(format!("sum {}", old::atomics::increment(&bucket, &key, 1)?));
        told.push(format!("get {:?}", bucket.get(&key)?.map(|value| String::from_utf8_lossy(&value).into_owned())));
        told.push(format!("over {:?}", old::atomics::increment(&bucket, &key, u64::MAX)));
        let pairs = [(format!("{key}-1"), b"1".to_vec()), (format!("{key}-2"), b"2".to_vec())];
        old::batch::set_many(&bucket, &pairs)?;
        let keys: Vec<String> = pairs.iter().map(|(key, _)| key.clone()).chain(["none".to_owned()]).collect();
        told.push(format!("many {}", old::batch::get_many(&bucket, &keys)?.iter().flatten().count()));
        let (mut cursor, mut listed) = (None, 0);
        loop {
            let page = bucket.list_keys(cursor)?;
            listed += page.keys.iter().filter(|listed| listed.starts_with(&key)).count();
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        told.push(format!("listed {listed}"));
        old::batch::delete_many(&bucket, &keys)?;
        bucket.delete(&key)?;
        told.push(format!("exists {}", bucket.exists(&key)?));
        Ok(told)
    }

    fn hold(count: u32) -> Result<u32, Error> {
        let held: Result<Vec<store::Bucket>, _> = (0..count).map(|_| store::open("default")).collect();
        Ok(held?.len() as u32)
    }

    fn in_transaction(key: String) -> Result<(), Error> {
        let transaction = Transaction::begin().map_err(|error| Error::Refused(format!("{error:?}")))?;
        let set = bucket()?.set(&key, b"x");
        drop(transaction);
        Ok(set?)
    }

    fn log(message: String, bytes: u32, times: u32) -> Result<(), Error> {
        let message = format!("{message}{}", "x".repeat(bytes as usize));
        for _ in 0..times {
            for level in [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Critical] {
                log(level, &message, &message);
            }
        }
        Ok(())
    }

    fn share(namespace: String, key: String, bytes: u32) -> Result<(), Error> {
        shared_data::set(&namespace, &key, &vec![b'x'; bytes as usize], None)?;
        Ok(())
    }

    fn read_shared(namespace: String, key: String) -> Result<Option<u32>, Error> {
        Ok(shared_data::get(&namespace, &key)?.map(|entry| entry.value.len() as u32))
    }

    fn share_all(namespace: String, prefix: String, bytes: u32) -> Result<String, Error> {
        let value = vec![b'x'; bytes as usize];
        for number in 0.. {
            if let Err(error) = shared_data::set(&namespace, &format!("{prefix}{number}"), &value, Some(60_000)) {
                return Ok(format!("{number}: {}", told(error)));
            }
        }
        Ok(String::new())
    }

    fn share_swap(namespace: String, key: String) -> Result<u32, Error> {
        for tries in 1.. {
            let (version, value) =
                shared_data::get(&namespace, &key)?.map(|entry| (entry.version, entry.value)).unzip();
            let number = value.map_or(Ok(0), |value| String::from_utf8_lossy(&value).parse::<u64>());
            let number = number.map_err(|error| Error::Refused(error.to_string()))?;
            match shared_data::compare_and_swap(&namespace, &key, version, (number + 1).to_string().as_bytes(), None) {
                Ok(_) => return Ok(tries),
                Err(shared_data::Error::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(0)
    }

    fn config() -> Result<Vec<(String, String)>, Error> {
        let all = settings::get_all().map_err(|error| Error::Refused(format!("{error:?}")))?;
        for (key, value) in &all {
            assert_eq!(settings::get(key).unwrap().as_ref(), Some(value));
        }
        assert_eq!(settings::get("not there").unwrap(), None);
        Ok(all)
    }
}

fn told(error: shared_data::Error) -> String {
    match error {
        shared_data::Error::Denied(why) => format!("denied {why}"),
        shared_data::Error::Invalid(why) => format!("invalid {why}"),
        shared_data::Error::TooLarge(why) => format!("too large {why}"),
        shared_data::Error::Quota(why) => format!("quota {why}"),
        shared_data::Error::Conflict(version) => format!("conflict {version:?}"),
        shared_data::Error::Unavailable(why) => format!("unavailable {why}"),
    }
}

impl From<shared_data::Error> for Error {
    fn from(error: shared_data::Error) -> Self {
        Self::Refused(told(error))
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Refused(match error {
            store::Error::NoSuchStore => "no such store".to_owned(),
            store::Error::AccessDenied => "access denied".to_owned(),
            store::Error::Other(why) => why,
        })
    }
}

impl From<old::store::Error> for Error {
    fn from(error: old::store::Error) -> Self {
        Self::Refused(format!("{error:?}"))
    }
}

export!(Keeper);
