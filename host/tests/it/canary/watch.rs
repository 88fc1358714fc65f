//! Looking for canaries: in answers, in the log, in files.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::Value;

/// All values of a tenant begin with its id and `-x`.
pub const TENANTS: [&str; 2] = ["kanaria", "kanarib"];

/// The canary of the other tenant in these bytes, in whatever case. With `id_was_asked` its bare id may be there, because
/// the request named it, and only its values count.
pub fn foreign(bytes: &[u8], own: &str, id_was_asked: bool) -> Option<&'static str> {
    let (plain, value) = if own == TENANTS[0] { (TENANTS[1], "kanarib-x") } else { (TENANTS[0], "kanaria-x") };
    let looked_for = if id_was_asked { value } else { plain };
    find(bytes, looked_for).map(|_| looked_for)
}

/// Where this text is first, in whatever case.
fn find(bytes: &[u8], text: &str) -> Option<usize> {
    bytes.windows(text.len()).position(|part| part.eq_ignore_ascii_case(text.as_bytes()))
}

/// Every line of the host's log: how many, and how many of them have a canary and name no tenant.
///
/// # Panics
///
/// When a line of one tenant has a canary of the other, or a line of none has those of both.
pub fn log(path: &Path) -> (usize, usize) {
    let (mut lines, mut of_nobody) = (0, 0);
    let text = std::fs::read_to_string(path).unwrap();
    for line in text.lines() {
        lines += 1;
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let found = TENANTS.map(|own| foreign(line.as_bytes(), own, false).is_some());
        match parsed["fields"]["tenant"].as_str() {
            Some(tenant) => {
                assert!(foreign(line.as_bytes(), tenant, false).is_none(), "a log line of {tenant}: {line}");
            }
            None => {
                assert!(found != [true; 2], "a log line of nobody with both: {line}");
                of_nobody += usize::from(found != [false; 2]);
            }
        }
    }
    (lines, of_nobody)
}

/// Every text and blob in a database, with its table.
fn rows(database: &Path, mut look: impl FnMut(&str, &[u8])) {
    let database = Connection::open(database).unwrap();
    let mut tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(!tables.is_empty());
    for table in tables {
        let mut statement = database.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                if let ValueRef::Text(value) | ValueRef::Blob(value) = row.get_ref(column).unwrap() {
                    look(&table, value);
                }
            }
        }
    }
}

/// Every request that plugins sent to a host outside: none has the canaries of both. How many there were.
///
/// # Panics
///
/// When one has both.
pub fn outside(requests: &[String]) -> usize {
    for request in requests {
        let found = TENANTS.map(|own| foreign(request.as_bytes(), own, false).is_some());
        assert!(found != [true; 2], "a request with both: {request}");
    }
    requests.len()
}

/// Every file of the data directory: each tenant's hold its own canary alone, and the host's own hold nobody's. How many
/// files there were. It changes what it looks at.
///
/// In the rows of a database nothing of another may be, in its bytes no value of another. The bare id is not
/// looked for there: where SQLite has given away a part of a place that was freed, what remains of a tenant's own
/// `kanaria` can be followed by the length of something new, which now and then is that of a `b`.
///
/// # Panics
///
/// When a file holds what it should not.
pub fn files(data: &Path) -> usize {
    let mut seen = 0;
    for tenant in TENANTS {
        let directory = data.join("tenants").join(tenant);
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let is_database = path.file_name().is_some_and(|name| name.to_string_lossy().contains(".sqlite"));
            if let Some(canary) = foreign(&bytes, tenant, is_database) {
                let at = find(&bytes, canary).unwrap_or_default();
                let around = bytes[at.saturating_sub(100)..(at + 100).min(bytes.len())].escape_ascii();
                panic!("{} holds {canary}, at byte {at}: {around}", path.display());
            }
            if path.extension().is_some_and(|extension| extension == "sqlite") {
                rows(&path, |table, value| {
                    let found = foreign(value, tenant, false);
                    assert!(found.is_none(), "{}, {table}: {}", path.display(), value.escape_ascii());
                });
            }
            // Its own is there: so one of another would have been found.
            let holds_own = bytes.windows(tenant.len()).any(|part| part == tenant.as_bytes());
            assert!(holds_own || bytes.is_empty(), "{}", path.display());
            seen += 1;
        }
    }
    for entry in std::fs::read_dir(data).unwrap() {
        let path = entry.unwrap().path();
        // Events of all tenants are on their way in the control plane: who is given them is seen where they arrive.
        let is_control = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("control.db"));
        if path.is_file() && !is_control {
            let bytes = std::fs::read(&path).unwrap();
            assert!(TENANTS.iter().all(|own| foreign(&bytes, own, true).is_none()), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 6, "three plugins with tables for each of two tenants, and the host's own: {seen}");
    seen
}
