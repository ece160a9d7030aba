//! The record that Lambda sends to an on-failure destination when an asynchronous invocation has failed for good, and what it
//! says in words. Knows nothing of what is done about it. Unknown keys are ignored, and everything but the request may be
//! missing.

use domain::text::{bounded, count};
use serde::Deserialize;
use serde_json::Value;

/// The record (Lambda developer guide, "Asynchronous invocation").
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Which invocation failed, and how it ended.
    #[serde(default)]
    pub request_context: RequestContext,
    /// What the function had been sent: a hook's payload.
    pub request_payload: Value,
    /// What the function sent back: the error.
    #[serde(default)]
    pub response_payload: Value,
}

/// `requestContext`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestContext {
    /// The function, with its qualifier.
    pub function_arn: String,
    /// `RetriesExhausted` or `EventAgeExceeded`.
    pub condition: String,
    /// How often the function was invoked.
    pub approximate_invoke_count: Option<u32>,
}

/// A payload that is no such record.
#[derive(Debug, thiserror::Error)]
#[error(
    "the payload is not a record of a failed asynchronous invocation: {0}; expected `requestContext` and `requestPayload`, as Lambda sends \
     them to an on-failure destination"
)]
pub struct NotARecord(serde_json::Error);

/// How much of the error is repeated, in characters.
const ERROR: usize = 600;

impl Record {
    /// Reads the record.
    pub fn parse(payload: &Value) -> Result<Self, NotARecord> {
        Record::deserialize(payload).map_err(NotARecord)
    }

    /// The function's name: the ARN's seventh part, `arn:aws:lambda:region:account:function:name:qualifier`.
    pub fn function(&self) -> &str {
        let arn = self.request_context.function_arn.as_str();
        let name = if arn.starts_with("arn:") { arn.split(':').nth(6) } else { arn.split(':').next() };
        name.filter(|name| !name.is_empty()).unwrap_or("unknown")
    }

    /// What happened, as the verdict's reason.
    pub fn reason(&self) -> String {
        let context = &self.request_context;
        let attempts = match context.approximate_invoke_count {
            None => "it was ended".to_owned(),
            Some(0) => "it was never started".to_owned(),
            Some(attempts) => format!("it was ended after {}", count(attempts as usize, "attempt")),
        };
        let condition = match context.condition.as_str() {
            "" => String::new(),
            condition => format!(" ({})", bounded(condition, 60)),
        };
        format!("the hook function `{}` did not answer: {attempts}{condition}: {}", self.function(), self.error())
    }

    fn error(&self) -> String {
        let text = |key: &str| self.response_payload.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        match (text("errorMessage"), text("errorType")) {
            (Some(message), _) => bounded(message, ERROR),
            (None, Some(kind)) => bounded(kind, ERROR),
            (None, None) => "no error was given".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_documented_record_becomes_one_sentence() {
        // The sample of the Lambda developer guide with a hook's payload in it.
        let record = Record::parse(&json!({
            "version": "1.0", "timestamp": "2019-11-14T18:16:05.568Z",
            "requestContext": {
                "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
                "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:CodeDeployHook_before-allow-traffic:$LATEST",
                "condition": "RetriesExhausted", "approximateInvokeCount": 1
            },
            "requestPayload": { "DeploymentId": "d-1", "LifecycleEventHookExecutionId": "x" },
            "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
            "responsePayload": { "errorMessage": "RequestId: e4b46cbf Process exited before completing request" }
        }))
        .unwrap();
        assert_eq!(
            record.reason(),
            "the hook function `CodeDeployHook_before-allow-traffic` did not answer: it was ended after 1 attempt \
             (RetriesExhausted): RequestId: e4b46cbf Process exited before completing request"
        );
    }

    #[test]
    fn what_is_missing_is_not_made_up() {
        let record = Record::parse(&json!({ "requestPayload": {} })).unwrap();
        assert_eq!(record.reason(), "the hook function `unknown` did not answer: it was ended: no error was given");
        let record = Record::parse(&json!({
            "requestContext": { "functionArn": "CodeDeployHook_x:3", "condition": "EventAgeExceeded", "approximateInvokeCount": 0 },
            "requestPayload": {}, "responsePayload": null
        }))
        .unwrap();
        assert_eq!(
            record.reason(),
            "the hook function `CodeDeployHook_x` did not answer: it was never started (EventAgeExceeded): no error was given"
        );
        assert!(Record::parse(&json!({ "DeploymentId": "d-1" })).unwrap_err().to_string().contains("`requestPayload`"));
    }
}
