//! What is known of one deployment: the facts that CodeDeploy records and what events have added, gathered so that the order in which
//! they arrive makes no difference. Knows nothing of Slack or of how it is stored.

use domain::config::Service;
use domain::deployment::{Deployment, DeploymentError, DeploymentId, GroupName, Revision, Status, Target};
use domain::events::{ChangedState, Decision, HookVerdict, RollbackDecision, TrafficRestored};
use domain::hook::Verdict;
use domain::text::bounded;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::observed::{is_red, observed};

/// How much of a text from outside is remembered.
const REMEMBERED: usize = 600;

/// How far a deployment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It is under way.
    Running,
    /// It waits for somebody to continue it.
    Waiting,
    /// It ended well.
    Succeeded,
    /// It failed.
    Failed,
    /// It was stopped.
    Stopped,
}

impl Stage {
    /// From CodeDeploy's record.
    pub fn of_status(status: &Status) -> Self {
        match status {
            Status::Succeeded => Stage::Succeeded,
            Status::Failed => Stage::Failed,
            Status::Stopped => Stage::Stopped,
            Status::Ready => Stage::Waiting,
            Status::Created | Status::Queued | Status::InProgress | Status::Baking | Status::Other(_) => Stage::Running,
        }
    }

    /// The ending that an event tells of.
    pub fn of_event(state: &ChangedState) -> Option<Self> {
        match state {
            ChangedState::Success => Some(Stage::Succeeded),
            ChangedState::Failure => Some(Stage::Failed),
            ChangedState::Stop => Some(Stage::Stopped),
            ChangedState::Start | ChangedState::Ready | ChangedState::Other(_) => None,
        }
    }

    /// Whether nothing more will happen.
    pub fn is_ended(self) -> bool {
        matches!(self, Stage::Succeeded | Stage::Failed | Stage::Stopped)
    }

    /// The record's word, or the event's where the record lags behind it.
    pub fn latest(record: &Deployment, ended: Option<Stage>) -> Self {
        let recorded = Stage::of_status(&record.status);
        if recorded.is_ended() { recorded } else { ended.unwrap_or(recorded) }
    }
}

/// A hook that answered Failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedHook {
    /// The lifecycle event, or the function where that is not known.
    pub event: String,
    /// The verdict's reason: the check, what was expected and what was observed.
    pub reason: String,
    /// Whether an alarm was red before the new version had any traffic.
    #[serde(default)]
    pub red_before: bool,
    /// When.
    pub at: Timestamp,
}

/// A hook that let the deployment through unchecked, as somebody had asked for it: the emergency lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Why they asked; text from outside.
    pub reason: String,
    /// When the hook answered.
    pub at: Timestamp,
}

/// The alarm for which Greenlight stopped the deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmStop {
    /// The alarm's name.
    pub name: String,
    /// Its data points and threshold in words; empty when only the name is known.
    pub observed: String,
    /// When the decision was taken.
    pub at: Timestamp,
}

/// The deployment that rolls this one back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// Its id.
    pub id: DeploymentId,
    /// How far it has come.
    pub stage: Stage,
    /// Why it failed.
    pub error: Option<DeploymentError>,
}

/// Whether the traffic is back on the old version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restored {
    /// All of it is.
    pub complete: bool,
    /// What was last seen.
    pub observed: String,
}

/// Which version has production's traffic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Traffic {
    /// All of it is on the old version, and none ever left it: CodeDeploy skipped the shift.
    NeverShifted,
    /// All of it is on the old version.
    Old,
    /// So many percent are on the new version.
    Share(f64),
    /// Some of it is on the new version (Lambda's weight has no documented scale).
    Some,
    /// All of it is on the new version.
    New,
}

impl Traffic {
    /// From the deployment's target.
    pub fn of(target: &Target) -> Option<Self> {
        // What comes after a lifecycle event that failed is skipped (seen by a third party on ECS; AWS does not document it).
        if target.lifecycle_events().iter().any(|event| event.name == "AllowTraffic" && event.status == "Skipped") {
            return Some(Traffic::NeverShifted);
        }
        let weight = target.new_version_weight();
        match target {
            _ if target.is_all_on_the_old_version() => Some(Traffic::Old),
            Target::Ecs(_) => weight.map(|w| if w >= 100.0 { Traffic::New } else { Traffic::Share(w) }),
            Target::Lambda(_) => weight.map(|_| Traffic::Some),
        }
    }
}

/// How a deployment ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Well.
    Succeeded,
    /// A hook answered Failed.
    FailedInHook,
    /// CodeDeploy or Greenlight stopped it because of an alarm.
    StoppedByAlarm,
    /// Somebody stopped it.
    StoppedByPerson,
    /// Something took too long.
    TimedOut,
    /// For another of CodeDeploy's reasons.
    Otherwise,
}

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
    /// The first alarm for which Greenlight stopped it.
    pub alarm: Option<AlarmStop>,
    /// The deployment that rolls it back.
    pub rollback: Option<Rollback>,
    /// Whether the traffic is back.
    pub restored: Option<Restored>,
    /// Where the traffic was when it was last looked at.
    pub traffic: Option<Traffic>,
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
        code: bounded(&error.code, REMEMBERED),
        message: bounded(&error.message, REMEMBERED),
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
            who: bounded(&who(deployment), REMEMBERED),
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
            rollback,
            restored: None,
            traffic: facts.traffic,
            read_at: facts.read_at,
        }
    }

    /// Adds what a hook answered. A rollback's own hooks say nothing of the deployment that it rolls back.
    pub fn hear_verdict(&mut self, verdict: &HookVerdict) {
        if let (Some(reason), true) = (&verdict.skipped, verdict.deployment_id == self.deployment) {
            self.skipped = Some(Skipped { reason: bounded(reason, REMEMBERED), at: verdict.at });
        }
        if verdict.verdict == Verdict::Failed && verdict.deployment_id == self.deployment {
            self.failed_hook = Some(FailedHook {
                event: verdict.lifecycle_event.clone().unwrap_or_else(|| verdict.hook.clone()),
                reason: bounded(&verdict.reason, REMEMBERED),
                red_before: verdict.findings.iter().any(is_red),
                at: verdict.at,
            });
        }
    }

    /// Adds what an alarm led to.
    pub fn hear_decision(&mut self, decision: &RollbackDecision) {
        if decision.decision == Decision::StopAndRollBack {
            let observed = bounded(&observed(&decision.alarm), REMEMBERED);
            self.alarm = Some(AlarmStop { name: decision.alarm.name.clone(), observed, at: decision.at });
        }
    }

    /// Adds how the rollback went.
    pub fn hear_restored(&mut self, restored: &TrafficRestored) {
        self.alarm = Some(AlarmStop { name: restored.alarm.clone(), observed: String::new(), at: restored.at });
        self.restored =
            Some(Restored { complete: restored.restored, observed: bounded(&restored.observed, REMEMBERED) });
        if let (None, Some(id)) = (&self.rollback, &restored.rollback_deployment_id) {
            self.rollback = Some(Rollback { id: id.clone(), stage: Stage::Running, error: None });
        }
    }

    /// Adds another's knowledge of the same deployment. The order of additions makes no difference, and nothing goes back.
    pub fn absorb(&mut self, other: Story) {
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
            // An alarm with its data points says more than one of which only the name is known.
            alarm: [old.alarm, new.alarm].into_iter().flatten().min_by_key(|a| (a.observed.is_empty(), a.at)),
            rollback: match (old.rollback, new.rollback) {
                (Some(old), Some(new)) if old.stage.is_ended() && !new.stage.is_ended() => Some(old),
                (old, new) => new.or(old),
            },
            restored: match (old.restored, new.restored) {
                (Some(old), _) if old.complete => Some(old),
                (old, new) => new.or(old),
            },
            traffic: new.traffic.or(old.traffic),
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

    /// Whether a rollback has put the old version back.
    pub fn is_rolled_back(&self) -> bool {
        self.rollback.as_ref().is_some_and(|rollback| rollback.stage == Stage::Succeeded)
            || self.restored.as_ref().is_some_and(|restored| restored.complete)
    }

    /// Whether the rollback ended and did not put the old version back.
    pub fn rollback_failed(&self) -> bool {
        !self.is_rolled_back()
            && (self.rollback.as_ref().is_some_and(|rollback| rollback.stage.is_ended())
                || self.restored.as_ref().is_some_and(|restored| !restored.complete))
    }

    /// Whether what is known of the ending is likely to be completed within seconds: the record lags behind the event, the rollback
    /// is about to be created, or a stop is about to be explained by Greenlight's own event.
    pub fn is_unsettled(&self) -> bool {
        let rollback_open = self.rollback.is_none()
            && self.restored.is_none()
            && !matches!(self.traffic, Some(Traffic::Old | Traffic::NeverShifted));
        self.stage.is_ended() && !self.recorded
            || self.ended_badly() && (rollback_open || self.ending() == Some(Ending::StoppedByPerson))
    }
}
