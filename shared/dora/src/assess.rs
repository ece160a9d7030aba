//! The rules: what each deployment of one group was, seen in the order in which they were created.

use std::collections::BTreeMap;

use domain::deployment::{Deployment, DeploymentId, Status};
use domain::emergency::{self, Skip};
use domain::time::Timestamp;

use crate::{Assessment, Cause, Record, TakenBack};

/// Assesses the deployments of one group, in any order; those that have not ended are passed over. A deployment's assessment depends on those that
/// were created before it and on the rollback that was made because of it, and on nothing that came later.
pub fn assess(group: &[Record]) -> Vec<Assessment> {
    let mut ordered: Vec<&Record> = group.iter().filter(|record| record.deployment.status.is_terminal()).collect();
    ordered.sort_by_key(|record| (record.deployment.created, record.deployment.id.clone()));
    let rolled_back_by: BTreeMap<&DeploymentId, &Deployment> =
        group.iter().filter_map(|record| Some((record.deployment.rolls_back.as_ref()?, &record.deployment))).collect();
    let mut course = Course::default();
    ordered.into_iter().filter_map(|record| course.step(record, &rolled_back_by)).collect()
}

/// How a group stands between two deployments.
#[derive(Default)]
struct Course {
    /// The revision in production, as far as it is known.
    serving: Option<String>,
    /// What was in production before each deployment.
    before: BTreeMap<DeploymentId, Option<String>>,
    /// The revision that was tried last.
    tried: Option<String>,
    /// Whether what succeeded was a change, by deployment.
    changes: BTreeMap<DeploymentId, bool>,
    /// When the first failure was since the group was last well.
    failing_since: Option<Timestamp>,
    /// Whether no deployment has succeeded since the last failure.
    needs_mending: bool,
}

impl Course {
    fn step(&mut self, record: &Record, rolled_back_by: &BTreeMap<&DeploymentId, &Deployment>) -> Option<Assessment> {
        let deployment = &record.deployment;
        let ended = deployment.completed.or(deployment.started).or(deployment.created)?;
        let reached = reached(record, ended);
        let started = deployment.started.or(deployment.created);
        let assessment = Assessment {
            id: deployment.id.clone(),
            group: deployment.group.clone(),
            ended,
            status: deployment.status.clone(),
            is_rollback: deployment.is_rollback(),
            is_change: false,
            failure: None,
            rolled_back: false,
            is_rework: false,
            duration: started.map(|started| reached.since(started)),
            total_duration: started.map(|started| ended.since(started)),
            lead_time: None,
            recovery: None,
            takes_back: None,
            hooks: record.hooks.clone(),
            is_unchecked: matches!(emergency::asked(&deployment.description), Some(Skip::Asked(_))),
        };
        Some(if assessment.is_rollback {
            self.rollback(deployment, reached, assessment)
        } else {
            self.deployment(record, reached, assessment, rolled_back_by.contains_key(&deployment.id))
        })
    }

    fn rollback(&mut self, rollback: &Deployment, reached: Timestamp, mut told: Assessment) -> Assessment {
        let original = rollback.rolls_back.as_ref();
        if let Some((id, is_change)) = original.and_then(|id| self.changes.remove_entry(id)) {
            let at = rollback.created.unwrap_or(told.ended);
            self.failing_since.get_or_insert(at);
            self.needs_mending = true;
            told.takes_back = Some(TakenBack { id, at, is_change });
        }
        if rollback.status == Status::Succeeded {
            told.recovery = self.failing_since.take().map(|since| reached.since(since));
            self.serving = match original.and_then(|id| self.before.get(id)) {
                Some(before) => before.clone(),
                None => rollback.revision_id.clone(),
            };
        }
        told
    }

    fn deployment(
        &mut self,
        record: &Record,
        reached: Timestamp,
        mut told: Assessment,
        has_rollback: bool,
    ) -> Assessment {
        let Deployment { revision_id: revision, status, .. } = &record.deployment;
        let is_serving = revision.is_some() && *revision == self.serving;
        told.is_change = !(is_serving || revision.is_some() && *revision == self.tried);
        let has_succeeded = *status == Status::Succeeded;
        told.rolled_back = !has_succeeded && (record.deployment.rolled_back_by.is_some() || has_rollback);
        told.failure = failure(record, told.rolled_back);
        told.is_rework = self.needs_mending || told.is_unchecked;
        self.before.insert(told.id.clone(), self.serving.clone());
        self.tried.clone_from(revision);
        if told.failure.is_some() {
            self.failing_since.get_or_insert(told.ended);
            self.needs_mending = true;
        }
        if has_succeeded {
            told.recovery = self.failing_since.take().map(|since| reached.since(since));
            told.lead_time = record.committed.filter(|_| !is_serving).map(|committed| reached.since(committed));
            self.needs_mending = false;
            self.serving.clone_from(revision);
            self.changes.insert(told.id.clone(), told.is_change);
        }
        told
    }
}

/// When all traffic was where it was to be. Where CodeDeploy's target was not read, the termination wait is taken off the end.
fn reached(record: &Record, ended: Timestamp) -> Timestamp {
    let deployment = &record.deployment;
    if deployment.status != Status::Succeeded {
        return ended;
    }
    let without_the_wait = || deployment.termination_wait.map(|wait| ended.minus(wait.0));
    let reached = record.shifted.or_else(without_the_wait).unwrap_or(ended);
    // Never before it began, never after it ended.
    reached.max(deployment.started.or(deployment.created).unwrap_or(reached)).min(ended)
}

fn failure(record: &Record, is_rolled_back: bool) -> Option<Cause> {
    let code = record.deployment.error.as_ref().map(|error| error.code.as_str());
    match (&record.deployment.status, code) {
        (Status::Stopped, _) if record.stopped_by_alarm => Some(Cause::Alarm),
        (Status::Failed | Status::Stopped, Some("ALARM_ACTIVE")) => Some(Cause::Alarm),
        (Status::Failed | Status::Stopped, Some("HOOK_EXECUTION_FAILURE")) => Some(Cause::Hook),
        (Status::Failed | Status::Stopped, Some("TIMEOUT")) => Some(Cause::TimeOut),
        (Status::Failed, _) => Some(Cause::Other),
        (Status::Stopped, _) => is_rolled_back.then_some(Cause::StoppedAndRolledBack),
        _ => None,
    }
}
