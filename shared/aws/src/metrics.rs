//! CloudWatch's metrics: `PutMetricData`, in requests that stay within its limits. Knows nothing of what is measured.

use std::sync::Arc;

use aws_sdk_cloudwatch::config::retry::RetryConfig;
use aws_sdk_cloudwatch::error::SdkError;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit, Statistic};
use aws_sdk_cloudwatch::{Client, Config};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use domain::ports::{Measure, Metrics, PortError, Unpublished};
use outbound::HttpError;

use crate::error::Attempt;
use crate::settings::{Lazy, Settings};

/// `PutMetricData` takes 1000 metrics in a request (CloudWatch API reference).
const MEASURES_PER_CALL: usize = 1000;
/// And 1 MB; half of it leaves room for what the protocol adds to the text.
const BYTES_PER_CALL: usize = 500_000;
/// A minute in milliseconds: by so much CloudWatch keeps a standard metric.
const MINUTE: i64 = 60_000;
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
    async fn publish(&self, measures: &[Measure]) -> Result<(), Unpublished> {
        let attempt = Attempt { operation: "PutMetricData", noun: "namespace", name: &self.namespace };
        let client = self.client.get(attempt).map_err(Unpublished::Refused)?;
        let mut is_begun = false;
        for part in parts(measures) {
            let data = part.iter().map(datum).collect();
            let call = client.put_metric_data().namespace(&*self.namespace).set_metric_data(Some(data)).customize();
            // A second request would count twice what the first one has brought without its answer.
            let call = call.config_override(Config::builder().retry_config(RetryConfig::disabled()));
            call.send().await.map_err(|error| {
                let failed = attempt.failed(&error);
                // What came with an earlier part has been taken.
                if was_refused(&error) && !is_begun {
                    Unpublished::Refused(failed)
                } else {
                    Unpublished::Unanswered(failed)
                }
            })?;
            is_begun = true;
        }
        Ok(())
    }

    async fn shown(&self, measure: &Measure) -> Result<f64, PortError> {
        let attempt = Attempt { operation: "GetMetricStatistics", noun: "metric", name: measure.name };
        let (from, to) = minute_of(measure);
        let output = self
            .client
            .get(attempt)?
            .get_metric_statistics()
            .namespace(&*self.namespace)
            .metric_name(measure.name)
            .set_dimensions(Some(dimensions(measure)))
            .start_time(from)
            .end_time(to)
            .period(60)
            .statistics(Statistic::SampleCount)
            .send()
            .await
            .map_err(|error| attempt.failed(&error))?;
        Ok(output.datapoints().iter().filter_map(aws_sdk_cloudwatch::types::Datapoint::sample_count).sum())
    }
}

/// Where a value's minute begins and where it ends.
fn minute_of(measure: &Measure) -> (DateTime, DateTime) {
    let from = measure.at.0 - measure.at.0.rem_euclid(MINUTE);
    (DateTime::from_millis(from), DateTime::from_millis(from + MINUTE))
}

/// Whether it is certain that nothing was taken: CloudWatch said so (4xx, throttling included), or the request never left, since it could not be
/// built or no connection came about. Anything else may have happened after the values were taken.
fn was_refused<E>(error: &SdkError<E, HttpResponse>) -> bool {
    let is_refusal = |answer: &HttpResponse| (400..500).contains(&answer.status().as_u16());
    match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::ServiceError(said) => is_refusal(said.raw()),
        SdkError::ResponseError(said) => is_refusal(said.raw()),
        SdkError::DispatchFailure(failure) => failure.as_connector_error().is_some_and(never_left),
        _ => false,
    }
}

fn never_left(error: &ConnectorError) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(HttpError::Malformed(_) | HttpError::Connect(_)))
}

fn dimensions(measure: &Measure) -> Vec<Dimension> {
    measure.dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(value).build()).collect()
}

fn datum(measure: &Measure) -> MetricDatum {
    MetricDatum::builder()
        .metric_name(measure.name)
        .unit(StandardUnit::from(measure.unit))
        .value(measure.value)
        .timestamp(DateTime::from_millis(measure.at.0))
        .set_dimensions(Some(dimensions(measure)))
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
mod tests;
