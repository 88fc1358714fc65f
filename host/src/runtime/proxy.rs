//! A request to a plugin's own `wasi:http` handler.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{Error as WasiHttpError, WasiHttpView};

use super::changes::NoteOnDrop;
use super::context::CallContext;
use super::prepared::PreparedPlugin;
use super::{CallFailure, Cause, CpuClock, Runtime};
use crate::id::TenantId;

/// The body of a plugin's own answer. It may still be written while the client reads it.
pub type ProxyBody = UnsyncBoxBody<Bytes, ProxyBodyError>;

/// The plugin stopped before its answer was complete.
#[derive(Debug, thiserror::Error)]
#[error("the plugin's answer broke off: {0}")]
pub struct ProxyBodyError(String);

impl Runtime {
    /// Hands a request to the plugin's handler and returns as soon as it has decided on status and headers.
    ///
    /// The instance lives on in a task of its own until the body is written or the deadline passes; the
    /// task ends with the body when the client goes away.
    ///
    /// # Errors
    ///
    /// [`CallFailure`] when the handler ended without an answer.
    pub async fn proxy(
        self: &Arc<Self>,
        plugin: &Arc<PreparedPlugin>,
        context: CallContext,
        request: Request<Bytes>,
    ) -> Result<Response<ProxyBody>, CallFailure> {
        let (sender, receiver) = oneshot::channel();
        let clock: Arc<CpuClock> = context.cpu.clock().clone();
        let progress = Arc::<Progress>::default();
        let (runtime, target, told) = (self.clone(), plugin.clone(), progress.clone());
        let tenant = context.identity.tenant.clone();
        let noted = (!request.method().is_safe()).then(|| NoteOnDrop::new(context.tenant(), &plugin.key().id));
        let mut task = AbortOnDrop(tokio::spawn(clock.run(async move {
            let _noted = noted;
            let handle = async |context| runtime.handle(&target, context, request, sender, &told).await;
            let outcome = runtime.within_limits(&target, context, handle).await;
            if let Err(failure) = &outcome
                && told.answered.load(Ordering::Acquire)
            {
                broke_off(&runtime, &target, &tenant, failure);
            }
            outcome
        })));
        let name = || plugin.key().id.to_string();
        match receiver.await {
            Ok(Ok(response)) => {
                progress.answered.store(true, Ordering::Release);
                Ok(response.map(|body| Answer { body, progress, _task: task }.boxed_unsync()))
            }
            Ok(Err(code)) => Err(CallFailure::Trap {
                plugin: name(),
                message: format!("the handler answered with the error {code:?}"),
                backtrace: None,
                cause: Cause::Plugin,
            }),
            Err(_gone) => match (&mut task.0).await {
                Ok(Err(failure)) => Err(failure),
                Ok(Ok(())) => Err(CallFailure::Trap {
                    plugin: name(),
                    message: "the handler returned without an answer".into(),
                    backtrace: None,
                    cause: Cause::Plugin,
                }),
                Err(_) => Err(CallFailure::Host { plugin: name() }),
            },
        }
    }

    async fn handle(
        self: &Arc<Self>,
        plugin: &Arc<PreparedPlugin>,
        context: CallContext,
        request: Request<Bytes>,
        sender: oneshot::Sender<Result<Response<HyperOutgoingBody>, ErrorCode>>,
        progress: &Progress,
    ) -> Result<(), CallFailure> {
        let Some(proxy) = plugin.proxy() else {
            let reason = format!("plugin {} has no wasi:http handler", plugin.key());
            return Err(CallFailure::Unavailable { reason });
        };
        let (mut store, instance) = self.instance(plugin, context).await?;
        // Declared after the store, so that the answer counts as broken before the store's end closes it.
        let mut unfinished = Unfinished(Some(progress));
        let request = request.map(|body| Full::new(body).map_err(|never| -> WasiHttpError { match never {} }));
        let outcome = async {
            let mut http = store.data_mut().http();
            let request = http.new_incoming_request(Scheme::Http, request)?;
            let answer = http.new_response_outparam(sender)?;
            let instance = proxy.load(&mut store, &instance)?;
            instance.wasi_http_incoming_handler().call_handle(&mut store, request, answer).await
        };
        outcome.await.map_err(|error| store.data().failure(error))?;
        unfinished.0 = None;
        Ok(())
    }
}

fn broke_off(runtime: &Runtime, plugin: &PreparedPlugin, tenant: &TenantId, failure: &CallFailure) {
    let reason = failure.to_string();
    if runtime.log.admits(tenant, reason.len()) {
        tracing::warn!(plugin = %plugin.key(), %tenant, reason, "a plugin's answer broke off");
    }
}

/// How far an answer has come: the task that writes it tells the body that the client reads.
#[derive(Default)]
struct Progress {
    /// Status and headers are on their way to the client.
    answered: AtomicBool,
    /// The instance ended before its handler did.
    broken: AtomicBool,
}

/// Breaks the answer off when it is dropped with the progress still in it.
struct Unfinished<'a>(Option<&'a Progress>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(progress) = self.0 {
            progress.broken.store(true, Ordering::Release);
        }
    }
}

/// The body of an answer, with the task that writes it: a client that goes away ends the instance.
struct Answer {
    body: HyperOutgoingBody,
    progress: Arc<Progress>,
    _task: AbortOnDrop,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = ProxyBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProxyBodyError>>> {
        let broken = |error: &dyn ToString| Some(Err(ProxyBodyError(error.to_string())));
        Pin::new(&mut self.body).poll_frame(cx).map(|frame| match frame {
            // wasmtime closes the body of a store that is dropped as if it were complete.
            None if self.progress.broken.swap(false, Ordering::AcqRel) => broken(&"it was not written to its end"),
            None => None,
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(error)) => broken(&error),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<Result<(), CallFailure>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
