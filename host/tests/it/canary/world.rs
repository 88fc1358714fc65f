//! What all workers share, and how each draws, asks and checks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::header::HeaderMap;

use super::functions;
use super::operations::{BESIDES, Operation, Request, TABLE};
use super::watch::{TENANTS, foreign};
use crate::common::{Answer, Client, ask};

/// How much of the history a failure prints.
const HISTORY: usize = 24;

/// What the plugin counts calls as to which the host had no time or place.
const UNANSWERED: &str = "unanswered";

pub struct World {
    seed: u64,
    goal: u64,
    done: AtomicU64,
    /// Requests that the host had no time or place for.
    late: AtomicU64,
    history: Mutex<VecDeque<String>>,
    /// How often each operation was tried, with the status of its answer.
    counts: Mutex<BTreeMap<(&'static str, u16), u64>>,
    /// How often each operation of the plugin was proved to work.
    inside: Mutex<BTreeMap<String, u64>>,
    /// What else was seen, and how often.
    besides: Mutex<BTreeMap<&'static str, u64>>,
    /// Of the server that plugins ask outside.
    port: u16,
    /// Ids and revisions that each tenant was given, by kind.
    ids: [Mutex<BTreeMap<&'static str, Vec<String>>>; 2],
    /// The next email of those that both tenants take, each for itself.
    emails: [AtomicU64; 2],
}

impl World {
    pub fn new(seed: u64, goal: u64, port: u16) -> Self {
        Self {
            seed,
            goal,
            done: AtomicU64::new(0),
            late: AtomicU64::new(0),
            history: Mutex::default(),
            counts: Mutex::default(),
            inside: Mutex::default(),
            besides: Mutex::default(),
            port,
            ids: Default::default(),
            emails: Default::default(),
        }
    }

    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    fn late(&self) {
        let late = self.late.fetch_add(1, Ordering::Relaxed);
        if late > 50 + self.goal / 1_000 {
            self.fail("the host does not keep up");
        }
    }

    pub fn report(&self) -> String {
        let counts = self.counts.lock().unwrap();
        let outside = counts.iter().map(|((name, status), count)| format!("{count:>7}  {name}: {status}\n"));
        let inside = self.inside.lock().unwrap();
        let inside = inside.iter().map(|(name, count)| format!("{count:>7}  in the plugin, {name}\n"));
        let besides = self.besides.lock().unwrap();
        let besides = besides.iter().map(|(name, count)| format!("{count:>7}  seen, {name}\n"));
        outside.chain(inside).chain(besides).collect()
    }

    /// That no operation only ever failed, here or in the plugin, and that the plugin's use all functions of the host.
    pub fn assert_all_tried(&self) {
        let counts = self.counts.lock().unwrap();
        for operation in TABLE {
            let answered = |(name, status): &&(&str, u16)| *name == operation.name && operation.usual.contains(status);
            let statuses: Vec<u16> = counts.keys().filter(answered).map(|(_, status)| *status).collect();
            assert_eq!(statuses, operation.usual, "{}", operation.name);
        }
        let besides = self.besides.lock().unwrap();
        let unseen: Vec<&str> = BESIDES.into_iter().filter(|name| !besides.contains_key(name)).collect();
        assert!(unseen.is_empty(), "never seen: {unseen:?}");
        let mut inside = self.inside.lock().unwrap().clone();
        let unanswered = inside.remove(UNANSWERED).unwrap();
        let idle: Vec<&String> = inside.iter().filter(|(_, count)| **count == 0).map(|(name, _)| name).collect();
        assert!(idle.is_empty(), "operations of the plugin that never did what they are for: {idle:?}");
        for operation in functions::operations() {
            assert!(inside.contains_key(operation), "the plugin has no operation {operation:?}");
        }
        let proved: u64 = inside.values().sum();
        assert!(unanswered <= proved / 20, "{unanswered} calls of the plugin were not answered, {proved} were");
    }

    fn fail(&self, why: &str) -> ! {
        let history: Vec<String> = self.history.lock().unwrap().iter().cloned().collect();
        panic!(
            "{why}\nTENON_SEED={}, after {} operations; the last were:\n{}",
            self.seed,
            self.done(),
            history.join("\n")
        )
    }
}

/// One worker, of one tenant.
pub struct Turn {
    world: Arc<World>,
    number: u64,
    tenant: usize,
    state: u64,
}

impl Turn {
    pub fn new(world: Arc<World>, number: u64) -> Self {
        let state = world.seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93);
        Self { world, number, tenant: (number % 2) as usize, state }
    }

    /// Sets the configuration for the first time, so that the plugin finds one.
    pub async fn begin(mut self, client: &Client) {
        self.note("configuration", "\"0\"");
        self.operate(client, TABLE.iter().find(|operation| operation.name == "configuration, set").unwrap()).await;
    }

    pub async fn work(mut self, client: Client) {
        while self.world.done() < self.world.goal {
            let operation = self.pick(TABLE, |operation| operation.weight);
            self.operate(&client, operation).await;
        }
    }

    async fn operate(&mut self, client: &Client, operation: &Operation) {
        let request = (operation.draw)(self);
        self.remember(&format!("{} {} {:?}", request.method, request.path, request.body));
        let answer = self.ask(client, &request).await;
        if let Err(why) = self.look(&request, &answer) {
            self.world.fail(&format!("{} of {}: {why}\n{request:#?}\n{answer:#?}", operation.name, self.own()));
        }
        *self.world.counts.lock().unwrap().entry((operation.name, answer.status)).or_default() += 1;
        match answer.status {
            503 | 504 => self.world.late(),
            _ => drop(self.world.done.fetch_add(request.operations, Ordering::Relaxed)),
        }
    }

    async fn ask(&mut self, client: &Client, request: &Request) -> Answer {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| headers.append(name, value.parse().unwrap());
        set("x-tenant-id", if request.stranger { "demo" } else { self.own() });
        for (name, value) in &request.headers {
            set(name, value);
        }
        // All that identifies a request is a canary too.
        for name in ["x-user-id", "x-workspace-id", "x-correlation-id"] {
            if !request.stranger && !request.headers.iter().any(|(known, _)| *known == name) {
                set(name, &self.value());
            }
        }
        let mut sent = client.request(request.method.clone(), &request.path).headers(headers);
        if let Some((kind, body)) = &request.body {
            sent = sent.header("content-type", *kind).body(body.clone());
        }
        ask(sent).await
    }

    /// That nothing in the answer is foreign, and what else the operation says of it.
    fn look(&mut self, request: &Request, answer: &Answer) -> Result<(), String> {
        let headers = answer.headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
        let bytes = [&headers.collect::<Vec<_>>().join(&b'\n')[..], answer.text.as_bytes()].join(&b'\n');
        let also = if request.stranger { foreign(&bytes, self.other(), false) } else { None };
        if let Some(canary) = foreign(&bytes, self.own(), request.names_the_other).or(also) {
            return Err(format!("{canary} is in the answer"));
        }
        if !request.stranger && !answer.header("x-correlation-id").starts_with(self.own()) {
            return Err("the correlation id is another one".to_owned());
        }
        // A machine that is busy elsewhere may be too slow for a request. It counts as none.
        if [503, 504].contains(&answer.status) { Ok(()) } else { (request.check)(self, answer) }
    }

    fn remember(&self, line: &str) {
        let mut history = self.world.history.lock().unwrap();
        if history.len() == HISTORY {
            history.pop_front();
        }
        let shown: String = line.chars().take(300).collect();
        history.push_back(format!("worker {} of {}: {shown}", self.number, self.own()));
    }

    pub fn own(&self) -> &'static str {
        TENANTS[self.tenant]
    }

    pub fn other(&self) -> &'static str {
        TENANTS[1 - self.tenant]
    }

    /// The tenant that makes more of everything, so that many of its ids are nobody else's.
    pub fn is_first(&self) -> bool {
        self.tenant == 0
    }

    /// SplitMix64, so that a seed says everything.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        self.pick(all, |_| 1)
    }

    fn pick<'a, T>(&mut self, all: &'a [T], weight: impl Fn(&T) -> u64) -> &'a T {
        let mut drawn = self.below(all.iter().map(&weight).sum());
        let found = all.iter().find(|item| {
            let before = drawn;
            drawn = drawn.wrapping_sub(weight(item));
            before < weight(item)
        });
        found.expect("the weights are not all zero")
    }

    /// A value of this tenant, unlike any other.
    pub fn value(&mut self) -> String {
        format!("{}-x{:016x}", self.own(), self.next())
    }

    /// An id of this kind, as often the other's as one of its own.
    pub fn id(&mut self, kind: &'static str) -> String {
        let whose = if self.below(2) == 0 { self.tenant } else { 1 - self.tenant };
        let drawn = self.next() as usize;
        let ids = self.world.ids[whose].lock().unwrap();
        match ids.get(kind).map(Vec::as_slice) {
            Some(ids) if !ids.is_empty() => ids[drawn % ids.len()].clone(),
            _ => format!("{kind}-1"),
        }
    }

    /// Notes the id of what was made.
    pub fn made(&self, kind: &'static str, answer: &Answer) {
        if let (201, Some(id)) = (answer.status, answer.json["data"]["id"].as_str()) {
            self.note(kind, id);
        }
    }

    /// Notes an id or a revision that the tenant was given.
    pub fn note(&self, kind: &'static str, id: &str) {
        self.world.ids[self.tenant].lock().unwrap().entry(kind).or_default().push(id.to_owned());
    }

    /// The last one of this kind that the tenant was given.
    pub fn last(&self, kind: &'static str) -> String {
        let ids = self.world.ids[self.tenant].lock().unwrap();
        ids.get(kind).and_then(|ids| ids.last()).cloned().unwrap_or_default()
    }

    /// Notes that something was seen, so that not to see it fails the run.
    pub fn saw(&self, what: &'static str) {
        *self.world.besides.lock().unwrap().entry(what).or_default() += 1;
    }

    /// Of the server that plugins ask outside.
    pub fn port(&self) -> u16 {
        self.world.port
    }

    /// An email that this tenant has not taken and the other takes too.
    pub fn shared_email(&self) -> String {
        format!("shared-{}@example.com", self.world.emails[self.tenant].fetch_add(1, Ordering::Relaxed))
    }

    /// Notes what a batch of the plugin did.
    pub fn inside(&self, answer: &Answer) {
        let mut inside = self.world.inside.lock().unwrap();
        for (name, count) in answer.json["data"].as_object().into_iter().flatten() {
            *inside.entry(name.clone()).or_default() += count.as_u64().unwrap_or_default();
        }
    }
}
