//! CloudWatch's metrics: `PutMetricData`, in requests that stay within its limits. Knows nothing of what is measured.

use std::sync::Arc;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use domain::ports::{Measure, Metrics, PortError};

use crate::error::Attempt;
use crate::settings::{Lazy, Settings};

/// `PutMetricData` takes 1000 metrics in a request (CloudWatch API reference).
const MEASURES_PER_CALL: usize = 1000;
/// And 1 MB; half of it leaves room for what the protocol adds to the text.
const BYTES_PER_CALL: usize = 500_000;
/// What a measure takes besides its texts.
const BYTES_PER_MEASURE: usize = 100;

/// The metrics of one namespace.
#[derive(Clone)]
pub struct CloudWatchMetrics {
    client: Lazy<Client>,
    namespace: Arc<str>,
}

impl CloudWatchMetrics {
    pub(crate) fn new(settings: &Arc<Settings>, namespace: &str) -> Self {
        Self { client: Lazy::new(settings, "CLOUDWATCH", Client::new), namespace: namespace.into() }
    }
}

impl Metrics for CloudWatchMetrics {
    async fn publish(&self, measures: &[Measure]) -> Result<(), PortError> {
        let attempt = Attempt { operation: "PutMetricData", noun: "namespace", name: &self.namespace };
        for part in parts(measures) {
            let data = part.iter().map(datum).collect();
            let call =
                self.client.get(attempt)?.put_metric_data().namespace(&*self.namespace).set_metric_data(Some(data));
            call.send().await.map_err(|error| attempt.failed(&error))?;
        }
        Ok(())
    }
}

fn datum(measure: &Measure) -> MetricDatum {
    let dimensions =
        measure.dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(value).build());
    MetricDatum::builder()
        .metric_name(measure.name)
        .unit(StandardUnit::from(measure.unit))
        .value(measure.value)
        .timestamp(DateTime::from_millis(measure.at.0))
        .set_dimensions(Some(dimensions.collect()))
        .build()
}

/// The measures in order, in parts that fit into a request each.
fn parts(measures: &[Measure]) -> Vec<&[Measure]> {
    let mut parts = Vec::new();
    let mut rest = measures;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take(MEASURES_PER_CALL).take_while(|measure| {
            bytes += size(measure);
            bytes <= BYTES_PER_CALL
        });
        let (part, after) = rest.split_at(fitting.count().max(1).min(rest.len()));
        parts.push(part);
        rest = after;
    }
    parts
}

fn size(measure: &Measure) -> usize {
    let dimensions: usize =
        measure.dimensions.iter().map(|(name, value)| name.len() + value.len() + BYTES_PER_MEASURE).sum();
    measure.name.len() + measure.unit.len() + dimensions + BYTES_PER_MEASURE
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::*;

    fn measure(value: usize) -> Measure {
        let dimensions = vec![("Service", "x".repeat(value))];
        Measure { name: "Deployments", unit: "Count", value: 1.0, at: Timestamp(0), dimensions }
    }

    #[test]
    fn a_request_stays_within_both_limits_and_nothing_is_lost() {
        let small = vec![measure(10); 2500];
        assert_eq!(parts(&small).iter().map(|part| part.len()).collect::<Vec<_>>(), [1000, 1000, 500]);
        let large = vec![measure(1024); 1000];
        assert!(parts(&large).len() > 2);
        assert_eq!(parts(&large).iter().map(|part| part.len()).sum::<usize>(), 1000);
        assert!(parts(&[]).is_empty());
    }
}
