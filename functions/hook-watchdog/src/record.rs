//! The record that Lambda sends to an on-failure destination when an asynchronous invocation has failed for good, and what it
//! says in words. Knows nothing of what is done about it. Unknown keys are ignored, and everything but the request may be
//! missing.

use std::time::Duration;

use domain::text::bounded;
use domain::time::Timestamp;
use hook::codedeploy::handover::Handover;
use serde::Deserialize;
use serde_json::Value;

/// The record (Lambda developer guide, "Asynchronous invocation").
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// When the invocation had failed for good, in RFC 3339.
    #[serde(default)]
    pub timestamp: Value,
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
/// The type of the errors that Greenlight's functions return, as `runtime` names it.
const OWN_ERROR: &str = "Greenlight";
/// In place of a function's name that is not told.
const UNKNOWN: &str = "unknown";

impl Record {
    /// Reads the record.
    pub fn parse(payload: &Value) -> Result<Self, NotARecord> {
        Record::deserialize(payload).map_err(NotARecord)
    }

    /// The function's name: the ARN's seventh part, `arn:aws:lambda:region:account:function:name:qualifier`.
    pub fn function(&self) -> &str {
        let arn = self.request_context.function_arn.as_str();
        let name = if arn.starts_with("arn:") { arn.split(':').nth(6) } else { arn.split(':').next() };
        name.filter(|name| !name.is_empty()).unwrap_or(UNKNOWN)
    }

    /// What happened, as the verdict's reason.
    pub fn reason(&self) -> String {
        let context = &self.request_context;
        let name = self.function();
        let error = self.error();
        if context.approximate_invoke_count == Some(0) {
            let why = error.map(|error| format!(": {error}")).unwrap_or_default();
            return format!(
                "the hook function `{name}` did not answer: Lambda did not start it in time{why}; look at the function's throttles, its \
                 reserved concurrency and the account's limit"
            );
        }
        let why = error.unwrap_or_else(|| "it ended without an error that Lambda knows of".to_owned());
        let log = if name == UNKNOWN { String::new() } else { format!(" (its log: `/aws/lambda/{name}`)") };
        format!("the hook function `{name}` did not answer: {why}{log}")
    }

    /// The reason of a verdict that is the hook's own.
    pub fn on_behalf(&self, reason: &str) -> String {
        format!("answered on behalf of `{}`, whose answer CodeDeploy did not take: {reason}", self.function())
    }

    /// The answer that the hook had and that CodeDeploy did not take.
    pub fn handover(&self) -> Option<Handover> {
        let text = |key: &str| self.response_payload.get(key).and_then(Value::as_str);
        // Only what the function itself has returned: a runtime's or Lambda's own error may repeat other texts.
        text("errorType").filter(|kind| *kind == OWN_ERROR).and_then(|_| Handover::find(text("errorMessage")?))
    }

    /// How long ago the hook ended; `None` where the record does not tell.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        self.timestamp.as_str().and_then(Timestamp::parse).map(|ended| now.since(ended))
    }

    fn error(&self) -> Option<String> {
        let text = |key: &str| self.response_payload.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        match (text("errorMessage"), text("errorType")) {
            (Some(message), _) => Some(bounded(message, ERROR)),
            (None, Some(kind)) => Some(bounded(kind, ERROR)),
            (None, None) => None,
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
            "the hook function `CodeDeployHook_before-allow-traffic` did not answer: RequestId: e4b46cbf Process exited before completing \
             request (its log: `/aws/lambda/CodeDeployHook_before-allow-traffic`)"
        );
    }

    #[test]
    fn what_is_missing_is_not_made_up() {
        let record = Record::parse(&json!({ "requestPayload": {} })).unwrap();
        assert_eq!(
            record.reason(),
            "the hook function `unknown` did not answer: it ended without an error that Lambda knows of"
        );
        assert_eq!((record.age(Timestamp(0)), record.handover()), (None, None));
        let record = Record::parse(&json!({
            "requestContext": { "functionArn": "CodeDeployHook_x:3", "condition": "EventAgeExceeded", "approximateInvokeCount": 0 },
            "requestPayload": {}, "responsePayload": null
        }))
        .unwrap();
        assert_eq!(
            record.reason(),
            "the hook function `CodeDeployHook_x` did not answer: Lambda did not start it in time; look at the function's throttles, its \
             reserved concurrency and the account's limit"
        );
        assert!(Record::parse(&json!({ "DeploymentId": "d-1" })).unwrap_err().to_string().contains("`requestPayload`"));
    }

    #[test]
    fn only_an_error_of_the_function_itself_holds_its_verdict() {
        let own = Handover {
            verdict: domain::hook::Verdict::Succeeded,
            reason: "fine".to_owned(),
            skipped: None,
            group: None,
            lifecycle_event: None,
        };
        let record = |kind: &str| {
            let error = json!({ "errorType": kind, "errorMessage": format!("not reported; {own}") });
            Record::parse(
                &json!({ "timestamp": "2026-01-05T09:00:00.000Z", "requestPayload": {}, "responsePayload": error }),
            )
            .unwrap()
        };
        assert_eq!(record("Greenlight").handover(), Some(own.clone()));
        assert_eq!(record("Runtime.ExitError").handover(), None);
        let (ended, age) = (Timestamp(1_767_603_600_000), Duration::from_secs(61));
        assert_eq!(record("Greenlight").age(ended.plus(age)), Some(age));
    }
}
