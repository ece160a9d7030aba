//! Requests and answers as they pass between the sockets and the world. Knows nothing of either.

use serde_json::Value;

/// An answer to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What comes after the body (HTTP/2).
    pub trailers: Vec<(String, String)>,
}

impl HttpAnswer {
    /// No status of HTTP, but what nginx calls a connection that it closes without an answer.
    pub const HANG_UP: u16 = 444;

    /// A JSON answer.
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into_bytes(),
            trailers: Vec::new(),
        }
    }

    /// A plain text answer.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())],
            body: body.into().into_bytes(),
            trailers: Vec::new(),
        }
    }
}

/// A request from a function's process, or from outside.
#[derive(Clone, Debug)]
pub struct HttpAsked {
    /// GET, POST, …
    pub method: http::Method,
    /// The host and port that it is meant for; none for the rehearsal's own address.
    pub host: Option<String>,
    /// Path and query.
    pub path: String,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}
