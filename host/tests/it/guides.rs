//! The guides: every block of Rust on a page stands word for word in the source of its example, and every example does
//! over HTTP what its page says.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Host, Listener, Message, Scratch, ask, eventually, output, repository};

/// The blocks of a language on a page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let (mut blocks, mut open) = (Vec::new(), None::<String>);
    for line in page.lines() {
        match &mut open {
            Some(block) if line == "```" => {
                blocks.push(std::mem::take(block));
                open = None;
            }
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line == format!("```{language}") => open = Some(String::new()),
            None => {}
        }
    }
    blocks
}

/// All files of a directory and below, one after the other.
fn texts(directory: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.push_str(&texts(&path)),
            false => all.push_str(&std::fs::read_to_string(path).unwrap()),
        }
    }
    all
}

#[test]
fn what_a_guide_shows_stands_in_its_example() {
    let (guides, examples) = (repository().join("docs/guides"), repository().join("plugins-src/examples"));
    let mut shown = 0;
    for entry in std::fs::read_dir(&guides).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        let example = examples.join(name);
        if !example.exists() {
            continue;
        }
        let (page, source) = (std::fs::read_to_string(&path).unwrap(), texts(&example));
        for language in ["rust", "wit"] {
            for block in blocks(&page, language) {
                assert!(source.contains(&block), "{}: this is not in {}:\n{block}", path.display(), example.display());
                shown += usize::from(language == "rust");
            }
        }
    }
    assert!(shown > 0);
    // Whoever adds an example adds its page.
    for entry in std::fs::read_dir(&examples).unwrap() {
        let name = entry.unwrap().file_name();
        let page = guides.join(&name).with_extension("md");
        assert!(page.exists(), "{} is missing", page.display());
    }
}

#[test]
fn blocks_are_found() {
    let page = "a\n```rust\nfn a() {}\n\nfn b() {}\n```\n```text\nx\n```\n```rust\nc\n```\n";
    assert_eq!(blocks(page, "rust"), ["fn a() {}\n\nfn b() {}\n", "c\n"]);
}

#[tokio::test]
async fn configuration() {
    let host = Host::with_plugins(&["example-configuration"]).await;
    let acme = host.tenant("acme");
    let letter = || json!({ "body": "one\ntwo\nthree" });
    let refused = acme.post("/plugins/letterhead/letters", letter()).await;
    assert!(refused.message(503, "plugin_inactive").contains("no value for `companyName`"), "{refused:?}");

    let values = json!({ "companyName": "Acme", "languages": ["en", "de"] });
    let set = acme.put("/api/v1/plugins/letterhead/config", json!({ "values": values })).await;
    let written = acme.post("/plugins/letterhead/letters", letter()).await;
    assert_eq!(*written.data(200), json!({ "head": "Acme (en, de)", "body": "one\ntwo\nthree" }));

    let values = json!({
        "companyName": "Acme & Co", "maxLines": 2, "withFoot": true, "printerKey": "hunter2",
        "places": [{ "city": "Graz", "phone": "1" }, { "city": "Linz", "phone": "2" }],
    });
    let change = acme.request(Method::PUT, "/api/v1/plugins/letterhead/config");
    ask(change.header("If-Match", set.header("etag")).json(&json!({ "values": values }))).await.data(200);
    let written = acme.post("/plugins/letterhead/letters", letter()).await;
    let expected = json!({ "head": "Acme & Co (), printed", "body": "one\ntwo", "foot": "Graz 1 | Linz 2" });
    assert_eq!(*written.data(200), expected);
}

#[tokio::test]
async fn keyvalue() {
    let mut host = Host::with_plugins(&["example-keyvalue"]).await;
    let vote = async |host: &Host, poll: &str, voter: &str| {
        let path = format!("/plugins/polls/polls/{poll}/votes");
        host.post(&path, json!({ "voter": voter })).await.data(200).clone()
    };
    for (poll, voter, votes) in [("lunch", "ada", 1), ("lunch", "bob", 2), ("walk", "ada", 1), ("lunch", "eve", 3)] {
        assert_eq!(vote(&host, poll, voter).await, votes);
    }
    host.restart().await;
    let shown = host.get("/plugins/polls/polls/lunch").await;
    assert_eq!(*shown.data(200), json!({ "poll": "lunch", "votes": 3, "voters": ["ada", "bob", "eve"] }));
    assert_eq!(*host.get("/plugins/polls/polls").await.data(200), json!(["lunch", "walk"]));
    host.delete("/plugins/polls/polls/lunch").await.data(200);
    assert_eq!(host.get("/plugins/polls/polls/lunch").await.status, 404);
    assert_eq!(*host.tenant("acme").get("/plugins/polls/polls").await.data(200), json!([]));
}

#[tokio::test]
async fn shared_data() {
    let mut host = Host::with_plugins(&["example-shared-data", "crm"]).await;
    let board = |path: &str| format!("/plugins/board/{path}");
    let lunch = || json!({ "text": "At noon", "by": "ada" });
    host.put(&board("notices/lunch"), json!({ "notice": lunch(), "seconds": 3_600 })).await.data(200);
    host.put(&board("notices/walk"), json!({ "notice": lunch(), "seconds": 1 })).await.data(200);
    eventually("the walk is over", async || (host.get(&board("notices/walk")).await.status == 404).then_some(())).await;
    host.restart().await;
    assert_eq!(*host.get(&board("notices/lunch")).await.data(200), lunch());
    assert_eq!(*host.get(&board("notices")).await.data(200), json!(["lunch"]));
    assert_eq!(*host.tenant("acme").get(&board("notices")).await.data(200), json!([]));
    host.delete(&board("notices/lunch")).await.data(200);
    assert_eq!(*host.get(&board("notices")).await.data(200), json!([]));
    for seen in 1..=3 {
        assert_eq!(*host.post(&board("seen"), json!({})).await.data(200), seen);
    }

    // What is shown depends on the namespace alone: not on what else the CRM does.
    let last = async || {
        let answer = host.get(&board("last-deal")).await;
        (answer.header("x-cache").to_owned(), answer.data(200).clone())
    };
    let contact = json!({ "firstName": "Ada", "lastName": "Byron", "email": "ada@example.com" });
    assert_eq!(last().await, ("miss".to_owned(), Value::Null));
    host.post("/plugins/crm/contacts", contact).await.data(201);
    assert_eq!(last().await, ("hit".to_owned(), Value::Null));
    host.put("/plugins/crm/deals/deal-1", json!({ "value": 60_000 })).await.data(200);
    assert_eq!(last().await, ("miss".to_owned(), json!("deal-1")));
    eventually("the change is heard of", async || (*host.get(&board("changes")).await.data(200) == 1).then_some(()))
        .await;
}

#[tokio::test]
async fn logging() {
    let host = Host::with_plugins(&["example-logging"]).await;
    host.post("/plugins/importer/imports", json!({ "text": "1\ntwo\n3.5" })).await.data(200);
    let logs = async |more: &[&str]| {
        let args = [&["logs", "importer", "--url", host.address()], more].concat();
        output(host.scratch().tenon(&args)).await.success().to_owned()
    };
    let said = logs(&[]).await;
    let ends = [
        "[parse] line 0: 1",
        "[parse] line 1: \"two\" is no number: invalid float literal",
        "[parse] line 2: 3.5",
        "took 2 of 3",
    ];
    assert_eq!(said.lines().count(), ends.len(), "{said}");
    for (line, end) in said.lines().zip(ends) {
        assert!(line.ends_with(end) && line.contains(" demo 1.0.0 "), "{line}");
    }
    let warned = logs(&["--level", "warn", "--json"]).await;
    let line: Value = serde_json::from_str(&warned).unwrap();
    assert_eq!((&line["level"], &line["context"], &line["source"]), (&json!("warn"), &json!("parse"), &json!("log")));
    // The same lines are in the host's own log, but for those its filter leaves out.
    let log = eventually("the lines in the log", async || {
        let log = std::fs::read_to_string(Scratch::log(host.scratch())).unwrap();
        log.contains("took 2 of 3").then_some(log)
    })
    .await;
    assert!(log.contains("logged plugin=importer 1.0.0 tenant=demo correlation=") && !log.contains("line 0"), "{log}");
}

/// The headers of an answer that `grep -iE` with these words shows, without what time changes of them, in alphabetical
/// order.
fn headers_with(shown: impl Iterator<Item = String>, words: &str) -> Vec<String> {
    let words: Vec<&str> = words.split('|').collect();
    let masked = |line: String| {
        let mut masked = String::new();
        for part in line.split_inclusive([';', ' ']) {
            let counts = ["r=", "t="].into_iter().find(|name| part.starts_with(name));
            let name = counts.unwrap_or(if line.starts_with("age: ") && part != "age: " { "" } else { part });
            masked.push_str(name);
        }
        masked
    };
    let mut kept: Vec<String> = shown.filter(|line| words.iter().any(|word| line.contains(word))).map(masked).collect();
    kept.sort();
    kept
}

#[tokio::test]
async fn endpoint_rules() {
    let page = std::fs::read_to_string(repository().join("docs/guides/endpoint-rules.md")).unwrap();
    let transcript = blocks(&page, "console").remove(0);
    let host = Host::with_plugins(&["example-endpoint-rules"]).await;
    let mut asked = 0;
    for step in transcript.split("$ curl -s").skip(1) {
        let (command, shown) = step.split_once('\n').unwrap();
        let path = command.split("localhost:4000").nth(1).unwrap().split(' ').next().unwrap();
        if command.starts_with("i ") {
            let words = command.rsplit(' ').next().unwrap().trim_matches('\'');
            let answer = host.get(path).await;
            answer.data(200);
            let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
            let expected = headers_with(shown.lines().map(str::to_owned), words);
            assert_eq!(headers_with(headers, words), expected, "{command}");
        } else {
            let body = command.split('\'').find(|part| part.starts_with('{')).unwrap();
            let answer = host.put(path, serde_json::from_str(body).unwrap()).await;
            assert_eq!(answer.text.trim_end(), shown.trim_end(), "{command}");
        }
        asked += 1;
    }
    assert_eq!(asked, 4);
}

#[tokio::test]
async fn schedules() {
    let host = Host::with_plugins(&["example-schedules"]).await;
    for name in ["ada", "bob", "ada"] {
        host.post("/plugins/club/members", json!({ "name": name })).await.data(201);
    }
    let tenon = async |args: &[&str]| {
        let args = [args, &["--url", host.address()]].concat();
        output(host.scratch().tenon(&args)).await.success()
    };
    assert_eq!(tenon(&["schedule", "run", "club", "daily-count"]).await.trim_end(), "daily-count of club was run");
    // By hand again, on the same day or the next: the day's count is the latest.
    tenon(&["schedule", "run", "club", "daily-count"]).await;
    let counts = host.get("/plugins/club/counts").await;
    assert!(counts.rows().iter().all(|count| count["members"] == 2), "{counts:?}");
    tenon(&["schedule", "run", "club", "clean-up"]).await;
    assert_eq!(host.get("/plugins/club/counts").await.json, counts.json, "it is not a year old");
    let listed = tenon(&["schedules"]).await;
    for said in ["daily-count", "55 23 * * *", "Europe/Vienna", "clean-up", "0 4 * * SUN", "done"] {
        assert!(listed.contains(said), "{said}: {listed}");
    }
}

#[tokio::test]
async fn quotas() {
    let page = std::fs::read_to_string(repository().join("docs/guides/quotas.md")).unwrap();
    let transcript = blocks(&page, "console").remove(0);
    let host = Host::with_config(&["example-quotas"], "quotas.enforced_in_dev = true").await;
    let mut done = 0;
    for step in transcript.split("$ ").skip(1) {
        let (command, shown) = step.trim_end().split_once('\n').unwrap();
        let said = match command.strip_prefix("tenon ") {
            Some(command) => {
                let args: Vec<&str> = command.split(' ').chain(["--url", host.address()]).collect();
                output(host.scratch().tenon(&args)).await.success().trim_end().to_owned()
            }
            None => {
                let path = command.split("localhost:4000").nth(1).unwrap().split(' ').next().unwrap();
                // As curl does: the type of the body is its own unless the command has another.
                let kind = command.split("Content-Type: ").nth(1).and_then(|rest| rest.split('\'').next());
                let body = command.rsplit('\'').nth(1).unwrap().to_owned();
                let request = host.request(Method::PUT, path);
                let kind = kind.unwrap_or("application/x-www-form-urlencoded");
                ask(request.header("Content-Type", kind).body(body)).await.text
            }
        };
        assert_eq!(said, shown, "{command}");
        done += 1;
    }
    assert_eq!(done, 5);
    assert_eq!(*host.get("/plugins/notebook/notes").await.data(200), json!(["milk", "bread"]));
    assert_eq!(host.get("/api/v1/events?type=note.kept").await.rows().len(), 1);
    // One that is there already takes no more room.
    let again = host.put("/plugins/notebook/notes/milk", json!({ "text": "One litre" })).await;
    assert_eq!(*again.data(200), json!({ "name": "milk", "told": false }));
}

#[tokio::test]
async fn real_time() {
    let page = std::fs::read_to_string(repository().join("docs/guides/real-time.md")).unwrap();
    let script = blocks(&page, "js").remove(0);
    assert!(script.lines().count() <= 10, "{script}");
    let quoted = |call: &str| -> Vec<String> {
        script.split(call).skip(1).map(|rest| rest.split('\'').nth(1).unwrap().to_owned()).collect()
    };
    let (path, heard) = (quoted("new EventSource(").remove(0), quoted("addEventListener("));
    assert_eq!(heard, ["notification", "ticket.opened", "reset"]);
    assert!(page.contains(&format!("curl -N -H 'X-User-ID: jo' 'http://127.0.0.1:4000{path}'")));

    let host = Host::with_plugins(&["example-real-time"]).await;
    let as_jo = |method, path: &str| host.roles("member").request(method, path).header("X-User-ID", "jo");
    let mut stream = Listener::open(as_jo(Method::GET, &path)).await;
    stream.missed().await;
    let ticket = json!({ "title": "Printer", "assignee": "jo" });
    let opened = host.post("/plugins/desk/tickets", ticket).await;
    assert_eq!(*opened.data(201), json!({ "id": "ticket-1", "title": "Printer" }));
    let mut told: Vec<Message> = Vec::new();
    for _ in 0..2 {
        told.push(stream.message().await);
    }
    told.sort_by(|a, b| a.event.cmp(&b.event));
    let [notification, event] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&notification.event, &event.event), (&heard[0], &heard[1]));
    let data = &notification.data;
    let fields = ["to", "plugin", "kind", "title", "link"].map(|name| data[name].as_str().unwrap());
    assert_eq!(fields, ["user:jo", "desk", "assigned", "Printer", "/plugins/desk/tickets"]);
    assert_eq!(event.data["data"], json!({ "id": "ticket-1", "title": "Printer" }));
    assert_eq!(host.get(fields[4]).await.rows().len(), 1, "the link leads somewhere");

    // What the client has to mend is told as that, by field, and nothing came of it.
    let too_long = "x".repeat(201);
    for title in ["", " ", "Printer\nDoor", &too_long] {
        let refused = host.post("/plugins/desk/tickets", json!({ "title": title })).await;
        assert_eq!(refused.wrong_fields(), ["title"], "{title:?}");
    }
    let refused = host.post("/plugins/desk/tickets", json!({ "title": "Window", "assignee": "j o" })).await;
    assert_eq!(refused.wrong_fields(), ["assignee"]);

    // What is nobody's is for the administrators.
    host.post("/plugins/desk/tickets", json!({ "title": "Door" })).await.data(201);
    assert_eq!(stream.message().await.event, "ticket.opened");
    let list = "/api/v1/notifications";
    let admins = eventually("a word to the administrators", async || {
        let listed = host.roles("admin").get(list).await;
        (listed.rows().len() == 1).then_some(listed)
    })
    .await;
    assert_eq!(admins.column("kind"), ["unassigned"]);
    let own = ask(as_jo(Method::GET, list)).await;
    assert_eq!(own.column("title"), ["Printer"]);
    let read = format!("{list}/{}/read", own.column("id")[0]);
    ask(as_jo(Method::POST, &read)).await.data(200);
    assert!(ask(as_jo(Method::GET, &format!("{list}?unread=true"))).await.rows().is_empty());
    // Whoever may not see tickets hears nothing of them, and is told so.
    host.roles("").get(&path).await.refusal(403, "denied");
}
