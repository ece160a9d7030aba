//! The events that the functions read and write on the event bus: CodeDeploy's state changes and Greenlight's own. Knows
//! nothing of how they travel. Unknown keys are ignored, as AWS may add some at any time.

use serde::{Deserialize, Serialize};

use crate::alarm::AlarmFact;
use crate::deployment::{DeploymentId, EcsServiceName, GroupName, Revision};
use crate::hook::{Finding, Verdict};
use crate::time::Timestamp;

/// `source` of Greenlight's own events.
pub const SOURCE: &str = "greenlight";

/// The EventBridge envelope around any event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// EventBridge's id of this event; the same in a duplicate.
    #[serde(default)]
    pub id: String,
    /// `aws.codedeploy`, `aws.cloudwatch`, `greenlight`, …
    pub source: String,
    /// What the detail is.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// When it happened.
    pub time: Timestamp,
    /// The region it happened in.
    #[serde(default)]
    pub region: String,
    /// The account it happened in.
    #[serde(default)]
    pub account: String,
    /// The event itself.
    pub detail: serde_json::Value,
}

/// `detail` of "CodeDeploy Deployment State-change Notification". It names neither creator nor cause: those come from
/// `GetDeployment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateChange {
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// The application.
    pub application: String,
    /// The deployment group.
    pub deployment_group: String,
    /// What happened.
    pub state: ChangedState,
}

impl StateChange {
    /// The application and the deployment group.
    pub fn group(&self) -> GroupName {
        GroupName { application: self.application.clone(), deployment_group: self.deployment_group.clone() }
    }
}

/// The states that CodeDeploy's events carry (`aws-lambda-go`'s constants); not those of `GetDeployment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangedState {
    /// The deployment started.
    #[serde(rename = "START")]
    Start,
    /// It ended well.
    #[serde(rename = "SUCCESS")]
    Success,
    /// It failed.
    #[serde(rename = "FAILURE")]
    Failure,
    /// An alarm or a person stopped it.
    #[serde(rename = "STOP")]
    Stop,
    /// It waits to be continued.
    #[serde(rename = "READY")]
    Ready,
    /// A state that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// Where in CloudWatch Logs an invocation wrote its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    /// The log group's name.
    pub group: String,
    /// The log stream's name within it.
    pub stream: String,
    /// Lambda's id of the request, which stands in each of its lines.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
}

/// Greenlight's "Hook Verdict": what a hook answered and everything that it saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HookVerdict {
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// Its application and deployment group; absent when even that could not be found out.
    pub group: Option<GroupName>,
    /// The service's name in the configuration.
    pub service: Option<String>,
    /// The service's environment in the configuration.
    pub environment: Option<String>,
    /// The lifecycle event, when it could be told.
    pub lifecycle_event: Option<String>,
    /// The function that answered.
    pub hook: String,
    /// The answer.
    pub verdict: Verdict,
    /// Whether CodeDeploy took the answer: false when it took none before the deadline.
    pub reported: bool,
    /// One sentence that a person reads first.
    pub reason: String,
    /// Every fact and check that was looked at.
    pub findings: Vec<Finding>,
    /// Why a person asked to let the deployment through unchecked, when one did: the emergency lane.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skipped: Option<String>,
    /// What is deployed.
    pub revision: Revision,
    /// Where the hook wrote its log, where it knows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub log: Option<LogPlace>,
    /// How long the hook took, in milliseconds.
    pub duration_ms: u64,
    /// When it answered.
    pub at: Timestamp,
}

/// What `alarm-rollback` decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Stop the deployment and roll it back.
    StopAndRollBack,
    /// The deployment has ended: deploy again what was good before it.
    RedeployPrevious,
    /// Tell people, touch nothing.
    Alert,
    /// Nothing to do.
    Ignore,
}

/// Greenlight's "Rollback Decision": what an alarm led to and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollbackDecision {
    /// The alarm.
    pub alarm: AlarmFact,
    /// The deployment that it concerns, when there is one; ECS's own id, `ecs-svc/…`, of a rolling deployment.
    pub deployment_id: Option<DeploymentId>,
    /// The application and deployment group.
    pub group: Option<GroupName>,
    /// The ECS service, where ECS itself deploys it; `group` is `None` then.
    #[serde(default)]
    pub ecs: Option<EcsServiceName>,
    /// The service's name in the configuration.
    pub service: Option<String>,
    /// The service's environment in the configuration.
    pub environment: Option<String>,
    /// What is deployed.
    pub revision: Revision,
    /// What comes back, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<Revision>,
    /// The deployment that brings it back, when Greenlight has created one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_deployment_id: Option<DeploymentId>,
    /// The decision.
    pub decision: Decision,
    /// Its reason, one sentence.
    pub reason: String,
    /// What a person can do next.
    pub next_step: String,
    /// Whether a person has to act now, since Greenlight does not.
    #[serde(default)]
    pub page: bool,
    /// Whether the alarm is OK again and what was told of it before is over.
    #[serde(default)]
    pub resolves: bool,
    /// When it was taken.
    pub at: Timestamp,
}

/// Greenlight's "Traffic Restored": how a rollback ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrafficRestored {
    /// The deployment that was rolled back; ECS's own id, `ecs-svc/…`, of a rolling deployment.
    pub deployment_id: DeploymentId,
    /// The deployment that restored the old version.
    pub rollback_deployment_id: Option<DeploymentId>,
    /// The application and deployment group.
    pub group: Option<GroupName>,
    /// The ECS service, where ECS itself deploys it; `group` is `None` then.
    #[serde(default)]
    pub ecs: Option<EcsServiceName>,
    /// The service's name in the configuration.
    pub service: Option<String>,
    /// The service's environment in the configuration.
    pub environment: Option<String>,
    /// The alarm that led to it.
    pub alarm: String,
    /// Whether all production traffic is on the old version.
    pub restored: bool,
    /// What was last seen, one sentence.
    pub observed: String,
    /// Seconds from the alarm's transition.
    pub seconds_since_alarm: Option<f64>,
    /// Seconds from the event's arrival.
    pub seconds_since_event: f64,
    /// When it was seen.
    pub at: Timestamp,
}

/// One of Greenlight's own events.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "an invocation holds a handful of them, and a box would be in the way of every match"
)]
pub enum Notice {
    /// "Hook Verdict"
    HookVerdict(HookVerdict),
    /// "Rollback Decision"
    RollbackDecision(RollbackDecision),
    /// "Traffic Restored"
    TrafficRestored(TrafficRestored),
}

impl Notice {
    /// EventBridge's `detail-type`.
    pub fn detail_type(&self) -> &'static str {
        match self {
            Notice::HookVerdict(_) => "Hook Verdict",
            Notice::RollbackDecision(_) => "Rollback Decision",
            Notice::TrafficRestored(_) => "Traffic Restored",
        }
    }

    /// EventBridge's `detail`.
    pub fn detail(&self) -> Result<serde_json::Value, serde_json::Error> {
        match self {
            Notice::HookVerdict(detail) => serde_json::to_value(detail),
            Notice::RollbackDecision(detail) => serde_json::to_value(detail),
            Notice::TrafficRestored(detail) => serde_json::to_value(detail),
        }
    }
}

/// Every event that `deployment-metrics` and `slack-notifier` understand.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// CodeDeploy's state change.
    StateChange(StateChange),
    /// One of Greenlight's own.
    Notice(Box<Notice>),
    /// The schedule rang.
    Schedule,
}

/// Why an event could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Not an EventBridge event at all.
    #[error("the event is not an EventBridge event: {0}; expected `source`, `detail-type`, `time` and `detail`")]
    Envelope(serde_json::Error),
    /// The envelope is right, the detail is not.
    #[error("the detail of the event `{detail_type}` from `{source_name}` could not be read: {error}")]
    Detail {
        /// The event's source.
        source_name: String,
        /// The event's detail-type.
        detail_type: String,
        /// What was wrong.
        error: serde_json::Error,
    },
    /// An event that the function has no use for.
    #[error(
        "the event `{detail_type}` from `{source_name}` is none that this function handles; check the event pattern of its rule in `template.yaml`"
    )]
    Unknown {
        /// The event's source.
        source_name: String,
        /// The event's detail-type.
        detail_type: String,
    },
}

impl Heard {
    /// Reads an EventBridge event.
    pub fn parse(payload: &serde_json::Value) -> Result<(Envelope, Heard), EventError> {
        let envelope = Envelope::deserialize(payload).map_err(EventError::Envelope)?;
        let detail = |error| EventError::Detail {
            source_name: envelope.source.clone(),
            detail_type: envelope.detail_type.clone(),
            error,
        };
        let notice = |notice| Heard::Notice(Box::new(notice));
        let heard = match (envelope.source.as_str(), envelope.detail_type.as_str()) {
            ("aws.codedeploy", "CodeDeploy Deployment State-change Notification") => {
                Heard::StateChange(StateChange::deserialize(&envelope.detail).map_err(detail)?)
            }
            (SOURCE, "Hook Verdict") => {
                notice(Notice::HookVerdict(HookVerdict::deserialize(&envelope.detail).map_err(detail)?))
            }
            (SOURCE, "Rollback Decision") => {
                notice(Notice::RollbackDecision(RollbackDecision::deserialize(&envelope.detail).map_err(detail)?))
            }
            (SOURCE, "Traffic Restored") => {
                notice(Notice::TrafficRestored(TrafficRestored::deserialize(&envelope.detail).map_err(detail)?))
            }
            ("aws.events" | "aws.scheduler", _) => Heard::Schedule,
            _ => {
                return Err(EventError::Unknown {
                    source_name: envelope.source.clone(),
                    detail_type: envelope.detail_type.clone(),
                });
            }
        };
        Ok((envelope, heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awss_documented_state_change_is_read() {
        // The sample of the EventBridge documentation (aws-lambda-rust-runtime's fixture).
        let payload = serde_json::json!({
            "account": "123456789012", "region": "us-east-1", "version": "0", "source": "aws.codedeploy",
            "detail-type": "CodeDeploy Deployment State-change Notification",
            "time": "2016-06-30T22:06:31Z", "id": "c071bfbf-83c4-49ca-a6ff-3df053957145",
            "resources": ["arn:aws:codedeploy:us-east-1:123456789012:application:myApplication"],
            "detail": {
                "instanceGroupId": "9fd2fbef-2157-40d8-91e7-6845af69e2d2", "region": "us-east-1",
                "application": "myApplication", "deploymentId": "d-123456789", "state": "SUCCESS",
                "deploymentGroup": "myDeploymentGroup"
            }
        });
        let (_, heard) = Heard::parse(&payload).unwrap();
        let Heard::StateChange(change) = heard else { panic!("{heard:?}") };
        assert_eq!(change.state, ChangedState::Success);
        assert_eq!(change.group().to_string(), "myApplication/myDeploymentGroup");
    }

    #[test]
    fn an_event_that_nobody_asked_for_names_the_pattern_to_look_at() {
        let payload = serde_json::json!({
            "source": "aws.ec2", "detail-type": "x", "time": "2016-06-30T22:06:31Z", "detail": {}
        });
        assert!(Heard::parse(&payload).unwrap_err().to_string().contains("event pattern"));
    }
}
