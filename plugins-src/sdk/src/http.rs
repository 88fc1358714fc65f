//! Requests to hosts outside, over the standard `wasi:http`.
//!
//! The manifest names the hosts (`outbound`), and an operator grants them. An answer is read whole; the host bounds how
//! large it may be and how long it may take. Redirects are not followed: what a host says to ask elsewhere is in the
//! header `location`, for the plugin to judge.
//!
//! ```ignore
//! let rates: Rates = http::get("https://rates.example.com/latest")
//!     .header("accept", "application/json")
//!     .timeout(Duration::from_secs(2))
//!     .send()?
//!     .success()?
//!     .json()?;
//! ```

mod error;
mod exchange;
mod url;

use std::time::Duration;

pub use self::error::Error;

/// A request to a host outside.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `send`"]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    timeout: Option<Duration>,
    /// What was wrong with what was set, to be told when it is sent.
    wrong: Option<Error>,
}

/// What a host outside answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

pub fn get(url: impl Into<String>) -> Request {
    request("GET", url)
}

pub fn post(url: impl Into<String>) -> Request {
    request("POST", url)
}

pub fn put(url: impl Into<String>) -> Request {
    request("PUT", url)
}

pub fn patch(url: impl Into<String>) -> Request {
    request("PATCH", url)
}

pub fn delete(url: impl Into<String>) -> Request {
    request("DELETE", url)
}

/// A request with any method.
pub fn request(method: &str, url: impl Into<String>) -> Request {
    let (headers, body, timeout, wrong) = Default::default();
    Request { method: method.to_owned(), url: url.into(), headers, body, timeout, wrong }
}

impl Request {
    /// Adds a header. Those of the connection (`Connection`, `Host`, `Transfer-Encoding` and the like) are the host's.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Sends these bytes.
    pub fn body(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(bytes.into()), ..self }
    }

    /// Sends this as JSON, and says so.
    pub fn json(self, value: &impl serde::Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.header("content-type", "application/json").body(bytes),
            Err(error) => Self { wrong: Some(Error::Json(error.to_string())), ..self },
        }
    }

    /// Gives up after this time, all in all. The host gives up after its own in any case (10 seconds by default).
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Sends the request, and waits for the whole answer. Waiting costs no CPU time.
    ///
    /// # Errors
    ///
    /// When there is no answer. An answer such as 404 is one.
    pub fn send(self) -> Result<Response, Error> {
        match self.wrong {
            Some(wrong) => Err(wrong),
            None => exchange::run(self),
        }
    }
}

impl Response {
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header's first value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// All headers, by name and value, names in lower case.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// The body as text; what is no UTF-8 in it is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body read as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] when it is none, or none of this type.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Json(error.to_string()))
    }

    /// Itself, if its status is one of success.
    ///
    /// # Errors
    ///
    /// [`Error::Status`] with any other.
    pub fn success(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(Error::Status(self.status)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_what_it_is() {
        let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        let response = Response { status: 201, headers, body: b"{\"a\": [1, 2]}".to_vec() };
        assert_eq!(response.header("Content-Type"), Some("application/json"));
        let value: serde_json::Value = response.json().unwrap();
        assert_eq!(value["a"][1], 2);
        assert!(matches!(response.json::<Vec<u8>>(), Err(Error::Json(_))));
        assert_eq!(response.clone().success().unwrap(), response);
        let missing = Response { status: 404, ..response };
        assert_eq!(missing.success(), Err(Error::Status(404)));
    }
}
