//! Calls whichever function of the host it is told, by the function's name.

#![cfg(target_family = "wasm")]

use demo::probe::probe;
use demo::probe::probe_deferred::SleepCall;
use exports::hostile::everything::everything::{Error, Guest};
use tenon::host::notifications::{self, Notification, Recipient};
use tenon::host::sql::{self, Transaction};
use tenon::host::{events, shared_data};
use wasi::config::store as settings;
use wasi::keyvalue::atomics::{self, Cas};
use wasi::keyvalue::{batch, store};
use wasi::logging::logging::{Level, log};
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::http::types::{Fields, OutgoingRequest};

wit_bindgen::generate!({
    inline: "
        package hostile:everything@1.0.0;

        interface everything {
            variant error {
                denied(string),
                unavailable(string),
                /// There is no such function, or it answered with an error.
                failed(string),
            }

            /// Calls this function, and what has to be called before it.
            call: func(name: string) -> result<_, error>;
        }

        world plugin {
            import tenon:host/sql@1.0.0;
            import tenon:host/events@1.0.0;
            import tenon:host/shared-data@1.0.0;
            import tenon:host/notifications@1.0.0;
            import wasi:config/store@0.2.0-rc.1;
            import wasi:logging/logging@0.1.0-draft;
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/atomics@0.2.0-draft2;
            import wasi:keyvalue/batch@0.2.0-draft2;
            import demo:probe/probe@1.0.0;
            import demo:probe/probe-deferred@1.0.0;
            export everything;
        }
    ",
    path: [
        "../../../../wit/tenon-host",
        "../../../../wit/wasi-config",
        "../../../../wit/wasi-logging",
        "../../../../wit/wasi-keyvalue",
        "../../../../wit/wasi-io",
        "../../wit/demo-probe",
    ],
    generate_all,
});

tenon_plugin::embed! {
    manifest: "../plugin.json",
    migrations: ["0001_thing" => "../migrations/0001_thing.sql"],
}

const INSERT: &str = "INSERT INTO thing (name) VALUES ('one')";
/// The id of an event that nobody published.
const EVENT: &str = "01a2009f-7634-771e-979d-4d4eceb860ae";
const SELECT: &str = "SELECT name FROM thing WHERE id = 1";

struct Everything;

impl Guest for Everything {
    fn call(name: String) -> Result<(), Error> {
        match name.as_str() {
            "tenon:host/context.get" => drop(tenon_plugin::context::current()),
            "tenon:host/context.remaining" => drop(tenon_plugin::context::remaining()),
            "tenon:host/sql.query" => drop(sql::query(SELECT, &[]).map_err(failed)?),
            "tenon:host/sql.execute" => drop(sql::execute(INSERT, &[]).map_err(failed)?),
            "tenon:host/sql.[static]transaction.begin" => drop(begin()?),
            "tenon:host/sql.[method]transaction.query" => drop(begin()?.query(SELECT, &[]).map_err(failed)?),
            "tenon:host/sql.[method]transaction.execute" => drop(begin()?.execute(INSERT, &[]).map_err(failed)?),
            "tenon:host/sql.[static]transaction.commit" => Transaction::commit(begin()?).map_err(failed)?,
            "tenon:host/sql.[static]transaction.rollback" => Transaction::rollback(begin()?),
            "tenon:host/sql.[resource-drop]transaction" => drop(begin()?),
            "tenon:host/events.publish" => drop(events::publish(&news()).map_err(unpublished)?),
            "tenon:host/events.publish-in" => drop(events::publish_in(&begin()?, &news()).map_err(unpublished)?),
            "tenon:host/events.first-time-in" => {
                _ = events::first_time_in(&begin()?, EVENT).map_err(unpublished)?;
            }
            "tenon:host/notifications.notify" => {
                drop(notifications::notify(&Recipient::Everyone, &called()).map_err(unsent)?);
            }
            "tenon:host/notifications.notify-in" => {
                drop(notifications::notify_in(&begin()?, &Recipient::Everyone, &called()).map_err(unsent)?);
            }
            "tenon:host/sql, its thread" => drop(sql::execute(INSERT, &[]).map_err(failed)?),
            name if name.starts_with("tenon:host/shared-data.") => shared(name)?,
            name if name.starts_with("wasi:keyvalue/") => keyvalue(name)?,
            "wasi:config/store.get" => drop(settings::get("a")),
            "wasi:config/store.get-all" => drop(settings::get_all()),
            "wasi:logging/logging.log" => log(Level::Info, "a", "to be heard"),
            "a forwarder" => probe::sleep(0).map_err(|error| Error::Failed(format!("{error:?}")))?,
            "a forwarder, when its provider has answered" => {
                probe::sleep(1).map_err(|error| Error::Failed(format!("{error:?}")))?;
            }
            "a deferred start" => drop(SleepCall::start(0)),
            "a deferred subscribe" => drop(SleepCall::start(0).subscribe()),
            "a deferred get" => SleepCall::start(1).get().map_err(|error| Error::Failed(format!("{error:?}")))?,
            "a deferred drop" => drop(SleepCall::start(1000)),
            "wasi" => drop(wasip2::random::random::get_random_bytes(8)),
            "wasi, its output" => println!("to be heard"),
            "wasi:clocks" => drop((monotonic_clock::now(), wall_clock::now())),
            "wasi:http" => drop(request()),
            "wasi:http/outgoing-handler.handle" => {
                drop(wasip2::http::outgoing_handler::handle(request(), None));
            }
            _ => return Err(Error::Failed(format!("there is no function {name}"))),
        }
        Ok(())
    }
}

fn shared(name: &str) -> Result<(), Error> {
    const MINE: &str = "hostile-everything.state";
    let found = match name.split_once('.').map(|(_, function)| function) {
        Some("get") => shared_data::get(MINE, "a").map(drop),
        Some("list-keys") => shared_data::list_keys(MINE, None).map(drop),
        Some("set") => shared_data::set(MINE, "a", b"1", None).map(drop),
        Some("set-in") => shared_data::set_in(&begin()?, MINE, "a", b"1", None).map(drop),
        Some("compare-and-swap") => shared_data::get(MINE, "swapped").and_then(|entry| {
            let version = entry.map(|entry| entry.version);
            shared_data::compare_and_swap(MINE, "swapped", version, b"1", None).map(drop)
        }),
        Some("delete") => shared_data::delete(MINE, "a").map(drop),
        Some("delete-in") => shared_data::delete_in(&begin()?, MINE, "a").map(drop),
        _ => return Err(Error::Failed(format!("there is no function {name}"))),
    };
    found.map_err(|error| Error::Failed(format!("{error:?}")))
}

fn keyvalue(name: &str) -> Result<(), Error> {
    let bucket = store::open("default").map_err(refused)?;
    let one = ("one".to_owned(), Vec::new());
    match name.split_once('.').map(|(_, function)| function) {
        Some("open") => {}
        Some("[method]bucket.get") => drop(bucket.get("a").map_err(refused)?),
        Some("[method]bucket.set") => bucket.set("a", b"1").map_err(refused)?,
        Some("[method]bucket.delete") => bucket.delete("a").map_err(refused)?,
        Some("[method]bucket.exists") => drop(bucket.exists("a").map_err(refused)?),
        Some("[method]bucket.list-keys") => drop(bucket.list_keys(None).map_err(refused)?),
        Some("[resource-drop]bucket") => drop(bucket),
        Some("increment") => drop(atomics::increment(&bucket, "number", 1).map_err(refused)?),
        Some("[static]cas.new" | "[resource-drop]cas") => drop(Cas::new(&bucket, "a").map_err(refused)?),
        Some("[method]cas.current") => drop(Cas::new(&bucket, "a").map_err(refused)?.current().map_err(refused)?),
        Some("swap") => {
            let swapped = atomics::swap(Cas::new(&bucket, "swapped").map_err(refused)?, b"1");
            swapped.map_err(|error| Error::Failed(format!("{error:?}")))?;
        }
        Some("get-many") => drop(batch::get_many(&bucket, &["a".to_owned()]).map_err(refused)?),
        Some("set-many") => batch::set_many(&bucket, &[one]).map_err(refused)?,
        Some("delete-many") => batch::delete_many(&bucket, &["a".to_owned()]).map_err(refused)?,
        _ => return Err(Error::Failed(format!("there is no function {name}"))),
    }
    Ok(())
}

fn refused(error: store::Error) -> Error {
    Error::Failed(format!("{error:?}"))
}

fn begin() -> Result<Transaction, Error> {
    Transaction::begin().map_err(failed)
}

fn request() -> OutgoingRequest {
    let request = OutgoingRequest::new(Fields::new());
    let _ = request.set_authority(Some("example.com"));
    let _ = request.set_path_with_query(Some("/"));
    request
}

fn news() -> events::Event {
    events::Event { topic: "everything.called".to_owned(), key: None, subject: None, data: "{}".to_owned() }
}

fn called() -> Notification {
    let (kind, title) = ("called".to_owned(), "Called".to_owned());
    Notification { kind, title, body: String::new(), link: None, data: None }
}

fn unsent(error: notifications::Error) -> Error {
    Error::Failed(format!("{error:?}"))
}

fn unpublished(error: events::Error) -> Error {
    Error::Failed(format!("{error:?}"))
}

fn failed(error: sql::Error) -> Error {
    Error::Failed(format!("{error:?}"))
}

export!(Everything);
