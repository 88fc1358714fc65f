//! Every attempt of the corpus against the real host, through a plugin that runs whatever SQL it is told.
//!
//! All of them meet one host, which has something to steal: another plugin's rows of the same tenant, another tenant's
//! rows of the same plugin, and files. Each must end as the corpus says, show no canary, and leave everything as it was.

#[path = "../corpus/escapes.rs"]
mod corpus;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use futures::StreamExt;
use futures::stream;
use serde_json::{Value, json};

use self::corpus::{Attempt, attempts};
use crate::common::{Answer, Client, Host};

/// A text that only other plugins and other tenants hold.
const CANARY: &str = "kx7-canary-kx7";

/// Long enough for everything but what never ends; temporary files small enough that a sort without end meets them.
const CONFIG: &str = "limits.wall_deadline_ms = 1200\nlimits.cpu_budget_ms = 1200\nsql.temporary_bytes = 4194304\n\
                      sql.storage_bytes = 4194304";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_escape_of_the_corpus_gets_anywhere() {
    let host = Host::with_config(&["probe", "crm"], CONFIG).await;
    let contact = json!({ "firstName": CANARY, "lastName": CANARY, "email": "canary@example.com" });
    host.post("/plugins/crm/contacts", contact).await.data(201);
    let other = host.tenant("other");
    run(&other, "execute", &format!("INSERT INTO note (text) VALUES ('{CANARY}')")).await.data(200);
    run(&host, "execute", "INSERT INTO note (text) VALUES ('kept')").await.data(200);
    let (before, files) = (everything(&host).await, files(host.scratch().path("").as_path()));
    assert!(before.iter().filter(|part| part.to_string().contains(CANARY)).count() == 2, "{before:#?}");

    let begun = Instant::now();
    let attempts = attempts();
    let (long, quick): (Vec<&Attempt>, Vec<&Attempt>) =
        attempts.iter().partition(|attempt| attempt.expected.contains(&"timeout"));
    let mut wrong = Vec::new();
    for some in [quick, long] {
        // As many at once as there are connections that read.
        let each = stream::iter(some).map(|attempt| judge(&host, attempt)).buffer_unordered(4);
        wrong.extend(each.filter_map(async |wrong| wrong).collect::<Vec<_>>().await);
    }
    println!("{} attempts, each by query and by execute, in {:.1?}", attempts.len(), begun.elapsed());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), attempts.len(), wrong.join("\n"));

    assert_eq!(everything(&host).await, before);
    assert_eq!(self::files(host.scratch().path("").as_path()), files);
    for file in ["/tmp/tenon-stolen.sqlite", "/tmp/tenon-escape"] {
        assert!(!Path::new(file).exists(), "{file} was made");
    }
    assert_eq!(host.get("/health").await.status, 200);
}

async fn run(client: &Client, how: &str, statement: &str) -> Answer {
    client.post(&format!("/plugins/probe/{how}"), json!({ "statement": statement, "parameters": [] })).await
}

/// What is wrong with how the attempt ended, if anything is.
async fn judge(host: &Host, attempt: &Attempt) -> Option<String> {
    let query = run(host, "query", &attempt.statement).await;
    let execute = run(host, "execute", &attempt.statement).await;
    for answer in [&query, &execute] {
        if answer.text.contains(CANARY) {
            return Some(format!("{}: it saw the canary: {:.300}", attempt.what, answer.text));
        }
        if answer.text.contains(host.scratch().path("").to_str().unwrap()) {
            return Some(format!("{}: it was told a path: {:.300}", attempt.what, answer.text));
        }
    }
    let (query, execute) = (ending(&query), ending(&execute));
    // Of the two ways one is wrong for a statement that may run: "returns rows", "returns no rows".
    let fits = |ending: &str| attempt.expected.contains(&ending);
    let wrong_way = |ending: &str| ending == "wrong way";
    let right = match (wrong_way(&query), wrong_way(&execute)) {
        (true, true) => false,
        (true, false) => fits(&execute),
        (false, true) => fits(&query),
        (false, false) => fits(&query) && fits(&execute),
    };
    (!right).then(|| {
        format!(
            "{}: expected {}, query ended as {query}, execute as {execute}",
            attempt.what,
            attempt.expected.join("|")
        )
    })
}

fn ending(answer: &Answer) -> String {
    let error = &answer.json["error"];
    let (kind, message) = (&error["details"]["kind"], &error["details"]["message"]);
    match (answer.status, kind.as_str()) {
        (200, _) => "own".to_owned(),
        (400, Some("invalid")) if message.as_str().is_some_and(|told| told.starts_with("the statement returns")) => {
            "wrong way".to_owned()
        }
        (400, Some(kind)) => kind.to_owned(),
        _ => format!("{} {:.300}", answer.status, answer.text),
    }
}

/// All that there is to see of other plugins, other tenants, the host and the plugin itself.
async fn everything(host: &Host) -> Vec<Value> {
    let other = host.tenant("other");
    let notes = "SELECT id, text, done FROM note ORDER BY id";
    vec![
        host.get("/plugins/crm/contacts").await.data(200).clone(),
        host.get("/plugins/crm/deals").await.data(200).clone(),
        run(&other, "query", notes).await.data(200).clone(),
        run(host, "query", notes).await.data(200).clone(),
        host.get("/api/v1/plugins").await.data(200).clone(),
        host.get("/api/v1/services").await.data(200).clone(),
    ]
}

/// Every file below a directory, but for the logs of databases, which come and go.
fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&path)),
            false => {
                let name = path.to_str().unwrap();
                if !name.ends_with("-wal") && !name.ends_with("-shm") {
                    found.insert(path);
                }
            }
        }
    }
    found
}
