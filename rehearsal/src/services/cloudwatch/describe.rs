//! The operations on alarms: put, describe, set, delete, history, tags. Knows nothing of how an alarm is evaluated.

use super::alarm::{Alarm, AlarmState, Kind, StateRecord};
use super::composite::plain_name;
use super::read::{count, needed_text, only, text, texts, time};
use super::{CloudWatch, arn, invalid, page, when};
use crate::protocol::AwsError;
use serde_json::{Map, Value, json};

const MAX_NAMES: usize = 100;
const MAX_RECORDS: i64 = 100;
const DEFAULT_RECORDS: i64 = 50;

/// Something that happened to an alarm.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HistoryItem {
    pub(super) alarm: String,
    pub(super) composite: bool,
    pub(super) at_ms: i64,
    /// `ConfigurationUpdate` or `StateUpdate`.
    pub(super) kind: &'static str,
    pub(super) summary: String,
    pub(super) data: Value,
}

fn alarm_type(composite: bool) -> &'static str {
    if composite { "CompositeAlarm" } else { "MetricAlarm" }
}

fn records(input: &Map<String, Value>) -> Result<usize, AwsError> {
    let records = count(input, "MaxRecords")?.unwrap_or(DEFAULT_RECORDS);
    if records > MAX_RECORDS {
        return Err(invalid(format!("`MaxRecords` is {records}, but one page has at most {MAX_RECORDS}")));
    }
    Ok(records as usize)
}

fn types(input: &Map<String, Value>) -> Result<Vec<String>, AwsError> {
    let types = texts(input, "AlarmTypes")?;
    match types.iter().find(|name| !["MetricAlarm", "CompositeAlarm"].contains(&name.as_str())) {
        Some(unknown) => Err(invalid(format!(
            "the alarm type `{unknown}` is not implemented by the rehearsal; it has MetricAlarm and CompositeAlarm"
        ))),
        // What trips many people: without AlarmTypes AWS answers with metric alarms only.
        None if types.is_empty() => Ok(vec!["MetricAlarm".to_owned()]),
        None => Ok(types),
    }
}

impl CloudWatch {
    pub(super) fn describe_alarms(&self, input: &Value) -> Result<Value, AwsError> {
        let members = ["AlarmNames", "AlarmNamePrefix", "AlarmTypes", "StateValue", "MaxRecords", "NextToken"];
        let input = only(input, "DescribeAlarms", &members)?;
        let (names, prefix) = (texts(input, "AlarmNames")?, text(input, "AlarmNamePrefix")?);
        if names.len() > MAX_NAMES {
            return Err(invalid(format!("`AlarmNames` has {} names, but takes at most {MAX_NAMES}", names.len())));
        }
        if !names.is_empty() && prefix.is_some() {
            return Err(AwsError::client(
                "InvalidParameterCombination",
                "`AlarmNames` and `AlarmNamePrefix` cannot be given together",
            ));
        }
        let types = types(input)?;
        let state = text(input, "StateValue")?.map(state).transpose()?;
        let fits = |alarm: &&Alarm| {
            (names.is_empty() || names.contains(&alarm.name))
                && prefix.is_none_or(|prefix| alarm.name.starts_with(prefix))
                && types.iter().any(|kind| kind == alarm_type(is_composite(alarm)))
                && state.is_none_or(|state| alarm.state.value == state)
        };
        let mut found: Vec<&Alarm> = self.alarms.values().filter(fits).collect();
        // Metric alarms first, so that a page never goes back and forth between the two lists.
        found.sort_by_key(|alarm| is_composite(alarm));
        let shapes =
            found.into_iter().map(|alarm| json!({alarm_type(is_composite(alarm)): described(alarm)})).collect();
        let (shapes, next) = page(shapes, text(input, "NextToken")?, records(input)?)?;
        let of = |kind: &str| shapes.iter().filter_map(|shape| shape.get(kind).cloned()).collect::<Vec<_>>();
        Ok(json!({"MetricAlarms": of("MetricAlarm"), "CompositeAlarms": of("CompositeAlarm"), "NextToken": next}))
    }

    pub(super) fn set_alarm_state(&mut self, input: &Value, now_ms: i64) -> Result<Value, AwsError> {
        let input = only(input, "SetAlarmState", &["AlarmName", "StateValue", "StateReason", "StateReasonData"])?;
        let name = needed_text(input, "AlarmName")?;
        if !self.alarms.contains_key(name) {
            return Err(AwsError::new("ResourceNotFound", format!("the alarm `{name}` does not exist"), 404));
        }
        let current = StateRecord {
            value: state(needed_text(input, "StateValue")?)?,
            reason: needed_text(input, "StateReason")?.to_owned(),
            reason_data: text(input, "StateReasonData")?.map(str::to_owned),
            at_ms: now_ms,
        };
        let transition = self.change(name, current);
        self.pending.extend(transition);
        Ok(Value::Null)
    }

    pub(super) fn delete_alarms(&mut self, input: &Value) -> Result<Value, AwsError> {
        let names = texts(only(input, "DeleteAlarms", &["AlarmNames"])?, "AlarmNames")?;
        for name in names {
            self.alarms.remove(&name);
        }
        Ok(Value::Null)
    }

    pub(super) fn describe_alarm_history(&self, input: &Value) -> Result<Value, AwsError> {
        let members =
            ["AlarmName", "AlarmTypes", "HistoryItemType", "StartDate", "EndDate", "MaxRecords", "NextToken", "ScanBy"];
        let input = only(input, "DescribeAlarmHistory", &members)?;
        let (name, kind, types) = (text(input, "AlarmName")?, text(input, "HistoryItemType")?, types(input)?);
        let (start, end) = (time(input, "StartDate")?, time(input, "EndDate")?);
        let fits = |item: &&HistoryItem| {
            name.is_none_or(|name| item.alarm == name)
                && kind.is_none_or(|kind| item.kind == kind)
                && types.iter().any(|kind| kind == alarm_type(item.composite))
                && start.is_none_or(|start| item.at_ms >= start)
                && end.is_none_or(|end| item.at_ms <= end)
        };
        let mut found: Vec<&HistoryItem> = self.history.iter().filter(fits).collect();
        match text(input, "ScanBy")? {
            None | Some("TimestampDescending") => found.reverse(),
            Some("TimestampAscending") => {}
            Some(other) => return Err(invalid(format!("`ScanBy` cannot be `{other}`"))),
        }
        let items = found.into_iter().map(|item| {
            json!({
                "AlarmName": item.alarm, "AlarmType": alarm_type(item.composite),
                "Timestamp": when::seconds(item.at_ms), "HistoryItemType": item.kind,
                "HistorySummary": item.summary, "HistoryData": item.data.to_string(),
            })
        });
        let (items, next) = page(items.collect(), text(input, "NextToken")?, records(input)?)?;
        Ok(json!({"AlarmHistoryItems": items, "NextToken": next}))
    }

    pub(super) fn list_tags(&self, input: &Value) -> Result<Value, AwsError> {
        let input = only(input, "ListTagsForResource", &["ResourceARN"])?;
        let resource = needed_text(input, "ResourceARN")?;
        let alarm = self.alarms.get(plain_name(resource)).filter(|alarm| alarm.arn() == resource);
        let alarm = alarm.ok_or_else(|| {
            AwsError::new("ResourceNotFoundException", format!("the resource `{resource}` does not exist"), 404)
        })?;
        let tags: Vec<Value> = alarm.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        Ok(json!({"Tags": tags}))
    }
}

fn state(name: &str) -> Result<AlarmState, AwsError> {
    AlarmState::parse(name)
        .ok_or_else(|| invalid(format!("`{name}` is no state; it can be OK, ALARM or INSUFFICIENT_DATA")))
}

/// Whether the alarm looks at other alarms.
pub(super) const fn is_composite(alarm: &Alarm) -> bool {
    matches!(alarm.kind, Kind::Composite(_))
}

/// The alarm in the API's shape.
pub(super) fn described(alarm: &Alarm) -> Value {
    let actions = |state| alarm.actions.get(&state).cloned().unwrap_or_default();
    let mut shape = json!({
        "AlarmName": alarm.name,
        "AlarmArn": alarm.arn(),
        "AlarmDescription": alarm.description,
        "AlarmConfigurationUpdatedTimestamp": when::seconds(alarm.configured_ms),
        "ActionsEnabled": alarm.actions_enabled,
        "OKActions": actions(AlarmState::Ok),
        "AlarmActions": actions(AlarmState::Alarm),
        "InsufficientDataActions": actions(AlarmState::InsufficientData),
        "StateValue": alarm.state.value.as_str(),
        "StateReason": alarm.state.reason,
        "StateReasonData": alarm.state.reason_data,
        "StateUpdatedTimestamp": when::seconds(alarm.state.at_ms),
        "StateTransitionedTimestamp": when::seconds(alarm.state.at_ms),
    });
    let more = match &alarm.kind {
        Kind::Metric(metric) => metric.described(),
        Kind::Composite(composite) => {
            let suppressor = composite.suppressor.as_ref();
            json!({
                "AlarmRule": composite.rule_text,
                "ActionsSuppressor": suppressor.map(|suppressor| arn(&suppressor.alarm)),
                "ActionsSuppressorWaitPeriod": suppressor.map(|suppressor| suppressor.wait_period),
                "ActionsSuppressorExtensionPeriod": suppressor.map(|suppressor| suppressor.extension_period),
            })
        }
    };
    if let (Value::Object(shape), Value::Object(more)) = (&mut shape, more) {
        shape.extend(more);
    }
    shape
}
