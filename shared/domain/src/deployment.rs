//! A deployment as CodeDeploy records it, in the domain's words. Knows nothing of how it was read.

mod target;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

pub use target::{EcsTarget, LambdaTarget, LifecycleEvent, Target, TaskSet, TaskSetLabel};

/// CodeDeploy's id of a deployment, `d-` and some letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeploymentId(pub String);

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An application and its deployment group: what a deployment belongs to. CodeDeploy runs one deployment per group at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupName {
    /// CodeDeploy's application name.
    pub application: String,
    /// The deployment group's name within the application.
    pub deployment_group: String,
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.application, self.deployment_group)
    }
}

/// An ECS service and its cluster, where ECS itself deploys (the deployment controller `ECS`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EcsServiceName {
    /// The cluster's name.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub cluster: String,
    /// The service's name.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub service: String,
}

impl fmt::Display for EcsServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.cluster, self.service)
    }
}

/// What a deployment deploys to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Platform {
    /// An ECS service with two target groups.
    #[serde(rename = "ECS")]
    Ecs,
    /// A Lambda alias with two versions.
    Lambda,
    /// EC2 and on-premises: has no Lambda hooks.
    Server,
}

/// `deploymentInfo.status` of CodeDeploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Accepted, not yet started.
    Created,
    /// Waits for another.
    Queued,
    /// Runs; the termination wait at the end counts as running too.
    InProgress,
    /// All instances done, alarms still watched.
    Baking,
    /// Waits for `ContinueDeployment`.
    Ready,
    /// Ended well.
    Succeeded,
    /// Ended because a lifecycle event failed or timed out.
    Failed,
    /// Ended because an alarm or a person stopped it.
    Stopped,
    /// A status that this version does not know; it is not taken for an ending.
    #[serde(untagged)]
    Other(String),
}

impl Status {
    /// CodeDeploy's own word.
    pub fn as_str(&self) -> &str {
        match self {
            Status::Created => "Created",
            Status::Queued => "Queued",
            Status::InProgress => "InProgress",
            Status::Baking => "Baking",
            Status::Ready => "Ready",
            Status::Succeeded => "Succeeded",
            Status::Failed => "Failed",
            Status::Stopped => "Stopped",
            Status::Other(other) => other,
        }
    }

    /// From CodeDeploy's own word.
    pub fn from_word(word: &str) -> Self {
        match word {
            "Created" => Status::Created,
            "Queued" => Status::Queued,
            "InProgress" => Status::InProgress,
            "Baking" => Status::Baking,
            "Ready" => Status::Ready,
            "Succeeded" => Status::Succeeded,
            "Failed" => Status::Failed,
            "Stopped" => Status::Stopped,
            other => Status::Other(other.to_owned()),
        }
    }

    /// Whether nothing more will happen to the deployment.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Status::Succeeded | Status::Failed | Status::Stopped)
    }
}

/// What is deployed, as far as CodeDeploy's revision tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The ECS task definition's ARN, from the AppSpec.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub task_definition: Option<String>,
    /// The Lambda version that is to receive the traffic, from the AppSpec or the deployment target.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lambda_version: Option<String>,
    /// The commit, when the pipeline wrote `git_sha=…` into the deployment's description.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub git_sha: Option<String>,
}

impl Revision {
    /// How a person names it: the task definition's family and number, or the Lambda version, and the commit's first letters.
    pub fn spoken(&self) -> String {
        let what = match (&self.task_definition, &self.lambda_version) {
            (Some(arn), _) => arn.rsplit('/').next().unwrap_or(arn).to_owned(),
            (None, Some(version)) => format!("version {version}"),
            (None, None) => "unknown revision".to_owned(),
        };
        match &self.git_sha {
            Some(sha) => format!("{what} ({})", sha.chars().take(8).collect::<String>()),
            None => what,
        }
    }
}

/// Why CodeDeploy says that a deployment failed or stopped: `errorInformation`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentError {
    /// `ALARM_ACTIVE`, `HOOK_EXECUTION_FAILURE`, `MANUAL_STOP`, `TIMEOUT`, …
    pub code: String,
    /// CodeDeploy's sentence; text from outside.
    pub message: String,
}

/// A deployment, as `GetDeployment` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// The application and the deployment group.
    pub group: GroupName,
    /// What it deploys to; `None` when CodeDeploy names a platform that this version does not know.
    pub platform: Option<Platform>,
    /// How it stands.
    pub status: Status,
    /// Who created it: `user`, `codeDeployRollback`, `CloudFormation`, …
    pub creator: String,
    /// The deployment configuration's name, `CodeDeployDefault.ECSCanary10Percent5Minutes`.
    pub configuration: String,
    /// What the pipeline wrote into it; text from outside.
    pub description: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended, after the termination wait.
    pub completed: Option<Timestamp>,
    /// Why it failed or stopped.
    pub error: Option<DeploymentError>,
    /// The rollback that was started because of this deployment.
    pub rolled_back_by: Option<DeploymentId>,
    /// The deployment that this one rolls back.
    pub rolls_back: Option<DeploymentId>,
    /// The listeners and target groups of an ECS deployment.
    pub routes: Option<TrafficRoutes>,
    /// What is deployed.
    pub revision: Revision,
    /// What became of reading its AppSpec.
    #[serde(default)]
    pub app_spec: AppSpec,
    /// Whether CodeDeploy names no revision that was deployed to the group before this one.
    #[serde(default)]
    pub is_first: bool,
    /// What tells one revision from another: the hash of the AppSpec's text, the object in S3, or the commit on GitHub. Equal where the same
    /// was deployed; `None` where CodeDeploy does not tell.
    #[serde(default)]
    pub revision_id: Option<String>,
    /// How long the old version is kept after the shift (`terminationWaitTimeInMinutes`), where CodeDeploy ends it then. The deployment counts
    /// as running for as long.
    #[serde(default)]
    pub termination_wait: Option<Span>,
}

/// What became of reading a deployment's AppSpec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppSpec {
    /// The deployment names no revision.
    #[default]
    None,
    /// It was read.
    Read {
        /// Its hooks, lifecycle event and function (a name or an ARN), in order.
        hooks: Vec<(String, String)>,
    },
    /// It lies where CodeDeploy's API does not show it: `S3`, `GitHub`.
    Elsewhere(String),
    /// It could not be read; and why.
    Unreadable(String),
}

impl AppSpec {
    /// Why nothing is known from it, as it reads after a comma; `None` when it was read.
    pub fn unknown(&self) -> Option<String> {
        match self {
            AppSpec::Read { .. } => None,
            AppSpec::None => Some("the deployment names no revision".to_owned()),
            AppSpec::Elsewhere(place) => Some(format!("the AppSpec lies in {place}, which is not read")),
            AppSpec::Unreadable(why) => Some(format!("the AppSpec could not be read: {why}")),
        }
    }

    /// The lifecycle events that have a hook; `None` when that is not known.
    pub fn hooked_events(&self) -> Option<impl Iterator<Item = &str>> {
        match self {
            AppSpec::Read { hooks } => Some(hooks.iter().map(|(event, _)| event.as_str())),
            _ => None,
        }
    }
}

/// Who created a deployment that only restores what was there before (`deploymentInfo.creator`, CodeDeploy API reference).
const ROLLBACK_CREATORS: [&str; 2] = ["codeDeployRollback", "CloudFormationRollback"];

/// The key under which a deployment that Greenlight made names the deployment that it rolls back, in its description:
/// `greenlight_rolls_back=d-…`. CodeDeploy calls such a deployment a user's.
pub const ROLLS_BACK: &str = "greenlight_rolls_back";

impl Deployment {
    /// Whether it restores an older version. Such a deployment is never held up and never stopped, so either sign of it is enough.
    pub fn is_rollback(&self) -> bool {
        ROLLBACK_CREATORS.contains(&self.creator.as_str()) || self.rolls_back.is_some()
    }

    /// The earliest that its record tells of: when it was created, where that is told.
    pub fn known_start(&self) -> Option<Timestamp> {
        self.created.or(self.started).or(self.completed)
    }

    /// The latest that its record tells of: when it ended, where that is told.
    pub fn known_end(&self) -> Option<Timestamp> {
        self.completed.or(self.started).or(self.created)
    }

    /// The value of `key=value` in the description, where a pipeline leaves what CodeDeploy has no field for.
    pub fn described(&self, key: &str) -> Option<&str> {
        self.description
            .split(|c: char| c.is_whitespace() || c == ',' || c == ';')
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
            .filter(|value| !value.is_empty())
    }
}

/// `loadBalancerInfo.targetGroupPairInfoList[0]`: where an ECS deployment moves traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficRoutes {
    /// The production listener's ARN.
    pub production_listener: Option<String>,
    /// The test listener's ARN, when the group has one.
    pub test_listener: Option<String>,
    /// The names of the two target groups.
    pub target_groups: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_is_known_by_its_creator_or_by_what_it_rolls_back() {
        let info = serde_json::json!({
            "id": "d-2", "group": {"application": "a", "deployment_group": "g"}, "platform": "ECS", "status": "InProgress",
            "creator": "user", "configuration": "", "description": "", "created": null, "started": null, "completed": null,
            "error": null, "rolled_back_by": null, "rolls_back": null, "routes": null, "revision": {}
        });
        let own: Deployment = serde_json::from_value(info).unwrap();
        assert!(!own.is_rollback());
        for creator in ROLLBACK_CREATORS {
            assert!(Deployment { creator: creator.to_owned(), ..own.clone() }.is_rollback());
        }
        assert!(Deployment { rolls_back: Some(DeploymentId("d-1".to_owned())), ..own }.is_rollback());
    }

    #[test]
    fn an_unknown_status_is_kept_and_is_no_ending() {
        let status = Status::from_word("Pondering");
        assert_eq!(status.as_str(), "Pondering");
        assert!(!status.is_terminal());
    }
}
