//! What an alarm does by itself besides telling the event bus: the function that it invokes, the topic that it publishes to and the functions
//! that subscribe to that (CloudWatch user guide, "Using Amazon CloudWatch alarms"). Knows nothing of when alarms change.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{ACCOUNT, DELIVERY, REGION, World};
use crate::services::cloudwatch::{Transition, state_change_event};
use crate::template::EventSource;
use crate::timeline::{Tone, Who};

/// Who invokes a function when an alarm's action is to do so.
const PRINCIPAL: &str = "lambda.alarms.cloudwatch.amazonaws.com";

impl World {
    /// Carries out the actions of an alarm that has changed its state.
    pub(crate) fn act(&mut self, transition: &Transition) {
        for action in &transition.actions {
            if action.contains(":lambda:") {
                self.invoke_for_alarm(action, Self::action_payload(transition));
            } else if action.contains(":sns:") {
                if let Some(message) = self.cloudwatch.notification(transition, ACCOUNT) {
                    self.publish_to_topic(action, Some(&Self::subject(transition)), &message.to_string());
                }
            } else {
                let what = format!("has no `{action}`, which the alarm `{}` is to set going", transition.alarm);
                self.tell(Who::Rehearsal, Tone::Warning, what);
            }
        }
    }

    /// What a function gets that is an alarm's action.
    pub(crate) fn action_payload(transition: &Transition) -> Value {
        let detail = state_change_event(transition).get("detail").cloned().unwrap_or_default();
        json!({
            "source": "aws.cloudwatch",
            "alarmArn": transition.arn,
            "accountId": transition.arn.split(':').nth(4),
            "time": detail.pointer("/state/timestamp"),
            "region": REGION,
            "alarmData": detail,
        })
    }

    /// Invokes the function that is an alarm's action, if the template lets alarms do so.
    pub(crate) fn invoke_for_alarm(&mut self, action: &str, payload: Value) {
        let alarm = payload.pointer("/alarmData/alarmName").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(function) = self.function_named(action) else {
            let what = format!("the alarm `{alarm}` is to invoke `{action}`, which does not exist");
            return self.tell(Who::CloudWatch, Tone::Bad, what);
        };
        if !self.may_be_invoked_by_alarms(function) {
            let what = format!(
                "the alarm `{alarm}` may not invoke `{}`: no `AWS::Lambda::Permission` lets `{PRINCIPAL}` do it",
                self.binary(function)
            );
            return self.tell(Who::CloudWatch, Tone::Bad, what);
        }
        self.invoke(function, payload, DELIVERY);
    }

    fn may_be_invoked_by_alarms(&self, function: usize) -> bool {
        let Some(function) = self.template.functions.get(function) else { return false };
        self.template.resources.values().any(|resource| {
            let text = |pointer: &str| resource.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let named = text("/Properties/FunctionName");
            text("/Type") == "AWS::Lambda::Permission"
                && text("/Properties/Principal") == PRINCIPAL
                && (named == function.name || named == function.arn)
        })
    }

    /// The subject of an alarm's notification.
    pub(crate) fn subject(transition: &Transition) -> String {
        format!("{}: \"{}\" in EU (Ireland)", transition.current.value, transition.alarm)
    }

    /// Hands a message to every function that subscribes to a topic.
    pub(crate) fn publish_to_topic(&mut self, topic: &str, subject: Option<&str>, message: &str) {
        let template = Arc::clone(&self.template);
        for (index, function) in template.functions.iter().enumerate() {
            let subscribes = |source: &EventSource| matches!(source, EventSource::Sns(to) if to.topic_arn == topic);
            if function.events.iter().any(subscribes) {
                let event = self.notification_event(topic, index, subject, message);
                self.invoke(index, event, DELIVERY);
            }
        }
    }

    /// What a function gets that subscribes to a topic.
    pub(crate) fn notification_event(&mut self, topic: &str, to: usize, subject: Option<&str>, message: &str) -> Value {
        let number = self.fresh();
        json!({ "Records": [{
            "EventSource": "aws:sns", "EventVersion": "1.0",
            "EventSubscriptionArn": format!("{topic}:00000000-0000-4000-a000-{to:012}"),
            "Sns": {
                "Type": "Notification", "MessageId": format!("00000000-0000-4000-a000-{number:012}"),
                "TopicArn": topic, "Subject": subject, "Message": message,
                "Timestamp": self.now.to_string(), "MessageAttributes": {},
            },
        }]})
    }
}
