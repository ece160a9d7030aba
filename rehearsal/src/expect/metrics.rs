//! What is expected of the fleet's metrics and of the alarms' states. Knows nothing of who publishes what.

use std::collections::BTreeMap;

use super::Held;
use crate::scenario::{AlarmWord, ExpectedMetric, MetricOf};
use crate::world::Record;

/// As precise as sums of floating-point numbers are.
const PRECISION: f64 = 1e-9;

pub(super) fn comes_to(expected: &ExpectedMetric, record: Record<'_>) -> Held {
    let (name, statistic) = (&expected.name, expected.statistic.as_deref().unwrap_or("Sum"));
    let wanted = expected.sum.or(expected.value).unwrap_or_default();
    let service = expected.service.clone().or_else(|| Some(record.deployments().next()?.service.clone()));
    let dimensions = dimensions(expected, service.as_deref(), record);
    let of: Vec<String> =
        dimensions.iter().flatten().map(|(dimension, value)| format!("{dimension} {value}")).collect();
    let whose = if of.is_empty() { String::new() } else { format!(" of {}", of.join(", ")) };
    let about =
        if expected.give > 0.0 { format!("{wanted}, give or take {}", expected.give) } else { wanted.to_string() };
    let what = match expected.statistic {
        None => format!("the metric `{name}`{whose} sums up to {about}"),
        Some(_) => format!("the {statistic} of the metric `{name}`{whose} is {about}"),
    };
    let Some(dimensions) = dimensions else {
        return Held { what, met: false, seen: "no service whose dimensions these could be was deployed".to_owned() };
    };
    match record.metric(name, &dimensions, statistic) {
        // Of nothing there is a sum, and a number of values, but no maximum.
        Ok(None) => {
            let is_count = ["Sum", "SampleCount"].contains(&statistic);
            Held {
                what,
                met: is_count && wanted.abs() <= PRECISION + expected.give,
                seen: "nothing was published".to_owned(),
            }
        }
        Ok(Some(seen)) => {
            Held { what, met: (seen - wanted).abs() <= PRECISION + expected.give, seen: format!("{seen}") }
        }
        Err(problem) => Held { what, met: false, seen: problem },
    }
}

/// The dimensions that are meant; none when there is no such service.
fn dimensions(
    expected: &ExpectedMetric,
    service: Option<&str>,
    record: Record<'_>,
) -> Option<BTreeMap<String, String>> {
    let mut dimensions = expected.dimensions.clone();
    let mut add = |name: &str, value: String| {
        dimensions.insert(name.to_owned(), value);
    };
    if expected.by != MetricOf::Fleet {
        let (group, environment) = record.group_and_environment(service?)?;
        add("Environment", environment);
        if expected.by == MetricOf::Group {
            add("Application", group.application);
            add("DeploymentGroup", group.deployment_group);
        }
    }
    Some(dimensions)
}

pub(super) fn alarm_is(name: &str, state: AlarmWord, record: Record<'_>) -> Held {
    let wanted = match state {
        AlarmWord::Ok => "OK",
        AlarmWord::Alarm => "ALARM",
        AlarmWord::InsufficientData => "INSUFFICIENT_DATA",
    };
    let seen = record.alarm_state(name);
    Held {
        what: format!("the alarm `{name}` is {wanted} in the end"),
        met: seen == Some(wanted),
        seen: seen.unwrap_or("there is no such alarm").to_owned(),
    }
}
