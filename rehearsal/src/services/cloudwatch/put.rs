//! `PutMetricData`, with the limits that AWS enforces. Knows nothing of what is done with the data.

use super::read::{dimensions, given, list, needed_text, number, only, text, time};
use super::store::{MetricKey, Sample};
use super::{CloudWatch, invalid, missing};
use crate::protocol::AwsError;
use serde_json::{Map, Value};

const MAX_METRICS: usize = 1000;
const MAX_VALUES: usize = 150;
const OLDEST_MS: i64 = 14 * 24 * 60 * 60 * 1000;
const NEWEST_MS: i64 = 2 * 60 * 60 * 1000;
const HOUR_MS: i64 = 60 * 60 * 1000;

/// Every unit that CloudWatch knows.
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// The unit in the member `Unit`, checked.
pub(super) fn unit(object: &Map<String, Value>) -> Result<Option<&str>, AwsError> {
    match text(object, "Unit")? {
        Some(unit) if !UNITS.contains(&unit) => {
            Err(invalid(format!("the unit `{unit}` is not valid; CloudWatch has {}", UNITS.join(", "))))
        }
        unit => Ok(unit),
    }
}

impl CloudWatch {
    /// Takes all of the data, or none of it.
    pub(super) fn put_metric_data(&mut self, input: &Value, now_ms: i64) -> Result<Value, AwsError> {
        let input = only(input, "PutMetricData", &["Namespace", "MetricData"])?;
        let namespace = needed_text(input, "Namespace")?;
        if namespace.starts_with("AWS/") {
            return Err(invalid("The value AWS/ for parameter Namespace is invalid."));
        }
        if namespace.len() > 255 || namespace.starts_with(':') {
            return Err(invalid(format!(
                "the namespace `{namespace}` is not valid: 1 to 255 characters, no `:` in front"
            )));
        }
        let data = list(input, "MetricData")?;
        if data.is_empty() {
            return Err(missing("MetricData"));
        }
        if data.len() > MAX_METRICS {
            return Err(invalid(format!("MetricData has {} metrics, but one request takes {MAX_METRICS}", data.len())));
        }
        let mut read = Vec::new();
        for datum in data {
            let members = [
                "MetricName",
                "Dimensions",
                "Timestamp",
                "Value",
                "Values",
                "Counts",
                "StatisticValues",
                "Unit",
                "StorageResolution",
            ];
            let datum = only(datum, "MetricData", &members)?;
            let name = needed_text(datum, "MetricName")?;
            if name.len() > 255 {
                return Err(invalid(format!("the metric name `{name}` is longer than 255 characters")));
            }
            let key =
                MetricKey { namespace: namespace.to_owned(), name: name.to_owned(), dimensions: dimensions(datum)? };
            let at_ms = time(datum, "Timestamp")?.unwrap_or(now_ms);
            if at_ms < now_ms - OLDEST_MS || at_ms > now_ms + NEWEST_MS {
                return Err(invalid(format!(
                    "the timestamp `{}` of `{name}` is not valid: CloudWatch takes the last two weeks and the next two \
                     hours",
                    super::when::detail(at_ms)
                )));
            }
            let fine = match number(datum, "StorageResolution")? {
                None => false,
                Some(1.0) => true,
                Some(60.0) => false,
                Some(other) => return Err(invalid(format!("`StorageResolution` has to be 1 or 60, but is `{other}`"))),
            };
            let shows_ms = now_ms.saturating_add(self.show_after_ms.max(late_by(now_ms - at_ms)));
            read.push((
                key,
                (stored_at(at_ms, fine), shows_ms),
                unit(datum)?.unwrap_or("None").to_owned(),
                samples(name, datum)?,
            ));
        }
        for (key, times, unit, samples) in read {
            self.store.add(key, times, &unit, samples);
        }
        Ok(Value::Null)
    }
}

/// How long old values take before they can be read, in milliseconds: those of a day or more "can take at least 48 hours", those
/// of 3 to 24 hours "as much as 2 hours" (CloudWatch API reference, PutMetricData; user guide, "Publish custom metrics").
const fn late_by(age_ms: i64) -> i64 {
    if age_ms >= 24 * HOUR_MS {
        48 * HOUR_MS
    } else if age_ms >= 3 * HOUR_MS {
        2 * HOUR_MS
    } else {
        0
    }
}

/// CloudWatch keeps a standard metric by the minute and a high-resolution one by the second.
pub(super) const fn stored_at(at_ms: i64, fine: bool) -> i64 {
    at_ms - at_ms.rem_euclid(if fine { 1000 } else { 60_000 })
}

fn samples(name: &str, datum: &Map<String, Value>) -> Result<Vec<Sample>, AwsError> {
    let forms = ["Value", "Values", "StatisticValues"].into_iter().filter(|form| given(datum, form).is_some());
    match forms.collect::<Vec<_>>().as_slice() {
        ["Value"] => {
            let value = number(datum, "Value")?.ok_or_else(|| missing("Value"))?;
            Ok(vec![Sample::Value { value: sane(name, value)?, count: 1.0 }])
        }
        ["Values"] => {
            let values = numbers("Values", list(datum, "Values")?)?;
            let counts = numbers("Counts", list(datum, "Counts")?)?;
            if values.is_empty() || values.len() > MAX_VALUES {
                return Err(invalid(format!("`{name}` has {} values, but takes 1 to {MAX_VALUES}", values.len())));
            }
            if !counts.is_empty() && counts.len() != values.len() {
                return Err(invalid(format!(
                    "`{name}` has {} values and {} counts; there have to be as many, or no counts",
                    values.len(),
                    counts.len()
                )));
            }
            let counts = counts.into_iter().chain(std::iter::repeat(1.0));
            let pairs = values.into_iter().zip(counts);
            pairs
                .map(|(value, count)| Ok(Sample::Value { value: sane(name, value)?, count: sane(name, count)? }))
                .collect()
        }
        ["StatisticValues"] => {
            let set = given(datum, "StatisticValues").unwrap_or(&Value::Null);
            let set = only(set, "StatisticValues", &["SampleCount", "Sum", "Minimum", "Maximum"])?;
            let of =
                |member| -> Result<f64, AwsError> { sane(name, number(set, member)?.ok_or_else(|| missing(member))?) };
            Ok(vec![Sample::Set {
                count: of("SampleCount")?,
                sum: of("Sum")?,
                minimum: of("Minimum")?,
                maximum: of("Maximum")?,
            }])
        }
        [] => Err(missing("Value")),
        _ => Err(AwsError::client(
            "InvalidParameterCombination",
            format!("`{name}` has more than one of Value, Values and StatisticValues"),
        )),
    }
}

fn numbers(member: &str, list: &[Value]) -> Result<Vec<f64>, AwsError> {
    let number =
        |value: &Value| value.as_f64().ok_or_else(|| invalid(format!("`{member}` has `{value}`, which is no number")));
    list.iter().map(number).collect()
}

/// CloudWatch refuses what is beyond 2 to the power of 360; JSON cannot carry NaN and the infinities.
fn sane(name: &str, value: f64) -> Result<f64, AwsError> {
    if value.abs() <= 2_f64.powi(360) {
        return Ok(value);
    }
    Err(invalid(format!("the value `{value}` of `{name}` is outside of -2^360 to 2^360")))
}
