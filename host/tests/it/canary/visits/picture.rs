//! All that a tenant can read, so that it can be seen whether somebody else has changed it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::endpoints;
use super::finder::Finder;
use super::routes::Route;
use super::tenants::{GUEST, Tenant};
use super::visitor::without;
use super::watch::Watch;

/// What each route and endpoint answers to the owner.
pub struct Picture(BTreeMap<String, Value>);

impl Picture {
    /// `rows_first` says in which order: reading a plugin counts as using it, and is to count in no picture.
    pub async fn of(tenant: &Tenant, routes: &[Route], rows_first: bool, others: &Watch) -> Self {
        let rows = endpoints::visits(&tenant.owner, tenant).await.into_iter();
        let rows: Vec<String> = rows.filter(|visit| !visit.is_change()).map(|visit| visit.path).collect();
        let own = routes.iter().filter(|route| !route.is_change());
        let own: Vec<String> = own.flat_map(|route| route.whole(tenant)).collect();
        let mut seen = BTreeMap::new();
        for path in if rows_first { [rows, own].concat() } else { [own, rows].concat() } {
            let shown = read(tenant, &path).await;
            others.look("the other tenant", &path, "", shown.to_string().as_bytes());
            seen.insert(path, shown);
        }
        Self(seen)
    }

    /// That each canary stands where its tenant sees it: so somebody else who sees as much would have seen it.
    pub fn assert_shows_all(&self, tenant: &Tenant) {
        let all = format!("{:?}", self.0);
        let found = Finder::new(&tenant.canaries);
        let found = found.found(all.as_bytes());
        for canary in tenant.canaries.all() {
            assert_eq!(found.contains(&canary), canary.is_shown, "{canary:?} in:\n{all}");
        }
    }

    /// Tells what is not as it was.
    pub async fn compare(&self, after: &Self, tenant: &Tenant, watch: &Watch) {
        assert_eq!(self.0.len(), after.0.len());
        for (path, before) in &self.0 {
            let mut now = after.0[path].clone();
            for _ in 0..2 {
                // On a busy machine a plugin may be too late to tell its health.
                if now != *before {
                    now = read(tenant, path).await;
                }
            }
            if now != *before {
                watch.wrong(format!("{path} of the other tenant has changed from\n{before}\nto\n{now}"));
            }
        }
    }
}

async fn read(tenant: &Tenant, path: &str) -> Value {
    let answer = tenant.owner.get(path).await;
    if answer.json.is_null() { json!(answer.text) } else { steady(path, answer.json) }
}

/// Without what changes by itself: when something was used last, what is counted by the hour, failures that are long ago,
/// and the calls that looking at health makes, which `phases` has none for.
fn steady(path: &str, mut answer: Value) -> Value {
    // Whoever is in both tenants has tried.
    if let Some(entries) = answer["data"].as_array_mut().filter(|_| path.starts_with("/api/v1/audit")) {
        entries.retain(|entry| entry["actor"] != format!("user:{GUEST}"));
    }
    // That they have come in is an event of both.
    if let Some(events) = answer["data"].as_array_mut().filter(|_| path.starts_with("/api/v1/events")) {
        events.retain(|event| event["subject"] != format!("user:{GUEST}"));
    }
    let counts = path.ends_with("/stats") && !path.contains("/phases/");
    match path {
        "/api/v1/usage" => json!("counted by the hour"),
        // What was missed since now is nothing; `places::notifications` looks at all that is there.
        "/api/v1/stream" => json!("goes on"),
        "/health" => without(answer, &["failing"]),
        // The number of the last line of all.
        _ if path.ends_with("/logs") => without(answer, &["cursor"]),
        _ if counts => without(answer, &["lastUsedAt", "calls"]),
        _ => without(answer, &["lastUsedAt"]),
    }
}
