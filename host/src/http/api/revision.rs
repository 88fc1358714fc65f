//! Changes that two people might make at once: each says which revision it was made of.

use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::http::envelope::ApiError;

/// The revision that a change was made of: of `If-Match`, or 0 where nothing was there to be read.
///
/// # Errors
///
/// 428 without the header where there is something, 412 when it names another revision than `current`, 400 when it
/// is not one entity tag.
pub fn read(headers: &HeaderMap, current: i64) -> Result<i64, ApiError> {
    let mut values = headers.get_all(IF_MATCH).iter();
    match (values.next(), values.next()) {
        (None, _) if current == 0 => Ok(0),
        (None, _) => {
            let message = "read it first, and send the ETag of the answer as If-Match: somebody else may change it too";
            Err(ApiError::new(StatusCode::PRECONDITION_REQUIRED, "precondition_required", message))
        }
        (Some(tag), None) => match parse(tag) {
            Some(revision) if revision == current => Ok(current),
            Some(_) => Err(stale()),
            None => {
                let message = "If-Match must be the ETag of an earlier answer, as \"3\"";
                Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_header", message))
            }
        },
        (Some(_), Some(_)) => {
            Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_header", "If-Match is given more than once"))
        }
    }
}

fn parse(tag: &HeaderValue) -> Option<i64> {
    let text = tag.to_str().ok()?.trim();
    text.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// 412: it was changed since it was read.
pub fn stale() -> ApiError {
    let message = "somebody else has changed it since it was read: read it again, then decide";
    ApiError::new(StatusCode::PRECONDITION_FAILED, "stale", message)
}

/// The answer to a change. Where it was made of an old revision, what is decided by now is read before that is said: it
/// may have been another process that decided, and whoever reads again must see it.
///
/// # Errors
///
/// What `answer` failed of; that the control plane could not be read.
pub async fn answered(app: &App, answer: Result<Response, ApiError>) -> Result<Response, ApiError> {
    if answer.as_ref().is_err_and(|error| error.status == StatusCode::PRECONDITION_FAILED) {
        app.registry().decide().await?;
    }
    answer
}

/// An answer that says which revision it shows; none for something that was never changed.
pub fn tagged(revision: i64, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_what_it_was_made_of() {
        let status = |tags: &[&str], current| {
            let mut headers = HeaderMap::new();
            for tag in tags {
                headers.append(IF_MATCH, HeaderValue::from_str(tag).unwrap());
            }
            read(&headers, current).map_err(|error| error.status.as_u16())
        };
        assert_eq!((status(&[], 0), status(&[], 1)), (Ok(0), Err(428)));
        assert_eq!((status(&["\"3\""], 3), status(&["\"3\""], 4)), (Ok(3), Err(412)));
        assert_eq!(
            (status(&["3"], 3), status(&["*"], 3), status(&["\"3\"", "\"3\""], 3)),
            (Err(400), Err(400), Err(400))
        );
    }
}
