//! Lists that are read page by page.
//!
//! A cursor says where the last page ended, not how many entries came before: what is added or removed meanwhile
//! neither repeats an entry nor skips one.

use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::http::envelope::{self, ApiError};
use http::StatusCode;

const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 200;

/// `limit` of a query.
///
/// # Errors
///
/// 422 when it is not from 1 to 200.
pub fn limit(asked: Option<u32>) -> Result<u32, ApiError> {
    match asked.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        found => Err(ApiError::wrong_field("limit", format!("must be from 1 to {LIMIT_MAX}, found {found}"))),
    }
}

/// A `cursor`, where entries are numbered.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub struct Cursor(pub i64);

impl TryFrom<String> for Cursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self).map_err(|_| "must be the `nextCursor` of an earlier answer")
    }
}

/// One page, and the cursor of the next if there may be one.
pub struct Page<T> {
    pub data: Vec<T>,
    pub next: Option<String>,
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<T> {
            success: bool,
            data: Vec<T>,
            #[serde(skip_serializing_if = "Option::is_none")]
            next_cursor: Option<String>,
        }
        match serde_json::to_vec(&Body { success: true, data: self.data, next_cursor: self.next }) {
            Ok(bytes) => envelope::json(StatusCode::OK, bytes),
            Err(error) => ApiError::internal(&error).into_response(),
        }
    }
}
