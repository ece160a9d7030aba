//! Every shape in which an alarm's transition can arrive, as one fact: EventBridge's event, the direct alarm action and the SNS
//! notification. Knows nothing of what it leads to.
//!
//! The wire types are our own and tolerant: unknown keys are ignored, everything that is not needed to decide may be missing. Only so
//! do metric math, composite alarms and periods of a day all get through (shapes: CloudWatch user guide, "Alarm events and
//! EventBridge" and "Invoke a Lambda function from an alarm").

use anyhow::{Context, bail, ensure};
use domain::alarm::{AlarmFact, AlarmState};
use domain::text::bounded;
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// CloudWatch's sentences are kept up to this many characters.
const REASON_LIMIT: usize = 1000;

/// An alarm's transition, with what its fact alone does not tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The transition.
    pub alarm: AlarmFact,
    /// Whether it is news: the alarm was in another state before, or its actions were suppressed until now.
    pub is_news: bool,
    /// Since when the alarm is in its state. That is longer than since the transition where a suppression has ended.
    pub since: Option<Timestamp>,
}

/// Reads an invocation's payload. An SNS event may carry several alarms.
///
/// # Errors
/// When it is no alarm's transition; the text says what was expected.
pub fn parse(payload: &Value) -> anyhow::Result<Vec<Transition>> {
    if let Some(records) = payload.get("Records").and_then(Value::as_array) {
        ensure!(!records.is_empty(), "the event has no `Records`");
        return records
            .iter()
            .enumerate()
            .map(|(index, record)| {
                notification(record).with_context(|| format!("`Records[{index}]` is not an alarm's SNS notification"))
            })
            .collect();
    }
    let transition = if let Some(data) = payload.get("alarmData") {
        let arn = payload.get("alarmArn").and_then(Value::as_str);
        changed(data, arn).context("`alarmData` of the direct alarm action could not be read")
    } else if let Some(detail) = payload.get("detail") {
        let kind = payload.get("detail-type").and_then(Value::as_str).unwrap_or_default();
        if kind != "CloudWatch Alarm State Change" {
            bail!(
                "the event `{}` is none that this function handles; check the event pattern of its rule in `template.yaml`",
                bounded(kind, 100)
            );
        }
        let arn = payload.get("resources").and_then(|resources| resources.get(0)).and_then(Value::as_str);
        changed(detail, arn).context("the detail of the event `CloudWatch Alarm State Change` could not be read")
    } else {
        bail!(
            "the event is no alarm: expected EventBridge's `detail`, the direct alarm action's `alarmData` or SNS's `Records`"
        );
    };
    Ok(vec![transition?])
}

/// EventBridge's `detail` and the direct action's `alarmData` have the same form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    alarm_name: String,
    state: State,
    previous_state: Option<State>,
    #[serde(default)]
    configuration: Option<Configuration>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    value: AlarmState,
    reason: Option<String>,
    reason_data: Option<String>,
    timestamp: Option<String>,
    actions_suppressed_by: Option<String>,
}

impl State {
    fn time(&self) -> Option<Timestamp> {
        self.timestamp.as_deref().and_then(Timestamp::parse)
    }

    fn suppressed_by(&self) -> Option<&str> {
        self.actions_suppressed_by.as_deref().filter(|by| !by.is_empty())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    metrics: Option<Vec<Metric>>,
    alarm_rule: Option<String>,
}

/// A metric or an expression; SNS writes the same keys with capitals.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    #[serde(alias = "Expression")]
    expression: Option<String>,
    #[serde(alias = "Label")]
    label: Option<String>,
    #[serde(rename = "metricStat", alias = "MetricStat")]
    measured: Option<Measured>,
    #[serde(alias = "ReturnData", default)]
    return_data: Option<bool>,
}

#[derive(Deserialize)]
struct Measured {
    #[serde(alias = "Metric")]
    metric: Option<MetricName>,
}

#[derive(Deserialize)]
struct MetricName {
    #[serde(alias = "MetricName")]
    name: Option<String>,
}

impl Metric {
    fn name(&self) -> Option<&str> {
        let measured = self
            .measured
            .as_ref()
            .and_then(|measured| measured.metric.as_ref())
            .and_then(|metric| metric.name.as_deref());
        self.label.as_deref().filter(|_| measured.is_none()).or(measured).or(self.expression.as_deref())
    }
}

/// What the alarm watches: of several metrics, the one that is compared with the threshold.
fn watched(metrics: &[Metric], rule: Option<&str>) -> Option<String> {
    let compared = metrics.iter().find(|metric| metric.return_data == Some(true)).or(metrics.first());
    compared.and_then(Metric::name).or(rule).map(|name| bounded(name, REASON_LIMIT))
}

fn changed(data: &Value, arn: Option<&str>) -> anyhow::Result<Transition> {
    let Changed { alarm_name, state, previous_state, configuration } = Changed::deserialize(data)?;
    let evidence = Evidence::parse(state.reason_data.as_deref());
    let (metrics, rule) = configuration.map_or((None, None), |it| (it.metrics, it.alarm_rule));
    let was_the_same = previous_state.as_ref().is_some_and(|previous| previous.value == state.value);
    let was_suppressed = previous_state.as_ref().is_some_and(|previous| previous.suppressed_by().is_some());
    let since = previous_state.as_ref().filter(|_| was_the_same).and_then(State::time).or(state.time());
    Ok(Transition {
        is_news: !was_the_same || (was_suppressed && state.suppressed_by().is_none()),
        since,
        alarm: AlarmFact {
            name: alarm_name,
            arn: arn.map(str::to_owned),
            changed_at: state.time(),
            previous: previous_state.map(|previous| previous.value),
            suppressed_by: state.suppressed_by().map(|by| bounded(by, 100)),
            reason: bounded(state.reason.as_deref().unwrap_or_default(), REASON_LIMIT),
            state: state.value,
            metric: watched(&metrics.unwrap_or_default(), rule.as_deref()),
            threshold: evidence.threshold,
            datapoints: evidence.datapoints,
        },
    })
}

/// `reasonData`: JSON text within the JSON, absent where nothing was measured.
#[derive(Default)]
struct Evidence {
    threshold: Option<f64>,
    datapoints: Vec<f64>,
}

impl Evidence {
    fn parse(text: Option<&str>) -> Self {
        let Some(data) = text.and_then(|text| serde_json::from_str::<Value>(text).ok()) else { return Self::default() };
        let recent = data.get("recentDatapoints").and_then(Value::as_array);
        Self {
            threshold: data.get("threshold").and_then(Value::as_f64),
            // CloudWatch lists them oldest first, and newest first in its sentence.
            datapoints: recent.into_iter().flatten().rev().filter_map(Value::as_f64).collect(),
        }
    }
}

/// The message that CloudWatch publishes to SNS. It is not sent while actions are suppressed.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    alarm_name: String,
    alarm_arn: Option<String>,
    new_state_value: AlarmState,
    new_state_reason: Option<String>,
    old_state_value: Option<AlarmState>,
    state_change_time: Option<String>,
    alarm_rule: Option<String>,
    trigger: Option<Trigger>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Trigger {
    metric_name: Option<String>,
    metrics: Option<Vec<Metric>>,
    threshold: Option<f64>,
}

fn notification(record: &Value) -> anyhow::Result<Transition> {
    let text = record.get("Sns").and_then(|sns| sns.get("Message")).and_then(Value::as_str);
    let text = text.context("there is no text in `Sns.Message`")?;
    let message: Message = serde_json::from_str(text).context("`Sns.Message` is not CloudWatch's JSON")?;
    let (name, metrics, threshold) =
        message.trigger.map_or((None, None, None), |trigger| (trigger.metric_name, trigger.metrics, trigger.threshold));
    let changed_at = message.state_change_time.as_deref().and_then(Timestamp::parse);
    Ok(Transition {
        // CloudWatch notifies on transitions alone; the same state twice is the end of a suppression.
        is_news: true,
        since: changed_at,
        alarm: AlarmFact {
            name: message.alarm_name,
            arn: message.alarm_arn,
            state: message.new_state_value,
            previous: message.old_state_value,
            changed_at,
            reason: bounded(message.new_state_reason.as_deref().unwrap_or_default(), REASON_LIMIT),
            metric: name.or_else(|| watched(&metrics.unwrap_or_default(), message.alarm_rule.as_deref())),
            threshold,
            datapoints: Vec::new(),
            suppressed_by: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(payload: &Value) -> Transition {
        let [transition] = parse(payload).unwrap().try_into().unwrap();
        transition
    }

    /// AWS's sample of the EventBridge form with this configuration and state.
    fn event(configuration: &Value, state: &Value, previous: &Value) -> Value {
        json!({
            "version": "0", "id": "2dde0eb1-528b-d2d5-9ca6-6d590caf2329", "detail-type": "CloudWatch Alarm State Change",
            "source": "aws.cloudwatch", "account": "123456789012", "time": "2019-10-02T17:20:48Z", "region": "us-east-1",
            "resources": ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:TotalNetworkTrafficTooHigh"],
            "detail": {"alarmName": "TotalNetworkTrafficTooHigh", "configuration": configuration, "state": state, "previousState": previous}
        })
    }

    #[test]
    fn a_metric_math_alarm_is_read_with_its_label_its_threshold_and_its_datapoints() {
        let configuration = json!({"description": "x", "metrics": [
            {"expression": "SUM(METRICS())", "id": "e1", "label": "Total Network Traffic", "returnData": true},
            {"id": "m1", "metricStat": {"metric": {"dimensions": {}, "name": "NetworkIn", "namespace": "AWS/EC2"}, "period": 86400, "stat": "Maximum"}, "returnData": false}]});
        let state = json!({"reason": "Threshold Crossed", "timestamp": "2019-10-02T17:20:48.554+0000", "value": "ALARM",
            "reasonData": "{\"version\":\"1.0\",\"period\":300,\"recentDatapoints\":[12.0,null,45628.0],\"threshold\":10000.0}"});
        let previous = json!({"reason": "Unchecked: Initial alarm creation", "timestamp": "2019-10-02T17:20:03.642+0000", "value": "INSUFFICIENT_DATA"});
        let transition = one(&event(&configuration, &state, &previous));
        assert!(transition.is_news);
        assert_eq!(transition.since, Some(Timestamp(1_570_036_848_554)));
        let alarm = transition.alarm;
        assert_eq!(alarm.metric.as_deref(), Some("Total Network Traffic"));
        assert_eq!((alarm.threshold, alarm.datapoints), (Some(10000.0), vec![45628.0, 12.0]));
        assert_eq!((alarm.state, alarm.previous), (AlarmState::Alarm, Some(AlarmState::InsufficientData)));
        assert!(alarm.arn.unwrap().ends_with(":alarm:TotalNetworkTrafficTooHigh"));
    }

    #[test]
    fn a_suppressed_composite_alarm_names_its_suppression_and_its_rule() {
        let configuration = json!({"alarmRule": "ALARM(ServerCpuTooHigh) OR ALARM(TotalNetworkTrafficTooHigh)", "actionsSuppressor": "ServiceMaintenanceAlarm"});
        let state = json!({"actionsSuppressedBy": "WaitPeriod", "value": "ALARM", "reason": "arn transitioned to ALARM", "timestamp": "2022-07-22T15:57:45.394+0000",
            "reasonData": "{\"triggeringAlarms\":[]}"});
        let previous = json!({"value": "OK", "timestamp": "2022-07-22T15:56:14.552+0000"});
        let alarm = one(&event(&configuration, &state, &previous)).alarm;
        assert_eq!(alarm.suppressed_by.as_deref(), Some("WaitPeriod"));
        assert_eq!(alarm.metric.unwrap(), "ALARM(ServerCpuTooHigh) OR ALARM(TotalNetworkTrafficTooHigh)");
        assert_eq!(alarm.threshold, None);
    }

    #[test]
    fn the_end_of_a_suppression_is_news_and_the_alarm_is_as_old_as_before() {
        // AWS's sample of the direct action, blanks in its times included.
        let payload = json!({
            "source": "aws.cloudwatch", "alarmArn": "arn:aws:cloudwatch:us-east-1: 111122223333:alarm:SuppressionDemo.Main",
            "alarmData": {
                "alarmName": "CompositeDemo.Main",
                "state": {"value": "ALARM", "reason": "x", "timestamp": "2023-08-04T12: 56: 46.138+0000"},
                "previousState": {"value": "ALARM", "timestamp": "2023-08-04T12: 54: 46.138+0000", "actionsSuppressedBy": "WaitPeriod"},
                "configuration": {"alarmRule": "ALARM(CompositeDemo.FirstChild)"}
            }
        });
        let transition = one(&payload);
        assert!(transition.is_news);
        assert_eq!(transition.alarm.changed_at.unwrap().0 - transition.since.unwrap().0, 120_000);
        let mut repeated = payload;
        repeated["alarmData"]["previousState"]["actionsSuppressedBy"] = Value::Null;
        assert!(!one(&repeated).is_news, "the same state again is no news");
    }

    #[test]
    fn an_sns_notification_is_read_from_its_text() {
        let message = json!({"AlarmName": "web-5xx", "AlarmDescription": null, "NewStateValue": "ALARM", "NewStateReason": "Threshold Crossed",
            "StateChangeTime": "2019-10-02T17:04:40.989+0000", "OldStateValue": "OK", "AlarmArn": "arn:aws:cloudwatch:us-east-1:1:alarm:web-5xx",
            "Trigger": {"Period": 60, "Threshold": 5.0, "Metrics": [{"Id": "e1", "Expression": "m1/m2", "Label": "5xx rate", "ReturnData": true}]}});
        let payload = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": message.to_string()}}]});
        let alarm = one(&payload).alarm;
        assert_eq!(
            (alarm.name.as_str(), alarm.metric.as_deref(), alarm.threshold),
            ("web-5xx", Some("5xx rate"), Some(5.0))
        );
        assert_eq!(alarm.changed_at, Some(Timestamp(1_570_035_880_989)));
    }

    #[test]
    fn what_is_no_alarm_is_refused_with_what_was_expected() {
        let cases = [
            (json!({}), "expected EventBridge's `detail`"),
            (json!({"detail-type": "CloudWatch Alarm Configuration Change", "detail": {}}), "check the event pattern"),
            (
                json!({"detail-type": "CloudWatch Alarm State Change", "detail": {"alarmName": "x"}}),
                "missing field `state`",
            ),
            (json!({"Records": [{"Sns": {"Message": "hello"}}]}), "`Records[0]` is not an alarm's SNS notification"),
        ];
        for (payload, expected) in cases {
            let error = format!("{:#}", parse(&payload).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
