//! Events and notifications: sending them, and what the handler and the runs by the clock are told.

use tenon_plugin::events::Unhandled;
use tenon_plugin::schedules::Failed;
use tenon_plugin::sql::{self as tables, Executor, params};
use tenon_plugin::{Event, EventHandler, Scheduled, Tick};

use crate::Canary;
use crate::database;
use crate::memory;
use crate::run::Run;
use crate::tenon::host::context;
use crate::tenon::host::events;
use crate::tenon::host::notifications::{self, Notification, Recipient};
use crate::tenon::host::sql::{Transaction, Value};

type Outcome = Result<(), String>;

/// What is heard beyond this is forgotten again.
const HEARD_MAX: i64 = 200;

pub fn publish(run: &mut Run) -> Outcome {
    let event = event(run);
    published(run, events::publish(&event))
}

pub fn publish_in(run: &mut Run) -> Outcome {
    let event = event(run);
    within(run, |run, transaction| published(run, events::publish_in(transaction, &event)))
}

/// Both tenants note events of the same ids. Whether one was noted is the tenant's own affair, and a row says it too.
pub fn first_time(run: &mut Run) -> Outcome {
    let id = format!("01a2009f-7634-771e-979d-4d4eceb8{:04x}", run.below(500));
    within(run, |run, transaction| {
        let first = match events::first_time_in(transaction, &id) {
            Ok(first) => first,
            Err(error) => return event_failed(run, &error),
        };
        let parameters = [Value::Text(id)];
        let insert = "INSERT INTO noted (event) VALUES ($1) ON CONFLICT (event) DO NOTHING";
        match transaction.execute(insert, &parameters) {
            Ok(rows) if (rows == 1) == first => {
                run.saw();
                Ok(())
            }
            Ok(rows) => Err(format!("the event {parameters:?} comes for the first time: {first}; rows: {rows}")),
            Err(error) => database::failed(run, &error),
        }
    })
}

pub fn notify(run: &mut Run) -> Outcome {
    let (to, notification) = notification(run);
    notified(run, notifications::notify(&to, &notification))
}

pub fn notify_in(run: &mut Run) -> Outcome {
    let (to, notification) = notification(run);
    within(run, |run, transaction| notified(run, notifications::notify_in(transaction, &to, &notification)))
}

fn event(run: &mut Run) -> events::Event {
    let [key, subject, data] = [run.value(), run.value(), run.value()];
    let key = (run.below(2) == 0).then_some(key);
    events::Event {
        topic: "canary.sung".to_owned(),
        key,
        subject: Some(subject),
        data: format!("{{\"text\":\"{data}\"}}"),
    }
}

fn notification(run: &mut Run) -> (Recipient, Notification) {
    let to = match run.below(3) {
        0 => Recipient::User(run.value()),
        1 => Recipient::Role("owner".to_owned()),
        _ => Recipient::Everyone,
    };
    let (kind, title, body) = ("sung".to_owned(), run.value(), run.value());
    let (link, data) = (Some(format!("/{}", run.value())), Some(format!("\"{}\"", run.value())));
    (to, Notification { kind, title, body, link, data })
}

fn within(run: &mut Run, act: impl FnOnce(&mut Run, &Transaction) -> Outcome) -> Outcome {
    let transaction = match Transaction::begin() {
        Ok(transaction) => transaction,
        Err(error) => return database::failed(run, &error),
    };
    act(run, &transaction)?;
    Transaction::commit(transaction).or_else(|error| database::failed(run, &error))
}

fn published(run: &mut Run, outcome: Result<String, events::Error>) -> Outcome {
    match outcome {
        Ok(id) => run.look(&id),
        Err(error) => event_failed(run, &error),
    }
}

fn event_failed(run: &mut Run, error: &events::Error) -> Outcome {
    run.look_error(error, matches!(error, events::Error::Quota(_) | events::Error::Unavailable(_)))
}

fn notified(run: &mut Run, outcome: Result<String, notifications::Error>) -> Outcome {
    use notifications::Error;
    match outcome {
        Ok(id) => run.look(&id),
        Err(error) => run.look_error(&error, matches!(error, Error::Quota(_) | Error::Unavailable(_))),
    }
}

impl EventHandler for Canary {
    /// Hears itself, CRM and other systems. What it sees of another tenant is in the dead letter, where the test finds
    /// it.
    fn handle(event: Event) -> Result<(), Unhandled> {
        let Some(mut run) = unasked() else { return Ok(()) };
        look_at_event(&mut run, &event).map_err(|seen| Unhandled::Reject(format!("leaked: {seen}")))?;
        let text = format!("{} of {}: {}", event.topic, event.correlation_id, event.json);
        tables::transaction(|tx| if event.once(tx)? { note(tx, &text).map_err(Unhandled::from) } else { Ok(()) })
    }
}

impl Scheduled for Canary {
    /// What it sees of another tenant is why it failed, which the answer to whoever asked for the run has in it.
    fn run(tick: Tick) -> Result<(), Failed> {
        let Some(mut run) = unasked() else { return Ok(()) };
        look_at_tick(&mut run, &tick).map_err(|seen| Failed::new(format!("leaked: {seen}")))?;
        let text = format!("{} of {}, for {}", tick.schedule, tick.correlation_id, run.own());
        tables::transaction(|tx| if tick.once(tx)? { note(tx, &text).map_err(Failed::from) } else { Ok(()) })
    }
}

/// For the tenant of a call that no user makes; none where that is no tenant of the test.
fn unasked() -> Option<Run> {
    Run::of(&context::get().tenant, 0)
}

fn look_at_event(run: &mut Run, event: &Event) -> Outcome {
    look_at_call(run)?;
    // Who made the request that it comes from.
    run.look_own(&event.correlation_id)?;
    [&event.key, &event.subject].into_iter().flatten().try_for_each(|text| run.look(text))?;
    // A change of shared data names a key, and tenants have keys of the same name.
    if event.topic == "shared-data.changed" { run.look(&event.json) } else { run.look_own(&event.json) }
}

fn look_at_tick(run: &mut Run, tick: &Tick) -> Outcome {
    look_at_call(run)?;
    run.look(&tick.correlation_id)?;
    database::newest(run)?;
    database::foreign(run)
}

/// The context, and the memory of an instance that was another's.
fn look_at_call(run: &mut Run) -> Outcome {
    let seen = context::get();
    if seen.user.is_some() || seen.workspace.is_some() || !seen.roles.is_empty() {
        return Err(format!("nobody asked for it, and yet there is {seen:?}"));
    }
    run.look(&seen.correlation_id)?;
    memory::statics(run)
}

fn note(tx: &tables::Transaction, text: &str) -> tables::Result<()> {
    tx.execute("INSERT INTO heard (text) VALUES ($1)", params![text])?;
    tx.execute("DELETE FROM heard WHERE id <= (SELECT max(id) FROM heard) - $1", params![HEARD_MAX])?;
    Ok(())
}
