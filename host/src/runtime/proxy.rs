//! A request to a plugin's own `wasi:http` handler.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::{Error as WasiHttpError, WasiHttpView};

use super::context::CallContext;
use super::prepared::PreparedPlugin;
use super::state::CallState;
use super::{CallFailure, CpuClock, Runtime};

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
        let (runtime, target) = (self.clone(), plugin.clone());
        let task = tokio::spawn(clock.run(async move {
            let plugin = target.clone();
            runtime.clone().within_limits(&target, context, async move |context| runtime.handle(&plugin, context, request, sender).await).await
        }));
        let mut task = AbortOnDrop(task);
        let name = || plugin.key().id.to_string();
        match receiver.await {
            Ok(Ok(response)) => Ok(response.map(|body| {
                // The body owns the task: a client that goes away ends the instance.
                body.map_err(|error| ProxyBodyError(error.to_string())).map_frame(move |frame| {
                    let _running = &task;
                    frame
                }).boxed_unsync()
            })),
            Ok(Err(code)) => Err(CallFailure::Trap {
                plugin: name(),
                message: format!("the handler answered with the error {code:?}"),
                backtrace: None,
            }),
            Err(_gone) => match (&mut task.0).await {
                Ok(Err(failure)) => Err(failure),
                Ok(Ok(())) => Err(CallFailure::Trap {
                    plugin: name(),
                    message: "the handler returned without an answer".into(),
                    backtrace: None,
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
        sender: oneshot::Sender<Result<Response<wasmtime_wasi_http::p2::body::HyperOutgoingBody>, ErrorCode>>,
    ) -> Result<(), CallFailure> {
        let Some(proxy) = plugin.proxy() else {
            let reason = format!("plugin {} has no wasi:http handler", plugin.key());
            return Err(CallFailure::Unavailable { reason });
        };
        let mut store = CallState::store(self, plugin, context);
        let request = request.map(|body| http_body_util::Full::new(body).map_err(|never| -> WasiHttpError { match never {} }));
        let outcome = async {
            let mut http = store.data_mut().http();
            let request = http.new_incoming_request(Scheme::Http, request)?;
            let answer = http.new_response_outparam(sender)?;
            let instance = proxy.instantiate_async(&mut store).await?;
            instance.wasi_http_incoming_handler().call_handle(&mut store, request, answer).await
        };
        outcome.await.map_err(|error| store.data().failure(error))
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<Result<(), CallFailure>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
