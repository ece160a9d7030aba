//! What is known of one deployment: the facts that CodeDeploy records and what events have added, gathered so that the order in which
//! they arrive makes no difference. Knows nothing of Slack or of how it is stored.

mod particulars;
mod parts;
mod progress;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::config::Service;
use domain::deployment::{Deployment, DeploymentError, DeploymentId, GroupName, Revision};
use domain::events::{Decision, HookVerdict, RollbackDecision, TrafficRestored};
use domain::hook::Verdict;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::observed::is_red;
use crate::watch::{changed, holds};

pub use particulars::{Commit, Particulars};
pub use parts::{AlarmStop, Asked, Course, Ending, FailedHook, Left, Restored, Rollback, Skipped, Stage, Traffic};
pub(crate) use parts::{REMEMBERED, alert, is_alert, remembered};
pub(crate) use progress::short;
pub use progress::{Progress, State, Step};

/// Of so many alarms a story remembers what people were asked.
const ALARMS: usize = 10;
/// Of so many alerts a story remembers that they were heard: the ledger's entry has its limits.
const ALERTS: usize = 200;
/// So long after a rollback was begun Greenlight's own decision for it may still be on its way.
const DECIDED: Duration = Duration::from_mins(1);

/// The facts that were read for one event.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The deployment that the story is about.
    pub deployment: Deployment,
    /// The deployment that rolls it back, when the event is about that one.
    pub rollback: Option<Deployment>,
    /// Where the traffic is.
    pub traffic: Option<Traffic>,
    /// The service in the configuration.
    pub service: Option<&'a Service>,
    /// The region, for links.
    pub region: String,
    /// The ending that the event tells of, of the deployment itself or of its rollback.
    pub ended: Option<Stage>,
    /// When the event happened.
    pub event_at: Timestamp,
    /// When the facts were read.
    pub read_at: Timestamp,
}

/// What is known of one deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// Its id.
    pub deployment: DeploymentId,
    /// The application and the deployment group.
    pub group: GroupName,
    /// The service's name, or the group's where the configuration does not know it.
    pub service: String,
    /// The service's environment; `None` where the configuration does not know the group.
    pub environment: Option<String>,
    /// The region, for links.
    pub region: String,
    /// What is deployed.
    pub revision: Revision,
    /// Who started it.
    pub who: String,
    /// Whether it restores an older version itself, without naming the deployment that it rolls back.
    pub restores: bool,
    /// Whether CodeDeploy knows of no revision that was deployed to the group before.
    #[serde(default)]
    pub is_first: bool,
    /// How far it has come.
    pub stage: Stage,
    /// Whether CodeDeploy's record confirms the stage, not only an event.
    pub recorded: bool,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why CodeDeploy says it failed or stopped.
    pub error: Option<DeploymentError>,
    /// The first hook that answered Failed.
    pub failed_hook: Option<FailedHook>,
    /// The first hook that let it through unchecked.
    #[serde(default)]
    pub skipped: Option<Skipped>,
    /// The first alarm for which Greenlight stopped it or took it back.
    pub alarm: Option<AlarmStop>,
    /// Whether Greenlight decided to take it back after it had succeeded.
    #[serde(default)]
    pub late: bool,
    /// What comes back in its place, where that is known.
    #[serde(default)]
    pub brings_back: Option<Revision>,
    /// The alarms that Greenlight leaves to a person, by name.
    #[serde(default)]
    pub left: BTreeMap<String, Left>,
    /// The deployment that rolls it back.
    pub rollback: Option<Rollback>,
    /// Whether the traffic is back.
    pub restored: Option<Restored>,
    /// Where the traffic was when it was last looked at.
    pub traffic: Option<Traffic>,
    /// Where its ticket is.
    #[serde(default)]
    pub ticket: Option<String>,
    /// How far its lifecycle events have come.
    #[serde(default)]
    pub progress: Progress,
    /// Who deploys what, and where more of it is to be seen.
    #[serde(default)]
    pub particulars: Particulars,
    /// When it began to wait for somebody.
    #[serde(default)]
    pub ready: Option<Timestamp>,
    /// When the deployment that rolls it back began and ended.
    #[serde(default)]
    pub way_back: Course,
    /// The alerts of alarms that were heard, as [`alert`] numbers them, in the order in which they were.
    #[serde(default)]
    pub alerts: Vec<u64>,
    /// When the facts were last read.
    pub read_at: Timestamp,
}

/// Who started a deployment, in words.
fn who(deployment: &Deployment) -> String {
    match (deployment.described("by"), deployment.creator.as_str()) {
        (Some(name), _) => name.to_owned(),
        (None, "user") => "a person or a pipeline".to_owned(),
        (None, other) => other.to_owned(),
    }
}

fn bounded_error(deployment: &Deployment) -> Option<DeploymentError> {
    let bound = |error: &DeploymentError| DeploymentError {
        code: remembered(&error.code),
        message: remembered(&error.message),
    };
    deployment.error.as_ref().map(bound)
}

impl Story {
    /// What CodeDeploy's record and the state change tell.
    pub fn of(facts: &Facts<'_>) -> Self {
        let deployment = &facts.deployment;
        let own_ending = if facts.rollback.is_none() { facts.ended } else { None };
        let stage = Stage::latest(deployment, own_ending);
        let rollback = match &facts.rollback {
            Some(rollback) => Some(Rollback {
                id: rollback.id.clone(),
                stage: Stage::latest(rollback, facts.ended),
                error: bounded_error(rollback),
            }),
            None => deployment.rolled_back_by.clone().map(|id| Rollback { id, stage: Stage::Running, error: None }),
        };
        Self {
            deployment: deployment.id.clone(),
            group: deployment.group.clone(),
            service: facts.service.map_or_else(|| deployment.group.to_string(), |service| service.name.clone()),
            environment: facts.service.map(|service| service.environment.clone()),
            region: facts.region.clone(),
            revision: deployment.revision.clone(),
            who: remembered(&who(deployment)),
            restores: deployment.is_rollback(),
            is_first: deployment.is_first,
            stage,
            recorded: stage == Stage::of_status(&deployment.status),
            started: deployment.started.or(deployment.created),
            ended: deployment.completed.or_else(|| own_ending.map(|_| facts.event_at)),
            error: bounded_error(deployment),
            failed_hook: None,
            skipped: None,
            alarm: None,
            late: false,
            brings_back: None,
            left: BTreeMap::new(),
            rollback,
            restored: None,
            traffic: facts.traffic,
            ticket: None,
            progress: Progress::default(),
            particulars: Particulars::of(deployment, facts.service),
            ready: None,
            way_back: facts
                .rollback
                .as_ref()
                .map_or_else(Course::default, |rollback| Course::of(rollback, facts.ended.map(|_| facts.event_at))),
            alerts: Vec::new(),
            read_at: facts.read_at,
        }
    }

    /// Adds what a hook answered. A rollback's own hooks say nothing of the deployment that it rolls back.
    pub fn hear_verdict(&mut self, verdict: &HookVerdict) {
        if let (Some(reason), true) = (&verdict.skipped, verdict.deployment_id == self.deployment) {
            self.skipped = Some(Skipped { reason: remembered(reason), at: verdict.at });
        }
        if verdict.verdict == Verdict::Failed && verdict.deployment_id == self.deployment {
            self.failed_hook = Some(FailedHook {
                event: verdict.lifecycle_event.clone().unwrap_or_else(|| verdict.hook.clone()),
                reason: remembered(&verdict.reason),
                red_before: verdict.findings.iter().any(is_red),
                at: verdict.at,
            });
        }
    }

    /// Adds what an alarm led to, or that it is OK again.
    pub fn hear_decision(&mut self, decision: &RollbackDecision) {
        self.hear_where(decision.environment.as_deref());
        if matches!(decision.decision, Decision::StopAndRollBack | Decision::RedeployPrevious) {
            self.alarm = Some(AlarmStop::decided(decision));
            self.late |= decision.decision == Decision::RedeployPrevious;
            self.brings_back = decision.restores.clone().filter(|revision| *revision != Revision::default());
            self.hear_rollback(decision.rollback_deployment_id.as_ref());
        }
        let changed = changed(decision);
        let asked = decision.page.then(|| Asked {
            reason: remembered(&decision.reason),
            next_step: remembered(&decision.next_step),
            red: changed,
            stays: holds(decision),
        });
        if is_alert(decision) {
            self.alerts.push(alert(decision));
        }
        let over = decision.resolves.then_some(changed);
        if asked.is_some() || over.is_some() {
            self.left.insert(decision.alarm.name.clone(), Left { asked, over });
        }
    }

    /// Adds how the rollback went.
    pub fn hear_restored(&mut self, restored: &TrafficRestored) {
        self.hear_where(restored.environment.as_deref());
        self.alarm = Some(AlarmStop { name: restored.alarm.clone(), observed: String::new(), at: restored.at });
        self.restored = Some(Restored::told(restored));
        self.hear_rollback(restored.rollback_deployment_id.as_ref());
    }

    /// A deployment that is guarded by a tag on its alarm has its environment from there, not from the configuration.
    fn hear_where(&mut self, environment: Option<&str>) {
        if self.environment.is_none() {
            self.environment = environment.map(remembered);
        }
    }

    fn hear_rollback(&mut self, id: Option<&DeploymentId>) {
        if let (None, Some(id)) = (&self.rollback, id) {
            self.rollback = Some(Rollback { id: id.clone(), stage: Stage::Running, error: None });
        }
    }

    /// Adds another's knowledge of the same deployment. The order of additions makes no difference, and nothing goes back.
    pub fn absorb(&mut self, other: Story) {
        // In the order in which they were heard, whenever the facts beside them were read.
        let mut alerts = self.alerts.clone();
        alerts.extend(other.alerts.iter().filter(|alert| !self.alerts.contains(alert)));
        alerts.truncate(ALERTS);
        let (old, new) = if other.read_at >= self.read_at { (self.clone(), other) } else { (other, self.clone()) };
        let stays = old.stage.is_ended() && (!new.stage.is_ended() || old.recorded && !new.recorded);
        *self = Story {
            stage: if stays { old.stage } else { new.stage },
            recorded: if stays { old.recorded } else { new.recorded },
            region: if new.region.is_empty() { old.region } else { new.region },
            revision: Revision {
                task_definition: new.revision.task_definition.or(old.revision.task_definition),
                lambda_version: new.revision.lambda_version.or(old.revision.lambda_version),
                git_sha: new.revision.git_sha.or(old.revision.git_sha),
            },
            started: new.started.or(old.started),
            ended: new.ended.or(old.ended),
            error: new.error.or(old.error),
            failed_hook: [old.failed_hook, new.failed_hook].into_iter().flatten().min_by_key(|hook| hook.at),
            skipped: [old.skipped, new.skipped].into_iter().flatten().min_by_key(|skipped| skipped.at),
            environment: new.environment.or(old.environment),
            alarm: AlarmStop::first(old.alarm, new.alarm),
            late: old.late || new.late,
            brings_back: new.brings_back.or(old.brings_back),
            left: both(old.left, new.left),
            rollback: match (old.rollback, new.rollback) {
                (Some(old), Some(new)) if old.stage.is_ended() && !new.stage.is_ended() => Some(old),
                (old, new) => new.or(old),
            },
            restored: Restored::with(old.restored, new.restored),
            traffic: new.traffic.or(old.traffic),
            ticket: new.ticket.or(old.ticket),
            progress: Progress::with(old.progress, new.progress),
            ready: [old.ready, new.ready].into_iter().flatten().min(),
            way_back: Course::with(old.way_back, new.way_back),
            alerts,
            ..new
        };
    }

    /// How it ended, when it has.
    pub fn ending(&self) -> Option<Ending> {
        let code = self.error.as_ref().map(|error| error.code.as_str());
        match (self.stage, code) {
            (Stage::Running | Stage::Waiting, _) => None,
            (Stage::Succeeded, _) => Some(Ending::Succeeded),
            (_, Some("HOOK_EXECUTION_FAILURE")) => Some(Ending::FailedInHook),
            (_, Some("TIMEOUT")) => Some(Ending::TimedOut),
            (_, Some("ALARM_ACTIVE")) => Some(Ending::StoppedByAlarm),
            // A stop that Greenlight asked for is recorded as if a person had: the alarm is the cause.
            (Stage::Stopped, _) if self.alarm.is_some() => Some(Ending::StoppedByAlarm),
            (_, Some("MANUAL_STOP")) => Some(Ending::StoppedByPerson),
            (Stage::Failed, None) if self.failed_hook.is_some() => Some(Ending::FailedInHook),
            (_, _) => Some(Ending::Otherwise),
        }
    }

    /// Whether it ended in another way than well.
    pub fn ended_badly(&self) -> bool {
        self.ending().is_some_and(|ending| ending != Ending::Succeeded)
    }

    /// Whether it ended before any production traffic could shift.
    pub fn never_shifted(&self) -> bool {
        self.traffic == Some(Traffic::NeverShifted)
    }

    /// Whether the deployment that rolls it back has succeeded.
    pub fn rollback_succeeded(&self) -> bool {
        self.rollback.as_ref().is_some_and(|rollback| rollback.stage == Stage::Succeeded)
    }

    /// Whether a rollback has put the old version back.
    pub fn is_rolled_back(&self) -> bool {
        self.rollback_succeeded() || self.restored.as_ref().is_some_and(|restored| restored.complete)
    }

    /// Whether it had ended well and was rolled back then: Greenlight deploys again what was good before it.
    pub fn is_taken_back(&self) -> bool {
        self.stage == Stage::Succeeded && (self.late || self.rollback.is_some())
    }

    /// Whether the rollback ended and did not put the old version back.
    pub fn rollback_failed(&self) -> bool {
        !self.is_rolled_back() && self.rollback.as_ref().is_some_and(|rollback| rollback.stage.is_ended())
    }

    /// Whether it was told that the traffic is not back, and nothing since says that it is or that the rollback failed.
    pub fn is_overdue(&self) -> bool {
        !self.is_rolled_back() && !self.rollback_failed() && self.restored.is_some()
    }

    /// The alarms that still wait for a person, by name, and whether each is red. Of a deployment that did not stay there is nothing left to ask.
    pub fn asks(&self) -> impl Iterator<Item = (&str, &Asked, bool)> {
        let left = self.left.iter().filter(|_| !self.ended_badly() && !self.is_rolled_back());
        left.filter_map(|(name, left)| Some((name.as_str(), left.open()?, left.is_red())))
    }

    /// Whether a person was asked to stop it, and it has ended well since.
    pub fn was_not_stopped(&self, asked: &Asked) -> bool {
        let ended = self.ended.filter(|_| self.stage == Stage::Succeeded);
        asked.stays && ended.is_some_and(|ended| asked.red <= ended)
    }

    /// The story as it stood when the deployment had ended well, before anything took it back. That somebody was asked to stop it was so then.
    pub fn as_it_succeeded(&self) -> Self {
        let of_later =
            Self { late: false, rollback: None, restored: None, alarm: None, brings_back: None, ..self.clone() };
        let mut left = self.left.clone();
        left.retain(|_, left| left.asked.as_ref().is_some_and(|asked| self.was_not_stopped(asked)));
        Self { left, ..of_later }
    }

    /// Whether it is being taken back, and Greenlight is about to tell why: the decision is published after the deployment that takes it back was begun.
    /// One that a person began is told without.
    fn is_decision_due(&self) -> bool {
        let began = self.way_back.began.unwrap_or(self.read_at);
        let runs = self.rollback.as_ref().is_some_and(|rollback| !rollback.stage.is_ended());
        self.is_taken_back() && self.alarm.is_none() && runs && self.read_at.since(began) <= DECIDED
    }

    /// Whether what is known of the ending is likely to be completed within seconds: the record lags behind the event, the rollback
    /// is about to be created, or a stop or a rollback is about to be explained by Greenlight's own event.
    pub fn is_unsettled(&self) -> bool {
        let rollback_open = self.rollback.is_none()
            && self.restored.is_none()
            && !matches!(self.traffic, Some(Traffic::Old | Traffic::NeverShifted));
        // Greenlight is about to tell how fast the traffic came back.
        let comes_back = self.alarm.is_some()
            && self.rollback_succeeded()
            && !self.restored.as_ref().is_some_and(|restored| restored.complete);
        comes_back
            || self.is_decision_due()
            || self.stage.is_ended() && !self.recorded
            || self.ended_badly() && (rollback_open || self.ending() == Some(Ending::StoppedByPerson))
            // The hook's own verdict is published after it has answered CodeDeploy.
            || self.ending() == Some(Ending::FailedInHook) && self.failed_hook.is_none()
    }
}

/// What people were asked about each alarm, from two stories.
fn both(one: BTreeMap<String, Left>, mut other: BTreeMap<String, Left>) -> BTreeMap<String, Left> {
    for (name, left) in one {
        let entry = other.entry(name).or_default();
        *entry = std::mem::take(entry).with(left);
    }
    other.into_iter().take(ALARMS).collect()
}
