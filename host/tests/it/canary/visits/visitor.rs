//! Asking as somebody else, and having the answer looked at.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;

use super::tenants::{Asker, Kind, Tenant};
use super::watch::Watch;
use crate::common::{Answer, ask};

/// The correlation id of all visits, by which their lines in the log are known.
pub const CORRELATION: &str = "a-visit-of-somebody-else";

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    pub method: Method,
    /// With its query.
    pub path: String,
    /// The tenant that is named instead of the asker's own.
    pub tenant: Option<String>,
    pub body: Option<Value>,
}

impl Visit {
    pub fn new(method: &Method, path: impl Into<String>) -> Self {
        Self { method: method.clone(), path: path.into(), tenant: None, body: None }
    }

    /// All that is said by it.
    fn said(&self) -> String {
        let Self { path, tenant, body, .. } = self;
        format!("{path} {} {}", tenant.as_deref().unwrap_or_default(), body.as_ref().unwrap_or(&Value::Null))
    }

    pub fn is_change(&self) -> bool {
        self.method != Method::GET
    }
}

/// Somebody of `own` who looks for what is `theirs`.
pub struct Visitor<'a> {
    pub asker: &'a Asker,
    pub own: &'a Tenant,
    pub theirs: &'a Tenant,
    pub watch: &'a Watch,
    pub nobodys: &'a Nobodys,
}

impl Visitor<'_> {
    pub async fn get(&self, path: &str) -> Answer {
        self.visit(&Visit::new(&Method::GET, path)).await
    }

    /// Asks, and looks at the answer.
    pub async fn visit(&self, visit: &Visit) -> Answer {
        let client = match &visit.tenant {
            Some(tenant) => self.asker.client.tenant(tenant),
            None => self.asker.client.clone(),
        };
        let mut request = client.request(visit.method.clone(), &visit.path).header("X-Correlation-ID", CORRELATION);
        if visit.method == Method::PUT {
            let current = client.get(&visit.path).await;
            request = match current.header("etag") {
                "" => request,
                tag => request.header("If-Match", tag),
            };
        }
        if let Some(body) = &visit.body {
            request = request.json(body);
        }
        if visit.is_change() {
            self.watch.keep(&visit.said());
        }
        let answer = ask(request).await;
        self.watch.look_at(self.asker.name, &format!("{visit:?}"), &visit.said(), &answer);
        answer
    }

    /// The same visit with nobody's names where theirs are: the answer has to be the same, so that nobody learns even
    /// which of them there are.
    pub async fn visit_with_twin(&self, visit: &Visit) -> Answer {
        let twin = Visit {
            path: self.nobodys.instead(&visit.path),
            tenant: visit.tenant.as_deref().map(|tenant| self.nobodys.instead(tenant)),
            body: visit.body.as_ref().map(|body| self.nobodys.instead(&body.to_string()).parse().unwrap()),
            ..visit.clone()
        };
        if twin == *visit {
            return self.visit(visit).await;
        }
        let mut told = String::new();
        // On a busy machine an answer may be another by chance, but not each time.
        for _ in 0..3 {
            let (answer, other) = (self.visit(visit).await, self.visit(&twin).await);
            let seen = |answer| self.nobodys.without_names(answer, visit.is_change());
            let (found, expected) = (seen(&answer), seen(&other));
            if found == expected {
                return answer;
            }
            told = format!("{visit:?} is answered otherwise than with nobody's names:\n{found}\n{expected}");
        }
        self.watch.wrong(format!("{}: {told}", self.asker.name));
        self.visit(visit).await
    }
}

/// For each of their names one of the same kind and length that is nobody's.
pub struct Nobodys(BTreeMap<String, String>);

impl Nobodys {
    pub fn new(theirs: &Tenant) -> Self {
        // Digits for digits and letters for letters, so that nothing can tell the two apart by their looks.
        let other = |letter: char| match letter {
            '0'..='8' | 'a'..='e' => char::from(letter as u8 + 1),
            '9' => '0',
            'f' => 'a',
            _ => letter,
        };
        let invented = |kind: Kind, name: &str| match kind {
            // Of ten years before.
            Kind::Snapshot => format!("201{}", &name[3..]),
            _ => name.chars().map(other).collect(),
        };
        let kinds = theirs.ids.iter().filter(|(kind, _)| **kind != Kind::Row);
        let each = kinds.flat_map(|(kind, names)| names.iter().map(|name| (name.clone(), invented(*kind, name))));
        Self(each.collect())
    }

    fn instead(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (theirs, nobodys)| text.replace(theirs, nobodys))
    }

    /// What of an answer does not depend on when it was asked and what was named.
    fn without_names(&self, answer: &Answer, to_a_change: bool) -> String {
        let told = match answer.status {
            // What a change has made is told with its time, and what stands in its way may be told by a plugin.
            200..=299 | 409 if to_a_change => String::new(),
            // How a text is no number says something of the text.
            422 => answer.json["error"]["code"].to_string(),
            _ => {
                let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
                let mut headers: Vec<String> = headers.map(|(name, value)| format!("{name}: {value:?}")).collect();
                headers.sort_unstable();
                format!("{headers:?} {}", without(answer.json.clone(), &["lastUsedAt", "used", "resetsAt"]))
            }
        };
        let text = format!("{} {told}", answer.status);
        self.0.iter().fold(text, |text, (theirs, nobodys)| text.replace(theirs, "…").replace(nobodys, "…"))
    }
}

/// Without these members, however deep.
pub fn without(mut value: Value, members: &[&str]) -> Value {
    match &mut value {
        Value::Object(object) => {
            object.retain(|name, _| !members.contains(&name.as_str()));
            object.values_mut().for_each(|value| *value = without(value.take(), members));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| *value = without(value.take(), members)),
        _ => {}
    }
    value
}
