//! Assessments as metric values: names, units, times and dimensions. Ids never become dimensions: each would be a metric of its own for ever.
//!
//! What CloudWatch has taken cannot be taken back. So a deployment that had succeeded and is taken back later keeps its zeros, and gets a
//! `ChangeFailure 1` and a `RolledBack 1` beside them. A rate is therefore a sum over a sum (`ChangeFailure` over `Changes`), never an average.

use std::time::Duration;

use domain::config::Config;
use domain::deployment::{EcsServiceName, GroupName, Status};
use domain::events::TrafficRestored;
use domain::ports::Measure;
use domain::time::Timestamp;

use crate::{Assessment, HookRun};

/// CloudWatch's limit for a dimension's value is 1024 characters of ASCII; nothing here needs that many.
const VALUE: usize = 255;
/// Stands where the configuration or the event does not tell.
const UNKNOWN: &str = "unknown";

/// The dimensions of everything that is measured about a deployment group or an ECS service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    of: Vec<(&'static str, String)>,
    environment: String,
}

/// A dimension's value as CloudWatch takes it: ASCII, not blank, bounded.
fn dimension(value: &str) -> String {
    let ascii: String =
        value.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '_' }).take(VALUE).collect();
    if ascii.trim().is_empty() { UNKNOWN.to_owned() } else { ascii.trim().to_owned() }
}

impl Labels {
    /// Of a group; the environment is the configuration's, else `told`, else unknown.
    pub fn of(group: Option<&GroupName>, config: &Config, told: Option<&str>) -> Self {
        let configured = group.and_then(|group| config.service_of(group)).map(|service| service.environment.as_str());
        Self {
            of: vec![
                ("Application", dimension(group.map_or(UNKNOWN, |group| &group.application))),
                ("DeploymentGroup", dimension(group.map_or(UNKNOWN, |group| &group.deployment_group))),
            ],
            environment: dimension(configured.or(told).unwrap_or(UNKNOWN)),
        }
    }

    /// Of a service that ECS itself deploys: cluster and service in the place of CodeDeploy's names.
    pub fn of_ecs(ecs: &EcsServiceName, config: &Config, told: Option<&str>) -> Self {
        let configured = config.service_of_ecs(ecs).map(|service| service.environment.as_str());
        Self {
            of: vec![("Cluster", dimension(&ecs.cluster)), ("Service", dimension(&ecs.service))],
            environment: dimension(configured.or(told).unwrap_or(UNKNOWN)),
        }
    }

    /// The sets of dimensions under which each value is published: the group's, the environment's, and none for the whole fleet, since
    /// CloudWatch adds up nothing across dimensions. The first is the narrowest.
    fn sets(&self, more: Option<(&'static str, &str)>) -> [Vec<(&'static str, String)>; 3] {
        let environment = vec![("Environment", self.environment.clone())];
        let own = [self.of.clone(), environment.clone()].concat();
        [own, environment, Vec::new()].map(|mut set| {
            set.extend(more.map(|(name, value)| (name, dimension(value))));
            set
        })
    }
}

/// The largest value that PutMetricData takes, 2^360; not a number and infinite ones it refuses (`MetricDatum`, CloudWatch API reference), and with them all
/// that is in the same request.
const LARGEST: f64 = (1_u128 << 120) as f64 * (1_u128 << 120) as f64 * (1_u128 << 120) as f64;
/// How many hooks of a deployment are measured. No platform has more than five; each takes nine values of the thousand that one PutMetricData may carry.
const HOOKS: usize = 50;

/// Collects values under every set of dimensions.
struct Sheet<'a> {
    labels: &'a Labels,
    measures: Vec<Measure>,
}

impl Sheet<'_> {
    fn put(
        &mut self,
        (name, unit): (&'static str, &'static str),
        value: f64,
        at: Timestamp,
        more: Option<(&'static str, &str)>,
    ) {
        if value.is_nan() || value.abs() > LARGEST {
            return;
        }
        let sets = self.labels.sets(more).into_iter();
        self.measures.extend(sets.map(|dimensions| Measure { name, unit, value, at, dimensions }));
    }

    fn count(&mut self, name: &'static str, is_so: bool, at: Timestamp) {
        self.put((name, "Count"), flag(is_so), at, None);
    }

    fn seconds(&mut self, name: &'static str, took: Option<Duration>, at: Timestamp) {
        if let Some(took) = took {
            self.put((name, "Seconds"), took.as_secs_f64(), at, None);
        }
    }

    fn hook(&mut self, run: &HookRun, is_unchecked: bool) {
        let event = Some(("LifecycleEvent", run.lifecycle_event.as_str()));
        self.put(("HookVerdict", "Count"), flag(run.succeeded), run.ended, event);
        self.put(("HookSeconds", "Seconds"), run.ended.since(run.started).as_secs_f64(), run.ended, event);
        if is_unchecked {
            self.put(("HookSkipped", "Count"), 1.0, run.ended, event);
        }
    }
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

/// What is published of a deployment that has ended, all of it in one request: the narrowest dimensions of the most telling value first, so that a look at
/// that one tells whether the request was taken. Empty for a rollback that neither made the group well nor took back what had succeeded.
pub fn measures(of: &Assessment, labels: &Labels) -> Vec<Measure> {
    let mut sheet = Sheet { labels, measures: Vec::new() };
    let at = of.ended;
    if !of.is_rollback {
        let succeeded = of.status == Status::Succeeded;
        sheet.count("Deployments", true, at);
        sheet.count("DeploymentSucceeded", succeeded, at);
        sheet.count("DeploymentFailed", !succeeded, at);
        sheet.count("RolledBack", of.rolled_back, at);
        sheet.count("Changes", of.is_change, at);
        sheet.count("ChangeFailure", of.is_change_failure(), at);
        sheet.count("Rework", of.is_rework, at);
        sheet.seconds("DurationSeconds", of.duration, at);
        sheet.seconds("TotalDurationSeconds", of.total_duration, at);
        sheet.seconds("LeadTimeSeconds", of.lead_time, at);
        for run in of.hooks.iter().take(HOOKS) {
            sheet.hook(run, of.is_unchecked);
        }
    }
    sheet.seconds("FailedDeploymentRecoverySeconds", of.recovery, at);
    if let Some(taken) = &of.takes_back {
        sheet.count("RolledBack", true, taken.at);
        if taken.is_change {
            sheet.count("ChangeFailure", true, taken.at);
        }
    }
    sheet.measures
}

/// What is published when the traffic is back on the old version; nothing of the news that it is not yet back.
pub fn of_traffic_restored(restored: &TrafficRestored, labels: &Labels) -> Vec<Measure> {
    // The promise counts from the alarm; where its time is not known, from when Greenlight heard of it.
    let took = restored.seconds_since_alarm.unwrap_or(restored.seconds_since_event);
    let mut sheet = Sheet { labels, measures: Vec::new() };
    if !restored.restored {
        return sheet.measures;
    }
    sheet.put(("RollbackSeconds", "Seconds"), if took < 0.0 { 0.0 } else { took }, restored.at, None);
    sheet.measures
}
