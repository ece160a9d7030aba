//! Tells apart what wakes the function: an alarm's transition, or a deployment's change of state, with which a pursuit goes on. Knows
//! nothing of what follows from either.

use anyhow::Context;
use domain::deployment::EcsServiceName;
use domain::events::StateChange;
use serde::Deserialize;
use serde_json::Value;

use crate::event::{self, Transition};
use crate::rolling;

/// `detail-type` of CodeDeploy's event about a deployment.
const STATE_CHANGE: &str = "CodeDeploy Deployment State-change Notification";

/// What woke the function.
#[derive(Debug, PartialEq)]
pub(crate) enum WakeUp {
    /// Alarms changed their states: something is to be decided, or over.
    Alarms(Vec<Transition>),
    /// A deployment of CodeDeploy's changed its state. Only a pursuit makes that interesting.
    Deployment(StateChange),
    /// A deployment of this service, which ECS itself deploys, has ended. Only a pursuit makes that interesting.
    Rolling(EcsServiceName),
}

impl WakeUp {
    /// Reads an invocation's payload.
    ///
    /// # Errors
    /// When it is none of these; the text says what was expected.
    pub(crate) fn read(payload: &Value) -> anyhow::Result<Self> {
        let kind = payload.get("detail-type").and_then(Value::as_str);
        match (kind, payload.get("detail")) {
            (Some(STATE_CHANGE), Some(detail)) => StateChange::deserialize(detail)
                .with_context(|| format!("the detail of the event `{STATE_CHANGE}` could not be read"))
                .map(Self::Deployment),
            (Some(rolling::wake::STATE_CHANGE), _) => rolling::wake::service(payload).map(Self::Rolling),
            _ => event::parse(payload).map(Self::Alarms),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::events::ChangedState;
    use serde_json::json;

    use super::*;

    #[test]
    fn awss_documented_state_change_is_told_from_an_alarm() {
        // The sample of the EventBridge documentation (aws-lambda-rust-runtime's fixture).
        let payload = json!({
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
        let WakeUp::Deployment(change) = WakeUp::read(&payload).unwrap() else { panic!("it is no alarm") };
        assert_eq!((change.deployment_id.0.as_str(), &change.state), ("d-123456789", &ChangedState::Success));
        assert_eq!(change.group().to_string(), "myApplication/myDeploymentGroup");
        let torn = json!({"detail-type": STATE_CHANGE, "detail": {"deploymentId": "d-1"}});
        assert!(WakeUp::read(&torn).unwrap_err().to_string().contains("could not be read"));
    }

    #[test]
    fn what_is_neither_is_refused() {
        let error = WakeUp::read(&json!({"hello": "world"})).unwrap_err();
        assert!(error.to_string().contains("the event is no alarm"), "{error}");
    }
}
