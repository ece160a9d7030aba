//! What becomes of an invocation that has ended: answers, retries, destinations, dead letters. Knows nothing of processes.

use std::time::Duration;

use domain::text::bounded;
use serde_json::json;

use super::{Invocation, Outcome};
use crate::template::Destination;
use crate::timeline::{Tone, Who};
use crate::world::{DELIVERY, Happening, HttpAnswer, World};
use serde_json::Value;

impl World {
    pub(crate) fn finish(&mut self, mut invocation: Invocation, outcome: Outcome) {
        let Some(function) = self.template.functions.get(invocation.function).cloned() else { return };
        let who = Who::Function(function.binary.clone());
        if let Outcome::Failed { kind, message } = &outcome {
            self.failures.push((function.binary.clone(), kind.clone()));
            self.tell(who, Tone::Bad, format!("failed: {} ({kind})", bounded(message, 600)));
        }
        if let Some(token) = invocation.waiting {
            let answer = match outcome {
                Outcome::Answered(body) => HttpAnswer {
                    status: 200,
                    headers: vec![
                        ("content-type".to_owned(), "application/json".to_owned()),
                        ("x-amz-executed-version".to_owned(), "$LATEST".to_owned()),
                    ],
                    body,
                    trailers: Vec::new(),
                },
                Outcome::Failed { kind, message } => {
                    let mut answer = HttpAnswer::json(200, &json!({ "errorType": kind, "errorMessage": message }));
                    answer.headers.push(("x-amz-function-error".to_owned(), "Unhandled".to_owned()));
                    answer
                }
            };
            self.answer(token, answer, Duration::ZERO);
            return;
        }
        let settings = &function.async_invoke;
        let (kind, message) = match outcome {
            Outcome::Failed { kind, message } => (kind, message),
            Outcome::Answered(body) => {
                if let Some(destination) = settings.on_success.clone() {
                    let answer = serde_json::from_slice(&body).unwrap_or(Value::Null);
                    let record = self.record_of(&invocation, "Success", &answer, false);
                    self.send_record(&function.name, destination, record, false);
                }
                return;
            }
        };
        let retries = settings.max_retries;
        // One minute before the first retry, two before the second.
        let pause = Duration::from_secs(if invocation.attempts == 1 { 60 } else { 120 });
        if invocation.attempts > retries {
            return self.give_up(&invocation, "RetriesExhausted", &message, &kind);
        }
        if self.now.plus(pause).since(invocation.accepted).as_secs() > u64::from(settings.max_event_age_seconds) {
            return self.give_up(&invocation, "EventAgeExceeded", &message, &kind);
        }
        self.tell(
            Who::Lambda,
            Tone::Warning,
            format!(
                "tries `{}` again in {} (retry {} of {retries})",
                function.name,
                domain::time::spoken(pause),
                invocation.attempts
            ),
        );
        invocation.throttled = 0;
        self.schedule(pause, Happening::Deliver(Box::new(invocation)));
    }

    /// Hands an event that will not be tried again to the on-failure destination and the dead-letter queue.
    pub(crate) fn give_up(&mut self, invocation: &Invocation, condition: &str, message: &str, kind: &str) {
        let Some(function) = self.template.functions.get(invocation.function).cloned() else { return };
        let answer = json!({ "errorMessage": message, "errorType": kind });
        let record = self.record_of(invocation, condition, &answer, true);
        if let Some(destination) = function.async_invoke.on_failure {
            self.send_record(&function.name, destination, record, true);
        }
        if let Some(queue) = function.dead_letter_queue {
            self.dead_letter(&queue, invocation.payload.clone());
        }
    }

    /// What a destination gets (Lambda developer guide, "Capturing records of asynchronous invocations").
    fn record_of(&self, invocation: &Invocation, condition: &str, answer: &Value, failed: bool) -> Value {
        let arn = self.template.functions.get(invocation.function).map_or("", |function| function.arn.as_str());
        let mut record = json!({
            "version": "1.0",
            "timestamp": self.now.to_string(),
            "requestContext": {
                "requestId": invocation.id,
                "functionArn": format!("{arn}:$LATEST"),
                "condition": condition,
                "approximateInvokeCount": invocation.attempts,
            },
            "requestPayload": invocation.payload,
            "responseContext": { "statusCode": 200, "executedVersion": "$LATEST" },
            "responsePayload": answer,
        });
        if let (true, Some(context)) = (failed, record.get_mut("responseContext").and_then(Value::as_object_mut)) {
            context.insert("functionError".to_owned(), json!("Unhandled"));
        }
        record
    }

    fn send_record(&mut self, name: &str, destination: Destination, record: Value, failed: bool) {
        let what = if failed { "failure" } else { "success" };
        match destination {
            Destination::Function(arn) => match self.function_named(&arn) {
                Some(next) => {
                    let binary = self.binary(next);
                    let tone = if failed { Tone::Warning } else { Tone::Plain };
                    self.tell(Who::Lambda, tone, format!("hands the {what} of `{name}` to `{binary}`"));
                    self.invoke(next, record, DELIVERY);
                }
                None => self.dead_letter(&arn, record),
            },
            Destination::Topic(arn) => self.publish_to_topic(&arn, None, &record.to_string()),
            Destination::Queue(arn) if failed => self.dead_letter(&arn, record),
            Destination::Queue(arn) => {
                let queue = arn.rsplit(':').next().unwrap_or(&arn);
                self.tell(Who::Lambda, Tone::Plain, format!("puts the {what} of `{name}` into the queue `{queue}`"));
            }
            Destination::EventBus(_) => self.publish(json!({
                "source": "lambda",
                "detail-type": format!("Lambda Function Invocation Result - {}", if failed { "Failure" } else { "Success" }),
                "detail": record,
            })),
        }
    }

    pub(crate) fn dead_letter(&mut self, queue: &str, event: Value) {
        let name = queue.rsplit(':').next().unwrap_or(queue).to_owned();
        self.tell(Who::Lambda, Tone::Bad, format!("puts the event into the dead-letter queue `{name}`"));
        self.dead_letters.push((name, event));
    }
}
