//! What is measured: how a deployment ended, how a hook answered and how fast traffic came back, as metric values. Pure; knows nothing
//! of where they go or of what was published before. Ids never become dimensions: each would be a metric of its own for ever.
//!
//! What CloudWatch has taken cannot be taken back. So a deployment that had succeeded and is taken back later keeps its
//! `ChangeFailure 0` and `RolledBack 0`, and gets a `ChangeFailure 1` and a `RolledBack 1` beside them when it is taken back. It has one value of
//! `Deployments` and two of the others: a rate is a sum over a sum (`Sum` of `ChangeFailure` / `Sum` of `Deployments`), never an average.
//! `DeploymentSucceeded 1` stays true: it says how CodeDeploy's deployment ended.
//!
//! A service that ECS itself deploys has no record in CodeDeploy: neither its deployments nor its change failures are counted, since one without
//! the other would bend the rate. How fast it came back is measured.

use domain::config::Config;
use domain::deployment::{Deployment, EcsServiceName, GroupName, Status};
use domain::events::{HookVerdict, TrafficRestored};
use domain::hook::Verdict;
use domain::ports::Measure;
use domain::text::bounded;
use domain::time::Timestamp;

/// CloudWatch's limit for a dimension's value is 1024 characters of ASCII; nothing here needs that many.
const VALUE: usize = 255;
/// Answers in the place of a hook: its own time says nothing of the hook's.
const WATCHDOG: &str = "hook-watchdog";
/// Stands where the configuration or the event does not tell.
const UNKNOWN: &str = "unknown";

/// The dimensions of everything that is measured about a deployment group or an ECS service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels(Vec<(&'static str, String)>);

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
        Self(vec![
            ("Application", dimension(group.map_or(UNKNOWN, |group| &group.application))),
            ("DeploymentGroup", dimension(group.map_or(UNKNOWN, |group| &group.deployment_group))),
            ("Environment", dimension(configured.or(told).unwrap_or(UNKNOWN))),
        ])
    }

    /// Of a service that ECS itself deploys: cluster and service in the place of CodeDeploy's names.
    pub fn of_ecs(ecs: &EcsServiceName, config: &Config, told: Option<&str>) -> Self {
        let configured = config.service_of_ecs(ecs).map(|service| service.environment.as_str());
        Self(vec![
            ("Cluster", dimension(&ecs.cluster)),
            ("Service", dimension(&ecs.service)),
            ("Environment", dimension(configured.or(told).unwrap_or(UNKNOWN))),
        ])
    }

    fn and(&self, name: &'static str, value: &str) -> Self {
        let mut labels = self.0.clone();
        labels.push((name, dimension(value)));
        Self(labels)
    }
}

/// One value twice: for the group, and without dimensions for the whole fleet, since CloudWatch adds up nothing across dimensions.
fn both(name: &'static str, unit: &'static str, value: f64, at: Timestamp, labels: &Labels) -> [Measure; 2] {
    [labels.0.clone(), Vec::new()].map(|dimensions| Measure { name, unit, value, at, dimensions })
}

/// How a deployment ended, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The record's status, or the event's where the record lags behind it.
    pub status: Status,
    /// When, where the record does not tell.
    pub at: Timestamp,
    /// Whether Greenlight decided to stop it because of an alarm.
    pub stopped_by_alarm: bool,
}

/// Whether the change did harm: it failed, or an alarm stopped it. Somebody who stops a deployment may just have changed their mind, so
/// such a stop counts only when it was rolled back.
fn is_change_failure(record: &Deployment, ended: &Ended, is_rolled_back: bool) -> bool {
    let code = record.error.as_ref().map(|error| error.code.as_str());
    match (&ended.status, code) {
        (Status::Failed, _) => true,
        (Status::Stopped, Some("ALARM_ACTIVE" | "HOOK_EXECUTION_FAILURE" | "TIMEOUT")) => true,
        (Status::Stopped, _) => is_rolled_back || ended.stopped_by_alarm,
        _ => is_rolled_back,
    }
}

/// What is measured when a deployment has ended. A rollback is no deployment: it must not come here.
pub fn of_deployment(record: &Deployment, ended: &Ended, labels: &Labels) -> Vec<Measure> {
    let at = record.completed.unwrap_or(ended.at);
    let is_rolled_back = record.rolled_back_by.is_some() || ended.stopped_by_alarm;
    let flag = |is_so: bool| f64::from(u8::from(is_so));
    let succeeded = ended.status == Status::Succeeded;
    let mut measures: Vec<Measure> = [
        ("Deployments", 1.0),
        ("DeploymentSucceeded", flag(succeeded)),
        ("DeploymentFailed", flag(!succeeded)),
        ("RolledBack", flag(is_rolled_back)),
        ("ChangeFailure", flag(is_change_failure(record, ended, is_rolled_back))),
    ]
    .into_iter()
    .flat_map(|(name, value)| both(name, "Count", value, at, labels))
    .collect();
    if let Some(started) = record.started.or(record.created) {
        // AWS's clocks run backwards at times; `since` is never negative.
        measures.extend(both("DurationSeconds", "Seconds", at.since(started).as_secs_f64(), at, labels));
    }
    measures
}

/// What is measured when a deployment that had succeeded is taken back: what its ending could not know. Neither a deployment nor an ending
/// is counted a second time.
pub fn of_taken_back(at: Timestamp, labels: &Labels) -> Vec<Measure> {
    ["RolledBack", "ChangeFailure"].into_iter().flat_map(|name| both(name, "Count", 1.0, at, labels)).collect()
}

/// The lifecycle event that a verdict is about.
pub fn lifecycle_event(verdict: &HookVerdict) -> String {
    bounded(verdict.lifecycle_event.as_deref().unwrap_or(UNKNOWN), VALUE)
}

/// What is measured when a hook has answered.
pub fn of_verdict(verdict: &HookVerdict, labels: &Labels) -> Vec<Measure> {
    let labels = labels.and("LifecycleEvent", &lifecycle_event(verdict));
    let passed = f64::from(u8::from(verdict.verdict == Verdict::Succeeded));
    let took = verdict.duration_ms as f64 / 1000.0;
    let mut measures = both("HookVerdict", "Count", passed, verdict.at, &labels).to_vec();
    if verdict.hook != WATCHDOG {
        measures.extend(both("HookSeconds", "Seconds", took, verdict.at, &labels));
    }
    if verdict.skipped.is_some() {
        measures.extend(both("HookSkipped", "Count", 1.0, verdict.at, &labels));
    }
    measures
}

/// What is measured when the traffic is back on the old version.
pub fn of_rollback(restored: &TrafficRestored, labels: &Labels) -> Vec<Measure> {
    // The promise counts from the alarm; where its time is not known, from when Greenlight heard of it.
    let took = restored.seconds_since_alarm.unwrap_or(restored.seconds_since_event);
    both("RollbackSeconds", "Seconds", took.max(0.0), restored.at, labels).to_vec()
}

#[cfg(test)]
mod tests;
