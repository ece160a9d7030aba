//! The AWS endpoint: a function's call is decoded, struck by faults, held against the function's policies and answered. Knows nothing of
//! what the services answer.

use std::collections::BTreeMap;

use domain::text::bounded;
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::arrived::Arrived;
use super::faults::Struck;
use super::{ACCOUNT, AWS_LATENCY, HttpAnswer, HttpAsked, REGION, SandboxId, Token, World};
use crate::policy::{self, Decision, Request};
use crate::protocol::{self, AwsError, Call, Service};
use crate::scenario::How;
use crate::timeline::{CallRecord, Tone, Who};

/// The access key of a sandbox begins with this; its number follows.
pub const ACCESS_KEY_PREFIX: &str = "AKIAREHEARSAL";

/// The access key that a sandbox signs its calls with.
pub fn access_key(sandbox: SandboxId) -> String {
    format!("{ACCESS_KEY_PREFIX}{sandbox:07}")
}

fn sandbox_of(access_key: &str) -> Option<SandboxId> {
    access_key.strip_prefix(ACCESS_KEY_PREFIX)?.parse().ok()
}

/// The most that `PutEvents` takes in one request, in bytes.
const LARGEST_REQUEST: usize = 256 * 1024;

/// The most that `PutMetricData` takes in one request, in bytes.
const LARGEST_METRICS: usize = 1024 * 1024;

impl World {
    /// From now on anybody may call AWS, with no policy to hold the call against; for tests and tools that look at what a run left behind.
    pub fn open_to_anybody(&mut self) {
        self.serving = true;
    }

    /// A request to the AWS endpoint has arrived.
    pub fn aws_request(&mut self, request: Option<u64>, token: Token, asked: &HttpAsked) {
        let decoded = protocol::decode(&asked.method, &asked.path, &asked.headers, &asked.body);
        let call = match decoded {
            Ok(call) => call,
            Err(error) => {
                self.tell(Who::Rehearsal, Tone::Bad, format!("cannot read a call to AWS: {error}"));
                let answer = http_answer(protocol::refuse(&error));
                self.answer(token, answer, AWS_LATENCY);
                return;
            }
        };
        let sandbox = call.access_key.as_deref().and_then(sandbox_of);
        if sandbox.is_some_and(|sandbox| !self.hold(sandbox, request, token)) {
            return;
        }
        let refusal = is_too_large(&call, asked).then(|| too_large(asked));
        self.arrive(sandbox, request, Arrived::Call { token, call: Box::new(call), refusal });
    }

    /// A call to AWS is carried out.
    pub(crate) fn aws_call(
        &mut self,
        sandbox: Option<SandboxId>,
        token: Token,
        call: &Call,
        refusal: Option<AwsError>,
    ) {
        let function = sandbox.and_then(|sandbox| self.function_of(sandbox));
        let caller = function.map_or_else(|| "caller".to_owned(), |function| self.binary(function));
        let name = format!("{}:{}", call.service.iam_prefix(), call.operation);
        let struck = self.struck(&name, &caller);
        if let Some(Struck::Kill(taken) | Struck::Hang(taken) | Struck::Panic(taken)) = struck
            && let Some(sandbox) = sandbox
        {
            if taken {
                let outcome = match self.carry_out(function, call, &caller) {
                    Ok(_) => "lost".to_owned(),
                    Err(error) => error.code,
                };
                self.note_call(call, caller, Some(sandbox), outcome, false);
            }
            return match struck {
                Some(Struck::Panic(_)) => self.break_code_of(sandbox),
                other => self.strike(sandbox, matches!(other, Some(Struck::Hang(_)))),
            };
        }
        let (result, lost) = match &struck {
            Some(Struck::Error(error)) => (Err(error.clone()), None),
            _ if refusal.is_some() => (Err(refusal.unwrap_or_else(AwsError::internal)), None),
            Some(Struck::Lost(how)) => (self.carry_out(function, call, &caller), Some(*how)),
            _ => (self.carry_out(function, call, &caller), None),
        };
        let injected = matches!(struck, Some(Struck::Error(_)));
        let outcome = match (&result, lost) {
            (Ok(_), None) => "ok".to_owned(),
            (Ok(_), Some(_)) => "lost".to_owned(),
            (Err(error), _) => error.code.clone(),
        };
        if let Err(error) = &result
            && error.code.starts_with("AccessDenied")
        {
            let tone = if injected { Tone::Warning } else { Tone::Bad };
            let what = format!("is refused {name}: {}", bounded(&error.message, 400));
            self.tell(Who::Function(caller.clone()), tone, what);
        }
        self.note_call(call, caller, sandbox, outcome, injected);
        let answer = match lost {
            None => http_answer(protocol::encode(call, result.as_ref())),
            Some(How::HangUp) => {
                self.tell(Who::Rehearsal, Tone::Warning, format!("loses the answer to {name}: hangs up"));
                HttpAnswer::text(HttpAnswer::HANG_UP, "")
            }
            Some(How::Silence) => {
                // Whoever asked waits until it gives up.
                return self.tell(Who::Rehearsal, Tone::Warning, format!("loses the answer to {name}: says nothing"));
            }
        };
        self.answer(token, answer, AWS_LATENCY);
    }

    fn note_call(&mut self, call: &Call, caller: String, sandbox: Option<SandboxId>, outcome: String, injected: bool) {
        self.calls.push(CallRecord {
            at: self.now,
            attempt: sandbox.and_then(|sandbox| self.attempt_of(sandbox)),
            function: caller,
            service: call.service.iam_prefix().to_owned(),
            operation: call.operation.clone(),
            outcome,
            injected,
        });
    }

    /// Holds a call against the caller's policies and lets it take effect.
    fn carry_out(&mut self, function: Option<usize>, call: &Call, caller: &str) -> Result<Value, AwsError> {
        // Somebody else's process has no role here to hold it to; but nobody else calls while a scenario runs.
        if function.is_none() && !self.serving {
            return Err(AwsError::client(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ));
        }
        if let Some(error) = self.refused(function, call) {
            return Err(error);
        }
        self.end_first(call, caller);
        self.dispatch(call, caller)
    }

    /// The error with which the function's policies refuse this call, if they do.
    fn refused(&mut self, function: Option<usize>, call: &Call) -> Option<AwsError> {
        // A caller without a sandbox (`serve`: a process that somebody else started) has no role to hold the call against.
        let function = self.template.functions.get(function?)?.clone();
        for request in self.requests_of(call) {
            let decision = function.policy.evaluate(&request);
            if let Decision::Allowed(_) = decision {
                self.used.insert((function.binary.clone(), request.action.clone()));
                continue;
            }
            let principal = policy::assumed_role(ACCOUNT, &function.role_name, &function.name);
            let message = policy::access_denied(&principal, &request, &decision).unwrap_or_default();
            return Some(AwsError::access_denied(message));
        }
        None
    }

    pub(crate) fn dispatch(&mut self, call: &Call, caller: &str) -> Result<Value, AwsError> {
        let (operation, input) = (call.operation.as_str(), &call.input);
        match call.service {
            Service::CodeDeploy => self.codedeploy(operation, input, caller),
            Service::Ecs if operation == "UpdateService" => self.update_service(input, caller),
            Service::Ecs => self.ecs(operation, input),
            Service::Elb => self.elb(operation, input),
            Service::Lambda => self.guarded_lambda(operation, input),
            Service::CloudWatch => {
                // CloudWatch takes the last two weeks and two hours ahead; the samples that `serve` is asked with carry the time at which they
                // were written.
                let now = if self.serving { newest_timestamp(input).unwrap_or(self.now) } else { self.now };
                let answer = self.cloudwatch.handle(operation, input, now.0)?;
                // What is refused is published nowhere.
                if operation == "PutMetricData" {
                    self.note_metrics(caller, input);
                }
                Ok(answer)
            }
            Service::DynamoDb => self.tables.handle(operation, input, self.now.0),
            Service::EventBridge => self.eventbridge(operation, input, caller),
            Service::SecretsManager => self.secrets_manager(operation, input),
        }
    }

    fn eventbridge(&mut self, operation: &str, input: &Value, caller: &str) -> Result<Value, AwsError> {
        if operation != "PutEvents" {
            return Err(not_implemented("events", operation));
        }
        let asked = input.get("Entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if asked.is_empty() || asked.len() > 10 {
            let detail = format!("PutEvents takes 1 to 10 entries, not {}", asked.len());
            return Err(AwsError::client("ValidationException", detail));
        }
        // Time (14 bytes), source, detail-type and detail of all entries (EventBridge user guide, "Calculating PutEvents event entry size").
        let keys = ["Source", "DetailType", "Detail"];
        let texts =
            asked.iter().flat_map(|entry| keys.map(|key| entry.get(key).and_then(Value::as_str).unwrap_or_default()));
        let size = asked.len() * 14 + texts.map(str::len).sum::<usize>();
        if size > LARGEST_REQUEST {
            let detail = "Total size of the entries in the request is over the limit.";
            return Err(AwsError::client("ValidationException", detail.to_owned()));
        }
        let mut entries = Vec::new();
        for entry in asked {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
            if !["", "default", &arn("events", "event-bus/default")].contains(&text("EventBusName")) {
                return Err(AwsError::client(
                    "ResourceNotFoundException",
                    "the rehearsal has no event bus but the default one",
                ));
            }
            match serde_json::from_str::<Value>(text("Detail")) {
                Ok(detail) if detail.is_object() => {
                    let mut event =
                        json!({ "source": text("Source"), "detail-type": text("DetailType"), "detail": detail });
                    if let (Some(resources), Some(map)) = (entry.get("Resources"), event.as_object_mut()) {
                        map.insert("resources".to_owned(), resources.clone());
                    }
                    self.notices.push(event.clone());
                    self.tell_notice(caller, &event);
                    self.publish(event);
                    entries.push(json!({ "EventId": format!("00000000-0000-4000-9000-{:012}", self.fresh()) }));
                }
                _ => entries.push(json!({ "ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed." })),
            }
        }
        let failed = entries.iter().filter(|entry| entry.get("ErrorCode").is_some()).count();
        Ok(json!({ "FailedEntryCount": failed, "Entries": entries }))
    }

    /// Tells one of Greenlight's own events with what it carries.
    fn tell_notice(&mut self, caller: &str, event: &Value) {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, mut details) = (text("/detail-type"), Vec::new());
        let (tone, what) = match kind.as_str() {
            "Hook Verdict" => {
                for finding in event.pointer("/detail/findings").and_then(Value::as_array).into_iter().flatten() {
                    if let Ok(finding) = serde_json::from_value::<domain::hook::Finding>(finding.clone()) {
                        details.push(finding.sentence());
                    }
                }
                let tone = if text("/detail/verdict") == "Succeeded" { Tone::Plain } else { Tone::Bad };
                (tone, format!("explains: {}", text("/detail/reason")))
            }
            "Rollback Decision" => {
                (Tone::Warning, format!("decides {}: {}", text("/detail/decision"), text("/detail/reason")))
            }
            "Traffic Restored" => {
                let seconds = event.pointer("/detail/seconds_since_alarm").and_then(Value::as_f64);
                let after = seconds.map_or(String::new(), |seconds| format!(", {seconds:.0} s after the alarm"));
                let restored = event.pointer("/detail/restored").and_then(Value::as_bool) == Some(true);
                let what = if restored { "sees traffic restored" } else { "does not see traffic restored" };
                (if restored { Tone::Good } else { Tone::Bad }, format!("{what}{after}"))
            }
            other => (Tone::Plain, format!("publishes the event `{other}`")),
        };
        self.tell_more(Who::Function(caller.to_owned()), tone, what, None, details);
    }

    pub(crate) fn set_up_secrets(&mut self) {
        let template = std::sync::Arc::clone(&self.template);
        let of_the_fleet = [
            self.config.slack.as_ref().and_then(|slack| slack.token.clone()),
            self.config.slack.as_ref().and_then(|slack| slack.webhook.clone()),
            self.config.pagerduty.as_ref().map(|pager| pager.routing_key.clone()),
            self.config.ticket.as_ref().and_then(|ticket| ticket.authorization.clone()),
        ];
        let mut wanted: Vec<_> = of_the_fleet.into_iter().flatten().collect();
        for service in &self.config.services {
            wanted.extend(checks::secrets(&service.before_allow_traffic.checks));
            wanted.extend(checks::secrets(&service.after_allow_traffic.checks));
        }
        for secret in &template.secrets {
            let mut body = BTreeMap::new();
            for reference in &wanted {
                if let domain::config::SecretRef::SecretsManager { name, key } = reference
                    && *name == secret.name
                {
                    body.insert(key.clone(), self::secret(key));
                }
            }
            self.secrets.insert(secret.name.clone(), json!({ "arn": secret.arn, "body": json!(body).to_string() }));
        }
    }

    fn secrets_manager(&self, operation: &str, input: &Value) -> Result<Value, AwsError> {
        if operation != "GetSecretValue" {
            return Err(not_implemented("secretsmanager", operation));
        }
        let id = input.get("SecretId").and_then(Value::as_str).unwrap_or_default();
        let found = self
            .secrets
            .iter()
            .find(|(name, secret)| *name == id || secret.get("arn").and_then(Value::as_str) == Some(id));
        match found {
            Some((name, secret)) => Ok(json!({
                "ARN": secret.get("arn"), "Name": name, "SecretString": secret.get("body"),
                "VersionId": "00000000-0000-4000-8000-000000000001", "VersionStages": ["AWSCURRENT"],
            })),
            None => {
                Err(AwsError::client("ResourceNotFoundException", "Secrets Manager can't find the specified secret."))
            }
        }
    }

    /// What IAM is asked for a call: action, resource and conditions.
    fn requests_of(&self, call: &Call) -> Vec<Request> {
        let action = format!("{}:{}", call.service.iam_prefix(), Self::action_of(call));
        let mut requests = Vec::new();
        for resource in self.resources_of(call) {
            for context in Self::contexts_of(call) {
                requests.push(Request { action: action.clone(), resource: resource.clone(), context });
            }
        }
        for (action, resource) in Self::also_needed(call) {
            for context in Self::contexts_of(call) {
                requests.push(Request { action: action.to_owned(), resource: resource.clone(), context });
            }
        }
        for (role, passed_to) in Self::passed_roles(call) {
            let context = BTreeMap::from([("iam:PassedToService".to_owned(), passed_to.to_owned())]);
            requests.push(Request { action: "iam:PassRole".to_owned(), resource: role, context });
        }
        requests
    }
}

/// What the secret holds under a key.
pub(crate) fn secret(key: &str) -> String {
    if key.contains("webhook") {
        "http://hooks.slack.rehearsal/services/T0/B0/rehearsal".to_owned()
    } else {
        format!("rehearsal-{key}")
    }
}

/// Whether it is a `PutMetricData` beyond 1 MB: the limit "for HTTP POST requests", compressed or not (CloudWatch API reference).
fn is_too_large(call: &Call, asked: &HttpAsked) -> bool {
    (call.service, call.operation.as_str()) == (Service::CloudWatch, "PutMetricData")
        && asked.body.len() > LARGEST_METRICS
}

fn too_large(asked: &HttpAsked) -> AwsError {
    let detail = format!("Request size {} exceeded {LARGEST_METRICS} bytes", asked.body.len());
    AwsError::new("RequestEntityTooLarge", detail, 413)
}

/// The newest time of the values that are published.
fn newest_timestamp(input: &Value) -> Option<Timestamp> {
    let data = input.get("MetricData").and_then(Value::as_array)?;
    data.iter().filter_map(|datum| datum.get("Timestamp")?.as_f64()).map(Timestamp::from_seconds).max()
}

/// An operation of a service that the rehearsal does not have.
pub(crate) fn not_implemented(service: &str, operation: &str) -> AwsError {
    AwsError::client(
        "NotImplementedByRehearsal",
        format!("the rehearsal has no `{service}:{operation}`; what it has is listed in docs/rehearsal.md"),
    )
}

pub(crate) fn http_answer(response: protocol::Response) -> HttpAnswer {
    HttpAnswer {
        status: response.status,
        headers: response.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        body: response.body,
        trailers: Vec::new(),
    }
}

/// A string member of an input.
pub(crate) fn text<'a>(input: &'a Value, key: &str) -> &'a str {
    input.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The strings of a list member of an input.
pub(crate) fn texts(input: &Value, key: &str) -> Vec<String> {
    let list = input.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// An ARN in the rehearsal's account and region.
pub(crate) fn arn(service: &str, rest: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}")
}
