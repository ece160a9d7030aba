//! The minutes of CloudWatch: the application is asked how it fared, its metrics are published, the alarms that watch them are evaluated; and the
//! metrics that the fleet publishes. Knows nothing of which metrics the application has, nor of how CloudWatch stores or evaluates them.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::landscape::Guarded;
use super::{Effect, Happening, World};
use crate::scenario::{Fault, Plan};
use crate::services::cloudwatch::{CloudWatch, state_change_event};
use crate::template::{Alarm, Template};
use crate::timeline::{Tone, Who};

/// How many real requests stand for a minute of traffic on a real application.
pub(crate) const SAMPLE: u32 = 20;

/// One published value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Published {
    /// When it is for.
    pub at: Timestamp,
    /// The namespace.
    pub namespace: String,
    /// The metric.
    pub name: String,
    /// The dimensions.
    pub dimensions: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// A real application's answers to the sample of a minute.
#[derive(Clone, Debug, Default)]
pub struct Sampled {
    /// How many answers were 5xx or none at all.
    pub errors: u32,
    /// How long they took.
    pub latencies: Vec<Duration>,
}

#[derive(Debug, Default)]
pub(crate) struct Samples {
    published: Vec<Published>,
    waiting: BTreeMap<u64, (String, usize)>,
    results: BTreeMap<(String, usize), Sampled>,
}

impl Samples {
    pub(crate) fn published(&self) -> &[Published] {
        &self.published
    }

    pub(crate) fn awaited(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// The state that a scenario holds an alarm in, and why.
type Pinned = (&'static str, &'static str);

/// The names of the alarms that a plan puts on its group beside those that it names.
pub(crate) fn more_group_alarms(plan: &Plan) -> Vec<String> {
    (1..=plan.more_group_alarms).map(|number| format!("{}-cpu-{number:02}", plan.service)).collect()
}

/// Whether every alarm of a template can be evaluated.
pub(crate) fn check_alarms(template: &Template) -> Result<(), String> {
    put_alarms(&mut CloudWatch::new(), template, Timestamp(0))
}

/// Creates the template's alarms: those on metrics, and then the composite ones, each after those that it names.
fn put_alarms(cloudwatch: &mut CloudWatch, template: &Template, now: Timestamp) -> Result<(), String> {
    let mut left: Vec<&Alarm> = template.alarms.iter().collect();
    loop {
        let mut refused = Vec::new();
        let before = left.len();
        left.retain(|alarm| match cloudwatch.put_alarm(&alarm.properties, now.0) {
            Ok(_) => false,
            Err(error) => {
                refused.push(format!("cannot evaluate the alarm `{}`: {}", alarm.name, error.message));
                true
            }
        });
        if left.is_empty() {
            return Ok(());
        }
        if left.len() == before {
            return Err(refused.join("; "));
        }
    }
}

impl World {
    pub(crate) fn set_up_alarms(&mut self) {
        for planned in &self.faults {
            if let Fault::MetricsShowAfter(delay) = planned.fault {
                self.cloudwatch.show_after(i64::try_from(delay.0.as_millis()).unwrap_or(i64::MAX));
            }
        }
        let mut template = (*self.template).clone();
        template.alarms.retain(|alarm| !self.is_missing(&alarm.name));
        if let Err(what) = put_alarms(&mut self.cloudwatch, &template, self.now) {
            self.tell(Who::CloudWatch, Tone::Bad, what);
        }
        for name in self.scenario.deployments.iter().flat_map(more_group_alarms).collect::<Vec<_>>() {
            let alarm = json!({
                "AlarmName": name, "Namespace": "AWS/ECS", "MetricName": "CPUUtilization", "Statistic": "Average", "Period": 60,
                "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 90.0,
                "TreatMissingData": "notBreaching",
            });
            if let Err(error) = self.cloudwatch.put_alarm(&alarm, self.now.0) {
                self.tell(Who::CloudWatch, Tone::Bad, format!("cannot create the alarm `{name}`: {}", error.message));
            }
        }
        for (name, pinned) in self.pinned_alarms() {
            self.pin(&name, pinned);
        }
    }

    fn is_missing(&self, alarm: &str) -> bool {
        self.faults.iter().any(|one| matches!(&one.fault, Fault::MissingAlarm { name } if name == alarm))
    }

    /// The alarms that have one state for the whole of the scenario.
    fn pinned_alarms(&self) -> BTreeMap<String, Pinned> {
        self.faults
            .iter()
            .filter_map(|planned| match &planned.fault {
                Fault::RedAlarm { name } => Some((name.clone(), ("ALARM", "red since before the scenario"))),
                Fault::MuteAlarm { name } => {
                    Some((name.clone(), ("INSUFFICIENT_DATA", "Insufficient Data: no datapoints")))
                }
                _ => None,
            })
            .collect()
    }

    fn pin(&mut self, name: &str, (state, reason): Pinned) {
        let input = json!({ "AlarmName": name, "StateValue": state, "StateReason": reason });
        self.cloudwatch.hold(name);
        if let Err(error) = self.cloudwatch.handle("SetAlarmState", &input, self.now.0) {
            self.tell(
                Who::CloudWatch,
                Tone::Bad,
                format!("cannot turn the alarm `{name}` to {state}: {}", error.message),
            );
        }
    }

    pub(crate) fn is_red(&self, alarm: &str) -> bool {
        self.cloudwatch.alarm_state(alarm).is_some_and(|state| state.to_string() == "ALARM")
    }

    /// A minute is over: what the application did in it becomes metrics, and the alarms are evaluated.
    pub(crate) fn minute(&mut self) {
        self.schedule(Duration::from_mins(1), Happening::Minute);
        let mut asked = Vec::new();
        for (name, service) in &self.land.services {
            for (index, version) in service.versions.iter().enumerate() {
                if let (true, Some(url)) = (version.weight > 0.0, &version.behaviour.url) {
                    asked.push((name.clone(), index, url.clone()));
                }
            }
        }
        for (name, index, url) in asked {
            let id = self.fresh();
            self.samples.waiting.insert(id, (name, index));
            self.effects.push(Effect::Sample(id, url, SAMPLE));
        }
        if !self.samples.awaited() {
            self.finish_minute();
        }
    }

    /// A real application has been asked.
    pub fn sampled(&mut self, id: u64, result: Sampled) {
        if let Some(version) = self.samples.waiting.remove(&id) {
            self.samples.results.insert(version, result);
        }
        if !self.samples.awaited() {
            self.finish_minute();
        }
    }

    fn finish_minute(&mut self) {
        let results = std::mem::take(&mut self.samples.results);
        let from = self.now.minus(Duration::from_mins(1));
        let services: Vec<Guarded> = self.land.services.values().cloned().collect();
        for service in &services {
            self.traffic_metrics(service, from, &results);
        }
        self.evaluate_alarms();
    }

    fn evaluate_alarms(&mut self) {
        let pinned = self.pinned_alarms();
        let transitions = self.cloudwatch.evaluate(self.now.0);
        for transition in transitions {
            let event = state_change_event(&transition);
            let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (name, state) = (text("/detail/alarmName"), text("/detail/state/value"));
            if let Some(held) = pinned.get(&name) {
                // A composite one has followed the alarms that it names.
                if held.0 != state {
                    self.pin(&name, *held);
                }
                continue;
            }
            let from_nothing = text("/detail/previousState/value") == "INSUFFICIENT_DATA" && state == "OK";
            if !from_nothing {
                let tone = if state == "ALARM" { Tone::Bad } else { Tone::Plain };
                self.tell(
                    Who::CloudWatch,
                    tone,
                    format!("alarm {name} goes to {state}: {}", text("/detail/state/reason")),
                );
            }
            if state == "ALARM" {
                self.alarm_went_red(&name);
            }
            self.publish(event);
            self.act(&transition);
        }
    }

    /// A statistic of what the fleet has published in the whole run, read back through `GetMetricData`; `None` without data.
    pub(crate) fn read_back(
        &self,
        name: &str,
        dimensions: &BTreeMap<String, String>,
        statistic: &str,
    ) -> Result<Option<f64>, String> {
        let points = || self.samples.published.iter().filter(|point| point.name == name);
        let namespaces: std::collections::BTreeSet<&str> = points().map(|point| point.namespace.as_str()).collect();
        let (Some(first), Some(last)) = (points().map(|point| point.at).min(), points().map(|point| point.at).max())
        else {
            return Ok(None);
        };
        let mut found = None;
        for namespace in namespaces {
            let span = (first.0, last.0 + 1);
            let read = self.cloudwatch.read_back((namespace, name), dimensions, statistic, span);
            let read = read.map_err(|error| error.message)?;
            if found.is_some() && read.is_some() {
                return Err(format!("`{name}` was published in several namespaces"));
            }
            found = found.or(read);
        }
        Ok(found)
    }

    /// Notes what a function publishes.
    pub(crate) fn note_metrics(&mut self, caller: &str, input: &Value) {
        let namespace = super::aws::text(input, "Namespace").to_owned();
        let mut told = Vec::new();
        for datum in input.get("MetricData").and_then(Value::as_array).into_iter().flatten() {
            let dimensions: BTreeMap<String, String> = datum
                .get("Dimensions")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|dimension| {
                    (super::aws::text(dimension, "Name").to_owned(), super::aws::text(dimension, "Value").to_owned())
                })
                .collect();
            let at = datum.get("Timestamp").and_then(Value::as_f64).map_or(self.now, Timestamp::from_seconds);
            let name = super::aws::text(datum, "MetricName").to_owned();
            if let Some(value) = datum.get("Value").and_then(Value::as_f64) {
                if dimensions.is_empty() {
                    told.push(format!("{name} {value}"));
                }
                self.samples.published.push(Published {
                    at,
                    namespace: namespace.clone(),
                    name: name.clone(),
                    dimensions: dimensions.clone(),
                    value,
                });
            }
        }
        if !told.is_empty() {
            self.tell(Who::Function(caller.to_owned()), Tone::Plain, format!("publishes {}", told.join(", ")));
        }
    }
}
