//! The pieces of a story: how far a deployment has come, what stopped it, what rolls it back, where its traffic is. Knows nothing of how they
//! fit together.

use domain::deployment::{Deployment, DeploymentError, DeploymentId, Status, Target};
use domain::events::{ChangedState, Decision, RollbackDecision, TrafficRestored};
use domain::secrets::shown;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::observed::observed;
use crate::watch::changed;

/// How much of a text from outside is remembered.
pub(crate) const REMEMBERED: usize = 600;

/// A text from outside as it is remembered, for whoever is told of it: one line, without secrets, bounded.
pub(crate) fn remembered(text: &str) -> String {
    shown(text, REMEMBERED)
}

/// A number of an alarm's transition, by which it is known again: FNV-1a.
pub(crate) fn alert(decision: &RollbackDecision) -> u64 {
    let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{}/{}", decision.alarm.name, changed(decision)).bytes().fold(0xcbf2_9ce4_8422_2325, add)
}

/// Whether a decision only asks people to look.
pub(crate) fn is_alert(decision: &RollbackDecision) -> bool {
    decision.decision == Decision::Alert && !decision.page && !decision.resolves
}

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

/// The alarm for which Greenlight stopped the deployment or took it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmStop {
    /// The alarm's name.
    pub name: String,
    /// Its data points and threshold in words; empty when only the name is known.
    pub observed: String,
    /// When the decision was taken.
    pub at: Timestamp,
}

impl AlarmStop {
    /// What a decision tells.
    pub fn decided(decision: &RollbackDecision) -> Self {
        let observed = remembered(&observed(&decision.alarm));
        Self { name: decision.alarm.name.clone(), observed, at: decision.at }
    }

    /// The first of two. One with its data points says more than one of which only the name is known.
    pub fn first(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        [one, other].into_iter().flatten().min_by_key(|alarm| (alarm.observed.is_empty(), alarm.at))
    }
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

/// When something began and when it ended, as far as that is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// When it began.
    pub began: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

impl Course {
    /// Of the deployment that rolls back: by its record, or by the event that tells its end.
    pub fn of(rollback: &Deployment, ended: Option<Timestamp>) -> Self {
        Self { began: rollback.started.or(rollback.created), ended: rollback.completed.or(ended) }
    }

    /// What two tell together, of which `new` was read later.
    pub fn with(old: Self, new: Self) -> Self {
        Self { began: new.began.or(old.began), ended: new.ended.or(old.ended) }
    }
}

/// Whether the traffic is back on the old version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restored {
    /// All of it is.
    pub complete: bool,
    /// What was last seen.
    pub observed: String,
    /// Whether it was told before that it is not: two minutes had passed, or the rollback had failed.
    #[serde(default)]
    pub was_late: bool,
}

impl Restored {
    /// What an event tells.
    pub fn told(event: &TrafficRestored) -> Self {
        Self { complete: event.restored, observed: remembered(&event.observed), was_late: !event.restored }
    }

    /// What two events tell together: traffic that is back stays so, whichever of the two was heard first.
    pub fn with(old: Option<Self>, new: Option<Self>) -> Option<Self> {
        match (old, new) {
            (Some(old), Some(new)) => {
                let was_late = old.was_late || new.was_late;
                Some(Self { was_late, ..if old.complete { old } else { new } })
            }
            (old, new) => new.or(old),
        }
    }
}

/// An alarm for which Greenlight asks a person to act, since it does not act itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// What is asked, if anything is.
    pub asked: Option<Asked>,
    /// When the alarm was last OK again.
    pub over: Option<Timestamp>,
}

/// What a person is asked to do about an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Why Greenlight does not do it.
    pub reason: String,
    /// What is to be done.
    pub next_step: String,
    /// When the alarm went to ALARM.
    pub red: Timestamp,
    /// Whether it is still asked when the alarm is OK again: a deployment was not stopped, or not taken back, that should have been.
    #[serde(default)]
    pub stays: bool,
}

impl Left {
    /// What is still to be done.
    pub fn open(&self) -> Option<&Asked> {
        self.asked.as_ref().filter(|asked| asked.stays || self.is_red())
    }

    /// Whether the alarm has not been OK again since.
    pub fn is_red(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| self.over.is_none_or(|over| over < asked.red))
    }

    /// What two events tell together, whichever was heard first.
    pub fn with(self, other: Self) -> Self {
        let asked = [self.asked, other.asked].into_iter().flatten().max_by_key(|asked| asked.red);
        Self { asked, over: self.over.max(other.over) }
    }
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
