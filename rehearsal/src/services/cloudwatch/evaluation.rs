//! M out of N: what a metric alarm makes of its data. Knows nothing of the alarm's actions and of composite alarms.

use super::alarm::{AlarmState, MetricAlarm};
use super::query::{Source, compute};
use super::statistic::Statistic;
use super::store::Store;
use super::threshold::Gaps;
use super::{invalid, when};
use crate::protocol::AwsError;
use crate::services::metric_math::Answer;
use serde_json::{Map, Value, json};

/// CloudWatch looks at more periods than `EvaluationPeriods`, so that late or missing points do not count at once. How
/// many is not documented; its examples have three periods and look at five.
const EXTRA_PERIODS: usize = 2;
/// Beyond this span nothing more than `EvaluationPeriods` is looked at: a week-long alarm does not reach into the week
/// before.
const EXTRA_LIMIT_MS: i64 = 86_400_000;

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) state: AlarmState,
    pub(super) reason: String,
    pub(super) reason_data: String,
}

/// A period that has data.
struct Point {
    start_ms: i64,
    value: f64,
    /// The newest period has age 1.
    age: usize,
}

/// Evaluates the alarm; `None` when the data says that it keeps its state.
pub(super) fn evaluate(alarm: &MetricAlarm, store: &Store, now_ms: i64) -> Result<Option<Verdict>, AwsError> {
    let points = points(alarm, store, now_ms)?;
    let wanted = alarm.evaluation_periods;
    let recent = points.get(..wanted.min(points.len())).unwrap_or_default();
    let absent = wanted - recent.len();
    let enough = alarm.datapoints_to_alarm;
    let breaching = recent.iter().filter(|point| alarm.breaches(point)).count();
    let state = match (alarm.gaps, recent.last()) {
        (Gaps::Breaching, _) => state_of(breaching + absent >= enough),
        (Gaps::NotBreaching, _) => state_of(breaching >= enough),
        (Gaps::Missing, None) => AlarmState::InsufficientData,
        (Gaps::Ignore, None) => return Ok(None),
        _ if breaching >= enough => AlarmState::Alarm,
        (gaps, Some(oldest)) if absent > 0 && breaching == recent.len() => {
            // Everything that is known is bad, but there is too little of it. Once the oldest bad point is as old as the
            // alarm needs bad points, that is enough; before that the next point may still be good.
            if oldest.age >= enough && gaps == Gaps::Missing { AlarmState::Alarm } else { return Ok(None) }
        }
        _ => AlarmState::Ok,
    };
    Ok(Some(Verdict {
        state,
        reason: reason(alarm, state, recent, absent),
        reason_data: reason_data(alarm, store, recent, now_ms),
    }))
}

const fn state_of(breaches: bool) -> AlarmState {
    if breaches { AlarmState::Alarm } else { AlarmState::Ok }
}

impl MetricAlarm {
    fn breaches(&self, point: &Point) -> bool {
        self.comparison.breaches(point.value, self.threshold)
    }

    /// The start of every period that is looked at, the newest first. The periods end at the last full minute, at the
    /// last ten seconds for periods shorter than a minute, and at the last full hour for an alarm of more than a day;
    /// they slide with the time.
    fn starts(&self, now_ms: i64) -> Vec<i64> {
        let end = now_ms - now_ms.rem_euclid(self.grain_ms());
        let all = self.evaluation_periods + EXTRA_PERIODS;
        let span = i64::try_from(all).unwrap_or(i64::MAX).saturating_mul(self.period_ms);
        let periods = if span <= EXTRA_LIMIT_MS { all } else { self.evaluation_periods };
        (1_i64..).take(periods).map(|back| end - back * self.period_ms).collect()
    }
}

/// The periods with data, the newest first.
fn points(alarm: &MetricAlarm, store: &Store, now_ms: i64) -> Result<Vec<Point>, AwsError> {
    let starts = alarm.starts(now_ms);
    let mut ascending = starts.clone();
    ascending.reverse();
    let mut answers = compute(store, &alarm.queries, &|_| ascending.clone(), Some(alarm.period_ms))?;
    let Some(Answer::Series(series)) = answers.remove(&alarm.watched) else {
        return Err(invalid(format!(
            "`{}` is not one time series, but an alarm needs one; SUM, AVG, MIN and MAX of a single metric make a number",
            alarm.watched
        )));
    };
    let dated = starts.iter().enumerate();
    Ok(dated
        .filter_map(|(place, start)| Some(Point { start_ms: *start, value: *series.get(start)?, age: place + 1 }))
        .collect())
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

const fn was(number: usize) -> &'static str {
    if number == 1 { "was" } else { "were" }
}

/// The sentence that AWS writes. A state change names the points that speak for the new state.
fn reason(alarm: &MetricAlarm, state: AlarmState, recent: &[Point], absent: usize) -> String {
    let treated = match alarm.gaps {
        Gaps::Breaching => "Breaching",
        Gaps::NotBreaching => "NonBreaching",
        Gaps::Missing | Gaps::Ignore => "",
    };
    let periods = alarm.evaluation_periods;
    if state == AlarmState::InsufficientData {
        return format!("Insufficient Data: {} {} unknown.", counted(periods, "datapoint"), was(periods));
    }
    if recent.is_empty() {
        return format!(
            "Threshold Crossed: no datapoints were received for {} and {} {} treated as [{treated}].",
            counted(periods, "period"),
            counted(absent, "missing datapoint"),
            was(absent)
        );
    }
    let alarming = state == AlarmState::Alarm;
    let speaking: Vec<&Point> = recent.iter().filter(|point| alarm.breaches(point) == alarming).collect();
    let shown: Vec<String> =
        speaking.iter().map(|point| format!("{:?} ({})", point.value, when::point(point.start_ms))).collect();
    let (not, minimum, transition) = if alarming {
        ("", alarm.datapoints_to_alarm, "OK -> ALARM")
    } else {
        ("not ", periods - alarm.datapoints_to_alarm + 1, "ALARM -> OK")
    };
    let filled = if absent > 0 && !treated.is_empty() {
        format!(" and {} {} treated as [{treated}]", counted(absent, "missing datapoint"), was(absent))
    } else {
        String::new()
    };
    format!(
        "Threshold Crossed: {} out of the last {periods} datapoints [{}] {} {not}{} ({:?}){filled} (minimum {} for \
         {transition} transition).",
        speaking.len(),
        shown.join(", "),
        was(speaking.len()),
        alarm.comparison.words(),
        alarm.threshold,
        counted(minimum, "datapoint")
    )
}

/// The same as JSON in a text. `recentDatapoints` begins with the oldest, `evaluatedDatapoints` with the newest.
fn reason_data(alarm: &MetricAlarm, store: &Store, recent: &[Point], now_ms: i64) -> String {
    let first = recent.last().map_or_else(
        || alarm.starts(now_ms).get(alarm.evaluation_periods - 1).copied().unwrap_or(now_ms),
        |oldest| oldest.start_ms,
    );
    let mut data = Map::new();
    data.insert("version".to_owned(), "1.0".into());
    data.insert("queryDate".to_owned(), when::detail(now_ms).into());
    data.insert("startDate".to_owned(), when::detail(first).into());
    let stat = match alarm.queries.first().map(|query| &query.source) {
        Some(Source::Metric(stat)) if alarm.single => Some(stat),
        _ => None,
    };
    if let Some(stat) = stat {
        data.insert("statistic".to_owned(), stat.stat.clone().into());
    }
    data.insert("period".to_owned(), (alarm.period_ms / 1000).into());
    data.insert("recentDatapoints".to_owned(), recent.iter().rev().map(|point| point.value).collect());
    data.insert("threshold".to_owned(), alarm.threshold.into());
    let evaluated = recent.iter().map(|point| {
        let mut evaluated = Map::new();
        evaluated.insert("timestamp".to_owned(), when::detail(point.start_ms).into());
        if let Some(stat) = stat {
            let span = (point.start_ms, point.start_ms + alarm.period_ms);
            let count = store.statistic(&stat.metric, Statistic::SampleCount, stat.unit.as_deref(), span);
            evaluated.insert("sampleCount".to_owned(), json!(count));
        }
        evaluated.insert("value".to_owned(), point.value.into());
        Value::Object(evaluated)
    });
    data.insert("evaluatedDatapoints".to_owned(), evaluated.collect());
    Value::Object(data).to_string()
}
