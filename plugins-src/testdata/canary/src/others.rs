//! The context of the call, the standard world, and other plugins.

use std::time::Duration;

use tenon_plugin::config;

use crate::crm::contacts::contacts::{self, Contact, ContactPage, ContactQuery};
use crate::crm::contacts::contacts_deferred::{GetCall, ListCall};
use crate::demo::probe::probe;
use crate::demo::probe::probe_deferred::{ContextCall, ExecuteCall};
use crate::run::Run;
use crate::tenon::host::context as host;

/// No call of the test has as long.
const LONGEST: Duration = Duration::from_secs(3_600);

pub fn context(run: &mut Run) -> Result<(), String> {
    let seen = host::get();
    if seen.tenant != run.own() || seen.calling_plugin.is_some() {
        return Err(format!("the context is that of {} called by {:?}", seen.tenant, seen.calling_plugin));
    }
    // The test puts a value of the tenant into each.
    run.look_own(&seen.correlation_id)?;
    run.look_own(&seen.user.unwrap_or_default())?;
    run.look_own(&seen.workspace.unwrap_or_default())?;
    seen.roles.iter().try_for_each(|role| run.look(role))
}

/// A time, and nobody's: more than there can be would be another call's.
pub fn remaining(_: &mut Run) -> Result<(), String> {
    let left = Duration::from_nanos(host::remaining());
    if left < LONGEST { Ok(()) } else { Err(format!("{left:?} are left")) }
}

/// What the tenant has set for this plugin, both the shown value and the secret one.
pub fn setting(run: &mut Run) -> Result<(), String> {
    let key = if run.below(2) == 0 { "note" } else { "secret" };
    match config::get(key) {
        // The test sets both; but not every test.
        Ok(value) => value.iter().try_for_each(|value| run.look_own(value)),
        Err(error) => Err(error.to_string()),
    }
}

pub fn settings(run: &mut Run) -> Result<(), String> {
    let all = config::all().map_err(|error| error.to_string())?;
    all.iter().try_for_each(|(_, value)| run.look_own(value))
}

pub fn environment(run: &mut Run) -> Result<(), String> {
    let texts: Vec<String> = std::env::vars().flat_map(|(name, value)| [name, value]).chain(std::env::args()).collect();
    texts.iter().try_for_each(|text| run.look(text))?;
    if texts.is_empty() && std::fs::read_dir("/").is_err() && std::fs::read_dir(".").is_err() {
        return Ok(());
    }
    Err(format!("an environment: {texts:?}"))
}

pub fn print(run: &mut Run) -> Result<(), String> {
    println!("printed by {}", run.value());
    eprintln!("printed by {}", run.value());
    Ok(())
}

pub fn callee(run: &mut Run) -> Result<(), String> {
    look_callee(run, probe::context())
}

pub fn deferred_callee(run: &mut Run) -> Result<(), String> {
    let calls = [ContextCall::start(), ContextCall::start(), ContextCall::start()];
    calls.iter().try_for_each(|call| look_callee(run, call.get()))
}

fn look_callee(run: &mut Run, seen: Result<probe::CallContext, probe::Error>) -> Result<(), String> {
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => return probe_failed(run, &error),
    };
    if seen.tenant != run.own() || seen.calling_plugin.as_deref() != Some("canary") {
        return Err(format!("the callee's context is that of {} called by {:?}", seen.tenant, seen.calling_plugin));
    }
    run.look_own(&seen.correlation_id)?;
    run.look_own(&seen.user.unwrap_or_default())
}

/// The probe's table is another plugin's, and yet this tenant's.
pub fn callee_rows(run: &mut Run) -> Result<(), String> {
    if run.below(8) == 0 {
        let row = run.value();
        if let Err(error) = probe::execute("INSERT INTO note (text) VALUES ($1)", std::slice::from_ref(&row)) {
            probe_failed(run, &error)?;
        }
    }
    match probe::query("SELECT text FROM note ORDER BY id DESC LIMIT 5", &[]) {
        Ok(rows) => rows.into_iter().flatten().flatten().try_for_each(|text| run.look_own(&text)),
        Err(error) => probe_failed(run, &error),
    }
}

fn probe_failed(run: &mut Run, error: &probe::Error) -> Result<(), String> {
    let passing = match error {
        probe::Error::Sql(failure) => ["busy", "timeout", "quota", "unavailable"].contains(&&*failure.kind),
        other => matches!(other, probe::Error::Unavailable(_)),
    };
    run.look_error(error, passing)
}

/// A call that nobody waits for may still have done its work.
pub fn dropped(run: &mut Run) -> Result<(), String> {
    let row = run.value();
    drop(ExecuteCall::start("INSERT INTO note (text) VALUES ($1)", &[row]));
    Ok(())
}

pub fn contacts(run: &mut Run) -> Result<(), String> {
    let query = query(run);
    look_page(run, contacts::list(&query))?;
    let id = id(run);
    look_contact(run, contacts::get(&id))
}

pub fn deferred_contacts(run: &mut Run) -> Result<(), String> {
    let (query, id) = (query(run), id(run));
    let (list, get) = (ListCall::start(&query), GetCall::start(&id));
    look_page(run, list.get())?;
    look_contact(run, get.get())
}

fn query(run: &mut Run) -> ContactQuery {
    let search = (run.below(2) == 0).then(|| "kanari".to_owned());
    ContactQuery { skip: Some(run.below(20) as u32), take: Some(10), search, tags: None }
}

/// Many of these are ids of the other tenant alone.
fn id(run: &mut Run) -> String {
    format!("contact-{}", run.below(400))
}

fn look_page(run: &mut Run, page: Result<ContactPage, contacts::Error>) -> Result<(), String> {
    match page {
        Ok(page) => page.items.iter().try_for_each(|contact| look_own_contact(run, contact)),
        Err(error) => run.look_error(&error, matches!(error, contacts::Error::Unavailable(_))),
    }
}

fn look_contact(run: &mut Run, contact: Result<Contact, contacts::Error>) -> Result<(), String> {
    match contact {
        Ok(contact) => look_own_contact(run, &contact),
        // It names the id that was asked for.
        Err(contacts::Error::NotFound(why)) => run.look(&why),
        Err(error) => run.look_error(&error, matches!(error, contacts::Error::Unavailable(_))),
    }
}

fn look_own_contact(run: &mut Run, contact: &Contact) -> Result<(), String> {
    run.look(&format!("{contact:?}"))?;
    run.look_own(&contact.first_name)
}
