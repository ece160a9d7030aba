//! The ports: one trait per need, in the domain's nouns. The adapters in `aws` and `outbound` implement them; tests use the
//! recording fakes of `testkit`. Knows nothing of any adapter.

#![allow(async_fn_in_trait, reason = "the functions run on one thread, so no future needs to be Send")]

use std::time::Duration;

use crate::alarm::AlarmReading;
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
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`.
    pub health: String,
    /// Why it stopped.
    pub stopped_reason: Option<String>,
    /// The images of its containers.
    pub images: Vec<String>,
}

/// What ECS knows of the new version.
pub trait Tasks {
    /// The tasks of a task set, running and lately stopped.
    async fn of_task_set(&self, cluster: &str, service: &str, task_set: &str) -> Result<Vec<Task>, PortError>;
    /// The images that a task definition names.
    async fn images_of_definition(&self, task_definition: &str) -> Result<Vec<String>, PortError>;
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

/// The load balancer.
pub trait LoadBalancer {
    /// The base URL of a listener: `http://name.elb.amazonaws.com:8443`.
    async fn listener_url(&self, listener_arn: &str) -> Result<String, PortError>;
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

/// The versions of a Lambda function.
pub trait Versions {
    /// The state of one version.
    async fn state(&self, function: &str, version: &str) -> Result<VersionState, PortError>;
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

/// Where metrics go.
pub trait Metrics {
    /// Publishes all of them or fails.
    async fn publish(&self, measures: &[Measure]) -> Result<(), PortError>;
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
}

/// A message that was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedMessage {
    /// The channel's id, as Slack answered it.
    pub channel: String,
    /// Slack's id of the message within the channel.
    pub ts: String,
}

/// The chat that people read.
pub trait Chat {
    /// Posts a message, below `thread` when one is given.
    async fn post(
        &self,
        channel: &str,
        thread: Option<&str>,
        message: &serde_json::Value,
    ) -> Result<PostedMessage, PortError>;
    /// Replaces a message's text and blocks.
    async fn update(&self, message: &PostedMessage, content: &serde_json::Value) -> Result<(), PortError>;
}

/// The pager.
pub trait Pager {
    /// Sends one PagerDuty event: `event_action`, `dedup_key` and `payload`, without the routing key.
    async fn send(&self, event: &serde_json::Value) -> Result<(), PortError>;
}
