//! How a version of the application behaves on a WebSocket and as a gRPC server. Knows nothing of how it is asked.

use domain::time::Span;
use serde::Deserialize;
use serde_json::Value;

/// How a WebSocket goes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Talk {
    /// It is not opened: the status of the answer.
    #[serde(default)]
    pub refuse: Option<u16>,
    /// What the application says as soon as it is open.
    #[serde(default)]
    pub greeting: Option<Value>,
    /// What it says to each message, in place of an echo.
    #[serde(default)]
    pub reply: Option<Value>,
    /// It says nothing to any message.
    #[serde(default)]
    pub silent: bool,
    /// How long it takes to open and to say something.
    #[serde(default)]
    pub latency: Option<Span>,
}

/// What a gRPC server says of a service, or why it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GrpcHealth {
    /// The service takes requests.
    Serving,
    /// It does not.
    NotServing,
    /// The server has not said yet.
    Unknown,
    /// The server does not know the service: an error with that code.
    NotFound,
    /// The server has no health service: an error with that code.
    Unimplemented,
}
