//! What is remembered of an alarm between its transitions: where it was told, whether somebody was paged for it, and when it was last OK
//! again. So its return to OK finds what it opened, also where the two are heard in the wrong order. Knows nothing of Slack or PagerDuty.

use domain::deployment::DeploymentId;
use domain::events::{Decision, RollbackDecision};
use domain::ports::{Ledger, PortError};
use domain::text::bounded;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::memory::{KEPT, RACES};

/// Where an alarm was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Place {
    /// In the thread of this deployment.
    Thread(DeploymentId),
    /// In a message that it shares with others of its service; the id of that message's story.
    Flock(DeploymentId),
    /// In a message of its own; the id of that message's story.
    Lone(DeploymentId),
}

/// When and where an alarm was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToldAt {
    /// The transition to ALARM that was told.
    pub red: Timestamp,
    /// Where.
    pub place: Place,
}

/// An alarm of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// Where its last transition to ALARM was told.
    pub told: Option<ToldAt>,
    /// The last transition to ALARM for which somebody was paged.
    pub paged: Option<Timestamp>,
    /// Its last transition to OK that was heard of.
    pub over: Option<Timestamp>,
}

impl Watch {
    /// Whether the alarm has been OK since it went red then.
    pub fn is_over(&self, red: Timestamp) -> bool {
        self.over.is_some_and(|over| over >= red)
    }

    /// Remembers where a transition was told, unless that of a later one is remembered.
    pub fn tell(&mut self, told: ToldAt) {
        if self.told.as_ref().is_none_or(|old| old.red <= told.red) {
            self.told = Some(told);
        }
    }
}

/// When an alarm changed its state.
pub fn changed(decision: &RollbackDecision) -> Timestamp {
    decision.alarm.changed_at.unwrap_or(decision.at)
}

/// Whether what a person is asked to do stays to be done when the alarm is OK again: a deployment that should have been stopped goes on, or one
/// that should have been taken back serves. Of a service that ECS itself deploys nobody tells here how it ends, so the alarm's end has to do.
pub fn holds(decision: &RollbackDecision) -> bool {
    decision.page
        && decision.decision == Decision::Alert
        && decision.deployment_id.is_some()
        && decision.group.is_some()
        && decision.ecs.is_none()
}

/// What an alarm is about: the deployment group, the ECS service, or the service's name.
pub fn subject(decision: &RollbackDecision) -> String {
    match (&decision.group, &decision.ecs, &decision.service) {
        (Some(group), _, _) => group.to_string(),
        (None, Some(ecs), _) => format!("ecs/{ecs}"),
        (None, None, Some(service)) => service.clone(),
        (None, None, None) => "nobody".to_owned(),
    }
}

fn key(decision: &RollbackDecision) -> String {
    bounded(&format!("watch/{}/{}", subject(decision), decision.alarm.name), 700)
}

/// Changes what is remembered, and returns it as it then is.
pub async fn change(
    ledger: &impl Ledger,
    decision: &RollbackDecision,
    now: Timestamp,
    change: impl Fn(&mut Watch),
) -> Result<Watch, PortError> {
    let key = key(decision);
    let what = || format!("changing the ledger's entry `{key}`");
    let unreadable = |error: serde_json::Error| PortError::Permanent {
        what: what(),
        detail: format!("{error}; delete the entry, and the next event writes it anew"),
    };
    for _ in 0..RACES {
        let entry = ledger.read(&key).await?;
        let old = entry.as_ref().map(Watch::deserialize).transpose().map_err(unreadable)?.unwrap_or_default();
        let mut next = old.clone();
        change(&mut next);
        if next == old {
            return Ok(next);
        }
        let written = serde_json::to_value(&next).map_err(unreadable)?;
        if ledger.replace(&key, entry.as_ref(), &written, now.plus(KEPT)).await? {
            return Ok(next);
        }
    }
    Err(PortError::Transient {
        what: what(),
        detail: format!("others changed it {RACES} times in between"),
        retry_after: None,
    })
}
