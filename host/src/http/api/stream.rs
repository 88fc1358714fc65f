//! `/api/v1/stream`: notifications and events as they happen.
//!
//! Bounds: a stream ends with the first heartbeat, of one each `stream.heartbeat_ms`, that finds its credential no longer
//! good, and at once when the host stops. That its client is gone is noticed by writing to it, which is with every second
//! heartbeat at least. What a client does not take is bounded as for every other answer.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::notifications::reader;
use super::take::Query;
use crate::app::App;
use crate::http::envelope::ApiError;
use crate::http::identity::{Caller, Origin, ROLES, TENANT, USER, WORKSPACE};
use crate::http::server::{Lasting, Owner};
use crate::stream::{Follower, NotOpened, Reader, Topics, sse};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Has proxies pass each message on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// All that says who asks, and for whom.
const CREDENTIAL: [HeaderName; 7] = [AUTHORIZATION, TENANT, USER, WORKSPACE, ROLES, HOST, ORIGIN];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wanted {
    /// Patterns of topics, separated by commas.
    topics: Option<String>,
    /// For clients that cannot set the header.
    last_event_id: Option<String>,
}

/// Opens a stream. With the id that was told last it goes on there.
pub(super) async fn open(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Result<Response, ApiError> {
    let reader = reader(&caller)?;
    let topics = Topics::parse(wanted.topics.as_deref()).map_err(|message| ApiError::wrong_field("topics", message))?;
    may_hear(&app, &reader, &topics)?;
    let last = request.headers().get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    let last = last.or(wanted.last_event_id.as_deref());
    let owner = Owner(reader.tenant().clone());
    let follower = app.streams().follow(reader, topics, &caller.principal.name, last).await.map_err(refused)?;
    let lasting = Lasting { bytes: app.streams().limits().buffer_bytes };
    let open = Open::new(app, caller, &request, follower);
    let body = futures::stream::unfold(open, |mut open| async move {
        let bytes = open.next().await?;
        Some((Ok::<_, Infallible>(bytes), open))
    });
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response.extensions_mut().insert(owner);
    response.extensions_mut().insert(lasting);
    Ok(response)
}

/// A pattern that can never bring anything to whoever asks is an error, and better told than kept still.
fn may_hear(app: &App, reader: &Reader, topics: &Topics) -> Result<(), ApiError> {
    if reader.sees_all_events() {
        return Ok(());
    }
    let snapshot = app.registry().snapshot();
    let view = snapshot.view(reader.tenant());
    let closed = topics.named().iter().find(|filter| {
        let may = |permission: &_| reader.permissions().covers(permission);
        !filter.is_open_to(&view, may)
    });
    closed.map_or(Ok(()), |filter| {
        let message = format!(
            "no event that `{filter}` means is for you: it takes the permission that the publishing plugin names, or \
             `events:read`"
        );
        Err(ApiError::new(StatusCode::FORBIDDEN, "denied", message))
    })
}

/// A stream that is open.
struct Open {
    app: Arc<App>,
    follower: Follower,
    /// Who opened it, and how they showed it.
    caller: Caller,
    headers: HeaderMap,
    origin: Origin,
    ticks: Interval,
    is_quiet: bool,
    is_over: bool,
}

impl Open {
    fn new(app: Arc<App>, caller: Caller, request: &Request, follower: Follower) -> Self {
        let heartbeat = app.streams().limits().heartbeat();
        let mut ticks = interval_at(Instant::now() + heartbeat, heartbeat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut headers = HeaderMap::new();
        for name in CREDENTIAL {
            request.headers().get_all(&name).iter().for_each(|value| _ = headers.append(name.clone(), value.clone()));
        }
        Self { app, follower, caller, headers, origin: Origin::of(request), ticks, is_quiet: false, is_over: false }
    }

    /// What goes to the client next.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.is_over {
            tokio::select! {
                // Also while much happens.
                biased;
                _ = self.ticks.tick() => {
                    if !self.is_still_good().await {
                        return Some(self.end("the credential is no longer good"));
                    }
                    if std::mem::replace(&mut self.is_quiet, true) {
                        return Some(self.follower.sign_of_life());
                    }
                }
                bytes = self.follower.next() => {
                    self.is_quiet = false;
                    return Some(bytes.unwrap_or_else(|| self.end("the stream ends; come back")));
                }
            }
        }
        None
    }

    /// Whether a request with this credential would be let in now. What it may see from now on is what it may see now.
    async fn is_still_good(&mut self) -> bool {
        let Ok(now) = Caller::of(&self.app, &self.headers, self.origin).await else { return false };
        let is_same = now.principal.name == self.caller.principal.name && now.tenant() == self.caller.tenant();
        match reader(&now) {
            Ok(reader) if is_same => {
                self.follower.set_reader(reader);
                true
            }
            _ => false,
        }
    }

    /// The last word, with the time after which to come back.
    fn end(&mut self, why: &str) -> Bytes {
        self.is_over = true;
        (sse::comment(why) + &sse::retry(self.app.streams().retry_ms())).into()
    }
}

fn refused(refused: NotOpened) -> ApiError {
    match refused {
        NotOpened::TooMany(many) => {
            let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", many.to_string());
            error.with_header(RETRY_AFTER, HeaderValue::from_static("5"))
        }
        NotOpened::Control(error) => error.into(),
    }
}
