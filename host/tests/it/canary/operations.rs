//! The table of operations. What the host learns to do gets its lines here.

mod capabilities;

pub use self::capabilities::BESIDES;

use reqwest::Method;
use serde_json::{Value, json};

use super::world::Turn;
use crate::common::Answer;

/// Host functions that the plugin uses in one call.
pub const BATCH: u64 = 100;

pub struct Operation {
    pub name: &'static str,
    pub weight: u64,
    /// The statuses that must occur in a run; others may.
    pub usual: &'static [u16],
    pub draw: fn(&mut Turn) -> Request,
}

/// What is asked, and what the answer has to be besides free of the other's canary.
#[derive(Debug)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<(&'static str, String)>,
    /// The bare id of the other tenant is in the request, so the answer may repeat it.
    pub names_the_other: bool,
    /// Asked as a third tenant, which must see neither.
    pub stranger: bool,
    pub operations: u64,
    pub check: Check,
}

type Check = fn(&mut Turn, &Answer) -> Result<(), String>;

const CONTACTS: &str = "/plugins/crm/contacts";
const DEALS: &str = "/plugins/crm/deals";

#[rustfmt::skip]
pub const TABLE: &[Operation] = &[
    Operation { name: "canary, a batch of host functions", weight: 26, usual: &[200], draw: batch },
    Operation { name: "crm, create contact", weight: 8, usual: &[201], draw: create_contact },
    Operation { name: "crm, an email the other has too", weight: 3, usual: &[201], draw: same_email },
    Operation { name: "crm, get contact", weight: 18, usual: &[200, 404], draw: |turn| get(format!("{CONTACTS}/{}", turn.id("contact")), own_or_absent) },
    Operation { name: "crm, list contacts", weight: 10, usual: &[200], draw: list_contacts },
    Operation { name: "crm, search for the other", weight: 8, usual: &[200], draw: search_other },
    Operation { name: "crm, update contact", weight: 6, usual: &[200, 404], draw: update_contact },
    Operation { name: "crm, delete contact", weight: 3, usual: &[200, 404], draw: |turn| plain(Method::DELETE, format!("{CONTACTS}/{}", turn.id("contact")), anything) },
    Operation { name: "crm, create deal", weight: 5, usual: &[201], draw: create_deal },
    Operation { name: "crm, get deal", weight: 10, usual: &[200, 404], draw: |turn| get(format!("{DEALS}/{}", turn.id("deal")), own_or_absent) },
    Operation { name: "crm, list deals", weight: 8, usual: &[200], draw: list_deals },
    Operation { name: "crm, update deal", weight: 4, usual: &[200], draw: update_deal },
    Operation { name: "crm, delete deal", weight: 2, usual: &[200, 404], draw: |turn| plain(Method::DELETE, format!("{DEALS}/{}", turn.id("deal")), anything) },
    Operation { name: "crm, pipeline", weight: 3, usual: &[200], draw: |_| get(format!("{DEALS}/pipeline/summary"), anything) },
    Operation { name: "analytics, reports", weight: 3, usual: &[200], draw: |_| get("/plugins/analytics/reports".into(), anything) },
    Operation { name: "analytics, run a report", weight: 5, usual: &[200, 404], draw: run_report },
    Operation { name: "422, values told back", weight: 8, usual: &[422], draw: wrong_fields },
    Operation { name: "400 and 415, bodies that cannot be read", weight: 4, usual: &[400, 415], draw: bad_body },
    Operation { name: "404 and 405, places that are none", weight: 6, usual: &[404, 405], draw: nowhere },
    Operation { name: "422, queries that cannot be", weight: 5, usual: &[422], draw: bad_query },
    Operation { name: "400, headers that cannot be", weight: 4, usual: &[400], draw: bad_header },
    Operation { name: "403, roles that may not", weight: 4, usual: &[403], draw: denied },
    Operation { name: "probe, context", weight: 5, usual: &[200], draw: |_| get("/plugins/probe/context".into(), own) },
    Operation { name: "probe, query", weight: 5, usual: &[200], draw: |_| post("/plugins/probe/query", json!({"statement": "SELECT id, text FROM note ORDER BY id DESC LIMIT 20", "parameters": []}), anything) },
    Operation { name: "probe, execute", weight: 3, usual: &[200, 400], draw: execute },
    Operation { name: "probe, transact", weight: 2, usual: &[200, 400], draw: transact },
    Operation { name: "probe, trap in a transaction", weight: 1, usual: &[502], draw: hold },
    Operation { name: "probe, other ends", weight: 2, usual: &[200, 502], draw: ends },
    Operation { name: "hello, headers", weight: 5, usual: &[200], draw: |_| get("/plugins/hello/headers".into(), own) },
    Operation { name: "hello, echo", weight: 5, usual: &[200], draw: echo },
    Operation { name: "hello, elsewhere", weight: 2, usual: &[404], draw: |turn| get(format!("/plugins/hello/{}", turn.value()), own) },
    Operation { name: "a stranger, rows", weight: 2, usual: &[200], draw: stranger },
    Operation { name: "the host's own API", weight: 6, usual: &[200], draw: management },
    Operation { name: "stock, put an item", weight: 1, usual: &[200], draw: capabilities::put_item },
    Operation { name: "stock, the list that is kept", weight: 5, usual: &[200], draw: capabilities::kept_list },
    Operation { name: "reader, what another plugin shares and is kept", weight: 16, usual: &[200], draw: capabilities::kept_shared },
    Operation { name: "notifications, list", weight: 3, usual: &[200], draw: capabilities::notifications },
    Operation { name: "notifications, read", weight: 3, usual: &[200, 404], draw: capabilities::read_notification },
    Operation { name: "events, tell", weight: 3, usual: &[202], draw: capabilities::tell },
    Operation { name: "events, list and dead letters", weight: 3, usual: &[200], draw: capabilities::events },
    Operation { name: "stream, what was missed", weight: 1, usual: &[200], draw: capabilities::stream },
    Operation { name: "schedule, run by hand", weight: 3, usual: &[200], draw: capabilities::run_schedule },
    Operation { name: "schedule, runs", weight: 2, usual: &[200], draw: capabilities::runs },
    Operation { name: "configuration, set", weight: 1, usual: &[200], draw: capabilities::configure },
    Operation { name: "configuration, show", weight: 2, usual: &[200], draw: |_| get(capabilities::CONFIG.into(), capabilities::configured) },
    Operation { name: "outside, echo", weight: 3, usual: &[200], draw: capabilities::outside },
];

fn batch(turn: &mut Turn) -> Request {
    let body = json!({"seed": turn.next(), "operations": BATCH, "tenant": turn.own()});
    let check: Check = |turn, answer| {
        turn.inside(answer);
        status(answer, &[200])
    };
    Request { operations: BATCH, ..post("/plugins/canary/run", body, check) }
}

fn contact(turn: &mut Turn) -> Value {
    json!({
        "firstName": turn.value(), "lastName": turn.value(), "email": format!("{}@example.com", turn.value()),
        "phone": turn.value(), "company": turn.value(), "position": turn.value(), "tags": [turn.value(), turn.own()],
    })
}

fn create_contact(turn: &mut Turn) -> Request {
    // The second tenant makes fewer: what it lacks, it asks for by the ids of the first.
    if !turn.is_first() && turn.below(3) > 0 {
        return get(format!("{CONTACTS}/{}", turn.id("contact")), own_or_absent);
    }
    let check: Check = |turn, answer| {
        turn.made("contact", answer);
        own(turn, answer)
    };
    post(CONTACTS, contact(turn), check)
}

/// Whether an email is taken is a question about one's own contacts.
fn same_email(turn: &mut Turn) -> Request {
    let mut body = contact(turn);
    body["email"] = json!(turn.shared_email());
    post(CONTACTS, body, |_, answer| status(answer, &[201]))
}

fn list_contacts(turn: &mut Turn) -> Request {
    let (skip, take) = (turn.below(50), 1 + turn.below(20));
    let filter = turn.one_of(&["", "&search=kanari", "&search=example.com", "&tags=none", "&search=%25"]);
    get(format!("{CONTACTS}?skip={skip}&take={take}{filter}"), own_rows)
}

fn search_other(turn: &mut Turn) -> Request {
    let other = turn.other();
    let path = match turn.below(4) {
        0 => format!("{CONTACTS}?search={other}"),
        1 => format!("{CONTACTS}?tags={other}"),
        2 => format!("{DEALS}?search={other}"),
        _ => format!("{CONTACTS}?search={other}-x&take=1"),
    };
    Request { names_the_other: true, ..get(path, nothing) }
}

fn update_contact(turn: &mut Turn) -> Request {
    let body = json!({"firstName": turn.value(), "company": turn.value()});
    with_body(Method::PUT, format!("{CONTACTS}/{}", turn.id("contact")), body, own_or_absent)
}

fn deal(turn: &mut Turn) -> Value {
    let currency = *turn.one_of(&["USD", "EUR"]);
    json!({"title": turn.value(), "description": turn.value(), "value": turn.below(1000), "currency": currency})
}

fn create_deal(turn: &mut Turn) -> Request {
    if !turn.is_first() && turn.below(3) > 0 {
        return get(format!("{DEALS}/{}", turn.id("deal")), own_or_absent);
    }
    let mut body = deal(turn);
    if turn.below(2) == 0 {
        body["contactId"] = json!(turn.id("contact"));
    }
    let check: Check = |turn, answer| {
        turn.made("deal", answer);
        // A contact of the other is one that does not exist.
        if answer.status == 422 { Ok(()) } else { own(turn, answer) }
    };
    post(DEALS, body, check)
}

fn list_deals(turn: &mut Turn) -> Request {
    let take = 1 + turn.below(20);
    let contact = turn.id("contact");
    let by_contact = format!("&contactId={contact}");
    let filter = *turn.one_of(&["", "&stage=lead", "&search=kanari", "&sort=value", &by_contact]);
    get(format!("{DEALS}?take={take}{filter}"), own_rows)
}

fn update_deal(turn: &mut Turn) -> Request {
    let body = json!({"title": turn.value(), "value": turn.below(1000)});
    with_body(Method::PUT, format!("{DEALS}/{}", turn.id("deal")), body, own_or_absent)
}

fn run_report(turn: &mut Turn) -> Request {
    let own = turn.value();
    let id = *turn.one_of(&["report-1", "report-2", "report-3", "report-4", &own]);
    post(&format!("/plugins/analytics/reports/{id}/run"), json!({}), |_, answer| status(answer, &[200, 404]))
}

fn wrong_fields(turn: &mut Turn) -> Request {
    let value = turn.value();
    let body = match turn.below(5) {
        0 => json!({"firstName": value.repeat(20), "lastName": " ", "email": value}),
        1 => json!({value.clone(): value, "firstName": 1}),
        2 => json!({"firstName": [value.clone()], "tags": {value.clone(): value}}),
        3 => json!({"title": value, "value": value, "stage": value, "currency": value}),
        _ => json!({"title": value, "value": 1, "contactId": value, "expectedCloseDate": value}),
    };
    let path = if body.get("title").is_some() { DEALS } else { CONTACTS };
    post(path, body, |_, answer| status(answer, &[422]))
}

fn bad_body(turn: &mut Turn) -> Request {
    let body = match turn.below(4) {
        0 => ("application/json", format!("{{\"firstName\": \"{}\"", turn.value())),
        1 => ("application/json", turn.value()),
        2 => ("text/plain", turn.value()),
        _ => ("application/x-www-form-urlencoded", format!("firstName={}", turn.value())),
    };
    Request { body: Some(body), ..plain(Method::POST, CONTACTS.into(), |_, answer| status(answer, &[400, 415])) }
}

fn nowhere(turn: &mut Turn) -> Request {
    let value = turn.value();
    let path = match turn.below(6) {
        0 => format!("/{value}"),
        1 => format!("/plugins/{value}"),
        2 => format!("/plugins/crm/{value}"),
        3 => format!("{CONTACTS}/{value}"),
        4 => format!("/api/v1/plugins/{value}/links"),
        _ => return plain(Method::PATCH, format!("{CONTACTS}/{value}"), |_, answer| status(answer, &[405])),
    };
    get(path, |_, answer| status(answer, &[404]))
}

fn bad_query(turn: &mut Turn) -> Request {
    let value = turn.value();
    let query = match turn.below(5) {
        0 => format!("take={value}"),
        1 => format!("{value}=1"),
        2 => "take=0&skip=-1".to_owned(),
        3 => format!("cursor={value}&skip={value}"),
        _ => format!("take=1&take={value}"),
    };
    get(format!("{CONTACTS}?{query}"), |_, answer| status(answer, &[422]))
}

fn bad_header(turn: &mut Turn) -> Request {
    let (value, other) = (turn.value(), turn.other().to_owned());
    let headers = match turn.below(4) {
        0 => vec![("x-user-id", value.clone()), ("x-user-id", value)],
        1 => vec![("x-workspace-id", format!("{value} and more"))],
        // A second tenant, which is the other one.
        2 => vec![("x-tenant-id", other)],
        _ => vec![("x-user-roles", value.to_uppercase())],
    };
    let request = get(CONTACTS.into(), |_, answer| status(answer, &[400]));
    Request { headers, names_the_other: true, ..request }
}

fn denied(turn: &mut Turn) -> Request {
    let roles = turn.one_of(&["member", "", "stranger"]).to_string();
    let request = post(CONTACTS, contact(turn), |_, answer| status(answer, &[403]));
    Request { headers: vec![("x-user-roles", roles)], ..request }
}

fn execute(turn: &mut Turn) -> Request {
    let value = turn.value();
    let (statement, parameters) = match turn.below(5) {
        0 => ("INSERT INTO note (text) VALUES ($1)".to_owned(), vec![value]),
        1 => ("DELETE FROM note WHERE id <= (SELECT max(id) FROM note) - 200".to_owned(), vec![]),
        2 => ("INSERT INTO note (text) SELECT text FROM note LIMIT 1".to_owned(), vec![]),
        3 => ("INSERT INTO note (id, text) SELECT id, $1 FROM note LIMIT 1".to_owned(), vec![value]),
        _ => (format!("INSERT INTO {} (text) VALUES ('{value}')", value.replace('-', "_")), vec![]),
    };
    post("/plugins/probe/execute", json!({"statement": statement, "parameters": parameters}), anything)
}

fn transact(turn: &mut Turn) -> Request {
    let (value, commit) = (turn.value(), turn.below(2) == 0);
    let insert = format!("INSERT INTO note (text) VALUES ('{value}')");
    // Twice the same breaks the rule that each text is there once.
    let statements = if turn.below(2) == 0 { vec![insert] } else { vec![insert.clone(), insert] };
    post("/plugins/probe/transact", json!({"statements": statements, "commit": commit}), anything)
}

fn hold(turn: &mut Turn) -> Request {
    let insert = format!("INSERT INTO note (text) VALUES ('{}')", turn.value());
    post("/plugins/probe/hold", json!({"statements": [insert], "milliseconds": 0}), |_, answer| match answer.status {
        // Another transaction took too long.
        400 => Ok(()),
        _ => status(answer, &[502]),
    })
}

fn ends(turn: &mut Turn) -> Request {
    match turn.below(3) {
        0 => post("/plugins/probe/trap", json!({}), |_, answer| status(answer, &[502])),
        1 => post("/plugins/probe/allocate", json!({"mebibytes": 8}), |_, answer| status(answer, &[200])),
        _ => post("/plugins/probe/big", json!({"bytes": 10_000}), |_, answer| status(answer, &[200])),
    }
}

fn echo(turn: &mut Turn) -> Request {
    let times = 1 + turn.below(200) as usize;
    let body = Some(("text/plain", turn.value().repeat(times)));
    Request { body, ..plain(Method::POST, "/plugins/hello/echo".into(), own) }
}

fn stranger(turn: &mut Turn) -> Request {
    let path = *turn.one_of(&[CONTACTS, DEALS, "/plugins/crm/contacts?search=kanari"]);
    Request { stranger: true, ..get(path.to_owned(), |_, answer| status(answer, &[200])) }
}

fn management(turn: &mut Turn) -> Request {
    let path = *turn.one_of(&[
        "/api/v1/services",
        "/api/v1/plugins",
        "/api/v1/plugins/crm",
        "/api/v1/plugins/analytics/links",
        "/plugins/crm/info",
        "/plugins/crm/health",
        "/plugins/analytics/health",
        "/health",
        "/health/ready",
    ]);
    get(path.to_owned(), |_, answer| status(answer, &[200]))
}

fn plain(method: Method, path: String, check: Check) -> Request {
    Request { method, path, headers: vec![], body: None, names_the_other: false, stranger: false, operations: 1, check }
}

fn get(path: String, check: Check) -> Request {
    plain(Method::GET, path, check)
}

fn with_body(method: Method, path: String, body: Value, check: Check) -> Request {
    Request { body: Some(("application/json", body.to_string())), ..plain(method, path, check) }
}

fn post(path: &str, body: Value, check: Check) -> Request {
    with_body(Method::POST, path.to_owned(), body, check)
}

fn anything(_: &mut Turn, answer: &Answer) -> Result<(), String> {
    let failed = answer.status >= 500 && answer.status != 503;
    if failed { Err("the host failed".to_owned()) } else { Ok(()) }
}

fn status(answer: &Answer, expected: &[u16]) -> Result<(), String> {
    if expected.contains(&answer.status) { Ok(()) } else { Err(format!("expected one of {expected:?}")) }
}

/// A success that holds a value of the tenant.
fn own(turn: &mut Turn, answer: &Answer) -> Result<(), String> {
    if answer.text.contains(turn.own()) { Ok(()) } else { Err("nothing of its own is in it".to_owned()) }
}

fn own_or_absent(turn: &mut Turn, answer: &Answer) -> Result<(), String> {
    if answer.status == 404 { Ok(()) } else { status(answer, &[200]).and_then(|()| own(turn, answer)) }
}

fn own_rows(turn: &mut Turn, answer: &Answer) -> Result<(), String> {
    status(answer, &[200])?;
    let rows = answer.json["data"].as_array().ok_or("no list")?;
    match rows.iter().find(|row| !row.to_string().contains(turn.own())) {
        Some(row) => Err(format!("a row that is not its own: {row}")),
        None => Ok(()),
    }
}

/// An empty list.
fn nothing(_: &mut Turn, answer: &Answer) -> Result<(), String> {
    status(answer, &[200])?;
    if answer.json["total"] == json!(0) { Ok(()) } else { Err("something was found".to_owned()) }
}
