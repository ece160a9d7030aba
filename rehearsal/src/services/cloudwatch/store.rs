//! The metrics: what was measured, and the statistics of any span of time. Knows nothing of requests and alarms.

use super::statistic::Statistic;
use std::collections::BTreeMap;

/// A metric's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MetricKey {
    /// `AWS/ApplicationELB`, `Greenlight`.
    pub(super) namespace: String,
    /// The metric's name.
    pub(super) name: String,
    /// All dimensions; a metric with one dimension more is another metric.
    pub(super) dimensions: BTreeMap<String, String>,
}

/// One measurement, or what is known of several.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sample {
    /// A value that was seen `count` times.
    Value {
        /// The value.
        value: f64,
        /// How often; may be a fraction.
        count: f64,
    },
    /// A statistic set: the single values are lost.
    Set {
        /// How many.
        count: f64,
        /// Their sum.
        sum: f64,
        /// The smallest.
        minimum: f64,
        /// The largest.
        maximum: f64,
    },
}

impl Sample {
    const fn count(&self) -> f64 {
        match self {
            Self::Value { count, .. } | Self::Set { count, .. } => *count,
        }
    }

    const fn sum(&self) -> f64 {
        match self {
            Self::Value { value, count } => *value * *count,
            Self::Set { sum, .. } => *sum,
        }
    }

    const fn minimum(&self) -> f64 {
        match self {
            Self::Value { value, .. } => *value,
            Self::Set { minimum, .. } => *minimum,
        }
    }

    const fn maximum(&self) -> f64 {
        match self {
            Self::Value { value, .. } => *value,
            Self::Set { maximum, .. } => *maximum,
        }
    }
}

/// A sample with its unit.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    unit: String,
    sample: Sample,
    /// Since when it can be read.
    shows_ms: i64,
}

/// Every metric that ever had a value.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    metrics: BTreeMap<MetricKey, BTreeMap<i64, Vec<Entry>>>,
    /// The time at which the store is read: what shows later does not exist yet.
    pub(super) now_ms: i64,
}

impl Store {
    /// Adds samples at one point in time, which can be read from `shows_ms` on.
    pub(super) fn add(
        &mut self,
        key: MetricKey,
        (at_ms, shows_ms): (i64, i64),
        unit: &str,
        samples: impl IntoIterator<Item = Sample>,
    ) {
        let entries = self.metrics.entry(key).or_default().entry(at_ms).or_default();
        entries.extend(samples.into_iter().map(|sample| Entry { unit: unit.to_owned(), sample, shows_ms }));
    }

    /// Every metric, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &MetricKey> {
        self.metrics.keys()
    }

    /// The statistic over `start_ms <= time < end_ms`; `None` without data, or where the data cannot tell.
    pub(super) fn statistic(
        &self,
        key: &MetricKey,
        statistic: Statistic,
        unit: Option<&str>,
        (start_ms, end_ms): (i64, i64),
    ) -> Option<f64> {
        if end_ms <= start_ms {
            return None;
        }
        let span = self.metrics.get(key)?.range(start_ms..end_ms);
        let entries = span.flat_map(|(_, entries)| entries).filter(|entry| entry.shows_ms <= self.now_ms);
        let entries = entries.filter(|entry| unit.is_none_or(|unit| unit == entry.unit));
        let samples: Vec<&Sample> = entries.map(|entry| &entry.sample).filter(|sample| sample.count() > 0.0).collect();
        if samples.is_empty() {
            return None;
        }
        let count: f64 = samples.iter().map(|sample| sample.count()).sum();
        let sum: f64 = samples.iter().map(|sample| sample.sum()).sum();
        match statistic {
            Statistic::SampleCount => Some(count),
            Statistic::Sum => Some(sum),
            Statistic::Average => Some(sum / count),
            Statistic::Minimum => samples.iter().map(|sample| sample.minimum()).reduce(f64::min),
            Statistic::Maximum => samples.iter().map(|sample| sample.maximum()).reduce(f64::max),
            Statistic::Percentile(tenths) => percentile(&samples, count, tenths),
        }
    }

    /// The unit of a metric's first sample in a span, for answers that show one.
    pub(super) fn unit(&self, key: &MetricKey, (start_ms, end_ms): (i64, i64)) -> Option<&str> {
        let mut span = self.metrics.get(key)?.range(start_ms..end_ms.max(start_ms));
        span.find_map(|(_, entries)| entries.iter().find(|entry| entry.shows_ms <= self.now_ms))
            .map(|entry| entry.unit.as_str())
    }
}

/// The smallest value with at least so many per mille of all samples at or below it, so that p95 of ten samples is the
/// largest. A statistic set takes part only where all its values are the same: of others the order is lost.
fn percentile(samples: &[&Sample], count: f64, tenths: u32) -> Option<f64> {
    let mut values = Vec::new();
    for sample in samples {
        match sample {
            Sample::Value { value, count } => values.push((*value, *count)),
            Sample::Set { count, minimum, maximum, .. } if (maximum - minimum).abs() < f64::EPSILON => {
                values.push((*minimum, *count));
            }
            Sample::Set { .. } => return None,
        }
    }
    values.sort_by(|one, two| one.0.total_cmp(&two.0));
    let wanted = count * f64::from(tenths) / 100_000.0;
    let mut below = 0.0;
    for (value, count) in &values {
        below += count;
        // Rounding must not push p50 of two samples past the first one.
        if below + 1e-9 >= wanted {
            return Some(*value);
        }
    }
    values.last().map(|(value, _)| *value)
}
