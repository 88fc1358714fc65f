//! What is left when the host has stopped: its log, the tenants' files, and what was asked outside.

use std::path::Path;

use serde_json::Value;

use super::finder::{Canary, Finder};
use super::tenants::Tenant;
use super::visitor::CORRELATION;

/// Every line of the log. Those of one tenant have no text of the other, and no line has texts of both. How many lines
/// there are.
///
/// # Panics
///
/// When one has what it should not.
pub fn log(path: &Path, own: &Tenant, theirs: &Tenant) -> usize {
    let finders = [own, theirs].map(|tenant| Finder::new(&tenant.canaries));
    let text = std::fs::read_to_string(path).unwrap();
    for line in text.lines() {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let texts = |finder: &Finder| finder.found(line.as_bytes()).iter().any(is_text);
        let [of_own, of_theirs] = [texts(&finders[0]), texts(&finders[1])];
        let tenant = parsed["fields"]["tenant"].as_str();
        assert!(!(of_own && of_theirs), "a line with texts of both: {line}");
        let is_own = tenant == Some(&own.id) || line.contains(CORRELATION);
        assert!(!(is_own && of_theirs), "a line of one tenant with a text of the other: {line}");
        assert!(!(tenant == Some(&theirs.id) && of_own), "a line of one tenant with a text of the other: {line}");
    }
    text.lines().count()
}

/// Every file of both tenants, and the name of each: one tenant's hold canaries of that tenant alone. How many there
/// are.
///
/// # Panics
///
/// When one holds what it should not, or nothing at all was found.
pub fn files(data: &Path, own: &Tenant, theirs: &Tenant) -> usize {
    let mut seen = 0;
    for (tenant, other) in [(own, theirs), (theirs, own)] {
        let (finder, foreign) = (Finder::new(&tenant.canaries), Finder::new(&other.canaries));
        let mut finds = 0;
        for path in below(&data.join("tenants").join(&tenant.id)) {
            let bytes = std::fs::read(&path).unwrap();
            let name = path.to_string_lossy();
            let found: Vec<_> = [foreign.found(&bytes), foreign.found(name.as_bytes())].concat();
            assert!(!found.iter().any(is_text), "{name} holds {found:?}");
            finds += usize::from(finder.found(&bytes).iter().any(is_text));
            seen += 1;
        }
        assert!(finds >= 2, "its own are there, so others' would have been found");
    }
    seen
}

/// What a server outside was asked: no request has texts of both. How many of them have a text of either.
///
/// # Panics
///
/// When one has what it should not.
pub fn outside(requests: &[String], own: &Tenant, theirs: &Tenant) -> usize {
    let finders = [own, theirs].map(|tenant| Finder::new(&tenant.canaries));
    let of =
        requests.iter().map(|request| finders.iter().filter(|finder| !finder.found(request.as_bytes()).is_empty()));
    let counts: Vec<usize> = of.map(Iterator::count).collect();
    assert!(counts.iter().all(|tenants| *tenants < 2), "a request outside with texts of both: {requests:#?}");
    counts.iter().filter(|tenants| **tenants == 1).count()
}

/// Names that somebody has said may stand in what is theirs.
fn is_text(canary: &&Canary) -> bool {
    !canary.is_name
}

fn below(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}
