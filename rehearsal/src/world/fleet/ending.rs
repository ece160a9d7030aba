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
        let Outcome::Failed { kind, message } = outcome else { return };
        let settings = &function.async_invoke;
        let retries = settings.max_retries;
        let age = self.now.since(invocation.accepted);
        if invocation.attempts <= retries && age.as_secs() < u64::from(settings.max_event_age_seconds) {
            // One minute before the first retry, two before the second.
            let pause = Duration::from_secs(if invocation.attempts == 1 { 60 } else { 120 });
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
            return;
        }
        let record = json!({
            "version": "1.0",
            "timestamp": self.now.to_string(),
            "requestContext": {
                "requestId": invocation.id,
                "functionArn": format!("{}:$LATEST", function.arn),
                "condition": if invocation.attempts > retries { "RetriesExhausted" } else { "EventAgeExceeded" },
                "approximateInvokeCount": invocation.attempts,
            },
            "requestPayload": invocation.payload,
            "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
            "responsePayload": { "errorMessage": message, "errorType": kind },
        });
        let dead = function.dead_letter_queue.clone();
        match settings.on_failure.clone() {
            Some(Destination::Function(arn)) => match self.function_named(&arn) {
                Some(next) => {
                    let name = self.binary(next);
                    self.tell(
                        Who::Lambda,
                        Tone::Warning,
                        format!("hands the failure of `{}` to `{name}`", function.name),
                    );
                    self.invoke(next, record, DELIVERY);
                }
                None => self.dead_letter(&arn, record),
            },
            Some(Destination::Queue(arn) | Destination::Topic(arn)) => self.dead_letter(&arn, record),
            Some(Destination::EventBus(_)) => {
                let event = json!({
                    "source": "lambda", "detail-type": "Lambda Function Invocation Result - Failure", "detail": record,
                });
                self.publish(event);
            }
            None => {}
        }
        if let Some(queue) = dead {
            self.dead_letter(&queue, invocation.payload);
        }
    }

    pub(crate) fn dead_letter(&mut self, queue: &str, event: Value) {
        let name = queue.rsplit(':').next().unwrap_or(queue).to_owned();
        self.tell(Who::Lambda, Tone::Bad, format!("puts the event into the dead-letter queue `{name}`"));
        self.dead_letters.push((name, event));
    }
}
