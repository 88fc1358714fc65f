//! What an attack is: who is asked for what, how often and how many at once, and how it must end.

use std::pin::Pin;

use futures::stream::{self, StreamExt, TryStreamExt};
use reqwest::Method;
use serde_json::Value;

use crate::common::stolen::unless_stolen;
use crate::common::{Answer, Client, ask};

/// What went wrong, in words. The suite puts the attack's name before it.
pub type Outcome = Result<(), String>;

/// One way to do harm.
pub struct Attack {
    name: &'static str,
    plugin: Option<&'static str>,
    deed: Deed,
    times: u32,
    at_once: usize,
    waits: bool,
}

enum Deed {
    Request { method: Method, path: &'static str, body: Option<Value>, ends: Vec<End> },
    Run(Box<dyn Fn(Client) -> Running>),
}

type Running = Pin<Box<dyn Future<Output = Outcome>>>;

enum End {
    /// An error of the host's, with this status, code (any if empty) and text in its message.
    Refused { status: u16, code: &'static str, message: &'static str },
    /// Not an error: the attack got what it may have.
    Answered(Box<dyn Fn(&Value) -> Outcome>),
}

impl Attack {
    /// A request to the plugin of this file name, `target/testdata/<plugin>.wasm` or a file of `hostile/wat`. The
    /// path is below the plugin's root.
    ///
    /// As it stands, one request is sent and a success with any data expected.
    pub fn post(name: &'static str, plugin: &'static str, path: &'static str, body: Value) -> Self {
        Self::request(name, plugin, Method::POST, path, Some(body))
    }

    pub fn get(name: &'static str, plugin: &'static str, path: &'static str) -> Self {
        Self::request(name, plugin, Method::GET, path, None)
    }

    fn request(
        name: &'static str,
        plugin: &'static str,
        method: Method,
        path: &'static str,
        body: Option<Value>,
    ) -> Self {
        let ends = vec![End::Answered(Box::new(|_| Ok(())))];
        let deed = Deed::Request { method, path, body, ends };
        Self { name, plugin: Some(plugin), deed, times: 1, at_once: 1, waits: false }
    }

    /// An attack that is more than a request. It is given a client of the attacker's.
    pub fn run_by<F: Future<Output = Outcome> + 'static>(
        name: &'static str,
        deed: impl Fn(Client) -> F + 'static,
    ) -> Self {
        let deed = Deed::Run(Box::new(move |client| Box::pin(deed(client))));
        Self { name, plugin: None, deed, times: 1, at_once: 1, waits: false }
    }

    /// The plugin that [`Self::run_by`] asks.
    pub fn with_plugin(self, plugin: &'static str) -> Self {
        Self { plugin: Some(plugin), ..self }
    }

    /// It must end in an error of the host's with this status and code.
    pub fn refused(self, status: u16, code: &'static str) -> Self {
        self.refused_saying(status, code, "")
    }

    /// The same, with this text somewhere in the message.
    pub fn refused_saying(self, status: u16, code: &'static str, message: &'static str) -> Self {
        self.ends(End::Refused { status, code, message })
    }

    /// It must be answered with a success whose data pass.
    pub fn answered(self, check: impl Fn(&Value) -> Outcome + 'static) -> Self {
        self.ends(End::Answered(Box::new(check)))
    }

    /// It takes nearly all of the processor time that a call may have until it comes to that end. So on a slow machine it may
    /// end at the CPU budget before.
    pub fn or_out_of_time(self) -> Self {
        self.may_end(End::Refused { status: 503, code: "", message: "used up the CPU budget of the request" })
    }

    /// It may also be answered with a success whose data pass.
    pub fn or_answered(self, check: impl Fn(&Value) -> Outcome + 'static) -> Self {
        self.may_end(End::Answered(Box::new(check)))
    }

    /// It is made so often in a round, so many at once.
    pub fn times(self, times: u32, at_once: usize) -> Self {
        Self { times, at_once, ..self }
    }

    /// It lasts until the deadline, and nearly all of that is waiting: such attacks are made beside the others.
    pub fn waits(self) -> Self {
        Self { waits: true, ..self }
    }

    fn ends(mut self, end: End) -> Self {
        *self.expected() = vec![end];
        self
    }

    fn may_end(mut self, end: End) -> Self {
        self.expected().push(end);
        self
    }

    fn expected(&mut self) -> &mut Vec<End> {
        match &mut self.deed {
            Deed::Request { ends, .. } => ends,
            Deed::Run(_) => panic!("{}: an attack that is run checks its end itself", self.name),
        }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn plugin(&self) -> Option<&'static str> {
        self.plugin
    }

    pub fn only_waits(&self) -> bool {
        self.waits
    }

    /// How often it is made in a round.
    pub fn requests(&self) -> u32 {
        self.times
    }

    /// Makes it, as the tenant `attacker`.
    pub async fn run(&self, client: &Client) -> Outcome {
        let attacker = client.tenant("attacker");
        let each = stream::iter(0..self.times).map(|_| unless_stolen(|| self.once(&attacker)));
        each.buffer_unordered(self.at_once).try_collect().await
    }

    async fn once(&self, attacker: &Client) -> Outcome {
        match &self.deed {
            Deed::Run(deed) => deed(attacker.clone()).await,
            Deed::Request { method, path, body, ends } => {
                let id = self.plugin.unwrap_or_default();
                let request = attacker.request(method.clone(), &format!("/plugins/{id}{path}"));
                let answer = ask(match body {
                    Some(body) => request.json(body),
                    None => request,
                });
                let answer = answer.await;
                let others: Vec<String> = ends.iter().map_while(|end| end.is_that_of(&answer).err()).collect();
                match others.len() == ends.len() {
                    true => Err(others.join("; or ")),
                    false => Ok(()),
                }
            }
        }
    }
}

impl End {
    fn is_that_of(&self, answer: &Answer) -> Outcome {
        match self {
            Self::Answered(check) => {
                if answer.status != 200 || answer.json["success"] != true {
                    return Err(format!("expected a success: {} {}", answer.status, short(&answer.text)));
                }
                check(&answer.json["data"])
            }
            Self::Refused { status, code, message } => {
                let error = &answer.json["error"];
                let told = error["message"].as_str().unwrap_or_default();
                if answer.status == *status && (code.is_empty() || error["code"] == *code) && told.contains(message) {
                    return Ok(());
                }
                let wanted = format!("expected {status} {code} with {message:?}");
                Err(format!("{wanted}: {} {}", answer.status, short(&answer.text)))
            }
        }
    }
}

/// The beginning of a text that may be megabytes long.
fn short(text: &str) -> String {
    text.chars().take(300).collect()
}
