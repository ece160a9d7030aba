//! How a version of the application is run by AWS: its tasks and their health, its AppSpec, where the test listener leads, its provisioned
//! concurrency. Knows nothing of what the application answers.

use domain::time::Span;
use serde::Deserialize;

/// The tasks of a version.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tasks {
    /// How many of the wanted tasks run; all when not given.
    #[serde(default)]
    pub running: Option<u32>,
    /// Why those that stopped did.
    #[serde(default)]
    pub stopped_reason: Option<String>,
    /// The stop code of those that stopped; `EssentialContainerExited` when not given.
    #[serde(default)]
    pub stop_code: Option<String>,
    /// One task is taken back by Fargate Spot, and another takes its place.
    #[serde(default)]
    pub spot: Option<Spot>,
    /// The exit code of their container.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// What ECS says of their container.
    #[serde(default)]
    pub container_reason: Option<String>,
    /// Every task ends after so long, and another takes its place: a crash loop.
    #[serde(default)]
    pub crash_every: Option<Span>,
    /// Some tasks are only starting when the task set is installed.
    #[serde(default)]
    pub late: Option<Late>,
    /// The health check of the container; it has none when not given.
    #[serde(default)]
    pub health: Option<Health>,
    /// How many of the running ones the load balancer finds unhealthy.
    #[serde(default)]
    pub unhealthy: u32,
    /// Since when it does, counted from the version's first production traffic; always when not given.
    #[serde(default)]
    pub unhealthy_from: Option<Span>,
    /// An image that runs in place of the one that the task definition names.
    #[serde(default)]
    pub image: Option<String>,
    /// The digest that the last task's image has come to, in place of the others'.
    #[serde(default)]
    pub digest: Option<String>,
}

/// Error lines in a version's log.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorLogs {
    /// Since when, counted from the version's first production traffic.
    pub from: Span,
    /// How many a minute.
    pub per_minute: u32,
}

/// A Spot interruption.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spot {
    /// When the task is gone, counted from the end of the installation.
    pub after: Span,
    /// When its replacement runs, counted from then on.
    pub back_after: Span,
}

/// How the load balancer finds a version's targets.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// How long a target is `initial`, counted from when it runs and a listener leads to its group: until it has passed its first health check.
    #[serde(default = "first_health_check")]
    pub initial_for: Span,
    /// How long it is `unhealthy` after that: an application that is slow to boot.
    #[serde(default)]
    pub unhealthy_for: Option<Span>,
}

fn first_health_check() -> Span {
    Span(std::time::Duration::from_secs(10))
}

impl Default for Targets {
    fn default() -> Self {
        Self { initial_for: first_health_check(), unhealthy_for: None }
    }
}

/// The state of a Lambda version.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionState {
    /// `Pending`, `Failed` or `Inactive`.
    pub state: String,
    /// When it is `Active` after all, counted from the deployment's creation.
    #[serde(default)]
    pub active_after: Option<Span>,
    /// Why it is in that state.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A rule on the test listener that stands before its default action and leads to another service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestRule {
    /// The path pattern, `/catalogue/*`.
    pub path: String,
    /// The name of the target group.
    pub to: String,
}

/// Tasks that start late.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// How many.
    pub tasks: u32,
    /// When they run, counted from the end of the installation.
    pub after: Span,
}

/// A container's health check.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// When it is passed, counted from the end of the installation.
    #[serde(default)]
    pub after: Option<Span>,
    /// How many tasks never pass it.
    #[serde(default)]
    pub failing: u32,
}

/// A version's provisioned concurrency.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provisioned {
    /// `IN_PROGRESS`, `READY` or `FAILED`.
    pub status: String,
    /// When it is `READY` after all, counted from the deployment's creation.
    #[serde(default)]
    pub ready_after: Option<Span>,
    /// Why it failed.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Where the test listener leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestTraffic {
    /// To the new version, as CodeDeploy sets it.
    #[default]
    Green,
    /// To the old version, as when somebody has set it back.
    Blue,
    /// To no version: its only action is a fixed answer.
    Nowhere,
    /// To the new version, but nobody answers: a firewall drops what is sent.
    Silent,
}

/// Where an AppSpec lies and how it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppSpecForm {
    /// In the deployment, as JSON.
    #[default]
    Json,
    /// In the deployment, as JSON with `hooks` in place of `Hooks`.
    JsonHooks,
    /// In the deployment, as YAML.
    Yaml,
    /// In S3, where CodeDeploy's API does not show it.
    S3,
    /// In GitHub, where CodeDeploy's API does not show it.
    Github,
}
