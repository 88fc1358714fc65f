//! One delivery: the handler's call, and what it means.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use wasmtime::component::Val;

use super::dispatch::after;
use super::subscribers::{self, Heard};
use super::{Events, backoff};
use crate::db::{Delivery, Outcome, StoredEvent};
use crate::id::{CorrelationId, PluginId, TenantId};
use crate::registry::{Plugin, Served, TenantView};
use crate::runtime::{Cause, ExportedFunction, Fault, Unasked, cut};

/// What a failed delivery is called among a plugin's failures.
const HANDLE: &str = "handle";
/// Time until it is looked again whether a subscriber is there.
const ABSENT: Duration = Duration::from_secs(2);
/// Time until it is tried again whether the host can have a subscriber called. As long as it has waited already, between
/// these two.
const UNABLE: Range<Duration> = Duration::from_secs(2)..Duration::from_secs(60);

/// How a handler answered.
enum Answer {
    Handled,
    Retry(String),
    Reject(String),
}

impl Events {
    /// Delivers an event once, if its subscriber is there.
    pub(super) async fn deliver(&self, tenant: &TenantId, delivery: &Delivery) -> Outcome {
        let gone = |error: &str| Outcome::Dead { attempted: false, error: error.to_owned(), at: Timestamp::now() };
        let Ok(subscriber) = PluginId::parse(&delivery.subscriber) else {
            return gone("its subscriber is no plugin");
        };
        let ready = self.registry.ready(tenant, subscriber.as_str(), self.limits.handler_deadline()).await;
        let served = ready.ok().and_then(|view| {
            let plugin = match view.served(subscriber.as_str())? {
                Served::Active(plugin) => plugin.clone(),
                Served::Inactive { .. } => return None,
            };
            Some((view, plugin))
        });
        let Some((view, plugin)) = served else {
            let outcome = self.wait(delivery, "the plugin was not there", |_| ABSENT);
            if let Outcome::Wait { .. } = outcome {
                self.queue.is_absent(tenant, &subscriber, Instant::now() + ABSENT);
            }
            return outcome;
        };
        let snapshot = self.registry.snapshot();
        let StoredEvent { source, topic, subject, .. } = &delivery.event;
        let heard = Heard { source, topic, subject: subject.as_deref() };
        match plugin.event_handler() {
            Some(handler) if subscribers::hears(&plugin, &view, snapshot.choices().grants(), &heard) => {
                self.call(tenant, &view, &plugin, handler, delivery).await
            }
            _ => gone("the plugin no longer hears this topic, or is no longer granted to"),
        }
    }

    async fn call(
        &self,
        tenant: &TenantId,
        view: &TenantView,
        plugin: &Arc<Plugin>,
        handler: &Arc<ExportedFunction>,
        delivery: &Delivery,
    ) -> Outcome {
        let event = &delivery.event;
        let correlation_id = CorrelationId::parse(&event.correlation_id).unwrap_or_else(|_| CorrelationId::new());
        let hops = u8::try_from(event.hops).unwrap_or(u8::MAX);
        let call = Unasked {
            tenant: tenant.clone(),
            correlation_id,
            hops,
            hook: HANDLE,
            links: view.links().clone(),
            deadline: self.limits.handler_deadline(),
            cpu: self.limits.handler_cpu(),
        };
        let value = value(tenant, delivery);
        let answer = self.runtime.call_unasked(&plugin.prepared, handler, call, &[value]).await;
        self.runtime.reports().handled(plugin.key(), tenant, answer.as_ref().err());
        let answer = answer.map(read);
        if matches!(answer, Ok(Answer::Retry(_) | Answer::Reject(_))) {
            self.runtime.reports().refused(&plugin.key().id, tenant);
        }
        match answer {
            Ok(Answer::Handled) => Outcome::Done,
            Ok(Answer::Retry(error)) => self.failed(delivery, error),
            Ok(Answer::Reject(mut error)) => {
                cut(&mut error);
                Outcome::Dead { attempted: true, error, at: Timestamp::now() }
            }
            // It is not the event's doing, and an operator could do no more than have it tried again.
            Err(failure) if failure.cause() == Cause::Host => {
                let pause = |waited: Duration| waited.clamp(UNABLE.start, UNABLE.end);
                self.wait(delivery, &format!("it could not be handled ({failure})"), pause)
            }
            Err(failure) => {
                self.runtime.reports().fault(Fault {
                    at: Timestamp::now(),
                    plugin: plugin.key().clone(),
                    tenant: tenant.clone(),
                    hook: HANDLE,
                    message: failure.to_string(),
                    backtrace: failure.backtrace().map(str::to_owned),
                    correlation_id: Some(event.correlation_id.clone()),
                });
                self.failed(delivery, failure.to_string())
            }
        }
    }

    /// The subscriber is switched off, gone, or on its way to another version, or the host cannot have it called: that is
    /// no attempt. `pause` says how long to wait after so long a time.
    fn wait(&self, delivery: &Delivery, why: &str, pause: impl FnOnce(Duration) -> Duration) -> Outcome {
        let now = Timestamp::now();
        let since = delivery.waiting_us.and_then(|micros| Timestamp::from_microsecond(micros).ok()).unwrap_or(now);
        let waited = Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO);
        if waited.as_secs() >= self.limits.waiting_s {
            let mut error = format!("{why} for {} s (events.waiting_s)", waited.as_secs());
            cut(&mut error);
            return Outcome::Dead { attempted: false, error, at: now };
        }
        Outcome::Wait { due: after(now, pause(waited)) }
    }

    /// An attempt failed.
    pub(super) fn failed(&self, delivery: &Delivery, mut error: String) -> Outcome {
        let now = Timestamp::now();
        cut(&mut error);
        let failed = u32::try_from(delivery.attempts).unwrap_or(u32::MAX).saturating_add(1);
        if failed >= self.limits.attempts {
            return Outcome::Dead { attempted: true, error, at: now };
        }
        let pause = backoff::pause(&self.limits, failed, rand::random());
        Outcome::Again { due: after(now, pause), error }
    }
}

/// The event as the handler takes it.
fn value(tenant: &TenantId, delivery: &Delivery) -> Val {
    let event = &delivery.event;
    let text = |text: &str| Val::String(text.to_owned());
    let optional = |value: &Option<String>| Val::Option(value.as_deref().map(|value| Box::new(text(value))));
    let attempt = u32::try_from(delivery.attempts).unwrap_or(u32::MAX).saturating_add(1);
    let fields = [
        ("id", text(&event.id)),
        ("source", text(&event.source)),
        ("spec-version", text("1.0")),
        ("topic", text(&event.topic)),
        ("subject", optional(&event.subject)),
        ("key", optional(&event.key)),
        ("time", Val::String(event.at.to_string())),
        ("data-content-type", text("application/json")),
        ("data", text(&event.data)),
        ("tenant", text(tenant.as_str())),
        ("correlation-id", text(&event.correlation_id)),
        ("hops", Val::U8(u8::try_from(event.hops).unwrap_or(u8::MAX))),
        ("attempt", Val::U32(attempt)),
    ];
    Val::Record(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn read(value: Option<Val>) -> Answer {
    let Some(Val::Result(Err(error))) = value else { return Answer::Handled };
    match error.map(|error| *error) {
        Some(Val::Variant(case, Some(text))) => match (&*case, *text) {
            ("reject", Val::String(text)) => Answer::Reject(text),
            (_, Val::String(text)) => Answer::Retry(text),
            _ => Answer::Retry("it answered with an error that is no text".to_owned()),
        },
        _ => Answer::Retry("it answered with an error".to_owned()),
    }
}
