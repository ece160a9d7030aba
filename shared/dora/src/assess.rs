//! The rules: what each deployment was, seen in the order in which the deployments of its group were created.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId, GroupName, Status};
use domain::emergency::{self, Skip};
use domain::redeploy::to_confirm;
use domain::time::Timestamp;

use crate::order::ordered;
use crate::{Assessment, Cause, Record, TakenBack};

/// Who creates a deployment that nobody asked for: the machines of an Auto Scaling group get what is in production already
/// (`deploymentInfo.creator`, CodeDeploy API reference).
const UNASKED: [&str; 3] = ["autoscaling", "autoscalingTermination", "CodeDeployAutoUpdate"];
/// Clocks differ by less. A commit that is younger than what brought it by more than this is a mistake in writing its time down.
const SKEW: Duration = Duration::from_hours(24);

/// Assesses deployments, of one group or of many, in any order: each group by itself, one group after the other, each in the order of creation.
///
/// Passed over are those that have not ended, those without any time (CodeDeploy always tells when a deployment was created), and those that
/// Auto Scaling made for new machines. A record that is there twice counts once.
///
/// Within the records given, a deployment's assessment depends on those of its group that were created before it, and on whether CodeDeploy
/// rolled it or one of those back; on nothing else that came later. CodeDeploy does that at once, before anything else of the group may begin. So
/// the assessment may be published as soon as that is known, and stays right.
pub fn assess(records: &[Record]) -> Vec<Assessment> {
    let mut groups: BTreeMap<&GroupName, Vec<&Record>> = BTreeMap::new();
    for record in records {
        groups.entry(&record.deployment.group).or_default().push(record);
    }
    groups.into_values().flat_map(|group| of_group(&group)).collect()
}

fn of_group(group: &[&Record]) -> Vec<Assessment> {
    let ordered = ordered(group);
    let is_automatic = |deployment: &Deployment| to_confirm(deployment).is_none();
    let rollbacks = ordered.iter().filter(|record| is_automatic(&record.deployment));
    let rolled_back = rollbacks.filter_map(|record| record.deployment.rolls_back.as_ref()).collect();
    let mut course = Course { rolled_back, ..Course::default() };
    let is_counted = |record: &&Record| {
        record.deployment.status.is_terminal() && !UNASKED.contains(&record.deployment.creator.as_str())
    };
    ordered.into_iter().filter(is_counted).filter_map(|record| course.step(record)).collect()
}

/// How a group stands between two deployments.
#[derive(Default)]
struct Course<'a> {
    /// Those that CodeDeploy made a rollback for.
    rolled_back: BTreeSet<&'a DeploymentId>,
    /// The revision in production, as far as it is known.
    serving: Option<&'a str>,
    /// Every revision that has been in production.
    served: BTreeSet<&'a str>,
    /// The deployments that succeeded and that no rollback has taken back with success, with their revisions. The last of them is in production.
    standing: Vec<(&'a DeploymentId, Option<&'a str>)>,
    /// What has ended so far.
    past: BTreeMap<&'a DeploymentId, Past<'a>>,
    /// The revision that was tried last.
    tried: Option<&'a str>,
    /// Whether that try has left open what the change comes to: a person stopped it.
    is_undecided: bool,
    /// When the first failure was since the group was last well.
    failing_since: Option<Timestamp>,
    /// Whether no deployment has succeeded since the last failure.
    needs_mending: bool,
}

/// What later rollbacks may ask about one that has ended.
struct Past<'a> {
    revision: Option<&'a str>,
    /// What was in production before it.
    before: Option<&'a str>,
    is_rollback: bool,
    succeeded: bool,
    /// Whether its being taken back is a change failure.
    decides_change: bool,
    is_taken_back: bool,
}

/// When one ended, and when it had done what it was for.
struct Times {
    started: Option<Timestamp>,
    /// Where CodeDeploy gives no end, the best that is known, to have a time for what is counted.
    ended: Timestamp,
    /// `None` where CodeDeploy gives no end: no length of time is told of it then.
    completed: Option<Timestamp>,
    /// When all traffic was where it was to be, or it had failed.
    reached: Option<Timestamp>,
}

impl<'a> Course<'a> {
    fn step(&mut self, record: &'a Record) -> Option<Assessment> {
        let deployment = &record.deployment;
        let is_rollback = self.is_rollback(record);
        let times = times(record, is_rollback && to_confirm(deployment).is_none())?;
        let took = |until: Option<Timestamp>| Some(until?.since(times.started?));
        let told = Assessment {
            id: deployment.id.clone(),
            group: deployment.group.clone(),
            ended: times.ended,
            status: deployment.status.clone(),
            is_rollback,
            is_change: false,
            decides_change: false,
            failure: None,
            rolled_back: false,
            is_rework: false,
            duration: took(times.reached),
            total_duration: took(times.completed),
            lead_time: None,
            recovery: None,
            takes_back: None,
            hooks: record.hooks.clone(),
            is_unchecked: matches!(emergency::asked(&deployment.description), Some(Skip::Asked(_))),
        };
        let before = self.serving;
        let told = if is_rollback { self.rollback(deployment, &times, told) } else { self.own(record, &times, told) };
        let past = Past {
            revision: deployment.revision_id.as_deref(),
            before,
            is_rollback,
            succeeded: deployment.status == Status::Succeeded,
            decides_change: told.decides_change,
            is_taken_back: false,
        };
        self.past.insert(&deployment.id, past);
        Some(told)
    }

    /// Anybody can write into a description that it rolls another back, and to believe it of any deployment would be a way not to be counted. It is
    /// believed where Greenlight's table confirms it. Else it has to name what is in production, and to be a way back for all that can be seen: it
    /// brings what served before, or it succeeded.
    fn is_rollback(&self, record: &Record) -> bool {
        let deployment = &record.deployment;
        let Some(named) = to_confirm(deployment) else { return deployment.is_rollback() };
        let is_in_production = self.standing.last().is_some_and(|(id, _)| *id == named);
        let is_way_back = deployment.status == Status::Succeeded
            || deployment.revision_id.as_deref().is_some_and(|revision| self.served.contains(revision));
        record.is_confirmed_rollback || is_in_production && is_way_back
    }

    /// What serves when this rollback has succeeded.
    fn restored(&self, rollback: &'a Deployment) -> Option<&'a str> {
        let own = rollback.revision_id.as_deref();
        let Some((id, original)) = rollback.rolls_back.as_ref().and_then(|id| Some((id, self.past.get(id)?))) else {
            return own;
        };
        let is_another = |revision: &&str| Some(*revision) != original.revision;
        if to_confirm(rollback).is_none() {
            // What CodeDeploy's record of its own rollback of an ECS service names is not documented. What failed it is not.
            return original.before.or(own.filter(is_another));
        }
        // Greenlight's own is made of the good one's AppSpec without its hooks, which is a revision that no pipeline ever brings.
        let served = own.filter(|own| self.served.contains(own));
        let older = self.standing.iter().rev().skip_while(|(standing, _)| *standing != id).skip(1);
        let before = || older.filter_map(|(_, revision)| *revision).find(is_another);
        served.or_else(before).or(original.before.filter(is_another)).or(own)
    }

    fn rollback(&mut self, rollback: &'a Deployment, times: &Times, mut told: Assessment) -> Assessment {
        let restores = self.restored(rollback);
        let original = rollback.rolls_back.as_ref().and_then(|id| self.past.get_mut(id));
        let mut undoes_rollback = false;
        if let Some(original) = original {
            undoes_rollback = original.is_rollback;
            if original.succeeded && !original.is_rollback && !original.is_taken_back {
                original.is_taken_back = true;
                let at = rollback.created.unwrap_or(told.ended);
                self.failing_since.get_or_insert(at);
                self.needs_mending = true;
                let id = rollback.rolls_back.clone().unwrap_or_else(|| rollback.id.clone());
                told.takes_back = Some(TakenBack { id, at, is_change: original.decides_change });
            }
        }
        if rollback.status == Status::Succeeded {
            // What a rollback took away is bad; to roll that rollback back makes nobody well.
            if !undoes_rollback {
                told.recovery = self.recovered(times);
            }
            self.standing.retain(|(id, _)| Some(*id) != rollback.rolls_back.as_ref());
            self.serve(restores);
        }
        told
    }

    fn own(&mut self, record: &'a Record, times: &Times, mut told: Assessment) -> Assessment {
        let deployment = &record.deployment;
        let revision = deployment.revision_id.as_deref();
        let is_again = |other: Option<&str>| revision.is_some() && revision == other;
        let (is_serving, is_retry) = (is_again(self.serving), is_again(self.tried));
        told.is_change = !is_serving && !is_retry;
        told.decides_change = told.is_change || is_retry && self.is_undecided;
        let has_succeeded = deployment.status == Status::Succeeded;
        let has_rollback = deployment.rolled_back_by.is_some() || self.rolled_back.contains(&deployment.id);
        told.rolled_back = !has_succeeded && has_rollback;
        told.failure = failure(record, told.rolled_back);
        told.is_rework = self.needs_mending || told.is_unchecked;
        self.tried = revision;
        self.is_undecided = told.decides_change && !has_succeeded && told.failure.is_none();
        if told.failure.is_some() {
            self.failing_since.get_or_insert(told.ended);
            self.needs_mending = true;
        }
        if has_succeeded {
            told.recovery = self.recovered(times);
            let is_new = revision.is_none_or(|revision| !self.served.contains(revision));
            let is_possible = |committed: &Timestamp| *committed <= times.ended.plus(SKEW);
            let committed = record.committed.filter(|committed| is_new && is_possible(committed));
            told.lead_time = times.reached.zip(committed).map(|(reached, committed)| reached.since(committed));
            self.needs_mending = false;
            self.standing.push((&deployment.id, revision));
            self.serve(revision);
        }
        told
    }

    /// Closes the incident, if there is one.
    fn recovered(&mut self, times: &Times) -> Option<Duration> {
        let since = self.failing_since.take()?;
        Some(times.reached?.since(since))
    }

    fn serve(&mut self, revision: Option<&'a str>) {
        self.serving = revision;
        self.served.extend(revision);
    }
}

fn times(record: &Record, is_automatic_rollback: bool) -> Option<Times> {
    let deployment = &record.deployment;
    let started = deployment.started.or(deployment.created);
    let completed = deployment.completed;
    let ended = deployment.known_end()?;
    let reached = match completed {
        Some(completed) if deployment.status == Status::Succeeded => {
            Some(shift_end(record, started, completed, is_automatic_rollback))
        }
        _ => completed,
    };
    Some(Times { started, ended, completed, reached })
}

/// When all traffic was on the new version. Where CodeDeploy's target was not read, the termination wait is taken off the end, if it fits: a person
/// may have ended it early (`ContinueDeployment`), which the record does not tell, and then the whole is the better guess. CodeDeploy's own
/// rollbacks go back to what is still there, and wait for nothing.
fn shift_end(record: &Record, started: Option<Timestamp>, completed: Timestamp, waits_for_nothing: bool) -> Timestamp {
    let wait = record.deployment.termination_wait.filter(|_| !waits_for_nothing);
    let without_the_wait =
        || Some(completed.minus(wait?.0)).filter(|end| started.is_some_and(|started| *end >= started));
    let reached = record.shifted.or_else(without_the_wait).unwrap_or(completed);
    // Never before it began, never after it ended.
    reached.max(started.unwrap_or(reached)).min(completed)
}

fn failure(record: &Record, is_rolled_back: bool) -> Option<Cause> {
    let code = record.deployment.error.as_ref().map(|error| error.code.as_str());
    match (&record.deployment.status, code) {
        (Status::Stopped, _) if record.stopped_by_alarm => Some(Cause::Alarm),
        (Status::Failed | Status::Stopped, Some("ALARM_ACTIVE")) => Some(Cause::Alarm),
        (Status::Failed | Status::Stopped, Some("HOOK_EXECUTION_FAILURE")) => Some(Cause::Hook),
        (Status::Failed | Status::Stopped, Some("TIMEOUT")) => Some(Cause::TimeOut),
        (Status::Stopped, None | Some("MANUAL_STOP")) => is_rolled_back.then_some(Cause::StoppedAndRolledBack),
        // Nor does a person stop it who lets it fail for another reason.
        (Status::Failed | Status::Stopped, _) => Some(Cause::Other),
        _ => None,
    }
}
