//! Every route of the host, as the host itself lists them, in every way in which somebody can name what is not theirs:
//! in the path, the query and the body, and by the header that names the tenant.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use regex::Regex;
use reqwest::Method;
use serde_json::{Value, json};
use tenon::http::routes::{Rule, Scope};

use super::paths::Names;
use super::tenants::{Asker, Kind, Tenant};
use super::visitor::{Visit, Visitor};
use crate::common::Answer;

/// One route, and what visiting it takes.
pub struct Route {
    pub method: Method,
    pub template: &'static str,
    pub rule: Rule,
    /// What its query takes.
    parameters: Vec<String>,
}

impl Route {
    /// Every route, those that remove something last. What each takes as its query the host says itself, as it refuses
    /// a query that it does not know.
    pub async fn all(asker: &Asker) -> Vec<Self> {
        let mut rules = tenon::http::rules();
        rules.sort_by_key(|(method, ..)| {
            [Method::GET, Method::PUT, Method::POST].iter().position(|m| m == method).map_or(9, |at| at)
        });
        let (backticked, parameter) = (Regex::new("`([^`]+)`").unwrap(), Regex::new(r"\{[^}]*\}").unwrap());
        let mut routes = Vec::new();
        for (method, template, rule) in rules {
            // Of something that there is not, so that nothing is changed.
            let path = parameter.replace_all(template, "none");
            let request = asker.client.request(method.clone(), &format!("{path}?nonsense=1")).json(&json!({}));
            let told =
                crate::common::ask(request).await.json["error"]["message"].as_str().unwrap_or_default().to_owned();
            let known = told.split_once("nonsense is unknown, expected ").map_or("", |(_, known)| known);
            let mut parameters: Vec<String> =
                backticked.captures_iter(known).map(|found| found[1].to_owned()).collect();
            parameters.push("tenant".to_owned());
            routes.push(Self { method, template, rule, parameters });
        }
        assert!(
            routes.iter().any(|route| route.parameters.iter().any(|name| name == "correlationId")),
            "as the audit log"
        );
        routes
    }

    pub fn is_change(&self) -> bool {
        self.method != Method::GET
    }

    /// As somebody asks who means no harm.
    fn plain(&self, own: &Tenant) -> Vec<Visit> {
        let paths = Names::Own(own).paths(self.template).into_iter();
        paths.filter(|path| self.is_for(path)).map(|path| self.visit_of(path)).collect()
    }

    /// A letter that is replayed cannot be dropped: each has its own.
    fn is_for(&self, path: &str) -> bool {
        let letter = path.split('/').find_map(|segment| segment.parse::<u32>().ok());
        match (self.rule.operation, letter) {
            ("dead-letters.replay", Some(letter)) => letter % 2 == 1,
            ("dead-letters.drop", Some(letter)) => letter % 2 == 0,
            _ => true,
        }
    }

    /// As its owner reads all of it.
    pub fn whole(&self, own: &Tenant) -> Vec<String> {
        let query = if self.parameters.iter().any(|name| name == "limit") { "?limit=200" } else { "" };
        Names::Own(own).paths(self.template).into_iter().map(|path| format!("{path}{query}")).collect()
    }

    /// With their names in all places but the header.
    fn naming(&self, own: &Tenant, theirs: &Tenant) -> Vec<Visit> {
        let own_paths = Names::Own(own).paths(self.template);
        let their_paths = Names::Theirs(theirs).paths(self.template).into_iter();
        let their_paths = their_paths.filter(|path| !own_paths.contains(path));
        let mut visits: Vec<Visit> = their_paths.map(|path| self.visit_of(path)).collect();
        let kinds = [Kind::Tenant, Kind::Key, Kind::Snapshot, Kind::Notification, Kind::Other];
        let mut names: Vec<String> = kinds.iter().filter_map(|kind| theirs.ids(*kind).pop()).collect();
        if self.is_change() {
            // A change that takes no notice of its query is made each time.
            names.truncate(1);
        }
        let path = &own_paths[0];
        for parameter in &self.parameters {
            visits.extend(names.iter().map(|name| self.visit_of(format!("{path}?{parameter}={name}"))));
        }
        if let Some(Value::Object(body)) = self.body() {
            for member in ["tenant", "tenantId", "id"] {
                let mut body = body.clone();
                body.insert(member.to_owned(), json!(theirs.id));
                visits.push(Visit { body: Some(Value::Object(body)), ..self.visit_of(path.clone()) });
            }
        }
        visits
    }

    /// As the other tenant.
    fn within(&self, own: &Tenant, theirs: &Tenant) -> Vec<Visit> {
        let paths = [Names::Own(own), Names::Theirs(theirs)].map(|names| names.paths(self.template).remove(0));
        paths.map(|path| Visit { tenant: Some(theirs.id.clone()), ..self.visit_of(path) }).to_vec()
    }

    fn visit_of(&self, path: String) -> Visit {
        Visit { body: self.body(), ..Visit::new(&self.method, path) }
    }

    /// A body that the route takes from whoever may.
    ///
    /// # Panics
    ///
    /// For a change that is new. Say here what it takes, so that the canary tries it.
    fn body(&self) -> Option<Value> {
        match self.rule.operation {
            _ if !self.is_change() => None,
            // Refused before anybody reads it.
            _ if self.rule.scope == Scope::Platform => Some(json!({})),
            "config.put" => Some(json!({"values": {"note": "a visit", "apiKey": "a visit"}})),
            "decisions.put" => Some(json!({"enabled": true, "pin": null})),
            "plugins.activate" | "plugins.deactivate" | "snapshots.restore" | "snapshots.delete" | "keys.revoke" => {
                Some(json!({}))
            }
            "keys.create" => Some(json!({"name": "a visit", "role": "guest"})),
            "keys.expire" => Some(json!({"expiresAt": null})),
            "events.publish" => Some(json!({"type": "news.plain", "data": "a visit"})),
            "dead-letters.replay" | "dead-letters.drop" | "schedules.run" | "notifications.read" => Some(json!({})),
            operation => panic!("{operation} is new: say here what it takes"),
        }
    }

    /// Asks for it in every way; whether it was answered to somebody who meant no harm.
    pub async fn visit(&self, visitor: &Visitor<'_>) -> bool {
        // What changes something is done one after the other.
        let at_once = if self.is_change() { 1 } else { 8 };
        let (own, theirs) = (visitor.own, visitor.theirs);
        let plain = self.plain(own);
        let plain = stream::iter(&plain).map(|visit| visitor.visit(visit)).buffered(at_once).collect::<Vec<_>>().await;
        for answer in &plain {
            self.assert_plain(visitor, answer);
        }
        let naming = self.naming(own, theirs);
        stream::iter(&naming)
            .map(|visit| visitor.visit_with_twin(visit))
            .buffered(at_once)
            .for_each(async |_| {})
            .await;
        for visit in self.within(own, theirs) {
            self.visit_within(visitor, &visit).await;
        }
        plain.iter().any(|answer| (200..300).contains(&answer.status))
    }

    fn assert_plain(&self, visitor: &Visitor<'_>, answer: &Answer) {
        let what = || format!("{}: {} {}: {answer:#?}", visitor.asker.name, self.method, self.template);
        match (self.rule.scope, visitor.asker.name) {
            (Scope::Open, _) => assert_eq!(answer.status, 200, "{}", what()),
            (_, "nobody") => assert_eq!(answer.status, 401, "{}", what()),
            (Scope::Platform, _) => {
                assert_eq!((answer.status, &answer.json["error"]["code"]), (403, &json!("denied")), "{}", what())
            }
            // 503 is a plugin that is inactive, or late.
            _ => assert!(answer.status < 500 || answer.status == 503, "{}", what()),
        }
    }

    /// Nobody is let in there, and nobody learns whether there is such a tenant.
    async fn visit_within(&self, visitor: &Visitor<'_>, visit: &Visit) {
        if self.rule.scope == Scope::Open {
            visitor.visit(visit).await;
        } else if !visitor.asker.is_in_theirs {
            let answer = visitor.visit_with_twin(visit).await;
            assert!([401, 403].contains(&answer.status), "{}: {visit:?}: {answer:#?}", visitor.asker.name);
        } else if self.rule.permission.is_some() {
            // What somebody may in one tenant they may not in another.
            let answer = visitor.visit(visit).await;
            assert_eq!(
                (answer.status, &answer.json["error"]["code"]),
                (403, &json!("denied")),
                "{visit:?}: {answer:#?}"
            );
        }
    }
}

/// Visits all of these, and gives those that answered, by method and template.
pub async fn visit(routes: &[&Route], visitor: &Visitor<'_>) -> BTreeSet<(String, &'static str)> {
    let mut answered = BTreeSet::new();
    for route in routes {
        if route.visit(visitor).await {
            answered.insert((route.method.to_string(), route.template));
        }
    }
    answered
}

/// That every route that a tenant can use has answered somebody.
pub fn assert_all_answered(routes: &[Route], answered: &BTreeSet<(String, &'static str)>) {
    let silent = routes.iter().filter(|route| {
        route.rule.scope != Scope::Platform && !answered.contains(&(route.method.to_string(), route.template))
    });
    let silent: Vec<_> = silent.map(|route| format!("{} {}", route.method, route.template)).collect();
    assert_eq!(silent, [""; 0], "nobody was answered there");
}
