//! Alarms whose states are given, not found out: a transition with all that AWS would say of it, made from an alarm's properties and some
//! values; and the notification that a topic gets. Knows nothing of who is told.

use super::alarm::{Alarm, AlarmState, Kind, MetricAlarm, StateRecord};
use super::describe::{HistoryItem, described, is_composite};
use super::{CloudWatch, Transition, arn, history_state, when};
use crate::protocol::AwsError;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

impl CloudWatch {
    /// Creates an alarm that is never evaluated, unless there is one of that name, which is not evaluated either from now on. The alarms that
    /// a composite one names need not exist.
    ///
    /// # Errors
    /// When the properties are none.
    pub fn put_told(&mut self, properties: &Value, now_ms: i64) -> Result<(), AwsError> {
        let alarm = Alarm::parse(properties, now_ms)?;
        self.hold(&alarm.name);
        self.alarms.entry(alarm.name.clone()).or_insert(alarm);
        Ok(())
    }

    /// What AWS would say of a state of this alarm, had it measured these values, the newest first, a period each, as many as an alarm may look at;
    /// without any, two that speak for the state.
    pub fn imagine(&self, name: &str, state: AlarmState, values: Option<&[f64]>, at_ms: i64) -> Option<StateRecord> {
        let alarm = self.alarms.get(name)?;
        let (reason, reason_data) = match &alarm.kind {
            Kind::Composite(composite) => {
                let child = composite.rule.names().into_iter().next().unwrap_or_default();
                let reason = format!("{} transitioned to {state} at {}", arn(child), when::prose(at_ms));
                let state = json!({"value": state.as_str(), "timestamp": when::detail(at_ms)});
                (reason, json!({"triggeringAlarms": [{"arn": arn(child), "state": state}]}).to_string())
            }
            Kind::Metric(metric) => {
                let usual = metric.values_of(state);
                measured(alarm, state, values.unwrap_or(&usual), at_ms)?
            }
        };
        Some(StateRecord { value: state, reason, reason_data: Some(reason_data), at_ms })
    }

    /// The transition between two states of an alarm.
    pub fn transition(
        &self,
        name: &str,
        previous: StateRecord,
        current: StateRecord,
        suppressed_by: Option<&'static str>,
    ) -> Option<Transition> {
        let alarm = Alarm { state: previous, ..self.alarms.get(name)?.clone() };
        Some(Transition::new(&alarm, current, suppressed_by))
    }

    /// Brings an alarm into a state; nobody is told.
    pub fn turn(&mut self, name: &str, current: StateRecord) {
        let Some(alarm) = self.alarms.get_mut(name) else { return };
        self.history.push(HistoryItem {
            alarm: name.to_owned(),
            composite: is_composite(alarm),
            at_ms: current.at_ms,
            kind: "StateUpdate",
            summary: format!("Alarm updated from {} to {}", alarm.state.value, current.value),
            data: json!({
                "version": "1.0", "oldState": history_state(&alarm.state), "newState": history_state(&current),
            }),
        });
        alarm.state = current;
    }

    /// Adds tags to an alarm; one with the same key is replaced.
    pub fn tag(&mut self, name: &str, tags: &BTreeMap<String, String>) {
        if let Some(alarm) = self.alarms.get_mut(name) {
            alarm.tags.extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
    }

    /// The message that a topic gets of a transition, in the form of AWS's own notifications (CloudWatch user guide, "Notify users on alarm
    /// changes"): names in capitals, but those of a dimension, and statistics written large.
    pub fn notification(&self, transition: &Transition, account: &str) -> Option<Value> {
        let alarm = self.alarms.get(&transition.alarm)?;
        let shape = described(alarm);
        let member = |key: &str| shape.get(key).cloned().unwrap_or_default();
        let mut message = json!({
            "AlarmName": alarm.name,
            "AlarmDescription": alarm.description,
            "AWSAccountId": account,
            "AlarmConfigurationUpdatedTimestamp": when::detail(alarm.configured_ms),
            "NewStateValue": transition.current.value.as_str(),
            "NewStateReason": transition.current.reason,
            "StateChangeTime": when::detail(transition.at_ms),
            "Region": "EU (Ireland)",
            "AlarmArn": transition.arn,
            "OldStateValue": transition.previous.value.as_str(),
            "OKActions": member("OKActions"),
            "AlarmActions": member("AlarmActions"),
            "InsufficientDataActions": member("InsufficientDataActions"),
        });
        let (key, value) = match &alarm.kind {
            Kind::Composite(_) => ("AlarmRule", member("AlarmRule")),
            Kind::Metric(metric) => {
                let mut trigger = metric.described();
                lower_dimensions(&mut trigger);
                if let Value::Object(trigger) = &mut trigger {
                    spell_statistic(trigger);
                    trigger.insert("EvaluateLowSampleCountPercentile".to_owned(), json!(""));
                }
                ("Trigger", trigger)
            }
        };
        if let Value::Object(message) = &mut message {
            message.insert(key.to_owned(), value);
        }
        Some(message)
    }
}

impl MetricAlarm {
    /// Two values that speak for a state: nothing at all where that is well, else beyond the threshold by so much that nobody doubts it.
    fn values_of(&self, state: AlarmState) -> Vec<f64> {
        let speaks = |value: f64| self.comparison.breaches(value, self.threshold) == (state == AlarmState::Alarm);
        let beyond = [self.threshold + 4.2, self.threshold - 4.2];
        let first = [if state == AlarmState::Ok { 0.0 } else { beyond[0] }, self.threshold, beyond[0], beyond[1]];
        match (state, first.into_iter().find(|value| speaks(*value))) {
            (AlarmState::InsufficientData, _) | (_, None) => Vec::new(),
            (_, Some(value)) => vec![value; 2],
        }
    }
}

/// Evaluates a copy of the alarm on the values alone. An alarm on an expression is taken for one on a single metric then: the values are
/// those of its result.
fn measured(alarm: &Alarm, state: AlarmState, values: &[f64], at_ms: i64) -> Option<(String, String)> {
    let Kind::Metric(metric) = &alarm.kind else { return None };
    // An alarm that looks at a week as one period has no second one before it.
    let values = values.get(..metric.most_periods().min(values.len())).unwrap_or_default();
    let count = values.len().max(1);
    let properties = json!({
        "AlarmName": alarm.name, "Namespace": "Told", "MetricName": "Told", "Statistic": "Sum",
        "Period": metric.period_ms / 1000, "EvaluationPeriods": count, "DatapointsToAlarm": count,
        "Threshold": metric.threshold, "ComparisonOperator": metric.comparison.name(),
    });
    let mut alone = CloudWatch::new();
    alone.put_alarm(&properties, at_ms).ok()?;
    let last = at_ms - at_ms.rem_euclid(60_000);
    for (age, value) in (1_i64..).zip(values) {
        let start = last - age * metric.period_ms;
        alone.put("Told", "Told", BTreeMap::new(), start, *value, "None");
    }
    let found = alone.metric_verdict(&alarm.name, at_ms)?;
    if found.value == state {
        return Some((found.reason, found.reason_data.unwrap_or_default()));
    }
    // The values do not speak for the state: somebody has set it by hand.
    Some((format!("Set to {state} with SetAlarmState"), found.reason_data.unwrap_or_default()))
}

/// A notification writes the statistic of an alarm on one metric in capitals, and says which kind it is.
fn spell_statistic(trigger: &mut Map<String, Value>) {
    let Some(key) = ["Statistic", "ExtendedStatistic"].into_iter().find(|key| trigger.contains_key(*key)) else {
        return;
    };
    trigger.insert("StatisticType".to_owned(), json!(key));
    if let Some(Value::String(statistic)) = trigger.get_mut("Statistic") {
        *statistic = match statistic.as_str() {
            "SampleCount" => "SAMPLE_COUNT".to_owned(),
            other => other.to_uppercase(),
        };
    }
}

/// A notification writes `name` and `value` of a dimension small, and leaves out what is null but a unit.
fn lower_dimensions(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let (Some(name), Some(of), 2) = (map.get("Name").cloned(), map.get("Value").cloned(), map.len()) {
                *map = Map::from_iter([("value".to_owned(), of), ("name".to_owned(), name)]);
                return;
            }
            map.retain(|key, inner| key == "Unit" || !inner.is_null());
            if map.contains_key("Stat") && map.get("Unit") == Some(&Value::Null) {
                map.remove("Unit");
            }
            map.values_mut().for_each(lower_dimensions);
        }
        Value::Array(list) => list.iter_mut().for_each(lower_dimensions),
        _ => {}
    }
}
