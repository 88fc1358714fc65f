//! `wasi:http/outgoing-handler`: no plugin has been granted a host yet, so every request is refused.
//!
//! The refusal is the standard's own error code, which the guest sees before anything leaves the process.

use http_body_util::combinators::UnsyncBoxBody;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// Refuses all outbound requests.
pub struct DenyOutbound;

type Transmission = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sending = Box<dyn Future<Output = wasmtime::Result<(http::Response<WasiBody>, Transmission), Error>> + Send>;

impl WasiHttpHooks for DenyOutbound {
    fn send_request(
        &mut self,
        _request: http::Request<UnsyncBoxBody<bytes::Bytes, Error>>,
        _options: Option<RequestOptions>,
        _transmission: Transmission,
    ) -> Sending {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
