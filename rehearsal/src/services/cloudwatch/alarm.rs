//! What an alarm is: its properties, read from CloudFormation's form, which is the API's form as well, and its state.
//! Knows nothing of how it is evaluated.

use super::composite::Rule;
use super::put::unit;
use super::query::{MetricStat, Query, Source, common_period, queries};
use super::read::{count, flag, given, list, metric, needed_text, number, only, period, text, texts};
use super::statistic::Statistic;
use super::threshold::{Comparison, Gaps};
use super::{invalid, missing};
use crate::protocol::AwsError;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// One of the three states of every alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmState {
    /// Within the threshold.
    Ok,
    /// Beyond it.
    Alarm,
    /// Nobody knows.
    InsufficientData,
}

impl AlarmState {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// The state of a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Ok, Self::Alarm, Self::InsufficientData].into_iter().find(|state| state.as_str() == name)
    }
}

impl fmt::Display for AlarmState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A state, since when, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRecord {
    /// The state.
    pub value: AlarmState,
    /// The sentence for people.
    pub reason: String,
    /// The same for machines: JSON as a text. Absent at the beginning.
    pub reason_data: Option<String>,
    /// Since when, in epoch milliseconds.
    pub at_ms: i64,
}

/// An alarm with its state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alarm {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) actions_enabled: bool,
    pub(super) actions: BTreeMap<AlarmState, Vec<String>>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) kind: Kind,
    pub(super) configured_ms: i64,
    pub(super) state: StateRecord,
    /// The last of its turns in which it was evaluated; none since it was configured.
    pub(super) turn: Option<i64>,
}

/// What the alarm looks at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Metric(Box<MetricAlarm>),
    Composite(CompositeAlarm),
}

/// An alarm on a metric or an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MetricAlarm {
    /// The metrics and expressions; one alone for an alarm without `Metrics`.
    pub(super) queries: Vec<Query>,
    /// The id of the one that is compared.
    pub(super) watched: String,
    /// Whether the properties were given without `Metrics`.
    pub(super) single: bool,
    pub(super) period_ms: i64,
    /// N.
    pub(super) evaluation_periods: usize,
    /// M.
    pub(super) datapoints_to_alarm: usize,
    pub(super) threshold: f64,
    pub(super) comparison: Comparison,
    pub(super) gaps: Gaps,
}

/// An alarm on other alarms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CompositeAlarm {
    pub(super) rule: Rule,
    pub(super) rule_text: String,
    pub(super) suppressor: Option<Suppressor>,
}

/// An alarm that keeps a composite alarm from acting; the periods are in seconds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Suppressor {
    pub(super) alarm: String,
    pub(super) wait_period: i64,
    pub(super) extension_period: i64,
}

const COMMON: [&str; 7] =
    ["AlarmName", "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions", "Tags"];
const COMPOSITE: [&str; 4] =
    ["AlarmRule", "ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod"];
const METRIC: [&str; 14] = [
    "MetricName",
    "Namespace",
    "Statistic",
    "ExtendedStatistic",
    "Dimensions",
    "Period",
    "Unit",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
    "EvaluateLowSampleCountPercentile",
    "Metrics",
];
/// The longest span of an alarm with periods under an hour.
const DAY_MS: i64 = 86_400_000;
/// The longest span of an alarm with longer periods.
const WEEK_MS: i64 = 604_800_000;

/// The longest span of an alarm with periods of this length.
const fn longest_ms(period_ms: i64) -> i64 {
    if period_ms < 3_600_000 { DAY_MS } else { WEEK_MS }
}

impl Alarm {
    /// Reads the properties; the state is that of a new alarm.
    pub(super) fn parse(properties: &Value, now_ms: i64) -> Result<Self, AwsError> {
        if properties.get("ThresholdMetricId").is_some_and(|id| !id.is_null()) {
            return Err(invalid(
                "`ThresholdMetricId` belongs to anomaly detection, which cannot be rehearsed: the band comes from a model \
                 that AWS trains on weeks of data; rehearse with a fixed threshold instead",
            ));
        }
        let composite = properties.get("AlarmRule").is_some();
        let own: &[&str] = if composite { &COMPOSITE } else { &METRIC };
        let object = only(properties, "the alarm's properties", &[&COMMON, own].concat())?;
        let name = needed_text(object, "AlarmName")?.to_owned();
        if name.len() > 255 {
            return Err(invalid(format!("the alarm name `{name}` is longer than 255 characters")));
        }
        let mut tags = BTreeMap::new();
        for tag in list(object, "Tags")? {
            let tag = only(tag, "Tags", &["Key", "Value"])?;
            tags.insert(needed_text(tag, "Key")?.to_owned(), text(tag, "Value")?.unwrap_or_default().to_owned());
        }
        let kind = if composite {
            Kind::Composite(CompositeAlarm::parse(object)?)
        } else {
            Kind::Metric(Box::new(MetricAlarm::parse(&name, object)?))
        };
        Ok(Self {
            description: text(object, "AlarmDescription")?.map(str::to_owned),
            actions_enabled: flag(object, "ActionsEnabled")?.unwrap_or(true),
            actions: BTreeMap::from([
                (AlarmState::Ok, texts(object, "OKActions")?),
                (AlarmState::Alarm, texts(object, "AlarmActions")?),
                (AlarmState::InsufficientData, texts(object, "InsufficientDataActions")?),
            ]),
            tags,
            kind,
            configured_ms: now_ms,
            state: StateRecord {
                value: AlarmState::InsufficientData,
                reason: "Unchecked: Initial alarm creation".to_owned(),
                reason_data: None,
                at_ms: now_ms,
            },
            turn: None,
            name,
        })
    }

    /// The alarm's ARN.
    pub(super) fn arn(&self) -> String {
        super::arn(&self.name)
    }
}

impl CompositeAlarm {
    fn parse(object: &Map<String, Value>) -> Result<Self, AwsError> {
        let rule_text = needed_text(object, "AlarmRule")?.to_owned();
        let suppressor = match text(object, "ActionsSuppressor")? {
            None => None,
            Some(alarm) => Some(Suppressor {
                alarm: super::composite::plain_name(alarm).to_owned(),
                wait_period: number(object, "ActionsSuppressorWaitPeriod")?
                    .ok_or_else(|| missing("ActionsSuppressorWaitPeriod"))? as i64,
                extension_period: number(object, "ActionsSuppressorExtensionPeriod")?
                    .ok_or_else(|| missing("ActionsSuppressorExtensionPeriod"))?
                    as i64,
            }),
        };
        Ok(Self { rule: Rule::parse(&rule_text)?, rule_text, suppressor })
    }
}

impl MetricAlarm {
    fn parse(name: &str, object: &Map<String, Value>) -> Result<Self, AwsError> {
        let metrics = list(object, "Metrics")?;
        let single = metrics.is_empty();
        let queries = if single {
            vec![Query {
                // AWS gives the metric of such an alarm an id that nobody chose.
                id: super::uuid(&["metric", name]),
                label: None,
                returned: true,
                source: Source::Metric(single_metric(object)?),
            }]
        } else {
            let foreign = ["MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit"];
            if let Some(member) = foreign.into_iter().find(|member| given(object, member).is_some()) {
                return Err(AwsError::client(
                    "InvalidParameterCombination",
                    format!("`{member}` and `Metrics` cannot be given together"),
                ));
            }
            queries(metrics)?
        };
        let returned: Vec<&Query> = queries.iter().filter(|query| query.returned).collect();
        let [watched] = returned.as_slice() else {
            return Err(invalid(format!(
                "exactly one of the Metrics of `{name}` has to have ReturnData true, but {} have",
                returned.len()
            )));
        };
        let watched = watched.id.clone();
        let period_ms = common_period(&queries)?.ok_or_else(|| missing("MetricStat"))?;
        let periods = count(object, "EvaluationPeriods")?.ok_or_else(|| missing("EvaluationPeriods"))?;
        let datapoints = count(object, "DatapointsToAlarm")?.unwrap_or(periods);
        if datapoints > periods {
            return Err(invalid(format!(
                "`DatapointsToAlarm` is {datapoints}, more than the {periods} of `EvaluationPeriods`"
            )));
        }
        let longest = longest_ms(period_ms);
        if periods.saturating_mul(period_ms) > longest {
            return Err(invalid(format!(
                "`{name}` looks at {} seconds; CloudWatch takes at most a day (86400), and a week (604800) with periods of \
                 an hour or more (CloudWatch API reference, PutMetricAlarm, EvaluationPeriods)",
                periods.saturating_mul(period_ms) / 1000
            )));
        }
        match text(object, "EvaluateLowSampleCountPercentile")? {
            None | Some("evaluate") => {}
            Some(other) => {
                return Err(invalid(format!(
                    "`EvaluateLowSampleCountPercentile` `{other}` is not implemented by the rehearsal; it has `evaluate`"
                )));
            }
        }
        Ok(Self {
            watched,
            single,
            queries,
            period_ms,
            evaluation_periods: periods as usize,
            datapoints_to_alarm: datapoints as usize,
            threshold: number(object, "Threshold")?.ok_or_else(|| missing("Threshold"))?,
            comparison: Comparison::parse(needed_text(object, "ComparisonOperator")?)?,
            gaps: Gaps::parse(text(object, "TreatMissingData")?.unwrap_or("missing"))?,
        })
    }

    /// So many periods of this length an alarm may look at.
    pub(super) fn most_periods(&self) -> usize {
        usize::try_from(longest_ms(self.period_ms) / self.period_ms.max(1)).unwrap_or(usize::MAX)
    }

    /// Whether it looks at more than a day. Such an alarm is "evaluated once per hour", on "only the metrics up to the current hour at the
    /// :00 minute" (CloudWatch user guide, "Evaluating an alarm").
    pub(super) fn is_multi_day(&self) -> bool {
        let periods = i64::try_from(self.evaluation_periods).unwrap_or(i64::MAX);
        periods.saturating_mul(self.period_ms) > DAY_MS
    }

    /// The grain of the time up to which it looks: the full hour, the full minute, or ten seconds for periods shorter than a minute.
    pub(super) fn grain_ms(&self) -> i64 {
        match self.period_ms {
            _ if self.is_multi_day() => 3_600_000,
            short if short < 60_000 => 10_000,
            _ => 60_000,
        }
    }

    /// The members of the API's shape that only metric alarms have.
    pub(super) fn described(&self) -> Value {
        let mut shape = json!({
            "EvaluationPeriods": self.evaluation_periods,
            "DatapointsToAlarm": self.datapoints_to_alarm,
            "Threshold": self.threshold,
            "ComparisonOperator": self.comparison.name(),
            "TreatMissingData": self.gaps.name(),
        });
        let more = match self.queries.first().map(|query| &query.source) {
            Some(Source::Metric(stat)) if self.single => {
                let member = if stat.stat.starts_with('p') { "ExtendedStatistic" } else { "Statistic" };
                json!({
                    "Namespace": stat.metric.namespace, "MetricName": stat.metric.name,
                    "Dimensions": super::data::listed(&stat.metric), "Period": stat.period_ms / 1000,
                    member: stat.stat, "Unit": stat.unit,
                })
            }
            _ => json!({"Metrics": self.queries.iter().map(described_query).collect::<Vec<_>>()}),
        };
        if let (Value::Object(shape), Value::Object(more)) = (&mut shape, more) {
            shape.extend(more);
        }
        shape
    }
}

/// A query with numbers as numbers, whatever the template wrote.
fn described_query(query: &Query) -> Value {
    let mut shape = json!({"Id": query.id, "Label": query.label, "ReturnData": query.returned});
    let (member, value) = match &query.source {
        Source::Expression(_, text) => ("Expression", json!(text)),
        Source::Metric(stat) => (
            "MetricStat",
            json!({
                "Metric": {
                    "Namespace": stat.metric.namespace, "MetricName": stat.metric.name,
                    "Dimensions": super::data::listed(&stat.metric),
                },
                "Period": stat.period_ms / 1000, "Stat": stat.stat, "Unit": stat.unit,
            }),
        ),
    };
    if let Value::Object(shape) = &mut shape {
        shape.insert(member.to_owned(), value);
    }
    shape
}

fn single_metric(object: &Map<String, Value>) -> Result<MetricStat, AwsError> {
    let stat = match (text(object, "Statistic")?, text(object, "ExtendedStatistic")?) {
        (Some(stat), None) => stat,
        (None, Some(stat)) if stat.starts_with('p') => stat,
        _ => {
            return Err(AwsError::client(
                "InvalidParameterCombination",
                "an alarm has either a `Statistic` or an `ExtendedStatistic` such as p95",
            ));
        }
    };
    Ok(MetricStat {
        metric: metric(object)?,
        period_ms: period(object)?.ok_or_else(|| missing("Period"))?,
        statistic: Statistic::parse(stat)?,
        stat: stat.to_owned(),
        unit: unit(object)?.map(str::to_owned),
    })
}
