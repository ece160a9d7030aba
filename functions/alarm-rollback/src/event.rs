//! Every shape in which an alarm's transition can arrive, as one fact: EventBridge's event, the direct alarm action and the SNS
//! notification. Knows nothing of what it leads to.
//!
//! The wire types are our own and tolerant: unknown keys are ignored, everything that is not needed to decide may be missing or of another
//! type. Only so do metric math, composite alarms and periods of a day all get through (shapes: CloudWatch user guide, "Alarm events and
//! EventBridge", "Invoke a Lambda function from an alarm" and "Notifying users on alarm changes").

mod evidence;

use anyhow::{Context, bail, ensure};
use domain::alarm::{AlarmFact, AlarmState};
use domain::text::{bounded, visible};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use evidence::Evidence;

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
    /// Since when the alarm is OK again, where the event is old and that is known. No event says so itself.
    pub over_since: Option<Timestamp>,
    /// What its description says, by paragraphs; text from outside. Of an alarm that is about no deployment, the first says what has happened and
    /// the rest what to do.
    pub description: Vec<String>,
    /// What is to be said with whatever it leads to: what is wrong with the alarm's tags, for instance. No event says so itself.
    pub remark: Option<String>,
}

impl Transition {
    /// A reason with what is to be said beside it.
    pub(crate) fn said(&self, reason: &str) -> String {
        std::iter::once(reason).chain(self.remark.as_deref()).collect::<Vec<_>>().join("; ")
    }
}

/// Text from outside, as it is told: bounded, and without what moves a terminal's cursor or turns the text around.
fn shown(text: &str) -> String {
    bounded(&visible(text), REASON_LIMIT)
}

/// The paragraphs of an alarm's description.
fn paragraphs(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty()).map(|lines| shown(&lines.join(" "))).collect()
}

/// An alarm's name. CloudWatch refuses control characters in it and nothing else ("AlarmName", `PutMetricAlarm`, CloudWatch API reference).
/// What nobody can see becomes a mark in place of nothing: else an alarm could pass for another one, which the configuration names.
fn name(text: &str) -> String {
    let is_seen = |c: char| visible(c.encode_utf8(&mut [0; 4])).starts_with(c);
    text.chars().map(|c| if is_seen(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
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
                record_of_sns(record).with_context(|| format!("`Records[{index}]` is not an alarm's SNS notification"))
            })
            .collect();
    }
    let envelope = Envelope {
        arn: payload.get("alarmArn").or_else(|| payload.get("resources")?.get(0)).and_then(Value::as_str),
        time: payload.get("time").and_then(Value::as_str),
    };
    let transition = if let Some(data) = payload.get("alarmData") {
        changed(data, &envelope).context("`alarmData` of the direct alarm action could not be read")
    } else if let Some(detail) = payload.get("detail") {
        let kind = payload.get("detail-type").and_then(Value::as_str).unwrap_or_default();
        if kind != "CloudWatch Alarm State Change" {
            bail!(
                "the event `{}` is none that this function handles; check the event pattern of its rule in `template.yaml`",
                bounded(kind, 100)
            );
        }
        changed(detail, &envelope).context("the detail of the event `CloudWatch Alarm State Change` could not be read")
    } else if payload.get("AlarmName").is_some() {
        // SNS's message without its envelope: raw message delivery by way of a queue or a pipe.
        notification(payload, None).context("the notification of an alarm could not be read")
    } else {
        bail!(
            "the event is no alarm: expected EventBridge's `detail`, the direct alarm action's `alarmData` or SNS's `Records`"
        );
    };
    Ok(vec![transition?])
}

/// What stands around EventBridge's `detail` and the direct action's `alarmData`.
struct Envelope<'a> {
    arn: Option<&'a str>,
    time: Option<&'a str>,
}

/// EventBridge's `detail` and the direct action's `alarmData` have the same form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    alarm_name: String,
    state: State,
    previous_state: Option<State>,
    #[serde(default)]
    configuration: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    value: AlarmState,
    reason: Option<String>,
    /// JSON text within the JSON, absent where nothing was measured.
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

fn changed(data: &Value, envelope: &Envelope<'_>) -> anyhow::Result<Transition> {
    let Changed { alarm_name, state, previous_state, configuration } = Changed::deserialize(data)?;
    let reason = state.reason.as_deref().unwrap_or_default();
    let evidence = Evidence::from_event(state.reason_data.as_deref(), reason);
    let changed_at = state.time().or_else(|| envelope.time.and_then(Timestamp::parse));
    let was_the_same = previous_state.as_ref().is_some_and(|previous| previous.value == state.value);
    let was_suppressed = previous_state.as_ref().is_some_and(|previous| previous.suppressed_by().is_some());
    let description = configuration.get("description").and_then(Value::as_str).unwrap_or_default();
    let since = previous_state.as_ref().filter(|_| was_the_same).and_then(State::time).or(changed_at);
    Ok(Transition {
        is_news: !was_the_same || (was_suppressed && state.suppressed_by().is_none()),
        since,
        over_since: None,
        description: paragraphs(description),
        remark: None,
        alarm: AlarmFact {
            name: name(&alarm_name),
            arn: envelope.arn.map(without_blanks),
            changed_at,
            previous: previous_state.as_ref().map(|previous| previous.value.clone()),
            suppressed_by: state.suppressed_by().map(|by| bounded(&visible(by), 100)),
            reason: shown(&evidence.sentence(reason)),
            state: state.value,
            metric: watched(&configuration, "metrics", "alarmRule"),
            threshold: evidence.threshold,
            datapoints: evidence.breached,
        },
    })
}

/// A record of SNS: with the message in `Sns`, or, where a queue stands in between, in the text of its `body`.
fn record_of_sns(record: &Value) -> anyhow::Result<Transition> {
    let read = |text: &str| serde_json::from_str::<Value>(text).context("`Sns.Message` is not CloudWatch's JSON");
    if let Some(body) = record.get("body").and_then(Value::as_str) {
        let body = read(body)?;
        return match body.get("Message").and_then(Value::as_str) {
            Some(text) => notification(&read(text)?, body.get("Timestamp").and_then(Value::as_str)),
            None => notification(&body, None),
        };
    }
    let sns = record.get("Sns").unwrap_or(&Value::Null);
    let text = sns.get("Message").and_then(Value::as_str).context("there is no text in `Sns.Message`")?;
    notification(&read(text)?, sns.get("Timestamp").and_then(Value::as_str))
}

/// The message that CloudWatch publishes to SNS. It is not sent while actions are suppressed.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    alarm_name: String,
    alarm_arn: Option<String>,
    alarm_description: Option<String>,
    new_state_value: AlarmState,
    new_state_reason: Option<String>,
    old_state_value: Option<AlarmState>,
    state_change_time: Option<String>,
    /// A metric alarm's metric, expressions, comparison and threshold; a composite alarm has none.
    #[serde(default)]
    trigger: Value,
}

fn notification(data: &Value, sent: Option<&str>) -> anyhow::Result<Transition> {
    let message = Message::deserialize(data).context("the notification is not CloudWatch's")?;
    let reason = message.new_state_reason.as_deref().unwrap_or_default();
    let evidence = Evidence::from_notification(data, &message.trigger, reason);
    let changed_at = message.state_change_time.as_deref().or(sent).and_then(Timestamp::parse);
    let metric = message.trigger.get("MetricName").and_then(Value::as_str).map(shown);
    let rule = || data.get("AlarmRule").and_then(Value::as_str).map(shown);
    Ok(Transition {
        // CloudWatch notifies on transitions alone; the same state twice is the end of a suppression.
        is_news: true,
        since: changed_at,
        over_since: None,
        description: paragraphs(message.alarm_description.as_deref().unwrap_or_default()),
        remark: None,
        alarm: AlarmFact {
            name: name(&message.alarm_name),
            arn: message.alarm_arn.as_deref().map(without_blanks),
            state: message.new_state_value,
            previous: message.old_state_value,
            changed_at,
            reason: shown(&evidence.sentence(reason)),
            metric: metric.or_else(|| watched(&message.trigger, "Metrics", "")).or_else(rule),
            threshold: evidence.threshold,
            datapoints: evidence.breached,
            suppressed_by: None,
        },
    })
}

/// The value of a key that EventBridge writes `likeThis` and SNS `LikeThis`.
fn either<'a>(value: &'a Value, camel: &str) -> Option<&'a Value> {
    let pascal = || camel.get(..1).zip(camel.get(1..)).map(|(first, rest)| first.to_ascii_uppercase() + rest);
    value.get(camel).or_else(|| value.get(pascal()?))
}

/// What the alarm watches: of several metrics, the one that is compared with the threshold, or with the band around it.
fn watched(configuration: &Value, metrics: &str, rule: &str) -> Option<String> {
    let metrics = configuration.get(metrics).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_returned = |metric: &&Value| either(metric, "returnData").and_then(Value::as_bool) == Some(true);
    let expression = |metric: &Value| either(metric, "expression").and_then(Value::as_str).map(str::to_owned);
    let is_band = |metric: &&Value| expression(metric).is_some_and(|it| it.starts_with("ANOMALY_DETECTION_BAND"));
    let returned = || metrics.iter().filter(is_returned);
    let compared = returned().find(|metric| !is_band(metric)).or_else(|| returned().next()).or(metrics.first());
    let name = |metric: &Value| {
        let measured = either(metric, "metricStat").and_then(|stat| either(stat, "metric"));
        let measured = measured.and_then(|it| it.get("name").or_else(|| it.get("MetricName"))).and_then(Value::as_str);
        let label = either(metric, "label").and_then(Value::as_str).filter(|_| measured.is_none());
        label.or(measured).map(str::to_owned).or_else(|| expression(metric))
    };
    let rule = || configuration.get(rule).and_then(Value::as_str).map(str::to_owned);
    compared.and_then(name).or_else(rule).map(|name| shown(&name))
}

/// An ARN without the stray blanks of the documented samples. The alarm's own name may have some.
fn without_blanks(arn: &str) -> String {
    match arn.split_once(":alarm:") {
        Some((place, name)) => {
            format!("{}:alarm:{name}", place.chars().filter(|c| !c.is_whitespace()).collect::<String>())
        }
        None => arn.to_owned(),
    }
}

#[cfg(test)]
mod tests;
