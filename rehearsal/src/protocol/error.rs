//! The two kinds of error at the edge: what a service says ([`AwsError`]) and what could not even be read
//! ([`ProtocolError`]). Knows nothing of the protocols in which either is written.

use super::Service;
use serde_json::Value;
use thiserror::Error;

/// An error that a service answers with.
///
/// `code` is the name that the SDK shows: the shape name for JSON services (`DeploymentDoesNotExistException`), the
/// query code for CloudWatch and Elastic Load Balancing (`InvalidParameterValue`, `TargetGroupNotFound`).
#[derive(Debug, Clone, PartialEq, Error)]
#[error("`{code}`: {message}")]
pub struct AwsError {
    /// The error code.
    pub code: String,
    /// The sentence for people.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    /// Further members of the error's shape, such as DynamoDB's `Item`; JSON protocols only.
    pub members: Vec<(String, Value)>,
}

/// The code of [`AwsError::throttling`].
pub(super) const THROTTLING: &str = "ThrottlingException";
/// The code of [`AwsError::access_denied`].
pub(super) const ACCESS_DENIED: &str = "AccessDeniedException";

impl AwsError {
    /// An error with a status of its own.
    pub fn new(code: impl Into<String>, message: impl Into<String>, status: u16) -> Self {
        Self { code: code.into(), message: message.into(), status, members: Vec::new() }
    }

    /// The caller's fault: status 400. The Lambda encoder knows which of Lambda's codes have another status.
    pub fn client(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(code, message, 400)
    }

    /// Too many requests; each encoder writes the code that its service uses, and the SDK retries it.
    pub fn throttling() -> Self {
        Self::client(THROTTLING, "Rate exceeded")
    }

    /// The caller's policies do not allow the call; each encoder writes code and status as its service does.
    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::client(ACCESS_DENIED, message)
    }

    /// The service broke: status 500, which the SDK retries.
    pub fn internal() -> Self {
        Self::new("InternalFailure", "The service could not process the request", 500)
    }

    /// The same error with one more member of its shape.
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.members.push((member.to_owned(), value));
        self
    }
}

/// A request that could not be turned into a call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// Neither path nor headers belong to a protocol that is spoken here.
    #[error(
        "cannot tell which AWS service `{method} {path}` is for: it has no `x-amz-target`, no form body and no path of \
         CloudWatch or Lambda; point only the SDKs of the rehearsed services at this endpoint"
    )]
    UnknownRequest {
        /// The HTTP method.
        method: String,
        /// The path.
        path: String,
    },
    /// A service that the rehearsal does not have.
    #[error(
        "`{target}` belongs to no service of the rehearsal; it has codedeploy, ecs, elasticloadbalancing, cloudwatch, events, dynamodb, secretsmanager and lambda"
    )]
    UnknownService {
        /// What named the service.
        target: String,
    },
    /// A route of a known service that nobody wrote down.
    #[error("`{route}` is no operation of `{}` that the rehearsal knows", .service.iam_prefix())]
    UnknownOperation {
        /// The service.
        service: Service,
        /// Method and path, or the target.
        route: String,
    },
    /// A body that is not in the protocol's format.
    #[error("could not read the body of `{operation}` as {format}: {problem}")]
    Body {
        /// The service.
        service: Service,
        /// The operation.
        operation: String,
        /// JSON, CBOR or a form.
        format: &'static str,
        /// What was wrong, and where.
        problem: String,
    },
    /// A compressed body.
    #[error("cannot unpack a request body with content-encoding `{encoding}`: {problem}")]
    Encoding {
        /// The content encoding.
        encoding: String,
        /// Why not, and what to do.
        problem: String,
    },
}

impl ProtocolError {
    /// The error code for the answer.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::UnknownRequest { .. } | Self::UnknownService { .. } | Self::UnknownOperation { .. } => {
                "UnknownOperationException"
            }
            Self::Body { .. } | Self::Encoding { .. } => "SerializationException",
        }
    }

    /// The service, where it is known.
    pub(super) const fn service(&self) -> Option<Service> {
        match self {
            Self::UnknownOperation { service, .. } | Self::Body { service, .. } => Some(*service),
            // Only CloudWatch's SDK compresses what it sends.
            Self::Encoding { .. } => Some(Service::CloudWatch),
            Self::UnknownRequest { .. } | Self::UnknownService { .. } => None,
        }
    }
}
