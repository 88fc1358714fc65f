//! The shape of every JSON answer: `{"success":true,"data":…}` or `{"success":false,"error":{…}}`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::plugins;
use super::server::Full;
use crate::db::DbError;
use crate::log::chain;
use crate::registry::NotReady;
use crate::runtime::CallFailure;

/// A field of a request that cannot be accepted, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrongField {
    pub field: String,
    pub message: String,
}

impl WrongField {
    /// Most messages go on where the name of the field ends, as "must be …"; others are sentences of their own.
    fn told(&self) -> String {
        const GOES_ON: [&str; 13] =
            ["is", "are", "was", "must", "has", "have", "needs", "can", "cannot", "does", "may", "takes", "holds"];
        let first = self.message.split(' ').next().unwrap_or_default();
        let between = if GOES_ON.contains(&first) { " " } else { ": " };
        format!("{}{between}{}", self.field, self.message)
    }
}

/// An answer that is not a success. `code` is for programs and stays as it is, `message` is for people.
#[derive(Debug, Clone)]
pub struct ApiError {
    pub status: StatusCode,
    pub code: Box<str>,
    pub message: String,
    pub fields: Vec<WrongField>,
    /// Further facts, as JSON.
    pub details: Option<Box<serde_json::value::RawValue>>,
    pub headers: Option<Box<HeaderMap>>,
    pub cause: Option<HiddenCause>,
    /// What was asked for, for the audit log: what of a body may be written down.
    pub wanted: Option<Box<serde_json::Value>>,
}

/// Why a request failed inside the host. It travels in the answer's extensions to where it is logged, and no
/// further.
#[derive(Debug, Clone)]
pub struct HiddenCause(pub Box<str>);

/// How a request was refused. It travels in the answer's extensions to whoever writes down how a request ended.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub code: String,
    /// As the client is told.
    pub reason: String,
    pub wanted: Option<Box<serde_json::Value>>,
}

impl ApiError {
    pub fn new(status: StatusCode, code: impl Into<Box<str>>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            fields: Vec::new(),
            details: None,
            headers: None,
            cause: None,
            wanted: None,
        }
    }

    /// 422: the request cannot be understood as what the function takes.
    pub fn invalid(fields: Vec<WrongField>) -> Self {
        let message = match fields.as_slice() {
            [one] if one.field.is_empty() => one.message.clone(),
            [one] => one.told(),
            many => format!("{} fields are wrong", many.len()),
        };
        Self { fields, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message) }
    }

    /// 422 for one field.
    pub fn wrong_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![WrongField { field: field.into(), message: message.into() }])
    }

    /// 503: a tenant's data cannot be read or changed now; the message says why.
    pub fn data_unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "data_unavailable", message)
    }

    pub fn not_found(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// A fault of the host's own. The cause is logged under the correlation id and not told.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        let message = "the host could not do this; the log has the reason under the correlation id";
        let cause = HiddenCause(chain(error).into());
        Self { cause: Some(cause), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message) }
    }

    /// Lets the audit log say what was asked for. Never with secrets.
    pub fn wanting(mut self, wanted: serde_json::Value) -> Self {
        self.wanted = Some(Box::new(wanted));
        self
    }

    pub fn with_header(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.headers.get_or_insert_default().insert(name, value);
        self
    }
}

/// What the control plane could not do. What passes is told as what it is: a full disk, and a database that is busy.
impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        let internal = Self::internal(&error);
        match error {
            DbError::DiskFull { .. } => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: "storage_full".into(),
                message: "the disk of the host is full; the operator must free space, then it works again".to_owned(),
                ..internal
            },
            DbError::Busy { .. } => {
                let busy = Self {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    code: "unavailable".into(),
                    message: "the host's own database does not answer in time; try again".to_owned(),
                    ..internal
                };
                busy.with_header(RETRY_AFTER, HeaderValue::from_static("1"))
            }
            _ => internal,
        }
    }
}

/// A plugin that does not answer yet.
impl From<NotReady> for ApiError {
    fn from(error: NotReady) -> Self {
        let code = match error {
            NotReady::Moving { .. } => "activating",
            NotReady::Hindered { .. } => "unavailable",
            NotReady::Uninstalling { .. } => "uninstalling",
        };
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string());
        error.with_header(RETRY_AFTER, HeaderValue::from_static("1"))
    }
}

/// An answer that was made and found no room.
impl From<Full> for ApiError {
    fn from(full: Full) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", full.to_string());
        error.with_header(RETRY_AFTER, HeaderValue::from_static("1"))
    }
}

/// The status and code under which a client sees a failed call.
impl From<CallFailure> for ApiError {
    fn from(failure: CallFailure) -> Self {
        let message = failure.to_string();
        let (status, code) = match &failure {
            CallFailure::Trap { .. } => (StatusCode::BAD_GATEWAY, "plugin_trapped"),
            CallFailure::CpuBudget { .. } => (StatusCode::SERVICE_UNAVAILABLE, "cpu_budget"),
            CallFailure::Memory { .. } => (StatusCode::SERVICE_UNAVAILABLE, "memory"),
            CallFailure::Deadline { .. } => (StatusCode::GATEWAY_TIMEOUT, "deadline"),
            CallFailure::Depth { .. } => (StatusCode::LOOP_DETECTED, "depth"),
            CallFailure::TooLarge { .. } => (StatusCode::SERVICE_UNAVAILABLE, "too_large"),
            CallFailure::HostCalls { .. } => (StatusCode::SERVICE_UNAVAILABLE, "host_calls"),
            CallFailure::Handles { .. } => (StatusCode::SERVICE_UNAVAILABLE, "handles"),
            CallFailure::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            CallFailure::TenantBusy { .. } => (StatusCode::TOO_MANY_REQUESTS, "tenant_busy"),
            CallFailure::Quota { .. } => (StatusCode::TOO_MANY_REQUESTS, "quota"),
            CallFailure::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            CallFailure::Denied { .. } => (StatusCode::FORBIDDEN, "denied"),
            CallFailure::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            CallFailure::Host { .. } => (StatusCode::SERVICE_UNAVAILABLE, "host_fault"),
        };
        let error = Self::new(status, code, message);
        match failure {
            CallFailure::Busy { .. } | CallFailure::TenantBusy { .. } => {
                error.with_header(RETRY_AFTER, HeaderValue::from_static("1"))
            }
            CallFailure::Quota { exceeded, .. } => error.with_header(RETRY_AFTER, exceeded.resets_in_s().into()),
            CallFailure::RateLimited { per_minute, retry_after_s, .. } => {
                let mut error = error.with_header(RETRY_AFTER, retry_after_s.into());
                let headers = error.headers.get_or_insert_default();
                plugins::rate(headers, per_minute, 0, retry_after_s);
                error
            }
            _ => error,
        }
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fields: &'a [WrongField],
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a serde_json::value::RawValue>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Failure<'a> {
            success: bool,
            error: ErrorBody<'a>,
        }
        let body = Failure {
            success: false,
            error: ErrorBody {
                code: &self.code,
                message: &self.message,
                fields: &self.fields,
                details: self.details.as_deref(),
            },
        };
        let mut response = json(self.status, serde_json::to_vec(&body).unwrap_or_default());
        let Self { code, message: reason, wanted, .. } = self;
        response.extensions_mut().insert(Refusal { code: code.into(), reason, wanted });
        if let Some(headers) = self.headers {
            response.headers_mut().extend(*headers);
        }
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

/// A successful answer of the host's own.
pub struct Success<T>(pub T);

/// A successful answer that is a list.
pub struct SuccessList<T>(pub Vec<T>);

impl<T: Serialize> IntoResponse for Success<T> {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body<T> {
            success: bool,
            data: T,
        }
        serialized(&Body { success: true, data: self.0 })
    }
}

impl<T: Serialize> IntoResponse for SuccessList<T> {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body<T> {
            success: bool,
            data: Vec<T>,
            total: usize,
        }
        let total = self.0.len();
        serialized(&Body { success: true, data: self.0, total })
    }
}

fn serialized(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => json(StatusCode::OK, bytes),
        Err(error) => ApiError::internal(&error).into_response(),
    }
}

/// An answer whose JSON is already written.
pub fn json(status: StatusCode, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_and_its_message_read_as_a_sentence() {
        let told = |message: &str| {
            ApiError::invalid(vec![WrongField { field: "role".to_owned(), message: message.to_owned() }]).message
        };
        assert_eq!(told("is required"), "role is required");
        assert_eq!(told("there is no role `bad`"), "role: there is no role `bad`");
        assert_eq!(told("\"a b\" is not a role"), "role: \"a b\" is not a role");
    }
    #[test]
    fn a_control_plane_that_does_not_answer_in_time_is_unavailable_for_now() {
        let late = DbError::Busy { operation: "tenant_ensure", source: sqlx::Error::PoolTimedOut };
        let answer = ApiError::from(late);
        let cause = answer.cause.clone().unwrap().0;
        assert!(cause.contains("tenant_ensure") && cause.contains("timed out"), "the log says why: {cause}");
        assert!(!answer.message.contains("tenant_ensure"), "{}", answer.message);
        assert_eq!((answer.status, &*answer.code), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
        assert_eq!(answer.into_response().headers()[RETRY_AFTER], "1");

        let broken = DbError::Query { operation: "tenant_ensure", source: sqlx::Error::PoolClosed };
        assert_eq!(ApiError::from(broken).status, StatusCode::INTERNAL_SERVER_ERROR, "what does not pass by itself");
    }
}
