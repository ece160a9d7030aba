//! The SDK's errors in the domain's words: what was attempted on what, what the service said, and whether trying again makes
//! sense. Knows nothing of any one service, apart from the names that AWS gives to kinds of errors.

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use domain::ports::PortError;
use domain::text::{bounded, root_cause};

/// A service's sentence is passed on up to this many characters.
const DETAIL_LIMIT: usize = 600;

/// A call on something: `GetDeployment` of the deployment `d-1`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    /// The API's name of the operation.
    pub(crate) operation: &'static str,
    /// What kind of thing it is about.
    pub(crate) noun: &'static str,
    /// The thing's name.
    pub(crate) name: &'a str,
}

impl fmt::Display for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of `{}`", self.operation, self.name)
    }
}

impl Attempt<'_> {
    /// The SDK's error as a port's.
    pub(crate) fn failed<E>(self, error: &SdkError<E, HttpResponse>) -> PortError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error {
            SdkError::ServiceError(context) => {
                let said = Said {
                    code: context.err().code().unwrap_or_default(),
                    message: context.err().message().unwrap_or_default(),
                    status: context.raw().status().as_u16(),
                    retry_after: retry_after(context.raw()),
                };
                self.refused(&said)
            }
            SdkError::ResponseError(context) => {
                let status = context.raw().status().as_u16();
                let detail = format!("the answer with status {status} could not be read: {}", root_cause(error));
                if status >= 500 { self.transient(detail, None) } else { self.permanent(detail) }
            }
            SdkError::DispatchFailure(context) if context.is_user() => self.permanent(root_cause(error)),
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => self.transient(root_cause(error), None),
            _ => self.permanent(root_cause(error)),
        }
    }

    /// What the service refused.
    pub(crate) fn refused(self, said: &Said<'_>) -> PortError {
        let detail = said.to_string();
        if said.is_missing() {
            self.not_found(detail)
        } else if said.is_denied() {
            PortError::Denied { what: self.to_string(), detail: bounded(&detail, DETAIL_LIMIT) }
        } else if said.is_transient() {
            self.transient(detail, said.retry_after)
        } else {
            self.permanent(detail)
        }
    }

    /// What was looked for is not there.
    pub(crate) fn not_found(self, detail: impl AsRef<str>) -> PortError {
        PortError::NotFound {
            what: format!("the {} `{}`", self.noun, self.name),
            detail: format!("{} answered {}", self.operation, bounded(detail.as_ref(), DETAIL_LIMIT)),
        }
    }

    /// It will not work, however often it is tried.
    pub(crate) fn permanent(self, detail: impl AsRef<str>) -> PortError {
        PortError::Permanent { what: self.to_string(), detail: bounded(detail.as_ref(), DETAIL_LIMIT) }
    }

    /// It may work later.
    pub(crate) fn transient(self, detail: impl AsRef<str>, retry_after: Option<Duration>) -> PortError {
        PortError::Transient { what: self.to_string(), detail: bounded(detail.as_ref(), DETAIL_LIMIT), retry_after }
    }
}

/// What a service said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    /// `ThrottlingException`, …; empty when it gave none.
    pub(crate) code: &'a str,
    /// Its sentence; text from outside.
    pub(crate) message: &'a str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// How long it asked to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.message) {
            ("", "") => write!(f, "status {} without an explanation", self.status),
            ("", message) => write!(f, "status {}: {message}", self.status),
            (code, "") => f.write_str(code),
            (code, message) => write!(f, "{code}: {message}"),
        }
    }
}

impl Said<'_> {
    /// `DeploymentDoesNotExistException`, `ResourceNotFoundException`, `ListenerNotFound`, …
    fn is_missing(&self) -> bool {
        self.code.contains("NotFound") || self.code.contains("DoesNotExist")
    }

    /// IAM's refusals; the query protocol's services leave out the suffix `Exception`.
    fn is_denied(&self) -> bool {
        self.code.starts_with("AccessDenied") || matches!(self.code, "UnauthorizedOperation" | "NotAuthorized")
    }

    /// The codes that the SDK itself tries again, and every server's error.
    fn is_transient(&self) -> bool {
        const TRANSIENT: [&str; 15] = [
            "BandwidthLimitExceeded",
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "LimitExceededException",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestTimeout",
            "RequestTimeoutException",
            "ServiceUnavailable",
            "SlowDown",
            "TooManyRequestsException",
            "TransactionConflictException",
            "TransactionInProgressException",
        ];
        self.status >= 500 || self.status == 429 || self.code.contains("Throttl") || TRANSIENT.contains(&self.code)
    }
}

/// The headers in which AWS says when to come back: milliseconds in its own, seconds in HTTP's.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let number = |name: &str| response.headers().get(name)?.trim().parse::<u64>().ok();
    number("x-amz-retry-after").map(Duration::from_millis).or_else(|| number("retry-after").map(Duration::from_secs))
}

/// The error, with what to set where it is that something is not allowed.
pub(crate) fn when_denied(error: PortError, hint: &str) -> PortError {
    match error {
        PortError::Denied { what, detail } => PortError::Denied { what, detail: format!("{detail}; {hint}") },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: &str, status: u16) -> &'static str {
        let attempt = Attempt { operation: "GetThing", noun: "thing", name: "x" };
        match attempt.refused(&Said { code, message: "why", status, retry_after: None }) {
            PortError::NotFound { .. } => "not found",
            PortError::Denied { .. } => "denied",
            PortError::Transient { .. } => "transient",
            PortError::Permanent { .. } => "permanent",
        }
    }

    #[test]
    fn every_kind_of_refusal_is_told_apart() {
        let cases = [
            ("DeploymentDoesNotExistException", 400, "not found"),
            ("ResourceNotFoundException", 404, "not found"),
            ("TargetGroupNotFound", 400, "not found"),
            ("AccessDeniedException", 400, "denied"),
            ("AccessDenied", 403, "denied"),
            ("ThrottlingException", 400, "transient"),
            ("Throttling", 400, "transient"),
            ("TooManyRequestsException", 429, "transient"),
            ("SomethingNew", 503, "transient"),
            ("InvalidDeploymentIdException", 400, "permanent"),
            ("ExpiredTokenException", 403, "permanent"),
        ];
        for (code, status, expected) in cases {
            assert_eq!(kind(code, status), expected, "{code} {status}");
        }
    }

    #[test]
    fn an_error_says_what_was_attempted_on_what_and_what_the_service_said() {
        let attempt = Attempt { operation: "GetDeployment", noun: "deployment", name: "d-1" };
        let said = |code| Said { code, message: "no", status: 400, retry_after: None };
        assert_eq!(
            attempt.refused(&said("InvalidDeploymentIdException")).to_string(),
            "GetDeployment of `d-1` failed: InvalidDeploymentIdException: no"
        );
        assert_eq!(
            attempt.refused(&said("DeploymentDoesNotExistException")).to_string(),
            "the deployment `d-1` does not exist: GetDeployment answered DeploymentDoesNotExistException: no"
        );
    }
}
