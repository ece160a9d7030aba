//! CloudWatch in memory: metrics, metric math and alarms that are really evaluated.
//!
//! What is not implemented is refused by name. Knows nothing of who publishes metrics, of the event bus that gets the
//! state changes, and of the time: every call that needs it is told.

mod alarm;
mod composite;
mod data;
mod describe;
mod evaluation;
mod event;
mod put;
mod query;
mod read;
mod statistic;
mod store;
#[cfg(test)]
mod tests;
mod threshold;
mod told;
mod when;

pub use alarm::{AlarmState, StateRecord};
pub use event::{Transition, state_change_event};

use crate::protocol::AwsError;
use alarm::{Alarm, Kind};
use describe::{HistoryItem, is_composite};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use store::{MetricKey, Sample, Store};

/// The account of the rehearsal.
const ACCOUNT: &str = "123456789012";
/// Its region.
const REGION: &str = "eu-west-1";

/// How often CloudWatch evaluates an alarm, in milliseconds. Alarms with periods under a minute are evaluated every ten
/// seconds; to evaluate more often than needed changes nothing.
pub const EVALUATION_INTERVAL_MS: i64 = 60_000;

/// All metrics and alarms of the account.
#[derive(Debug, Clone, Default)]
pub struct CloudWatch {
    store: Store,
    alarms: BTreeMap<String, Alarm>,
    history: Vec<HistoryItem>,
    /// Changes that `SetAlarmState` made and nobody has been told yet.
    pending: Vec<Transition>,
    /// Alarms that keep the state that they were set to.
    held: BTreeSet<String>,
    /// How long after `PutMetricData` its values can be read at the earliest.
    show_after_ms: i64,
}

impl CloudWatch {
    /// Without any metric or alarm.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one value of a metric of any namespace, `AWS/…` included; kept by the minute, as a standard metric.
    pub fn put(
        &mut self,
        namespace: &str,
        name: &str,
        dimensions: BTreeMap<String, String>,
        timestamp_ms: i64,
        value: f64,
        unit: &str,
    ) {
        self.put_values(namespace, name, dimensions, timestamp_ms, &[(value, 1.0)], unit);
    }

    /// Adds values of a metric, each with how often it was seen.
    pub fn put_values(
        &mut self,
        namespace: &str,
        name: &str,
        dimensions: BTreeMap<String, String>,
        timestamp_ms: i64,
        values: &[(f64, f64)],
        unit: &str,
    ) {
        let key = MetricKey { namespace: namespace.to_owned(), name: name.to_owned(), dimensions };
        let samples = values.iter().map(|(value, count)| Sample::Value { value: *value, count: *count });
        self.store.add(key, (put::stored_at(timestamp_ms, false), i64::MIN), unit, samples);
    }

    /// From now on what `PutMetricData` brings can be read so long after it, at the earliest; in milliseconds.
    pub fn show_after(&mut self, delay_ms: i64) {
        self.show_after_ms = delay_ms;
    }

    /// Creates an alarm, or replaces one and keeps its state; `properties` are those of CloudFormation's
    /// `AWS::CloudWatch::Alarm` or, with `AlarmRule`, `AWS::CloudWatch::CompositeAlarm`. Returns the alarm's name.
    ///
    /// The alarms that a composite alarm names have to exist.
    pub fn put_alarm(&mut self, properties: &Value, now_ms: i64) -> Result<String, AwsError> {
        let mut alarm = Alarm::parse(properties, now_ms)?;
        match &alarm.kind {
            // A trial run finds what reading alone does not: circles, and expressions that are no time series.
            Kind::Metric(metric) => drop(evaluation::evaluate(metric, &self.store, now_ms)?),
            Kind::Composite(composite) => {
                let suppressor = composite.suppressor.as_ref().map(|suppressor| suppressor.alarm.as_str());
                let mut names = composite.rule.names().into_iter().chain(suppressor);
                if let Some(unknown) = names.find(|name| !self.alarms.contains_key(*name) || *name == alarm.name) {
                    return Err(invalid(format!(
                        "the composite alarm `{}` names the alarm `{unknown}`, which does not exist yet; create it before",
                        alarm.name
                    )));
                }
            }
        }
        let name = alarm.name.clone();
        let verb = match self.alarms.get(&name) {
            Some(old) => {
                alarm.state = old.state.clone();
                "updated"
            }
            None => "created",
        };
        self.history.push(HistoryItem {
            alarm: name.clone(),
            composite: is_composite(&alarm),
            at_ms: now_ms,
            kind: "ConfigurationUpdate",
            summary: format!("Alarm \"{name}\" {verb}"),
            data: json!({"version": "1.0", "type": if verb == "created" { "Create" } else { "Update" }}),
        });
        self.alarms.insert(name.clone(), alarm);
        Ok(name)
    }

    /// The state of an alarm; `None` if there is no such alarm.
    pub fn alarm_state(&self, name: &str) -> Option<AlarmState> {
        self.alarms.get(name).map(|alarm| alarm.state.value)
    }

    /// The names of all alarms, in order.
    pub fn alarm_names(&self) -> impl Iterator<Item = &str> {
        self.alarms.keys().map(String::as_str)
    }

    /// Evaluates every alarm, metric alarms first, and returns what changed, together with what `SetAlarmState` has
    /// changed since the last time.
    pub fn evaluate(&mut self, now_ms: i64) -> Vec<Transition> {
        self.store.now_ms = now_ms;
        let mut changes = std::mem::take(&mut self.pending);
        let evaluated = self.alarms.values().filter(|alarm| !self.held.contains(&alarm.name));
        let (composites, metrics): (Vec<_>, Vec<_>) = evaluated.partition(|alarm| is_composite(alarm));
        let (composites, metrics): (Vec<String>, Vec<String>) = (
            composites.into_iter().map(|alarm| alarm.name.clone()).collect(),
            metrics.into_iter().map(|alarm| alarm.name.clone()).collect(),
        );
        for name in metrics {
            if !self.is_due(&name, now_ms) {
                continue;
            }
            if let Some(current) = self.metric_verdict(&name, now_ms) {
                changes.extend(self.change(&name, current));
            }
        }
        // A composite alarm may name another one; after as many rounds as there are, every change has come through.
        for _ in 0..composites.len() {
            let before = changes.len();
            for name in &composites {
                if let Some(current) = self.composite_verdict(name, now_ms) {
                    changes.extend(self.change(name, current));
                }
            }
            if changes.len() == before {
                break;
            }
        }
        changes
    }

    /// Whether a metric alarm is to be evaluated now; it counts as evaluated then.
    fn is_due(&mut self, name: &str, now_ms: i64) -> bool {
        let Some(alarm) = self.alarms.get_mut(name) else { return false };
        let Kind::Metric(metric) = &alarm.kind else { return false };
        let turn = now_ms.div_euclid(metric.grain_ms());
        // Nothing but a multi-day alarm has its turn less often than it is asked for.
        let is_due = !metric.is_multi_day() || alarm.turn != Some(turn);
        alarm.turn = Some(turn);
        is_due
    }

    /// From now on an alarm keeps its state, whatever its metric or its children do: it is not evaluated any more.
    pub fn hold(&mut self, alarm: &str) {
        self.held.insert(alarm.to_owned());
    }

    /// Answers one operation; `now_ms` is the time in epoch milliseconds.
    pub fn handle(&mut self, operation: &str, input: &Value, now_ms: i64) -> Result<Value, AwsError> {
        self.store.now_ms = now_ms;
        match operation {
            "PutMetricData" => self.put_metric_data(input, now_ms),
            "GetMetricData" => self.get_metric_data(input),
            "GetMetricStatistics" => self.get_metric_statistics(input),
            "ListMetrics" => self.list_metrics(input),
            "PutMetricAlarm" | "PutCompositeAlarm" => self.put_alarm(input, now_ms).map(|_| Value::Null),
            "DescribeAlarms" => self.describe_alarms(input),
            "SetAlarmState" => self.set_alarm_state(input, now_ms),
            "DeleteAlarms" => self.delete_alarms(input),
            "DescribeAlarmHistory" => self.describe_alarm_history(input),
            "ListTagsForResource" => self.list_tags(input),
            other => Err(AwsError::client(
                "UnknownOperationException",
                format!(
                    "`{other}` is not implemented by the rehearsal's CloudWatch; add it to `services/cloudwatch.rs`"
                ),
            )),
        }
    }

    fn metric_verdict(&self, name: &str, now_ms: i64) -> Option<StateRecord> {
        let Kind::Metric(metric) = &self.alarms.get(name)?.kind else { return None };
        // `put_alarm` has evaluated the alarm once, so that an error here can only come from the data.
        Some(match evaluation::evaluate(metric, &self.store, now_ms) {
            Ok(verdict) => {
                let verdict = verdict?;
                StateRecord {
                    value: verdict.state,
                    reason: verdict.reason,
                    reason_data: Some(verdict.reason_data),
                    at_ms: now_ms,
                }
            }
            Err(error) => StateRecord {
                value: AlarmState::InsufficientData,
                reason: format!("the rehearsal could not evaluate the alarm: {}", error.message),
                reason_data: None,
                at_ms: now_ms,
            },
        })
    }

    fn composite_verdict(&self, name: &str, now_ms: i64) -> Option<StateRecord> {
        let alarm = self.alarms.get(name)?;
        let Kind::Composite(composite) = &alarm.kind else { return None };
        let holds = composite.rule.holds(&|name| self.alarm_state(name));
        let value = if holds { AlarmState::Alarm } else { AlarmState::Ok };
        let children: Vec<&Alarm> =
            composite.rule.names().into_iter().filter_map(|name| self.alarms.get(name)).collect();
        let latest = children.iter().max_by_key(|child| child.state.at_ms);
        let reason = match latest {
            Some(child) if alarm.state.value != AlarmState::InsufficientData => {
                format!("{} transitioned to {} at {}", child.arn(), child.state.value, when::prose(child.state.at_ms))
            }
            _ => format!("{} was created and its alarm rule evaluates to {value}", alarm.arn()),
        };
        let red = children.iter().any(|child| child.state.value == AlarmState::Alarm);
        // In ALARM the red ones are the cause; in OK all of them are.
        let cause = children.iter().filter(|child| !holds || !red || child.state.value == AlarmState::Alarm);
        let triggering: Vec<Value> = cause
            .map(|child| {
                let state = json!({"value": child.state.value.as_str(), "timestamp": when::detail(child.state.at_ms)});
                json!({"arn": child.arn(), "state": state})
            })
            .collect();
        let reason_data = json!({"triggeringAlarms": triggering}).to_string();
        Some(StateRecord { value, reason, reason_data: Some(reason_data), at_ms: now_ms })
    }

    /// Brings the alarm into a state; `None` if it is in that state already.
    fn change(&mut self, name: &str, current: StateRecord) -> Option<Transition> {
        let alarm = self.alarms.get(name)?;
        if alarm.state.value == current.value {
            return None;
        }
        let transition = Transition::new(alarm, current.clone(), self.suppression(alarm));
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
        if let Some(alarm) = self.alarms.get_mut(name) {
            alarm.state = current;
        }
        Some(transition)
    }

    /// What keeps the actions of a composite alarm from running at the moment of its change.
    fn suppression(&self, alarm: &Alarm) -> Option<&'static str> {
        let Kind::Composite(composite) = &alarm.kind else { return None };
        let suppressor = composite.suppressor.as_ref()?;
        match self.alarm_state(&suppressor.alarm) {
            Some(AlarmState::Alarm) => Some("Alarm"),
            _ if suppressor.wait_period > 0 => Some("WaitPeriod"),
            _ => None,
        }
    }
}

fn history_state(state: &StateRecord) -> Value {
    let data = state.reason_data.as_deref().and_then(|data| serde_json::from_str::<Value>(data).ok());
    match data {
        Some(data) => json!({"stateValue": state.value.as_str(), "stateReason": state.reason, "stateReasonData": data}),
        None => json!({"stateValue": state.value.as_str(), "stateReason": state.reason}),
    }
}

/// The ARN of an alarm.
fn arn(name: &str) -> String {
    format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}")
}

/// An id that looks like a random one and follows from `parts`, so that every run has the same.
fn uuid(parts: &[&str]) -> String {
    let digest = Sha256::digest(parts.join("\u{0}").as_bytes());
    let hex = format!("{:032x}", digest.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte)));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// A parameter with a value that cannot be.
fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterValue", message)
}

/// A parameter that is not there.
fn missing(member: &str) -> AwsError {
    AwsError::client("MissingParameter", format!("The parameter {member} is required."))
}

/// One page of a list, and the token of the next one. A token is the place where its page begins.
fn page(items: Vec<Value>, token: Option<&str>, size: usize) -> Result<(Vec<Value>, Value), AwsError> {
    let start = match token {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .map_err(|_| AwsError::client("InvalidNextToken", format!("`{token}` is no token of this list")))?,
    };
    let next = if start + size < items.len() { Value::from((start + size).to_string()) } else { Value::Null };
    Ok((items.into_iter().skip(start).take(size).collect(), next))
}
