//! A deployment as CodeDeploy records it, in the domain's words. Knows nothing of how it was read.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

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

impl Deployment {
    /// Whether it restores an older version. Such a deployment is never held up and never stopped, so either sign of it is enough.
    pub fn is_rollback(&self) -> bool {
        ROLLBACK_CREATORS.contains(&self.creator.as_str()) || self.rolls_back.is_some()
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

/// One lifecycle event of a deployment target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleEvent {
    /// `BeforeAllowTraffic`, `AllowTraffic`, …
    pub name: String,
    /// `Pending`, `InProgress`, `Succeeded`, `Failed`, `Skipped`, `Unknown`.
    pub status: String,
}

/// The deployment target: an ECS service or a Lambda function, as `BatchGetDeploymentTargets` tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Target {
    /// An ECS service.
    Ecs(EcsTarget),
    /// A Lambda function's alias.
    Lambda(LambdaTarget),
}

impl Target {
    /// The lifecycle events so far, in order.
    pub fn lifecycle_events(&self) -> &[LifecycleEvent] {
        match self {
            Target::Ecs(target) => &target.lifecycle_events,
            Target::Lambda(target) => &target.lifecycle_events,
        }
    }

    /// The lifecycle event that is in progress: the hook payload does not say which one it belongs to.
    pub fn current_event(&self) -> Option<&str> {
        self.lifecycle_events().iter().find(|event| event.status == "InProgress").map(|event| event.name.as_str())
    }

    /// The percentage of production traffic on the new version, when the target tells.
    pub fn new_version_weight(&self) -> Option<f64> {
        match self {
            Target::Ecs(target) => target.replacement().map(|set| set.traffic_weight),
            Target::Lambda(target) => target.target_version_weight,
        }
    }

    /// Whether all production traffic is on the version that was there before the deployment.
    pub fn is_all_on_the_old_version(&self) -> bool {
        match self {
            Target::Ecs(target) => target.original().is_some_and(|set| set.traffic_weight >= 100.0),
            // The scale of `targetVersionWeight` (0 to 1 or 0 to 100) is not documented; zero is zero in both.
            Target::Lambda(target) => target.target_version_weight.is_some_and(|weight| weight == 0.0),
        }
    }
}

/// An ECS deployment target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EcsTarget {
    /// The ECS cluster's name.
    pub cluster: String,
    /// The ECS service's name.
    pub service: String,
    /// The lifecycle events, in order.
    pub lifecycle_events: Vec<LifecycleEvent>,
    /// The original and the replacement task set.
    pub task_sets: Vec<TaskSet>,
}

impl EcsTarget {
    /// The task set that this deployment brings in (`taskSetLabel` `Green`).
    pub fn replacement(&self) -> Option<&TaskSet> {
        self.labelled(TaskSetLabel::Green)
    }

    /// The task set that was there before (`taskSetLabel` `Blue`).
    pub fn original(&self) -> Option<&TaskSet> {
        self.labelled(TaskSetLabel::Blue)
    }

    /// Answers from before labels existed have none (the tutorial "Creating a service using a blue/green deployment" of the ECS
    /// developer guide). Then the set with the status `PRIMARY` is the one that serves production, which tells the two apart
    /// before the shift and after it; during the shift it is left open.
    fn labelled(&self, label: TaskSetLabel) -> Option<&TaskSet> {
        if self.task_sets.iter().any(|set| set.label.is_some()) {
            return self.task_sets.iter().find(|set| set.label == Some(label));
        }
        let [one, other] = self.task_sets.as_slice() else { return None };
        let (primary, secondary) = match (one.status.as_str(), other.status.as_str()) {
            ("PRIMARY", "PRIMARY") => return None,
            ("PRIMARY", _) => (one, other),
            (_, "PRIMARY") => (other, one),
            _ => return None,
        };
        let shift = self.lifecycle_events.iter().find(|event| event.name == "AllowTraffic");
        match (shift.map(|event| event.status.as_str()), label) {
            (None | Some("Pending" | "Skipped"), TaskSetLabel::Blue) | (Some("Succeeded"), TaskSetLabel::Green) => {
                Some(primary)
            }
            (None | Some("Pending" | "Skipped"), TaskSetLabel::Green) | (Some("Succeeded"), TaskSetLabel::Blue) => {
                Some(secondary)
            }
            _ => None,
        }
    }
}

/// A task set's role in the deployment. It is not the name of a target group, however that is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskSetLabel {
    /// The original.
    Blue,
    /// The replacement.
    Green,
}

/// A task set of an ECS deployment target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSet {
    /// `ecs-svc/…` (CodeDeploy's field is misspelt `identifer`).
    pub id: String,
    /// Its role.
    pub label: Option<TaskSetLabel>,
    /// Tasks wanted.
    pub desired: i64,
    /// Tasks starting.
    pub pending: i64,
    /// Tasks running.
    pub running: i64,
    /// `PRIMARY`, `ACTIVE` or `DRAINING`.
    pub status: String,
    /// Percentage of production traffic, 0 to 100.
    pub traffic_weight: f64,
    /// The target group's name.
    pub target_group: Option<String>,
}

/// A Lambda deployment target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LambdaTarget {
    /// The function's name.
    pub function: String,
    /// The alias that is shifted.
    pub alias: String,
    /// The version that has the traffic at the start.
    pub current_version: String,
    /// The version that is to have it.
    pub target_version: String,
    /// Traffic on the target version, where CodeDeploy tells; whether 0 to 1 or 0 to 100 is not documented.
    pub target_version_weight: Option<f64>,
    /// The lifecycle events, in order.
    pub lifecycle_events: Vec<LifecycleEvent>,
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
    fn without_labels_the_two_task_sets_are_told_apart_by_who_serves() {
        // The answer of the ECS developer guide's tutorial, which has no `taskSetLabel`, and what it looked like before the shift.
        let set = |id: &str, status: &str| TaskSet {
            id: id.to_owned(),
            label: None,
            desired: 1,
            pending: 0,
            running: 1,
            status: status.to_owned(),
            traffic_weight: if status == "PRIMARY" { 100.0 } else { 0.0 },
            target_group: None,
        };
        let target = |sets: [(&str, &str); 2], shift: &str| EcsTarget {
            cluster: "tutorial-bluegreen-app".to_owned(),
            service: "service-bluegreen".to_owned(),
            lifecycle_events: vec![LifecycleEvent { name: "AllowTraffic".to_owned(), status: shift.to_owned() }],
            task_sets: sets.iter().map(|(id, status)| set(id, status)).collect(),
        };
        let ids = |target: &EcsTarget| {
            (target.original().map(|set| set.id.clone()), target.replacement().map(|set| set.id.clone()))
        };
        let both = || (Some("old".to_owned()), Some("new".to_owned()));
        assert_eq!(ids(&target([("old", "PRIMARY"), ("new", "ACTIVE")], "Pending")), both());
        assert_eq!(ids(&target([("new", "ACTIVE"), ("old", "PRIMARY")], "Pending")), both());
        assert_eq!(ids(&target([("old", "ACTIVE"), ("new", "PRIMARY")], "Succeeded")), both());
        assert_eq!(ids(&target([("old", "PRIMARY"), ("new", "ACTIVE")], "InProgress")), (None, None));
        assert_eq!(ids(&target([("old", "ACTIVE"), ("new", "ACTIVE")], "Pending")), (None, None));
    }

    #[test]
    fn an_unknown_status_is_kept_and_is_no_ending() {
        let status = Status::from_word("Pondering");
        assert_eq!(status.as_str(), "Pondering");
        assert!(!status.is_terminal());
    }
}
