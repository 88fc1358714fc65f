//! What a request asked to have changed, for the audit log: all that is known of one that was refused before its
//! handler could say more.

use axum::extract::{FromRequestParts, RawPathParams, Request};
use serde_json::{Map, Value, json};

use super::Changed;
use crate::http::envelope::Refusal;

/// Which parts of a path say what is wanted of the thing that the others name.
const WANTED_OF_PATHS: [&str; 2] = ["kind", "value"];

/// What of a query is written down: nothing that anybody could mistake for a place of secrets.
const WANTED_OF_QUERIES: [&str; 4] = ["force", "plugin", "tenant", "to"];

/// What of such a text is written down, in characters: more than any name has.
const CHARS_MAX: usize = 200;

/// What a request names.
pub(super) struct Asked {
    /// As those that are done have it, as `crm 1.1.0`; the path where that names nothing.
    target: String,
    wanted: Map<String, Value>,
}

impl Asked {
    /// Of a request, which is given back.
    pub(super) async fn of(request: Request) -> (Request, Self) {
        let (mut parts, body) = request.into_parts();
        let (mut named, mut wanted) = (Vec::new(), Map::new());
        if let Ok(params) = RawPathParams::from_request_parts(&mut parts, &()).await {
            for (name, value) in &params {
                match WANTED_OF_PATHS.contains(&name) {
                    true => _ = wanted.insert(name.to_owned(), short(value).into()),
                    false => named.push(short(value)),
                }
            }
        }
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if WANTED_OF_QUERIES.contains(&&*name) {
                wanted.insert(name.into_owned(), short(&value).into());
            }
        }
        let target = if named.is_empty() { short(parts.uri.path()) } else { named.join(" ") };
        (Request::from_parts(parts, body), Self { target, wanted })
    }

    /// What is written down of it, with why it was refused.
    pub(super) fn came_to(mut self, refusal: Option<Refusal>) -> Changed {
        let changed = Changed::new(self.target);
        let Some(Refusal { reason, wanted, .. }) = refusal else { return changed };
        if let Some(Value::Object(more)) = wanted.map(|wanted| *wanted) {
            self.wanted.extend(more);
        }
        changed.to(match self.wanted.is_empty() {
            true => json!({ "reason": reason }),
            false => json!({ "reason": reason, "wanted": self.wanted }),
        })
    }
}

fn short(text: &str) -> String {
    text.chars().take(CHARS_MAX).collect()
}
