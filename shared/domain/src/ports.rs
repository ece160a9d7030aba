//! The ports: one trait per need, in the domain's nouns. The adapters in `aws` and `outbound` implement them; tests use the
//! recording fakes of `testkit`. Knows nothing of any adapter.

#![allow(async_fn_in_trait, reason = "the functions run on one thread, so no future needs to be Send")]

mod ecs;
mod rollback;
mod tell;

use std::time::Duration;

pub use ecs::{RollingServices, TaskDefinitionTags};
pub use rollback::{AlarmTags, DeploymentRecords, Redeployed, Redeployer};
pub use tell::{Address, Chat, Pager, PostedMessage, Tickets, Unsent};

use crate::alarm::{AlarmReading, GroupAlarms};
use crate::deployment::{Deployment, DeploymentId, GroupName, Status, Target};
use crate::events::Notice;
use crate::hook::{HookEvent, Verdict};
use crate::time::Timestamp;

/// Why a port could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PortError {
    /// What was asked for does not exist.
    #[error("{what} does not exist: {detail}")]
    NotFound {
        /// What was looked for.
        what: String,
        /// What the service said.
        detail: String,
    },
    /// The function's role may not do this.
    #[error("{what} was refused: {detail}; the function's policy in `template.yaml` must allow it")]
    Denied {
        /// What was attempted.
        what: String,
        /// What the service said.
        detail: String,
    },
    /// It may work later: throttling, a time-out, a server's error.
    #[error("{what} failed for now: {detail}")]
    Transient {
        /// What was attempted.
        what: String,
        /// What the service said.
        detail: String,
        /// How long the service asked to wait.
        retry_after: Option<Duration>,
    },
    /// It will not work, however often it is tried.
    #[error("{what} failed: {detail}")]
    Permanent {
        /// What was attempted.
        what: String,
        /// What the service said.
        detail: String,
    },
}

impl PortError {
    /// Whether trying again later makes sense.
    pub fn is_transient(&self) -> bool {
        matches!(self, PortError::Transient { .. })
    }
}

/// How the answer to a hook was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// CodeDeploy took it.
    Accepted,
    /// The lifecycle event had already been answered or had ended: a duplicate, which is a success.
    AlreadyCompleted,
}

/// Tells CodeDeploy how a hook ended.
pub trait HookReporter {
    /// Reports the verdict once.
    async fn report(&self, hook: &HookEvent, verdict: Verdict) -> Result<Reported, PortError>;
}

/// How a request to stop a deployment was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It stops, or has stopped.
    Accepted,
    /// It had already ended.
    AlreadyCompleted,
}

/// CodeDeploy's record of deployments.
pub trait Deployments {
    /// One deployment.
    async fn deployment(&self, id: &DeploymentId) -> Result<Deployment, PortError>;
    /// The deployment's one target, with its lifecycle events.
    async fn target(&self, id: &DeploymentId) -> Result<Target, PortError>;
    /// The ids of the deployments of a group in one of these statuses; of all groups when none is named; created since a time.
    async fn list(
        &self,
        group: Option<&GroupName>,
        statuses: &[Status],
        created_since: Option<Timestamp>,
    ) -> Result<Vec<DeploymentId>, PortError>;
}

/// CodeDeploy's deployment groups.
pub trait DeploymentGroups {
    /// The alarms that CodeDeploy itself watches during the group's deployments.
    async fn alarms(&self, group: &GroupName) -> Result<GroupAlarms, PortError>;
}

/// Stops deployments.
pub trait DeploymentStopper {
    /// Stops a deployment and lets CodeDeploy roll it back.
    async fn stop_and_roll_back(&self, id: &DeploymentId) -> Result<Stopped, PortError>;
}

/// One task of a task set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The task's id.
    pub id: String,
    /// `RUNNING`, `STOPPED`, …
    pub status: String,
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`; of its essential containers together.
    pub health: String,
    /// Why it stopped; text from outside.
    pub stopped_reason: Option<String>,
    /// Who ended it: `EssentialContainerExited`, `ServiceSchedulerInitiated`, `SpotInterruption`, … (`TaskStopCode`, ECS API reference).
    pub stop_code: Option<String>,
    /// Its containers, those included that ECS adds to what the task definition names.
    pub containers: Vec<Container>,
}

impl Task {
    /// Whether it runs no longer, or is on its way there: the steps after `RUNNING` (ECS developer guide, "Task lifecycle").
    pub fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" | "STOPPED" | "DELETED")
    }
}

/// One container of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Its name in the task definition, or the name that AWS gave to one that it added.
    pub name: String,
    /// The image, as ECS tells it: as the task definition names it, or resolved to a digest.
    pub image: String,
    /// The digest of the image that runs, `sha256:…`; absent where ECS does not tell.
    pub digest: Option<String>,
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`; the last also where the container has no health check.
    pub health: String,
    /// How its process ended.
    pub exit_code: Option<i32>,
    /// Why ECS ended it or could not start it; text from outside.
    pub reason: Option<String>,
}

/// One container that a task definition names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinedContainer {
    /// Its name.
    pub name: String,
    /// Its image: by tag, by digest or by neither.
    pub image: String,
    /// Whether the task ends when this container does.
    pub is_essential: bool,
    /// Whether ECS looks after its health.
    pub has_health_check: bool,
}

/// What ECS knows of the new version.
pub trait Tasks {
    /// The tasks of a task set, running and lately stopped.
    async fn of_task_set(&self, cluster: &str, service: &str, task_set: &str) -> Result<Vec<Task>, PortError>;
    /// The containers that a task definition names.
    async fn containers_of_definition(&self, task_definition: &str) -> Result<Vec<DefinedContainer>, PortError>;
    /// The task definition that a task set runs.
    async fn definition_of_task_set(&self, cluster: &str, service: &str, task_set: &str) -> Result<String, PortError>;
}

/// The health of one target in a target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetHealth {
    /// The target's id: an address or an instance.
    pub id: String,
    /// `healthy`, `unhealthy`, `initial`, `draining`, `unused`, `unavailable`.
    pub state: String,
    /// Why it is not healthy.
    pub reason: Option<String>,
}

/// What a listener does with a request: its default action, or one of its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerAction {
    /// Which requests, in words: `the default action`, `the rule 10 (path-pattern /api/*)`.
    pub of: String,
    /// The action's type: `forward`, `fixed-response`, `redirect`, …
    pub kind: String,
    /// Where a `forward` leads: the names of target groups, and their weights. A group of weight 0 gets nothing.
    pub forwards: Vec<(String, i32)>,
}

/// The load balancer.
pub trait LoadBalancer {
    /// The base URL of a listener: `http://name.elb.amazonaws.com:8443`.
    async fn listener_url(&self, listener_arn: &str) -> Result<String, PortError>;
    /// What a listener does: its default action and its rules.
    async fn listener_actions(&self, listener_arn: &str) -> Result<Vec<ListenerAction>, PortError>;
    /// The targets of a target group, by its name.
    async fn target_health(&self, target_group: &str) -> Result<Vec<TargetHealth>, PortError>;
}

/// What Lambda knows of one version of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionState {
    /// `Active`, `Pending`, `Inactive`, `Failed`.
    pub state: String,
    /// `Successful`, `InProgress`, `Failed`.
    pub last_update: String,
    /// Why it is in that state.
    pub reason: Option<String>,
}

/// What a version answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    /// The payload, as text.
    pub payload: String,
    /// `Unhandled` or `Handled` when the function itself failed.
    pub function_error: Option<String>,
}

/// Where an alias of a function leads.
#[derive(Clone, Debug, PartialEq)]
pub struct AliasState {
    /// The version that it names.
    pub version: String,
    /// Other versions that get a share of its traffic, 0 to 1.
    pub shares: Vec<(String, f64)>,
}

/// The provisioned concurrency of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisionedConcurrency {
    /// `IN_PROGRESS`, `READY` or `FAILED`.
    pub status: String,
    /// Why it failed; text from outside.
    pub reason: Option<String>,
    /// How many instances were asked for.
    pub requested: i32,
    /// How many are ready.
    pub available: i32,
}

/// The versions of a Lambda function.
pub trait Versions {
    /// The state of one version.
    async fn state(&self, function: &str, version: &str) -> Result<VersionState, PortError>;
    /// Where an alias leads.
    async fn alias(&self, function: &str, alias: &str) -> Result<AliasState, PortError>;
    /// The provisioned concurrency of one version, or of an alias; `None` where none is configured for it.
    async fn provisioned_concurrency(
        &self,
        function: &str,
        qualifier: &str,
    ) -> Result<Option<ProvisionedConcurrency>, PortError>;
    /// Invokes one version and waits for its answer.
    async fn invoke(&self, function: &str, version: &str, payload: &[u8]) -> Result<Invoked, PortError>;
}

/// CloudWatch's alarms.
pub trait Alarms {
    /// The alarms of these names that exist.
    async fn read(&self, names: &[String]) -> Result<Vec<AlarmReading>, PortError>;
}

/// Where Greenlight's own events go.
pub trait Outbox {
    /// Publishes one event.
    async fn publish(&self, notice: &Notice) -> Result<(), PortError>;
}

/// One metric value.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// The metric's name.
    pub name: &'static str,
    /// `Count`, `Seconds`.
    pub unit: &'static str,
    /// The value.
    pub value: f64,
    /// When it was so.
    pub at: Timestamp,
    /// Dimensions, name and value.
    pub dimensions: Vec<(&'static str, String)>,
}

/// Why values were not published, as far as it is known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unpublished {
    /// They were refused: none of them was taken.
    #[error("{0}")]
    Refused(PortError),
    /// No answer came, or one that leaves it open: they may have been taken.
    #[error("{0}; whether the values were taken is not known")]
    Unanswered(PortError),
}

/// Where metrics go.
pub trait Metrics {
    /// Publishes all of them at once, or fails. What may have been taken is not sent a second time here: nobody takes a value back.
    async fn publish(&self, measures: &[Measure]) -> Result<(), Unpublished>;
    /// How many values the metric with this name and these dimensions shows in the minute of `at`. A value that was taken may not show yet.
    async fn shown(&self, measure: &Measure) -> Result<f64, PortError>;
}

/// The table that remembers what was done. Keys are strings; an entry disappears some time after `expires`.
pub trait Ledger {
    /// Writes the entry unless one is there; true when this call wrote it.
    async fn claim(&self, key: &str, value: &serde_json::Value, expires: Timestamp) -> Result<bool, PortError>;
    /// The entry, if there is one.
    async fn read(&self, key: &str) -> Result<Option<serde_json::Value>, PortError>;
    /// Replaces the entry where it still has the value `from` (`None`: where there is none); true when it did.
    async fn replace(
        &self,
        key: &str,
        from: Option<&serde_json::Value>,
        to: &serde_json::Value,
        expires: Timestamp,
    ) -> Result<bool, PortError>;
    /// Takes a claim back, so that a later try may do what this one could not.
    async fn release(&self, key: &str) -> Result<(), PortError>;
}

/// Where secrets come from.
pub trait Secrets {
    /// The value that a reference stands for; fetched once per process.
    async fn reveal(&self, reference: &crate::config::SecretRef) -> Result<String, PortError>;
    /// The next call of [`Secrets::reveal`] fetches this one anew: what it opened is refused, so that somebody may have replaced it. Nothing to do where
    /// nothing is kept.
    async fn forget(&self, _reference: &crate::config::SecretRef) {}
}
