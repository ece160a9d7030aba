//! The story of an ECS service that ECS itself deploys, task by task, and that an alarm returned to its previous task definition. CodeDeploy
//! knows nothing of such a deployment, so all of the story comes from Greenlight's own events. Pure; knows nothing of when it is told.

use domain::deployment::{DeploymentId, EcsServiceName, Revision};
use domain::events::{Decision, RollbackDecision, TrafficRestored};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::blocks::{Message, Mrkdwn, outside};
use crate::glance::Colour;
use crate::said;
use crate::story::{AlarmStop, Restored};
use crate::tale::{Kind, Tale};

/// What is known of one deployment of the service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rolling {
    /// ECS's own id, `ecs-svc/…`.
    pub deployment: DeploymentId,
    /// The service that it deploys to.
    pub ecs: EcsServiceName,
    /// The service's name in the configuration.
    pub service: Option<String>,
    /// The service's environment in the configuration.
    pub environment: Option<String>,
    /// What is deployed.
    pub revision: Revision,
    /// What comes back in its place.
    pub brings_back: Option<Revision>,
    /// ECS's deployment that brings it back.
    pub rollback: Option<DeploymentId>,
    /// The first alarm that led to it.
    pub alarm: Option<AlarmStop>,
    /// Whether the deployment had ended well before.
    pub late: bool,
    /// Whether the service is back.
    pub restored: Option<Restored>,
    /// When the facts were last heard.
    pub read_at: Timestamp,
}

impl Rolling {
    /// What a decision tells of a deployment that it takes back.
    pub fn decided(
        deployment: &DeploymentId,
        ecs: &EcsServiceName,
        decision: &RollbackDecision,
        read_at: Timestamp,
    ) -> Self {
        let takes_back = matches!(decision.decision, Decision::StopAndRollBack | Decision::RedeployPrevious);
        Self {
            deployment: deployment.clone(),
            ecs: ecs.clone(),
            service: decision.service.clone(),
            environment: decision.environment.clone(),
            revision: decision.revision.clone(),
            brings_back: decision.restores.clone().filter(|revision| *revision != Revision::default()),
            rollback: decision.rollback_deployment_id.clone(),
            alarm: takes_back.then(|| AlarmStop::decided(decision)),
            late: decision.decision == Decision::RedeployPrevious,
            restored: None,
            read_at,
        }
    }

    /// What is told of its way back.
    pub fn restored(ecs: &EcsServiceName, restored: &TrafficRestored, read_at: Timestamp) -> Self {
        Self {
            deployment: restored.deployment_id.clone(),
            ecs: ecs.clone(),
            service: restored.service.clone(),
            environment: restored.environment.clone(),
            revision: Revision::default(),
            brings_back: None,
            rollback: restored.rollback_deployment_id.clone(),
            alarm: Some(AlarmStop { name: restored.alarm.clone(), observed: String::new(), at: restored.at }),
            late: false,
            restored: Some(Restored::told(restored)),
            read_at,
        }
    }

    /// The service and its environment.
    pub fn named(&self) -> String {
        let service = self.service.clone().unwrap_or_else(|| self.ecs.to_string());
        match &self.environment {
            Some(environment) => format!("{service} ({environment})"),
            None => service,
        }
    }

    /// Whether the service is back on the old version.
    pub fn is_back(&self) -> bool {
        self.restored.as_ref().is_some_and(|restored| restored.complete)
    }

    /// What happened, after the service's name.
    pub fn what(&self) -> &'static str {
        match (&self.restored, self.late) {
            (Some(restored), _) if !restored.complete => "is not back on the old version yet",
            (Some(_), true) => "was deployed, then rolled back by an alarm",
            (Some(_), false) => "was rolled back by an alarm",
            (None, _) => "is being rolled back by an alarm",
        }
    }

    /// The cause in one line without markup, for a pager.
    pub fn cause(&self) -> String {
        match &self.alarm {
            Some(alarm) if alarm.observed.is_empty() => format!("alarm {}", alarm.name),
            Some(alarm) => format!("alarm {}: {}", alarm.name, alarm.observed),
            None => "no reason recorded".to_owned(),
        }
    }

    /// Which version the service is on; completes "Production …".
    pub fn production(&self) -> String {
        let old = match &self.brings_back {
            Some(revision) => format!("the old version, {}", revision.spoken()),
            None => "the old version".to_owned(),
        };
        match &self.restored {
            Some(restored) if restored.complete => format!("is on {old}"),
            Some(_) => "may be on either version: ECS has not brought the old one back".to_owned(),
            None => format!("is going back to {old}"),
        }
    }

    /// What somebody must do.
    pub fn to_do(&self) -> &'static str {
        match &self.restored {
            Some(restored) if restored.complete => "Nothing is urgent: fix the cause, then deploy again.",
            Some(_) => BY_HAND,
            None => "Wait for the rollback: its end will be told here.",
        }
    }
}

/// What to do when ECS does not bring the old version back. To update the service by hand would be what Greenlight has done.
pub(crate) const BY_HAND: &str = "Act now: the service was returned to its previous task definition, and ECS has not brought that up. Look at \
     the service's events, and at why its tasks do not start or do not stay healthy.";

impl Tale for Rolling {
    fn id(&self) -> &DeploymentId {
        &self.deployment
    }

    fn absorb(&mut self, other: Self) {
        let (old, new) = if other.read_at >= self.read_at { (self.clone(), other) } else { (other, self.clone()) };
        *self = Self {
            service: new.service.or(old.service),
            environment: new.environment.or(old.environment),
            revision: if new.revision == Revision::default() { old.revision } else { new.revision },
            brings_back: new.brings_back.or(old.brings_back),
            rollback: new.rollback.or(old.rollback),
            alarm: AlarmStop::first(old.alarm, new.alarm),
            late: old.late || new.late,
            restored: Restored::with(old.restored, new.restored),
            ..new
        };
    }

    fn read_at(&mut self) -> &mut Timestamp {
        &mut self.read_at
    }

    fn headline(&self) -> Message {
        let colour = match &self.restored {
            Some(restored) if !restored.complete => Colour::Red,
            _ => Colour::Orange,
        };
        let what = format!("{} {}", outside(&self.named()), self.what());
        let mut lines = vec![said!("*Production* {}.", self.production()), said!("*You:* {}", self.to_do())];
        lines.extend(self.alarm.as_ref().map(|alarm| match alarm.observed.as_str() {
            "" => said!("Alarm {} fired.", Mrkdwn::code(&alarm.name)),
            observed => said!("Alarm {} fired: {}.", Mrkdwn::code(&alarm.name), observed),
        }));
        let not_back = self.restored.as_ref().filter(|restored| !restored.complete);
        lines.extend(not_back.map(|restored| said!("Last seen of the rollback: {}", restored.observed)));
        let unknown = "not in the configuration";
        let mut fields = vec![
            ("Service", said!("{}", self.service.as_deref().unwrap_or(unknown))),
            ("Environment", said!("{}", self.environment.as_deref().unwrap_or(unknown))),
            ("Revision", said!("{}", self.revision.spoken())),
            ("ECS service", said!("{}", self.ecs.to_string())),
            ("Deployment", Mrkdwn::code(&self.deployment.0)),
        ];
        if let Some(revision) = &self.brings_back {
            fields.push(("Goes back to", said!("{}", revision.spoken())));
        }
        Message {
            title: Some(format!("{} {what}", colour.emoji())),
            fallback: format!("{what}. Production {}. {}", outside(&self.production()), self.to_do()),
            lines,
            fields,
            context: Vec::new(),
        }
    }

    fn state(&self) -> String {
        match &self.restored {
            Some(restored) if restored.complete => "Restored",
            Some(_) => "NotRestored",
            None => "RollingBack",
        }
        .to_owned()
    }

    fn about(&self) -> Vec<Mrkdwn> {
        vec![said!("{}", self.named()), Mrkdwn::code(&self.deployment.0)]
    }

    /// It is told of only when it is taken back.
    fn concerns(&self) -> bool {
        true
    }

    fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    const KIND: Kind = Kind::Rolling;
}
