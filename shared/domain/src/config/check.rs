//! A check as the configuration writes it: one request and what is expected of the answer. Knows nothing of how it is run.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::schema::{self, Wanted};
use super::service::Texts;
use crate::time::Span;

/// The words of a matcher, `{ gte: 1 }`; what `length` holds is a matcher again.
pub const MATCHER_WORDS: [&str; 10] = ["gte", "gt", "lte", "lt", "eq", "ne", "matches", "contains", "exists", "length"];

/// The words that say what a check asks.
pub const REQUEST_WORDS: [&str; 9] =
    ["get", "post", "put", "patch", "delete", "head", "invoke", "websocket", "grpc_health"];

/// One check. Exactly one of `get`, `post`, `put`, `patch`, `delete`, `head`, `invoke`, `websocket` and `grpc_health` says what is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schema::check)]
pub struct Check {
    /// The check's name, unique within its block.
    pub name: String,
    /// The path of a GET request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub get: Option<String>,
    /// The path of a POST request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// The path of a PUT request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put: Option<String>,
    /// The path of a PATCH request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// The path of a DELETE request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<String>,
    /// The path of a HEAD request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// An invocation of the target version itself (Lambda).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoke: Option<InvokeRequest>,
    /// The path of a WebSocket; `body` or `json` is the message that is sent once it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<String>,
    /// A question to the standard health service of a gRPC server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_health: Option<GrpcHealthRequest>,
    /// Request headers.
    #[serde(default, skip_serializing_if = "Texts::is_empty")]
    #[schemars(extend("propertyNames" = schema::header_name()))]
    pub headers: Texts,
    /// A JSON body; `null` is one.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// A body as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// A form, URL-encoded.
    #[serde(default, skip_serializing_if = "Texts::is_empty")]
    pub form: Texts,
    /// The time for one try; 10 s when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How often and how far apart to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retries>,
    /// Checks that must have passed before this one runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Values taken from the answer for later checks.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub capture: std::collections::BTreeMap<String, Capture>,
    /// Runs whatever became of the others: clean-up.
    #[serde(default, skip_serializing_if = "is_false")]
    pub always: bool,
    /// Whether a failure fails the hook or only degrades it.
    #[serde(default, skip_serializing_if = "Severity::is_fail")]
    pub severity: Severity,
    /// Run and told, but never decisive.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// What must hold of the answer.
    #[serde(default)]
    pub expect: Expect,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(truth: &bool) -> bool {
    !*truth
}

/// A value that is written is there, `null` too.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Check {
    /// The request, when exactly one is given.
    ///
    /// # Errors
    /// A sentence that says how many were given and which there are.
    pub fn request(&self) -> Result<Request<'_>, String> {
        let paths = [
            (Method::Get, &self.get),
            (Method::Post, &self.post),
            (Method::Put, &self.put),
            (Method::Patch, &self.patch),
            (Method::Delete, &self.delete),
            (Method::Head, &self.head),
        ];
        let mut given: Vec<Request<'_>> = paths
            .iter()
            .filter_map(|(method, path)| path.as_deref().map(|path| Request::Http { method: *method, path }))
            .collect();
        given.extend(self.invoke.as_ref().map(Request::Invoke));
        given.extend(self.websocket.as_deref().map(|path| Request::WebSocket { path }));
        given.extend(self.grpc_health.as_ref().map(Request::GrpcHealth));
        match (given.pop(), given.len()) {
            (Some(request), 0) => Ok(request),
            (_, others) => Err(format!(
                "the check `{}` has {} requests; give exactly one of {}",
                self.name,
                if others == 0 { 0 } else { others + 1 },
                REQUEST_WORDS.map(|word| format!("`{word}`")).join(", ")
            )),
        }
    }
}

/// What a check asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Request<'a> {
    /// An HTTP request to a path below the service's base URL, or to a URL of its own.
    Http {
        /// The method.
        method: Method,
        /// The path, `/health`.
        path: &'a str,
    },
    /// An invocation of the target version of a Lambda function.
    Invoke(&'a InvokeRequest),
    /// A WebSocket to a path below the service's base URL, or to a URL of its own.
    WebSocket {
        /// The path, `/ws`.
        path: &'a str,
    },
    /// A question to a gRPC server's health service.
    GrpcHealth(&'a GrpcHealthRequest),
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// HEAD
    Head,
}

impl Method {
    /// `GET`, `POST`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Head => "HEAD",
        }
    }
}

/// `invoke: { payload: … }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvokeRequest {
    /// The event that the version receives.
    #[serde(default)]
    pub payload: Value,
}

/// `grpc_health: { service: … }`: asks `grpc.health.v1.Health/Check` (the gRPC health checking protocol).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrpcHealthRequest {
    /// The service's full name, `chat.v1.Orchestrator`; the server as a whole when not given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// The server's URL when it is not the service's base URL; `http://` speaks HTTP/2 without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// How often and how far apart to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected a number of further tries, or `{ times: 2, backoff: 1s }`"
)]
pub enum Retries {
    /// So many more tries, with a growing pause that starts at a second.
    Times(u32),
    /// The same with the first pause given.
    Paced {
        /// How many more tries.
        times: u32,
        /// The first pause; each later one is twice as long.
        backoff: Span,
    },
}

/// What a value is taken from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields, expecting = "expected a JSONPath, `{ header: … }` or `{ regex: … }`")]
pub enum Capture {
    /// A JSONPath (RFC 9535) into the body.
    JsonPath(#[schemars(regex(pattern = r"^\$"))] String),
    /// A header's value.
    Header {
        /// The header's name.
        header: String,
    },
    /// The first group of a regular expression over the body.
    Regex {
        /// The expression.
        regex: String,
    },
}

/// Whether a failure counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A failure fails the hook.
    #[default]
    Fail,
    /// A failure degrades the verdict and nothing more.
    Warn,
}

impl Severity {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_fail(&self) -> bool {
        *self == Severity::Fail
    }
}

/// The `expect` block. What is not given is not looked at; without a status, any 2xx is expected of HTTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// A number, a class (`2xx`) or a list of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusExpectation>,
    /// An upper bound on the time to the whole answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Span>,
    /// Header name to a value or a matcher.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Wanted>", extend("propertyNames" = schema::header_name()))]
    pub headers: Map<String, Value>,
    /// The body as text: `contains`, `matches`, `sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyExpectation>,
    /// JSONPath (RFC 9535) to a value or a matcher.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Wanted>", extend("propertyNames" = { "pattern": r"^\$" }))]
    pub json: Map<String, Value>,
    /// The server's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateExpectation>,
}

/// A status or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a status such as `200`, a class such as `2xx`, or a list of them")]
pub enum StatusExpectation {
    /// `200`
    Code(#[schemars(range(min = 100, max = 599))] u16),
    /// `2xx`
    Class(#[schemars(regex(pattern = r"^([1-5]xx|[1-5][0-9][0-9])$"))] String),
    /// `[200, 204, 3xx]`
    AnyOf(#[schemars(length(min = 1))] Vec<StatusExpectation>),
}

/// The `body` block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct BodyExpectation {
    /// A text that must stand in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub contains: Option<String>,
    /// A regular expression that must match somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub matches: Option<String>,
    /// The SHA-256 of all of it, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The `certificate` block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateExpectation {
    /// How long it must still be valid.
    pub valid_for: Span,
}
