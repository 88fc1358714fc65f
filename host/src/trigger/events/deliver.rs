//! One delivery: the handler's call, and what it means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use wasmtime::component::Val;

use super::dispatch::after;
use super::{Events, backoff, subscribers};
use crate::db::{Delivery, Outcome, StoredEvent};
use crate::id::{CorrelationId, PluginId, TenantId};
use crate::registry::{Plugin, Served, TenantView};
use crate::runtime::{CallContext, CallFailure, CpuClock, ExportedFunction, Fault, Identity};

/// What a failed delivery is called among a plugin's failures.
const HANDLE: &str = "handle";
/// Time until it is looked again whether a subscriber is there.
const ABSENT: Duration = Duration::from_secs(2);
/// What is kept of the text of an error.
const ERROR_BYTES: usize = 4 << 10;

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
        let Some((view, plugin)) = served else { return self.wait(tenant, &subscriber, delivery) };
        let snapshot = self.registry.snapshot();
        let StoredEvent { source, topic, .. } = &delivery.event;
        match plugin.event_handler() {
            Some(handler) if subscribers::hears(&plugin, snapshot.choices().grants(), source, topic) => {
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
        let clock = CpuClock::start(self.runtime.tenant(tenant));
        let limits = self.runtime.limits();
        let context = CallContext {
            identity: Arc::new(Identity::of_the_host(tenant.clone(), correlation_id, hops)),
            hook: Some(HANDLE),
            caller: None,
            depth: 0,
            deadline: Instant::now() + self.limits.handler_deadline(),
            cpu: clock.allowance(self.limits.handler_cpu(), limits.sql_cpu()),
            links: view.links().clone(),
            sources: None,
        };
        let value = value(tenant, delivery);
        let answer = clock.run(self.runtime.call(&plugin.prepared, handler, context, &[value])).await;
        self.runtime.reports().handled(plugin.key(), tenant, answer.as_ref().err());
        let answer = answer.map(read);
        if matches!(answer, Ok(Answer::Retry(_) | Answer::Reject(_))) {
            self.runtime.reports().refused(&plugin.key().id, tenant);
        }
        match answer {
            Ok(Answer::Handled) => Outcome::Done,
            Ok(Answer::Retry(error)) => self.failed(delivery, error),
            Ok(Answer::Reject(error)) => Outcome::Dead { attempted: true, error: cut(error), at: Timestamp::now() },
            Err(failure) if is_no_fault(&failure) => Outcome::Wait { due: after(Timestamp::now(), ABSENT) },
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

    /// The subscriber is switched off, gone, or on its way to another version: that is no attempt.
    fn wait(&self, tenant: &TenantId, subscriber: &PluginId, delivery: &Delivery) -> Outcome {
        let now = Timestamp::now();
        let since = delivery.waiting_us.and_then(|micros| Timestamp::from_microsecond(micros).ok()).unwrap_or(now);
        let waiting = now.duration_since(since).as_secs();
        if u64::try_from(waiting).is_ok_and(|seconds| seconds >= self.limits.waiting_s) {
            let error = format!("the plugin was not there for {waiting} s (events.waiting_s)");
            return Outcome::Dead { attempted: false, error, at: now };
        }
        self.queue.is_absent(tenant, subscriber, Instant::now() + ABSENT);
        Outcome::Wait { due: after(now, ABSENT) }
    }

    /// An attempt failed.
    pub(super) fn failed(&self, delivery: &Delivery, error: String) -> Outcome {
        let (now, error) = (Timestamp::now(), cut(error));
        let failed = u32::try_from(delivery.attempts).unwrap_or(u32::MAX).saturating_add(1);
        if failed >= self.limits.attempts {
            return Outcome::Dead { attempted: true, error, at: now };
        }
        let pause = backoff::pause(&self.limits, failed, rand::random());
        Outcome::Again { due: after(now, pause), error }
    }
}

/// Whether the handler was not even begun, and the event is not to blame.
fn is_no_fault(failure: &CallFailure) -> bool {
    matches!(failure, CallFailure::Busy { .. } | CallFailure::TenantBusy { .. } | CallFailure::Quota { .. })
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

fn cut(mut text: String) -> String {
    if text.len() > ERROR_BYTES {
        text.truncate(text.floor_char_boundary(ERROR_BYTES));
        text.push('…');
    }
    text
}
