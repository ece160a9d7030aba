//! Several metrics and expressions, computed together: what `GetMetricData` answers with and an alarm looks at.
//! Knows nothing of alarms and of pages.

use super::put::unit;
use super::read::{flag, given, metric, needed_text, number, only, period, text};
use super::statistic::Statistic;
use super::store::{MetricKey, Store};
use super::{invalid, missing};
use crate::protocol::AwsError;
use crate::services::metric_math::{Answer, Expression, Inputs, Series};
use serde_json::Value;
use std::collections::BTreeMap;

/// One entry of `MetricDataQueries`, or of an alarm's `Metrics`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    /// Its name for expressions.
    pub(super) id: String,
    /// Its label, if one was given.
    pub(super) label: Option<String>,
    /// Whether it is part of the answer.
    pub(super) returned: bool,
    /// What it computes.
    pub(super) source: Source,
}

/// What a query computes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// A statistic of a metric.
    Metric(MetricStat),
    /// An expression, and its text.
    Expression(Expression, String),
}

/// A statistic of a metric by period.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MetricStat {
    /// The metric.
    pub(super) metric: MetricKey,
    /// In milliseconds.
    pub(super) period_ms: i64,
    /// The statistic.
    pub(super) statistic: Statistic,
    /// How the statistic was written.
    pub(super) stat: String,
    /// Only samples of this unit.
    pub(super) unit: Option<String>,
}

impl MetricStat {
    /// The value of each span; spans without data are absent.
    pub(super) fn series(&self, store: &Store, starts: &[i64]) -> Series {
        let at = |start: &i64| {
            let span = (*start, start + self.period_ms);
            Some((*start, store.statistic(&self.metric, self.statistic, self.unit.as_deref(), span)?))
        };
        starts.iter().filter_map(at).collect()
    }
}

/// Reads a list of queries and checks that they belong together.
pub(super) fn queries(list: &[Value]) -> Result<Vec<Query>, AwsError> {
    let queries = list.iter().map(query).collect::<Result<Vec<_>, _>>()?;
    for (place, query) in queries.iter().enumerate() {
        if queries.iter().take(place).any(|earlier| earlier.id == query.id) {
            return Err(invalid(format!("the id `{}` is given twice", query.id)));
        }
        if let Source::Expression(expression, _) = &query.source {
            let known = |id: &&str| queries.iter().any(|query| query.id == **id);
            if let Some(unknown) = expression.references().into_iter().find(|id| !known(id)) {
                return Err(invalid(format!(
                    "the expression `{}` refers to `{unknown}`, which nothing has as its id",
                    query.id
                )));
            }
        }
    }
    Ok(queries)
}

fn query(value: &Value) -> Result<Query, AwsError> {
    let members = ["Id", "Label", "ReturnData", "MetricStat", "Expression", "Period"];
    let object = only(value, "MetricDataQuery", &members)?;
    let id = needed_text(object, "Id")?.to_owned();
    if !id.starts_with(|letter: char| letter.is_ascii_lowercase())
        || id.chars().any(|letter| !letter.is_ascii_alphanumeric() && letter != '_')
    {
        return Err(invalid(format!("the id `{id}` is not valid: a lower-case letter, then letters, digits and `_`")));
    }
    let source = match (given(object, "MetricStat"), text(object, "Expression")?) {
        (Some(stat), None) => Source::Metric(metric_stat(stat)?),
        (None, Some(text)) => {
            let expression = Expression::parse(text).map_err(|error| invalid(error.to_string()))?;
            Source::Expression(expression, text.to_owned())
        }
        _ => return Err(invalid(format!("`{id}` has to have either a MetricStat or an Expression"))),
    };
    if number(object, "Period")?.is_some() && matches!(source, Source::Metric(_)) {
        return Err(invalid(format!("the Period of `{id}` belongs into its MetricStat")));
    }
    Ok(Query {
        id,
        label: text(object, "Label")?.map(str::to_owned),
        returned: flag(object, "ReturnData")?.unwrap_or(true),
        source,
    })
}

fn metric_stat(value: &Value) -> Result<MetricStat, AwsError> {
    let object = only(value, "MetricStat", &["Metric", "Period", "Stat", "Unit"])?;
    let metric_value = given(object, "Metric").ok_or_else(|| missing("Metric"))?;
    let metric = metric(only(metric_value, "Metric", &["Namespace", "MetricName", "Dimensions"])?)?;
    let stat = needed_text(object, "Stat")?.to_owned();
    Ok(MetricStat {
        metric,
        period_ms: period(object)?.ok_or_else(|| missing("Period"))?,
        statistic: Statistic::parse(&stat)?,
        stat,
        unit: unit(object)?.map(str::to_owned),
    })
}

/// The one period of all metrics.
///
/// AWS would bring several periods together by rules of its own; here they are refused, because a point in time has to
/// mean the same for every series of an expression.
pub(super) fn common_period(queries: &[Query]) -> Result<Option<i64>, AwsError> {
    let mut periods = queries.iter().filter_map(|query| match &query.source {
        Source::Metric(stat) => Some(stat.period_ms),
        Source::Expression(..) => None,
    });
    let first = periods.next();
    match periods.find(|period| Some(*period) != first) {
        Some(other) => Err(invalid(format!(
            "metrics with the periods {} and {} seconds in one expression are not implemented by the rehearsal; use one \
             period",
            first.unwrap_or_default() / 1000,
            other / 1000
        ))),
        None => Ok(first),
    }
}

/// The result of every query, by id; `starts` are the points in time, in ascending order.
pub(super) fn compute(
    store: &Store,
    queries: &[Query],
    starts: &dyn Fn(i64) -> Vec<i64>,
    period_ms: Option<i64>,
) -> Result<BTreeMap<String, Answer>, AwsError> {
    let (mut named, mut metrics, mut answers) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    for query in queries {
        if let Source::Metric(stat) = &query.source {
            let series = stat.series(store, &starts(stat.period_ms));
            metrics.push(query.id.clone());
            named.insert(query.id.clone(), series.clone());
            answers.insert(query.id.clone(), Answer::Series(series));
        }
    }
    let times = starts(period_ms.unwrap_or(60_000));
    let mut open: Vec<(&Query, &Expression)> = queries
        .iter()
        .filter_map(|query| match &query.source {
            Source::Expression(expression, _) => Some((query, expression)),
            Source::Metric(_) => None,
        })
        .collect();
    // An expression has its turn when everything that it refers to has been computed.
    while !open.is_empty() {
        let ready = |(_, expression): &(&Query, &Expression)| {
            expression.references().iter().all(|id| answers.contains_key(*id))
        };
        let Some(place) = open.iter().position(ready) else {
            let ids: Vec<&str> = open.iter().map(|(query, _)| query.id.as_str()).collect();
            return Err(invalid(format!("the expressions `{}` refer to each other in a circle", ids.join("`, `"))));
        };
        let (query, expression) = open.remove(place);
        let inputs = Inputs { named: &named, metrics: &metrics, times: &times };
        let answer = expression
            .evaluate(inputs)
            .map_err(|error| invalid(format!("could not compute the expression `{}`: {error}", query.id)))?;
        if let Answer::Series(series) = &answer {
            named.insert(query.id.clone(), series.clone());
        }
        answers.insert(query.id.clone(), answer);
    }
    Ok(answers)
}
