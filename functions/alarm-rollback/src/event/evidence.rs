//! What made an alarm change: the data points that crossed its threshold, or the alarms behind a composite one. Knows nothing of the shapes
//! that events have.
//!
//! CloudWatch writes the comparison only into its sentence ("was greater than the threshold (50.0)"), or, to SNS, into `Trigger`.

use serde_json::Value;

/// So many of the alarms behind a composite one are named.
const NAMED: usize = 10;

/// Which values cross a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    OutsideBand,
    AboveBand,
    BelowBand,
}

/// What made an alarm change.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Evidence {
    /// The threshold; of a band, the side that the newest of `breached` has crossed.
    pub(super) threshold: Option<f64>,
    /// The data points that crossed it, newest first; all recent ones where the comparison is not known.
    pub(super) breached: Vec<f64>,
    /// The alarms that made a composite one change, by name and state.
    triggering: Vec<(String, String)>,
}

/// A data point with what it is compared to.
#[derive(Clone, Copy)]
struct Point {
    value: f64,
    lower: Option<f64>,
    upper: Option<f64>,
}

impl Evidence {
    /// From `reasonData` and the sentence of EventBridge's event or of the direct action.
    pub(super) fn from_event(reason_data: Option<&str>, sentence: &str) -> Self {
        let data = reason_data.and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default();
        let threshold = number(data.get("threshold"));
        let points = points(&data, threshold);
        let points = if points.is_empty() { spoken_points(sentence, threshold) } else { points };
        let triggering = data.get("triggeringAlarms");
        Self {
            triggering: alarms(triggering, ["arn", "state", "value"]),
            ..Self::of(points, said(sentence), threshold)
        }
    }

    /// From SNS's notification, which has no `reasonData`.
    pub(super) fn from_notification(message: &Value, trigger: &Value, sentence: &str) -> Self {
        let operator = trigger.get("ComparisonOperator").and_then(Value::as_str);
        let comparison = operator.and_then(named).or_else(|| said(sentence));
        // The alarm on a band has a `ThresholdMetricId` in place of the threshold.
        let fixed = trigger.get("Threshold").filter(|_| trigger.get("ThresholdMetricId").is_none());
        let fixed = number(fixed).or_else(|| spoken_threshold(sentence));
        let children = message.get("TriggeringChildren");
        let evidence = Self::of(spoken_points(sentence, fixed), comparison, fixed);
        Self { triggering: alarms(children, ["Arn", "State", "Value"]), ..evidence }
    }

    fn of(points: Vec<Point>, comparison: Option<Comparison>, threshold: Option<f64>) -> Self {
        let breached: Vec<Point> =
            points.into_iter().filter(|point| comparison.is_none_or(|comparison| point.crosses(comparison))).collect();
        let threshold = threshold.or_else(|| {
            let newest = breached.first()?;
            newest.upper.filter(|upper| newest.value > *upper).or(newest.lower.filter(|lower| newest.value < *lower))
        });
        Self { threshold, breached: breached.iter().map(|point| point.value).collect(), triggering: Vec::new() }
    }

    /// CloudWatch's sentence. That of a composite alarm names one ARN; a person wants to know all the alarms behind it, by name.
    pub(super) fn sentence(&self, reason: &str) -> String {
        let red: Vec<&str> =
            self.triggering.iter().filter(|(_, state)| state == "ALARM").map(|(name, _)| name.as_str()).collect();
        if red.is_empty() {
            return reason.to_owned();
        }
        let named = red.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let more = red.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("triggered by {named}{more}: {reason}")
    }
}

impl Point {
    fn crosses(&self, comparison: Comparison) -> bool {
        let above = |or_equal: bool| self.upper.is_none_or(|it| self.value > it || (or_equal && self.value >= it));
        let below = |or_equal: bool| self.lower.is_none_or(|it| self.value < it || (or_equal && self.value <= it));
        match comparison {
            Comparison::Greater | Comparison::AboveBand => above(false),
            Comparison::GreaterOrEqual => above(true),
            Comparison::Less | Comparison::BelowBand => below(false),
            Comparison::LessOrEqual => below(true),
            Comparison::OutsideBand => above(false) || below(false),
        }
    }
}

fn number(value: Option<&Value>) -> Option<f64> {
    let value = value?;
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// `recentDatapoints` with the thresholds of each, else `evaluatedDatapoints`; newest first.
fn points(data: &Value, threshold: Option<f64>) -> Vec<Point> {
    let list = |key: &str| data.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (lower, upper) = (list("recentLowerThresholds"), list("recentUpperThresholds"));
    let recent = list("recentDatapoints").iter().enumerate().filter_map(|(index, value)| {
        Some(Point {
            value: value.as_f64()?,
            lower: number(lower.get(index)).or(threshold),
            upper: number(upper.get(index)).or(threshold),
        })
    });
    // CloudWatch lists them oldest first, and newest first in its sentence.
    let mut points: Vec<Point> = recent.collect();
    points.reverse();
    if !points.is_empty() {
        return points;
    }
    let mut evaluated: Vec<(&str, Point)> = list("evaluatedDatapoints")
        .iter()
        .filter_map(|one| {
            let own = number(one.get("threshold")).or(threshold);
            let at = one.get("timestamp").and_then(Value::as_str).unwrap_or_default();
            Some((at, Point { value: one.get("value")?.as_f64()?, lower: own, upper: own }))
        })
        .collect();
    evaluated.sort_by(|(one, _), (other, _)| other.cmp(one));
    evaluated.into_iter().map(|(_, point)| point).collect()
}

/// The data points in CloudWatch's sentence, `[99.5 (02/10/19 16:59:00), …]`, with the thresholds that follow; newest first.
fn spoken_points(sentence: &str, threshold: Option<f64>) -> Vec<Point> {
    let after =
        |words: &str| sentence.split_once(words).and_then(|(_, rest)| rest.split_once(']')).map(|(list, _)| list);
    let numbers = |list: &str| -> Vec<f64> {
        let first = |entry: &str| entry.split_whitespace().next().and_then(|word| word.parse().ok());
        list.split(',').filter_map(first).collect()
    };
    let values = after("[").filter(|list| list.contains('(')).map(numbers).unwrap_or_default();
    let lower = after("lower thresholds [").map(numbers).unwrap_or_default();
    let upper = after("upper thresholds [").map(numbers).unwrap_or_default();
    let threshold = threshold.or_else(|| spoken_threshold(sentence));
    let at = |list: &[f64], index: usize| list.get(index).copied().or(threshold);
    let point = |(index, value)| Point { value, lower: at(&lower, index), upper: at(&upper, index) };
    values.into_iter().enumerate().map(point).collect()
}

fn spoken_threshold(sentence: &str) -> Option<f64> {
    sentence.split_once("the threshold (").and_then(|(_, rest)| rest.split_once(')')?.0.parse().ok())
}

/// The comparison as CloudWatch's sentence names it.
fn said(sentence: &str) -> Option<Comparison> {
    let (lower, upper) =
        (sentence.contains("less than the lower threshold"), sentence.contains("greater than the upper threshold"));
    match (lower, upper) {
        (true, true) => return Some(Comparison::OutsideBand),
        (true, false) => return Some(Comparison::BelowBand),
        (false, true) => return Some(Comparison::AboveBand),
        (false, false) => {}
    }
    let words = [
        ("greater than or equal to the threshold", Comparison::GreaterOrEqual),
        ("less than or equal to the threshold", Comparison::LessOrEqual),
        ("greater than the threshold", Comparison::Greater),
        ("less than the threshold", Comparison::Less),
    ];
    words.into_iter().find(|(words, _)| sentence.contains(words)).map(|(_, comparison)| comparison)
}

/// The comparison as the API names it (`ComparisonOperator`, CloudWatch API reference).
fn named(operator: &str) -> Option<Comparison> {
    Some(match operator {
        "GreaterThanThreshold" => Comparison::Greater,
        "GreaterThanOrEqualToThreshold" => Comparison::GreaterOrEqual,
        "LessThanThreshold" => Comparison::Less,
        "LessThanOrEqualToThreshold" => Comparison::LessOrEqual,
        "LessThanLowerOrGreaterThanUpperThreshold" => Comparison::OutsideBand,
        "LessThanLowerThreshold" => Comparison::BelowBand,
        "GreaterThanUpperThreshold" => Comparison::AboveBand,
        _ => return None,
    })
}

/// The alarms behind a composite one, by name.
fn alarms(list: Option<&Value>, [arn, state, value]: [&str; 3]) -> Vec<(String, String)> {
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = |alarm: &Value| {
        let arn = alarm.get(arn)?.as_str()?;
        let state = alarm.get(state).and_then(|state| state.get(value)).and_then(Value::as_str).unwrap_or_default();
        Some((arn.split_once(":alarm:").map_or(arn, |(_, name)| name).to_owned(), state.to_owned()))
    };
    list.iter().filter_map(one).collect()
}
