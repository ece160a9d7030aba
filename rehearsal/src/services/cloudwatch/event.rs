//! An alarm's change of state, and the EventBridge event that AWS makes of it. Knows nothing of who gets the event.

use super::alarm::{Alarm, AlarmState, Kind, StateRecord};
use super::query::{Query, Source};
use super::{ACCOUNT, REGION, uuid, when};
use serde_json::{Map, Value, json};

/// A change of state, with all that the event says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The alarm's name.
    pub alarm: String,
    /// Its ARN.
    pub arn: String,
    /// When, in epoch milliseconds.
    pub at_ms: i64,
    /// The state before.
    pub previous: StateRecord,
    /// The state now.
    pub current: StateRecord,
    /// `detail.configuration` of the event.
    pub configuration: Value,
    /// Why the alarm's actions do not run, for a composite alarm with a suppressor: `Alarm` or `WaitPeriod`. The event
    /// is sent all the same.
    pub suppressed_by: Option<&'static str>,
    /// The ARNs of the actions that run now: those of the new state, if actions are enabled and not suppressed.
    pub actions: Vec<String>,
}

impl Transition {
    /// The change of `alarm`, whose state is still the old one.
    pub(super) fn new(alarm: &Alarm, current: StateRecord, suppressed_by: Option<&'static str>) -> Self {
        let runs = alarm.actions_enabled && suppressed_by.is_none();
        let actions = alarm.actions.get(&current.value).filter(|_| runs).cloned().unwrap_or_default();
        Self {
            alarm: alarm.name.clone(),
            arn: alarm.arn(),
            at_ms: current.at_ms,
            previous: alarm.state.clone(),
            configuration: configuration(alarm),
            current,
            suppressed_by,
            actions,
        }
    }

    /// Whether the alarm is in `ALARM` now.
    pub fn alarms(&self) -> bool {
        self.current.value == AlarmState::Alarm
    }
}

/// The whole event `CloudWatch Alarm State Change`, as the default event bus gets it. Its id follows from its content.
pub fn state_change_event(transition: &Transition) -> Value {
    let at = transition.at_ms.to_string();
    let state = transition.current.value.as_str();
    let mut current = record(&transition.current);
    if let (Some(by), Value::Object(current)) = (transition.suppressed_by, &mut current) {
        current.insert("actionsSuppressedBy".to_owned(), by.into());
        current.insert("actionsSuppressedReason".to_owned(), format!("Actions suppressed by {by}").into());
    }
    json!({
        "version": "0",
        "id": uuid(&["event", &transition.alarm, &at, state]),
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": ACCOUNT,
        "time": when::envelope(transition.at_ms),
        "region": REGION,
        "resources": [transition.arn],
        "detail": {
            "alarmName": transition.alarm,
            "configuration": transition.configuration,
            "previousState": record(&transition.previous),
            "state": current,
        },
    })
}

fn record(state: &StateRecord) -> Value {
    let mut record = Map::new();
    record.insert("reason".to_owned(), state.reason.clone().into());
    if let Some(data) = &state.reason_data {
        record.insert("reasonData".to_owned(), data.clone().into());
    }
    record.insert("timestamp".to_owned(), when::detail(state.at_ms).into());
    record.insert("value".to_owned(), state.value.as_str().into());
    Value::Object(record)
}

/// What the event says of the alarm: never the threshold, which is in the reason only.
fn configuration(alarm: &Alarm) -> Value {
    let mut configuration = Map::new();
    if let Some(description) = &alarm.description {
        configuration.insert("description".to_owned(), description.clone().into());
    }
    match &alarm.kind {
        Kind::Metric(metric) => {
            configuration.insert("metrics".to_owned(), metric.queries.iter().map(entry).collect());
        }
        Kind::Composite(composite) => {
            configuration.insert("alarmRule".to_owned(), composite.rule_text.clone().into());
            if let Some(suppressor) = &composite.suppressor {
                configuration.insert("actionsSuppressor".to_owned(), suppressor.alarm.clone().into());
                configuration.insert("actionsSuppressorWaitPeriod".to_owned(), suppressor.wait_period.into());
                configuration.insert("actionsSuppressorExtensionPeriod".to_owned(), suppressor.extension_period.into());
            }
        }
    }
    Value::Object(configuration)
}

fn entry(query: &Query) -> Value {
    let mut entry = Map::new();
    match &query.source {
        Source::Expression(_, text) => {
            entry.insert("expression".to_owned(), text.clone().into());
            entry.insert("id".to_owned(), query.id.clone().into());
        }
        Source::Metric(stat) => {
            let mut shape = json!({
                "metric": {
                    "dimensions": stat.metric.dimensions, "name": stat.metric.name, "namespace": stat.metric.namespace,
                },
                "period": stat.period_ms / 1000,
                "stat": stat.stat,
            });
            if let (Some(unit), Value::Object(shape)) = (&stat.unit, &mut shape) {
                shape.insert("unit".to_owned(), unit.clone().into());
            }
            entry.insert("id".to_owned(), query.id.clone().into());
            entry.insert("metricStat".to_owned(), shape);
        }
    }
    if let Some(label) = &query.label {
        entry.insert("label".to_owned(), label.clone().into());
    }
    entry.insert("returnData".to_owned(), query.returned.into());
    Value::Object(entry)
}
