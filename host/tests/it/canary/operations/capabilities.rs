//! Kept answers, notifications, events, schedules, configuration and requests to hosts outside.

use reqwest::Method;
use serde_json::json;

use super::super::world::Turn;
use super::{Request, get, own, own_rows, post, status, with_body};
use crate::common::Answer;

/// What must have been seen in a run, beside the statuses of the answers: else it was not tried.
pub const BESIDES: [&str; 8] = [KEPT_LIST, KEPT_SHARED, NOTIFICATION, EVENT, STREAMED, RUN, CONFIGURED, ECHO];

const KEPT_LIST: &str = "a kept list, given again";
const KEPT_SHARED: &str = "a kept answer from shared data, given again";
const NOTIFICATION: &str = "a notification in a list";
const EVENT: &str = "an event in a list";
const STREAMED: &str = "an event in a stream";
const RUN: &str = "a run by hand that was done";
const CONFIGURED: &str = "a value in the configuration";
const ECHO: &str = "an answer from outside";

pub const CONFIG: &str = "/api/v1/plugins/canary/config";

/// An item has the tenant's name, and the list has the same path for both.
pub fn put_item(turn: &mut Turn) -> Request {
    let path = format!("/plugins/stock/items/{}-x{}", turn.own(), turn.below(30));
    with_body(Method::PUT, path, json!({"pieces": turn.below(100)}), |turn, answer| {
        status(answer, &[200]).and_then(|()| own(turn, answer))
    })
}

pub fn kept_list(_: &mut Turn) -> Request {
    let request = get("/plugins/stock/items".into(), |turn, answer| {
        // Its manifest limits how often it is read.
        if answer.status == 429 {
            return Ok(());
        }
        kept(turn, answer, KEPT_LIST);
        own_rows(turn, answer)
    });
    of_somebody(request)
}

/// What `canary` shares, as `reader` reads it: under names of both tenants, and the tenant's own names.
pub fn kept_shared(turn: &mut Turn) -> Request {
    let path = match turn.below(5) {
        0 => "keys/canary.names".to_owned(),
        key => format!("look/canary.open/key-{key}"),
    };
    let request = get(format!("/plugins/reader/{path}"), |turn, answer| {
        kept(turn, answer, KEPT_SHARED);
        status(answer, &[200])?;
        match &answer.json["data"] {
            found if found.as_array().is_some() => own_rows(turn, answer),
            found if found.is_null() => Ok(()),
            _ => own(turn, answer),
        }
    });
    of_somebody(request)
}

/// Of a user of whom each tenant has one: an answer is kept for whoever asked, and here the tenants are all that
/// differs.
fn of_somebody(request: Request) -> Request {
    Request {
        headers: vec![("x-user-id", "somebody".to_owned()), ("x-workspace-id", "somewhere".to_owned())],
        ..request
    }
}

fn kept(turn: &Turn, answer: &Answer, what: &'static str) {
    if answer.header("x-cache") == "hit" && answer.text.contains(turn.own()) {
        turn.saw(what);
    }
}

pub fn notifications(turn: &mut Turn) -> Request {
    let query = *turn.one_of(&["", "?unread=true", "?limit=5"]);
    get(format!("/api/v1/notifications{query}"), |turn, answer| {
        own_rows(turn, answer)?;
        for row in answer.rows() {
            turn.saw(NOTIFICATION);
            turn.note("notification", row["id"].as_str().unwrap_or_default());
        }
        Ok(())
    })
}

/// One that is the other's does not exist.
pub fn read_notification(turn: &mut Turn) -> Request {
    let path = format!("/api/v1/notifications/{}/read", turn.id("notification"));
    post(&path, json!({}), |turn, answer| match answer.status {
        404 => Ok(()),
        _ => status(answer, &[200]).and_then(|()| own(turn, answer)),
    })
}

/// As another system of the tenant; `canary` hears it.
pub fn tell(turn: &mut Turn) -> Request {
    let data = json!({"text": turn.value()});
    let event = json!({"type": "canary.told", "subject": turn.value(), "key": turn.value(), "data": data});
    post("/api/v1/events", event, |_, answer| status(answer, &[202]))
}

pub fn events(turn: &mut Turn) -> Request {
    let path = *turn.one_of(&["/api/v1/events?limit=20", "/api/v1/events/dead", "/api/v1/events?type=canary.sung"]);
    get(path.to_owned(), |turn, answer| {
        own_rows(turn, answer)?;
        if !answer.rows().is_empty() {
            turn.saw(EVENT);
        }
        if answer.text.contains("leaked: ") { Err("the handler saw something".to_owned()) } else { Ok(()) }
    })
}

/// From the beginning, up to what is new.
pub fn stream(turn: &mut Turn) -> Request {
    let topics = *turn.one_of(&["", "&topics=canary.*", "&topics=canary.*,contact.*"]);
    get(format!("/api/v1/stream?lastEventId=0-0{topics}"), |turn, answer| {
        if answer.text.contains(turn.own()) {
            turn.saw(STREAMED);
        }
        status(answer, &[200])
    })
}

pub fn run_schedule(_: &mut Turn) -> Request {
    post("/api/v1/schedules/canary/sing/run", json!({}), |turn, answer| {
        if answer.text.contains("leaked: ") {
            return Err("the run saw something".to_owned());
        }
        if answer.json["data"]["outcome"] == "done" {
            turn.saw(RUN);
        }
        // Another one goes on, or takes its time.
        status(answer, &[200, 202, 409, 429])
    })
}

pub fn runs(_: &mut Turn) -> Request {
    get("/api/v1/schedules/canary/sing/runs?limit=20".into(), |_, answer| {
        status(answer, &[200])?;
        if answer.text.contains("leaked: ") { Err("a run saw something".to_owned()) } else { Ok(()) }
    })
}

/// Another worker of the tenant may have been faster; the next one has its revision.
pub fn configure(turn: &mut Turn) -> Request {
    let values = json!({"values": {"note": turn.value(), "secret": turn.value()}});
    let request = with_body(Method::PUT, CONFIG.into(), values, |turn, answer| match answer.status {
        412 => Ok(()),
        _ => configured(turn, answer),
    });
    Request { headers: vec![("if-match", turn.last("configuration"))], ..request }
}

/// The revision is kept, and of the secret nothing is shown.
pub fn configured(turn: &mut Turn, answer: &Answer) -> Result<(), String> {
    status(answer, &[200])?;
    turn.note("configuration", answer.header("etag"));
    let fields = answer.json["data"]["fields"].as_array().ok_or("no fields")?;
    let value = |key: &str| fields.iter().find(|field| field["key"] == key).map(|field| field["value"].clone());
    let note = value("note").unwrap_or_default();
    if !note.as_str().is_some_and(|note| note.starts_with(turn.own())) || value("secret") != Some(json!({"set": true}))
    {
        return Err("it is not what was set".to_owned());
    }
    turn.saw(CONFIGURED);
    Ok(())
}

/// A host of the tenant's own name gives back what it is sent.
pub fn outside(turn: &mut Turn) -> Request {
    let url = format!("http://{}.outbound.test:{}/echo", turn.own(), turn.port());
    post("/plugins/fetcher/ask", json!({"url": url, "body": turn.value()}), |turn, answer| {
        status(answer, &[200])?;
        if answer.json["data"]["error"].is_string() {
            // On a busy machine there may be no answer in time.
            return Ok(());
        }
        turn.saw(ECHO);
        own(turn, answer)
    })
}
