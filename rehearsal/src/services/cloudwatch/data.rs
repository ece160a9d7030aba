//! `GetMetricData`, `GetMetricStatistics` and `ListMetrics`. Knows nothing of alarms.

use super::put::unit;
use super::query::{Source, common_period, compute, queries};
use super::read::{list, metric, needed_time, number, only, period, text, texts};
use super::statistic::Statistic;
use super::store::MetricKey;
use super::{CloudWatch, invalid, missing, page, when};
use crate::protocol::AwsError;
use crate::services::metric_math::{Answer, Series};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const MAX_QUERIES: usize = 500;
const MAX_POINTS: usize = 100_800;
const MAX_STATISTIC_POINTS: usize = 1_440;
const PAGE_OF_METRICS: usize = 500;

/// The start of every period in a range. Like AWS the first one is the start of the range, rounded down to the minute,
/// or to the period if that is shorter; the end is not part of the range.
fn starts(start_ms: i64, end_ms: i64, period_ms: i64) -> Vec<i64> {
    let first = start_ms - start_ms.rem_euclid(period_ms.min(60_000));
    let step = usize::try_from(period_ms).unwrap_or(usize::MAX);
    (first..end_ms).step_by(step).collect()
}

impl CloudWatch {
    /// One statistic of a metric over one span, as `GetMetricData` answers it once everything can be read; `None` without data.
    ///
    /// # Errors
    /// When the statistic is not known or the span takes no period.
    pub fn read_back(
        &self,
        (namespace, name): (&str, &str),
        dimensions: &BTreeMap<String, String>,
        statistic: &str,
        (start_ms, end_ms): (i64, i64),
    ) -> Result<Option<f64>, AwsError> {
        let start_ms = start_ms - start_ms.rem_euclid(60_000);
        // One period that reaches from the first minute to the last.
        let period = (end_ms - start_ms + 59_999).div_euclid(60_000) * 60;
        let key = MetricKey { namespace: namespace.to_owned(), name: name.to_owned(), dimensions: dimensions.clone() };
        let query = json!({ "Id": "q", "MetricStat": {
            "Metric": { "Namespace": namespace, "MetricName": name, "Dimensions": listed(&key) },
            "Period": period, "Stat": statistic,
        }});
        let input = json!({
            "MetricDataQueries": [query], "StartTime": when::seconds(start_ms), "EndTime": when::seconds(end_ms),
        });
        let answer = self.clone().handle("GetMetricData", &input, i64::MAX)?;
        Ok(answer.pointer("/MetricDataResults/0/Values/0").and_then(Value::as_f64))
    }

    pub(super) fn get_metric_data(&self, input: &Value) -> Result<Value, AwsError> {
        let members = ["MetricDataQueries", "StartTime", "EndTime", "ScanBy", "MaxDatapoints", "NextToken"];
        let input = only(input, "GetMetricData", &members)?;
        let (start, end) = range(input)?;
        let ascending = match text(input, "ScanBy")? {
            None | Some("TimestampDescending") => false,
            Some("TimestampAscending") => true,
            Some(other) => return Err(invalid(format!("`ScanBy` cannot be `{other}`"))),
        };
        let list = list(input, "MetricDataQueries")?;
        if list.is_empty() || list.len() > MAX_QUERIES {
            return Err(invalid(format!("MetricDataQueries takes 1 to {MAX_QUERIES} queries, but has {}", list.len())));
        }
        let queries = queries(list)?;
        let expressions = queries.iter().any(|query| matches!(query.source, Source::Expression(..)));
        let period = if expressions { common_period(&queries)? } else { None };
        let grid = |period_ms: i64| starts(start, end, period_ms);
        let answers = compute(&self.store, &queries, &grid, period)?;

        let (mut results, mut points) = (Vec::new(), 0);
        for query in queries.iter().filter(|query| query.returned) {
            let label = query.label.clone().unwrap_or_else(|| match &query.source {
                Source::Metric(stat) => stat.metric.name.clone(),
                Source::Expression(..) => query.id.clone(),
            });
            let series: Vec<(String, Series)> = match answers.get(&query.id) {
                Some(Answer::Series(series)) => vec![(label, series.clone())],
                Some(Answer::Many(many)) => {
                    many.iter().map(|(id, series)| (format!("{label} {id}"), series.clone())).collect()
                }
                Some(Answer::Scalar(number)) => {
                    let times = grid(period.unwrap_or(60_000)).into_iter();
                    vec![(label, times.filter(|_| number.is_finite()).map(|time| (time, *number)).collect())]
                }
                None => Vec::new(),
            };
            for (label, series) in series {
                points += series.len();
                let mut pairs: Vec<(i64, f64)> = series.into_iter().collect();
                if !ascending {
                    pairs.reverse();
                }
                let (times, values): (Vec<f64>, Vec<f64>) =
                    pairs.into_iter().map(|(time, value)| (when::seconds(time), value)).unzip();
                results.push(json!({
                    "Id": query.id, "Label": label, "Timestamps": times, "Values": values, "StatusCode": "Complete",
                }));
            }
        }
        let most = number(input, "MaxDatapoints")?.map_or(MAX_POINTS, |most| most as usize).min(MAX_POINTS);
        if points > most {
            return Err(invalid(format!(
                "the answer has {points} data points, more than {most}; pages of GetMetricData are not implemented by \
                 the rehearsal: ask for less"
            )));
        }
        Ok(json!({"MetricDataResults": results, "Messages": []}))
    }

    pub(super) fn get_metric_statistics(&self, input: &Value) -> Result<Value, AwsError> {
        let members = [
            "Namespace",
            "MetricName",
            "Dimensions",
            "StartTime",
            "EndTime",
            "Period",
            "Statistics",
            "ExtendedStatistics",
            "Unit",
        ];
        let input = only(input, "GetMetricStatistics", &members)?;
        let key = metric(input)?;
        let (start, end) = range(input)?;
        let period = period(input)?.ok_or_else(|| missing("Period"))?;
        let (plain, extended) = (texts(input, "Statistics")?, texts(input, "ExtendedStatistics")?);
        if plain.is_empty() == extended.is_empty() {
            return Err(AwsError::client(
                "InvalidParameterCombination",
                "GetMetricStatistics takes either Statistics or ExtendedStatistics",
            ));
        }
        let wanted = plain.iter().chain(&extended).map(|name| Ok((name.as_str(), Statistic::parse(name)?)));
        let wanted = wanted.collect::<Result<Vec<_>, AwsError>>()?;
        let grid = starts(start, end, period);
        if grid.len() > MAX_STATISTIC_POINTS {
            return Err(AwsError::client(
                "InvalidParameterCombination",
                format!(
                    "You have requested up to {} datapoints, which exceeds the limit of {MAX_STATISTIC_POINTS}.",
                    grid.len()
                ),
            ));
        }
        let only_unit = unit(input)?;
        let mut points = Vec::new();
        for time in grid {
            let span = (time, time + period);
            let mut statistics = Map::new();
            for (name, statistic) in &wanted {
                if let Some(value) = self.store.statistic(&key, *statistic, only_unit, span) {
                    statistics.insert((*name).to_owned(), value.into());
                }
            }
            if statistics.is_empty() {
                continue;
            }
            let unit = only_unit.or_else(|| self.store.unit(&key, span)).unwrap_or("None");
            let mut point = Map::new();
            point.insert("Timestamp".to_owned(), when::seconds(time).into());
            if extended.is_empty() {
                point.extend(statistics);
            } else {
                point.insert("ExtendedStatistics".to_owned(), statistics.into());
            }
            point.insert("Unit".to_owned(), unit.into());
            points.push(Value::Object(point));
        }
        Ok(json!({"Label": key.name, "Datapoints": points}))
    }

    pub(super) fn list_metrics(&self, input: &Value) -> Result<Value, AwsError> {
        let input =
            only(input, "ListMetrics", &["Namespace", "MetricName", "Dimensions", "NextToken", "RecentlyActive"])?;
        let (namespace, name) = (text(input, "Namespace")?, text(input, "MetricName")?);
        let mut filters = Vec::new();
        for filter in list(input, "Dimensions")? {
            let filter = only(filter, "Dimensions", &["Name", "Value"])?;
            filters.push((text(filter, "Name")?.unwrap_or_default(), text(filter, "Value")?));
        }
        let fits = |key: &&MetricKey| {
            namespace.is_none_or(|namespace| key.namespace == namespace)
                && name.is_none_or(|name| key.name == name)
                && filters.iter().all(|(name, wanted)| {
                    key.dimensions.get(*name).is_some_and(|value| wanted.is_none_or(|wanted| wanted == value))
                })
        };
        let metrics = self
            .store
            .keys()
            .filter(fits)
            .map(|key| json!({"Namespace": key.namespace, "MetricName": key.name, "Dimensions": listed(key)}));
        let (metrics, next) = page(metrics.collect(), text(input, "NextToken")?, PAGE_OF_METRICS)?;
        Ok(json!({"Metrics": metrics, "NextToken": next}))
    }
}

/// The dimensions as `[{Name, Value}]`.
pub(super) fn listed(key: &MetricKey) -> Vec<Value> {
    key.dimensions.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}

fn range(input: &Map<String, Value>) -> Result<(i64, i64), AwsError> {
    let (start, end) = (needed_time(input, "StartTime")?, needed_time(input, "EndTime")?);
    if start >= end {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
    }
    Ok((start, end))
}
