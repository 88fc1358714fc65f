//! The functions that the host has for plugins, and by which operation of the plugin `canary` each is tried.

use std::collections::BTreeSet;

use self::Tried::{In, Not};
use crate::common::repository;
use crate::hostile::faults::{INTERFACES, functions_of_the_host};

/// Where a function is tried.
enum Tried {
    /// In this operation (`plugins-src/testdata/canary/src/lib.rs`), which must succeed.
    In(&'static str),
    /// Nowhere, for this reason.
    #[expect(dead_code, reason = "there is none now")]
    Not(&'static str),
}

/// A new function of the host gets its line here.
const FUNCTIONS: &[(&str, Tried)] = &[
    ("tenon:host/context.get", In("context")),
    ("tenon:host/context.remaining", In("context, the time that is left")),
    ("tenon:host/sql.query", In("sql query, by id")),
    ("tenon:host/sql.execute", In("sql execute, update")),
    ("tenon:host/sql.[static]transaction.begin", In("sql transaction, committed")),
    ("tenon:host/sql.[method]transaction.query", In("sql transaction, committed")),
    ("tenon:host/sql.[method]transaction.execute", In("sql transaction, committed")),
    ("tenon:host/sql.[static]transaction.commit", In("sql transaction, committed")),
    ("tenon:host/sql.[static]transaction.rollback", In("sql transaction, rolled back")),
    ("tenon:host/sql.[resource-drop]transaction", In("sql transaction, dropped")),
    ("tenon:host/events.publish", In("event, publish")),
    ("tenon:host/events.publish-in", In("event, publish in a transaction")),
    ("tenon:host/events.first-time-in", In("event, for the first time")),
    ("tenon:host/notifications.notify", In("notification, send")),
    ("tenon:host/notifications.notify-in", In("notification, send in a transaction")),
    ("tenon:host/shared-data.get", In("shared data, get")),
    ("tenon:host/shared-data.list-keys", In("shared data, list")),
    ("tenon:host/shared-data.set", In("shared data, set")),
    ("tenon:host/shared-data.set-in", In("shared data, set in a transaction")),
    ("tenon:host/shared-data.compare-and-swap", In("shared data, compare and swap")),
    ("tenon:host/shared-data.delete", In("shared data, delete")),
    ("tenon:host/shared-data.delete-in", In("shared data, delete in a transaction")),
    ("wasi:config/store.get", In("configuration, one value")),
    ("wasi:config/store.get-all", In("configuration, all values")),
    ("wasi:keyvalue/store.open", In("key, get")),
    ("wasi:keyvalue/store.[method]bucket.get", In("key, get")),
    ("wasi:keyvalue/store.[method]bucket.set", In("key, set")),
    ("wasi:keyvalue/store.[method]bucket.delete", In("key, delete")),
    ("wasi:keyvalue/store.[method]bucket.exists", In("key, exists")),
    ("wasi:keyvalue/store.[method]bucket.list-keys", In("keys, list")),
    ("wasi:keyvalue/store.[resource-drop]bucket", In("key, get")),
    ("wasi:keyvalue/atomics.[static]cas.new", In("key, compare and swap")),
    ("wasi:keyvalue/atomics.[method]cas.current", In("key, compare and swap")),
    ("wasi:keyvalue/atomics.[resource-drop]cas", In("key, compare and swap")),
    ("wasi:keyvalue/atomics.increment", In("key, increment")),
    ("wasi:keyvalue/atomics.swap", In("key, compare and swap")),
    ("wasi:keyvalue/batch.get-many", In("keys, several at once")),
    ("wasi:keyvalue/batch.set-many", In("keys, several at once")),
    ("wasi:keyvalue/batch.delete-many", In("keys, several at once")),
    ("wasi:logging/logging.log", In("log")),
];

/// What else is written in `wit/`, and why its functions are not in the list.
const ELSEWHERE: &[(&str, &str)] = &[
    ("analytics-reports", "a plugin's service: the table of operations asks it"),
    ("crm-contacts", "a plugin's service: the plugin and the table of operations ask it"),
    ("crm-deals", "a plugin's service: the table of operations asks it"),
    ("tenon-plugin", "what the host calls: `canary` exports its handler and its schedule"),
    ("wasi-io", "polls of deferred calls: `canary` makes such calls"),
    ("wasi-keyvalue-draft", "the functions of wasi-keyvalue under another version"),
];

/// The operations by which the functions are tried.
pub fn operations() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().filter_map(|(_, tried)| match tried {
        In(operation) => Some(*operation),
        Not(_) => None,
    })
}

#[test]
fn every_function_of_the_host_is_tried_by_an_operation() {
    let listed: BTreeSet<String> = FUNCTIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed.len(), FUNCTIONS.len(), "a function is listed twice");
    let known: BTreeSet<String> = functions_of_the_host().into_iter().collect();
    let new: Vec<_> = known.difference(&listed).collect();
    assert!(new.is_empty(), "{new:?}: let an operation of the plugin `canary` use it, and give it a line in FUNCTIONS");
    let gone: Vec<_> = listed.difference(&known).collect();
    assert!(gone.is_empty(), "{gone:?}: the host has it no more, take its line out of FUNCTIONS");
}

#[test]
fn every_interface_of_the_host_is_known() {
    let mut known: Vec<String> = INTERFACES.iter().map(|name| (*name).to_owned()).collect();
    known.extend(ELSEWHERE.iter().map(|(name, _)| (*name).to_owned()));
    known.sort();
    let entries = std::fs::read_dir(repository().join("wit")).unwrap();
    let mut there: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    there.sort();
    assert_eq!(there, known, "add what is new to INTERFACES (hostile/faults.rs) or to ELSEWHERE");
}
