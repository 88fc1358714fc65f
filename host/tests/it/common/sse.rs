//! Listening to a stream of the host.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tenon::stream::sse::{Found, Parser};
use tokio::time::timeout;

use super::wait::DEADLINE;

/// A stream that is open.
pub struct Listener {
    response: Response,
    parser: Parser,
    found: VecDeque<Found>,
}

/// One message of it.
#[derive(Debug, Clone)]
pub struct Message {
    /// What to come back with.
    pub id: String,
    pub event: String,
    pub data: Value,
}

pub fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream")
}

impl Listener {
    /// # Panics
    ///
    /// When it does not open.
    pub async fn open(request: RequestBuilder) -> Self {
        Self::try_open(request).await.unwrap_or_else(|why| panic!("the stream does not open: {why}"))
    }

    /// Nothing of it is bounded by the time that an answer may take.
    pub async fn try_open(request: RequestBuilder) -> Result<Self, String> {
        let response =
            request.timeout(Duration::from_secs(3_600)).send().await.map_err(|error| format!("{error:?}"))?;
        if is_stream(response.headers()) {
            return Ok(Self::of(response));
        }
        Err(format!("{} {:?}", response.status(), response.text().await))
    }

    pub fn of(response: Response) -> Self {
        Self { response, parser: Parser::default(), found: VecDeque::new() }
    }

    /// The last id that it was told.
    pub fn last_id(&self) -> Option<&str> {
        self.parser.last_id()
    }

    /// The next message or comment; none at the end, however that comes.
    ///
    /// # Panics
    ///
    /// When nothing comes in time.
    pub async fn next(&mut self) -> Option<Found> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Some(found);
            }
            let piece = timeout(DEADLINE, self.response.chunk()).await.expect("the stream says nothing");
            self.found.extend(self.parser.read(&piece.ok()??));
        }
    }

    /// The next message.
    pub async fn try_message(&mut self) -> Option<Message> {
        loop {
            if let Found::Message { id, event, data } = self.next().await? {
                let data = serde_json::from_str(&data).unwrap();
                return Some(Message { id: id.unwrap(), event, data });
            }
        }
    }

    /// # Panics
    ///
    /// When the stream ends before.
    pub async fn message(&mut self) -> Message {
        self.try_message().await.expect("the stream ended")
    }

    /// The messages of what was missed.
    pub async fn missed(&mut self) -> Vec<Message> {
        let mut missed = Vec::new();
        loop {
            match self.next().await.expect("the stream ended") {
                Found::Comment(text) if text == "live" => return missed,
                Found::Comment(_) => {}
                Found::Message { id, event, data } => {
                    let data = serde_json::from_str(&data).unwrap();
                    missed.push(Message { id: id.unwrap(), event, data });
                }
            }
        }
    }

    /// The same as text.
    pub async fn past(mut self) -> String {
        format!("{:?}", self.missed().await)
    }

    /// The last comment before its end.
    pub async fn end(&mut self) -> String {
        let mut last = String::new();
        while let Some(found) = self.next().await {
            if let Found::Comment(text) = found {
                last = text;
            }
        }
        last
    }
}
