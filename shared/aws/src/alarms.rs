//! CloudWatch's alarms, metric and composite, as they stand now. Knows nothing of what an alarm leads to.

use std::sync::Arc;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use domain::alarm::{AlarmReading, AlarmState};
use domain::ports::{AlarmTags, Alarms, PortError};
use domain::time::Timestamp;

use crate::error::Attempt;
use crate::settings::{Lazy, Settings};

/// `DescribeAlarms` takes so many names, and gives so many alarms, at a time (CloudWatch API reference).
const ALARMS_PER_CALL: usize = 100;
/// The same, as `MaxRecords` wants it.
const MOST_ALARMS: i32 = 100;

/// The account's alarms.
#[derive(Clone)]
pub struct CloudWatchAlarms {
    client: Lazy<Client>,
}

impl CloudWatchAlarms {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self { client: Lazy::new(settings, "CLOUDWATCH", Client::new) }
    }
}

impl Alarms for CloudWatchAlarms {
    async fn read(&self, names: &[String]) -> Result<Vec<AlarmReading>, PortError> {
        let mut readings = Vec::new();
        for chunk in names.chunks(ALARMS_PER_CALL) {
            let name = chunk.join("`, `");
            let attempt = Attempt { operation: "DescribeAlarms", noun: "alarms", name: &name };
            let client = self.client.get(attempt)?;
            let mut next = None;
            loop {
                let page = client
                    .describe_alarms()
                    .set_alarm_names(Some(chunk.to_vec()))
                    .alarm_types(AlarmType::MetricAlarm)
                    // Left out unless asked for.
                    .alarm_types(AlarmType::CompositeAlarm)
                    .max_records(MOST_ALARMS)
                    .set_next_token(next)
                    .send()
                    .await
                    .map_err(|error| attempt.failed(&error))?;
                readings.extend(page.metric_alarms().iter().map(|alarm| {
                    let since = alarm.state_transitioned_timestamp().or_else(|| alarm.state_updated_timestamp());
                    reading(alarm.alarm_name(), alarm.state_value(), alarm.state_reason(), since)
                }));
                readings.extend(page.composite_alarms().iter().map(|alarm| {
                    let since = alarm.state_transitioned_timestamp().or_else(|| alarm.state_updated_timestamp());
                    reading(alarm.alarm_name(), alarm.state_value(), alarm.state_reason(), since)
                }));
                next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(readings)
    }
}

impl AlarmTags for CloudWatchAlarms {
    async fn tags(&self, alarm_arn: &str) -> Result<Vec<(String, String)>, PortError> {
        let attempt = Attempt { operation: "ListTagsForResource", noun: "alarm", name: alarm_arn };
        let call = self.client.get(attempt)?.list_tags_for_resource().resource_arn(alarm_arn);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Ok(output.tags().iter().map(|tag| (text(tag.key()), text(tag.value()))).collect())
    }
}

fn reading(
    name: Option<&str>,
    state: Option<&StateValue>,
    reason: Option<&str>,
    since: Option<&DateTime>,
) -> AlarmReading {
    AlarmReading {
        name: name.unwrap_or_default().to_owned(),
        state: match state {
            Some(StateValue::Ok) => AlarmState::Ok,
            Some(StateValue::Alarm) => AlarmState::Alarm,
            Some(StateValue::InsufficientData) => AlarmState::InsufficientData,
            other => AlarmState::Other(other.map(StateValue::as_str).unwrap_or_default().to_owned()),
        },
        reason: reason.unwrap_or_default().to_owned(),
        since: since.and_then(|since| since.to_millis().ok()).map(Timestamp),
    }
}

#[cfg(test)]
mod tests {
    use ciborium::Value;

    use super::*;
    use crate::testing::{Canned, serve};

    fn map(entries: Vec<(&str, Value)>) -> Value {
        Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    fn cbor(value: &Value) -> Canned {
        let mut body = Vec::new();
        ciborium::into_writer(value, &mut body).unwrap();
        Canned::ok(body).header("smithy-protocol", "rpc-v2-cbor").header("content-type", "application/cbor")
    }

    #[tokio::test]
    async fn metric_and_composite_alarms_of_all_pages_are_read_with_the_time_of_their_transition() {
        let time = |seconds: f64| Value::Tag(1, Box::new(seconds.into()));
        let metric = map(vec![
            ("AlarmName", "web-5xx".into()),
            ("StateValue", "ALARM".into()),
            ("StateReason", "Threshold Crossed".into()),
            ("StateUpdatedTimestamp", time(20.0)),
            ("StateTransitionedTimestamp", time(10.5)),
        ]);
        let composite = map(vec![("AlarmName", "web".into()), ("StateValue", "NEW_STATE".into())]);
        let (aws, server) = serve(vec![
            cbor(&map(vec![("MetricAlarms", Value::Array(vec![metric])), ("NextToken", "more".into())])),
            cbor(&map(vec![("CompositeAlarms", Value::Array(vec![composite]))])),
        ]);
        let readings = aws.cloudwatch().read(&["web-5xx".to_owned(), "web".to_owned()]).await.unwrap();
        let seen: Vec<_> = readings.iter().map(|it| (it.name.as_str(), it.state.to_string(), it.since)).collect();
        let expected =
            [("web-5xx", "ALARM".to_owned(), Some(Timestamp(10_500))), ("web", "NEW_STATE".to_owned(), None)];
        assert_eq!(seen, expected);
        assert!(server.request(1).line.contains("/operation/DescribeAlarms"));
    }

    #[tokio::test]
    async fn an_alarms_tags_are_read_and_an_alarm_that_is_gone_is_told_apart() {
        let tag = |key: &str, value: &str| map(vec![("Key", key.into()), ("Value", value.into())]);
        let gone = map(vec![("__type", "com.amazonaws.cloudwatch#ResourceNotFoundException".into())]);
        let mut body = Vec::new();
        ciborium::into_writer(&gone, &mut body).unwrap();
        let (aws, server) = serve(vec![
            cbor(&map(vec![("Tags", Value::Array(vec![tag("greenlight:deployment-group", "shop/web")]))])),
            Canned::status(404, body)
                .header("smithy-protocol", "rpc-v2-cbor")
                .header("content-type", "application/cbor"),
        ]);
        let cloudwatch = aws.cloudwatch();
        let arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:web-5xx";
        let tags = cloudwatch.tags(arn).await.unwrap();
        assert_eq!(tags, [("greenlight:deployment-group".to_owned(), "shop/web".to_owned())]);
        assert!(server.request(0).line.contains("/operation/ListTagsForResource"));
        assert!(server.request(0).body.contains(arn));
        let error = cloudwatch.tags(arn).await.unwrap_err();
        assert!(matches!(error, PortError::NotFound { .. }), "{error}");
    }
}
