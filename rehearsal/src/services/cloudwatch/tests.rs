//! Metrics and alarms, through the same door as the SDK.

use super::*;
use std::borrow::Borrow;

mod alarms;
mod evaluating;
mod events;
mod metrics;

/// 2019-10-02T17:04:40.985Z, the time of AWS's own sample event.
const NOW: i64 = 1_570_035_880_985;
const MINUTE: i64 = 60_000;

fn dimensions(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[track_caller]
fn ok(cloudwatch: &mut CloudWatch, operation: &str, input: impl Borrow<Value>) -> Value {
    let input = input.borrow();
    cloudwatch.handle(operation, input, NOW).unwrap_or_else(|error| panic!("{operation} {input}: {error}"))
}

#[track_caller]
fn fails(cloudwatch: &mut CloudWatch, operation: &str, input: impl Borrow<Value>, code: &str, message: &str) {
    let error = cloudwatch.handle(operation, input.borrow(), NOW).expect_err(operation);
    assert_eq!(error.code, code, "{error}");
    assert!(error.message.contains(message), "`{}` lacks `{message}`", error.message);
}

/// An alarm on the metric `N/m`, greater than 5, with these properties on top.
fn properties(name: &str, more: &Value) -> Value {
    let mut properties = json!({
        "AlarmName": name, "Namespace": "N", "MetricName": "m", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 5, "ComparisonOperator": "GreaterThanThreshold",
    });
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    properties
}

/// A value of `N/m`, so many minutes before the current one.
fn sample(cloudwatch: &mut CloudWatch, minutes_ago: i64, value: f64) {
    cloudwatch.put("N", "m", BTreeMap::new(), NOW - minutes_ago * MINUTE, value, "Count");
}

#[test]
fn an_operation_that_is_not_implemented_is_refused_by_name() {
    let mut cloudwatch = CloudWatch::new();
    fails(
        &mut cloudwatch,
        "PutDashboard",
        json!({}),
        "UnknownOperationException",
        "`PutDashboard` is not implemented by the rehearsal's CloudWatch",
    );
}
