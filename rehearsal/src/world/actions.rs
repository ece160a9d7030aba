//! What an alarm does by itself besides telling the event bus: the function that it invokes, the topic that it publishes to and the functions
//! that subscribe to that (CloudWatch user guide, "Using Amazon CloudWatch alarms"). Knows nothing of when alarms change.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{ACCOUNT, DELIVERY, REGION, World};
use crate::services::cloudwatch::{Transition, state_change_event};
use crate::template::EventSource;
use crate::timeline::{Tone, Who};

/// Who invokes a function when an alarm's action is to do so.
const PRINCIPAL: &str = "lambda.alarms.cloudwatch.amazonaws.com";

impl World {
    /// Carries out the actions of an alarm that has changed its state.
    pub(crate) fn act(&mut self, transition: &Transition) {
        let detail = state_change_event(transition).get("detail").cloned().unwrap_or_default();
        for action in &transition.actions {
            if action.contains(":lambda:") {
                self.invoke_for_alarm(action, transition, &detail);
            } else if action.contains(":sns:") {
                let (subject, message) = self.notification(transition, &detail);
                self.publish_to_topic(action, Some(&subject), &message);
            } else {
                let what = format!("has no `{action}`, which the alarm `{}` is to set going", transition.alarm);
                self.tell(Who::Rehearsal, Tone::Warning, what);
            }
        }
    }

    fn invoke_for_alarm(&mut self, action: &str, transition: &Transition, detail: &Value) {
        let Some(function) = self.function_named(action) else {
            let what = format!("the alarm `{}` is to invoke `{action}`, which does not exist", transition.alarm);
            return self.tell(Who::CloudWatch, Tone::Bad, what);
        };
        if !self.may_be_invoked_by_alarms(function) {
            let what = format!(
                "the alarm `{}` may not invoke `{}`: no `AWS::Lambda::Permission` lets `{PRINCIPAL}` do it",
                transition.alarm,
                self.binary(function)
            );
            return self.tell(Who::CloudWatch, Tone::Bad, what);
        }
        let payload = json!({
            "source": "aws.cloudwatch",
            "alarmArn": transition.arn,
            "accountId": ACCOUNT,
            "time": detail.pointer("/state/timestamp"),
            "region": REGION,
            "alarmData": detail,
        });
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

    /// Subject and message of an alarm's notification.
    fn notification(&self, transition: &Transition, detail: &Value) -> (String, String) {
        let text = |pointer: &str| detail.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let alarm = self.template.alarms.iter().find(|alarm| alarm.name == transition.alarm);
        let properties = alarm.and_then(|alarm| alarm.properties.as_object()).cloned().unwrap_or_default();
        let mut message = Map::new();
        let known = [
            ("AlarmName", json!(transition.alarm)),
            ("AlarmDescription", properties.get("AlarmDescription").cloned().unwrap_or_default()),
            ("AWSAccountId", json!(ACCOUNT)),
            ("NewStateValue", json!(text("/state/value"))),
            ("NewStateReason", json!(text("/state/reason"))),
            ("StateChangeTime", json!(text("/state/timestamp"))),
            ("Region", json!("EU (Ireland)")),
            ("AlarmArn", json!(transition.arn)),
            ("OldStateValue", json!(text("/previousState/value"))),
        ];
        message.extend(known.into_iter().map(|(key, value)| (key.to_owned(), value)));
        let of_the_alarm = |key: &str| key.starts_with("Alarm") || key.contains("Actions") || key == "Tags";
        let (key, value) = match properties.get("AlarmRule") {
            Some(rule) => ("AlarmRule", rule.clone()),
            None => ("Trigger", properties.into_iter().filter(|(key, _)| !of_the_alarm(key)).collect()),
        };
        message.insert(key.to_owned(), value);
        let subject = format!("{}: \"{}\" in EU (Ireland)", text("/state/value"), transition.alarm);
        (subject, Value::Object(message).to_string())
    }

    /// Hands a message to every function that subscribes to a topic.
    pub(crate) fn publish_to_topic(&mut self, topic: &str, subject: Option<&str>, message: &str) {
        let template = Arc::clone(&self.template);
        let number = self.fresh();
        for (index, function) in template.functions.iter().enumerate() {
            let subscribes = |source: &EventSource| matches!(source, EventSource::Sns(to) if to.topic_arn == topic);
            if !function.events.iter().any(subscribes) {
                continue;
            }
            let event = json!({ "Records": [{
                "EventSource": "aws:sns", "EventVersion": "1.0",
                "EventSubscriptionArn": format!("{topic}:00000000-0000-4000-a000-{index:012}"),
                "Sns": {
                    "Type": "Notification", "MessageId": format!("00000000-0000-4000-a000-{number:012}"),
                    "TopicArn": topic, "Subject": subject, "Message": message,
                    "Timestamp": self.now.to_string(), "MessageAttributes": {},
                },
            }]});
            self.invoke(index, event, DELIVERY);
        }
    }
}
