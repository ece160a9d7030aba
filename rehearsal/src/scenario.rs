//! A scenario: what is deployed, how the new version behaves, which faults strike, and what must come of it. Knows nothing of how it is
//! run.

pub(crate) mod check;
mod expectation;
mod fault;
mod recorded;
mod surroundings;
mod talk;
mod version;

use std::collections::BTreeMap;

use domain::config::yaml;
use domain::deployment::Platform;
use domain::text::nearest;
use domain::time::Span;
use serde::Deserialize;
use serde_json::Value;

pub use expectation::{
    Expectation, ExpectedCalls, ExpectedDecision, ExpectedDeployment, ExpectedMetric, ExpectedPeak, ExpectedProduction,
    ExpectedRestored, ExpectedReturn, ExpectedTicket, ExpectedVerdict, MetricOf, ProductionOf, RestoredOf, Told,
};
pub use fault::{BusFault, CallFault, EndsFirst, Fault, How, LostAnswer, ProcessFault, Refusal, VendorFault};
pub use recorded::Recorded;
pub(crate) use surroundings::LISTENER;
pub use surroundings::{Account, AlarmForm, AlarmWord, InjectedAlarm, Past, Storm, Suppression};
pub use talk::{GrpcHealth, Talk};
pub use version::{
    AppSpecForm, ErrorLogs, Health, Late, Provisioned, Targets, Tasks, TestRule, TestTraffic, VersionState,
};

/// One scenario, as a file of `tests/scenarios/` says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name by which it is run; the file's name.
    pub name: String,
    /// One line for the list.
    pub title: String,
    /// How the version behaves that serves at the start.
    #[serde(default)]
    pub blue: Behaviour,
    /// Background traffic, in requests per minute.
    #[serde(default = "usual_traffic")]
    pub requests_per_minute: u32,
    /// What is deployed, in order.
    pub deployments: Vec<Plan>,
    /// The configuration that the functions get in place of the project's, as its text: it may be a broken one.
    #[serde(default)]
    pub config: Option<String>,
    /// What goes wrong around it.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Transitions of alarms that are told of, whatever the metrics say.
    #[serde(default)]
    pub alarms: Vec<InjectedAlarm>,
    /// Very many of them at once.
    #[serde(default)]
    pub storm: Option<Storm>,
    /// Alarm to its tags, beside those that the template gives it.
    #[serde(default)]
    pub alarm_tags: BTreeMap<String, BTreeMap<String, String>>,
    /// What else is in the account.
    #[serde(default)]
    pub account: Option<Account>,
    /// What was deployed before the start. Each service has one deployment that succeeded long ago, unless a plan says `first`.
    #[serde(default)]
    pub history: Vec<Past>,
    /// Whether Greenlight was installed just before the start, so that its table knows nothing of what came before.
    #[serde(default)]
    pub just_installed: bool,
    /// How long the world goes on after the last planned deployment has ended.
    #[serde(default = "no_time")]
    pub goes_on: Span,
    /// Where AWS's behaviour is not documented, which answer this scenario takes.
    #[serde(default)]
    pub assume: Assumptions,
    /// What must come of it.
    pub expect: Vec<Expectation>,
    /// What was recorded of all that people are told, where that is expected.
    #[serde(skip)]
    pub recorded: Option<Recorded>,
}

fn usual_traffic() -> u32 {
    600
}

/// One deployment that a scenario makes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The service's name in the configuration.
    pub service: String,
    /// How long after the one before it in the list ended (or after the scenario's start) it is created; a minute when not given.
    #[serde(default)]
    pub after: Option<Span>,
    /// How long after the scenario's start it is created, beside whatever else runs; in place of `after`.
    #[serde(default)]
    pub at: Option<Span>,
    /// `ECS` or `Lambda`.
    #[serde(default = "ecs")]
    pub platform: Platform,
    /// The deployment configuration.
    #[serde(default)]
    pub configuration: Option<String>,
    /// The description that the pipeline writes.
    #[serde(default)]
    pub description: String,
    /// The number of its version; the next one when not given. A lower one is an older version that is brought back on purpose (ECS).
    #[serde(default)]
    pub version: Option<u32>,
    /// How the new version behaves.
    #[serde(default)]
    pub green: Behaviour,
    /// Lifecycle event to hook function, in place of the usual two.
    #[serde(default)]
    pub hooks: Option<BTreeMap<String, String>>,
    /// Whether the group has a test listener (ECS).
    #[serde(default = "yes")]
    pub test_listener: bool,
    /// Where the test listener leads once CodeDeploy has moved it (ECS).
    #[serde(default)]
    pub test_traffic: TestTraffic,
    /// Rules on the test listener that lead to other services (ECS).
    #[serde(default)]
    pub test_rules: Vec<TestRule>,
    /// Whether it is the first deployment of its group that CodeDeploy knows of.
    #[serde(default)]
    pub first: bool,
    /// Where its AppSpec lies and how it is written.
    #[serde(default)]
    pub app_spec: AppSpecForm,
    /// The percentage that the alias sends to another version from before (Lambda).
    #[serde(default)]
    pub alias_sends: f64,
    /// The alarms on the deployment group itself, which CodeDeploy watches.
    #[serde(default)]
    pub group_alarms: Vec<String>,
    /// So many more alarms on it, which exist and are quiet.
    #[serde(default)]
    pub more_group_alarms: u32,
    /// Whether the group rolls back by itself.
    #[serde(default = "yes")]
    pub auto_rollback: bool,
    /// How long the old task set is kept after the shift (ECS).
    #[serde(default = "five_minutes")]
    pub termination_wait: Span,
    /// A person stops it so long after its start, with rollback.
    #[serde(default)]
    pub stopped_by_person_after: Option<Span>,
    /// How long its rollback takes to reroute the traffic.
    #[serde(default)]
    pub rollback_takes: Option<Span>,
    /// Its rollback fails in place of rerouting the traffic.
    #[serde(default)]
    pub rollback_fails: bool,
    /// How long after its end CodeDeploy's record of it names its rollback; at once when not given.
    #[serde(default)]
    pub rollback_linked_after: Option<Span>,
    /// The tags of the task definition that it brings (ECS).
    #[serde(default)]
    pub task_definition_tags: BTreeMap<String, String>,
}

fn no_time() -> Span {
    Span(std::time::Duration::ZERO)
}
fn five_minutes() -> Span {
    Span(std::time::Duration::from_mins(5))
}
fn ecs() -> Platform {
    Platform::Ecs
}
fn yes() -> bool {
    true
}

/// How a version of the application behaves.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    /// The share of requests that end in a 500, from a time after the version's first production traffic.
    #[serde(default)]
    pub errors: Vec<ErrorRate>,
    /// The share of connections that no task of it takes: the load balancer answers in its place (ECS).
    #[serde(default)]
    pub refuses: Vec<ErrorRate>,
    /// The share of requests that a function answers with a 5xx itself, which API Gateway counts as an error and Lambda does not (Lambda).
    #[serde(default)]
    pub error_answers: Vec<ErrorRate>,
    /// How many error lines it logs, from a time after the version's first production traffic.
    #[serde(default)]
    pub error_logs: Vec<ErrorLogs>,
    /// How long an answer takes.
    #[serde(default)]
    pub latency: Option<Span>,
    /// Since when it takes so long, counted from the version's first production traffic; always when not given.
    #[serde(default)]
    pub latency_from: Option<Span>,
    /// Path to the answer given there, in place of the sample application's own.
    #[serde(default)]
    pub answers: BTreeMap<String, Answer>,
    /// Path to how a WebSocket goes there, in place of the sample application's own.
    #[serde(default)]
    pub websockets: BTreeMap<String, Talk>,
    /// Service of the gRPC server to its health, in place of the sample application's own; the empty name is the server as a whole.
    #[serde(default)]
    pub grpc_health: BTreeMap<String, GrpcHealth>,
    /// The version's tasks (ECS).
    #[serde(default)]
    pub tasks: Tasks,
    /// The targets of these tasks (ECS).
    #[serde(default)]
    pub targets: Targets,
    /// The version's state (Lambda); `Active` when not given.
    #[serde(default)]
    pub state: Option<VersionState>,
    /// What the version answers when it is invoked (Lambda).
    #[serde(default)]
    pub invoke: Option<Invoked>,
    /// The version's provisioned concurrency (Lambda); none when not given.
    #[serde(default)]
    pub provisioned: Option<Provisioned>,
    /// A real application that answers in place of the sample; set by `--green` and `--blue`.
    #[serde(skip)]
    pub url: Option<String>,
}

/// A share of requests that end in a 500.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRate {
    /// Since when, counted from the version's first production traffic.
    pub from: Span,
    /// The share, 0 to 1.
    pub rate: f64,
}

/// One scripted answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The status.
    #[serde(default = "ok")]
    pub status: u16,
    /// A JSON body.
    #[serde(default)]
    pub json: Option<Value>,
    /// A body as it stands.
    #[serde(default)]
    pub body: Option<String>,
    /// How long it takes.
    #[serde(default)]
    pub latency: Option<Span>,
    /// The connection is closed in place of an answer.
    #[serde(default)]
    pub hang_up: bool,
}

fn ok() -> u16 {
    200
}

/// What a Lambda version answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invoked {
    /// The payload.
    #[serde(default)]
    pub payload: Value,
    /// `Unhandled` when the function fails.
    #[serde(default)]
    pub function_error: Option<String>,
}

/// Answers to what AWS leaves open.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumptions {
    /// Whether hooks run in a rollback deployment.
    #[serde(default)]
    pub hooks_run_in_rollback: bool,
}

/// A scenario that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ScenarioError {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Scenario {
    /// Reads a scenario; `file` is only named in errors.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let at = |place: yaml::Place, message: String| ScenarioError {
            file: file.to_owned(),
            line: place.line,
            column: place.column,
            message,
        };
        let document = yaml::parse(text).map_err(|error| at(error.place, error.message.clone()))?;
        let scenario: Scenario = serde_path_to_error::deserialize(&document.value).map_err(|error| {
            let place = document.nearest_place(&yaml::Path::from(error.path()));
            at(place, error.into_inner().to_string())
        })?;
        Ok(scenario)
    }
}

impl Scenario {
    /// The quiet world of `serve`: nothing is planned, nothing strikes.
    pub fn for_serve() -> Self {
        Self {
            name: "serve".to_owned(),
            title: "Whatever is invoked".to_owned(),
            blue: Behaviour::default(),
            requests_per_minute: usual_traffic(),
            deployments: Vec::new(),
            config: None,
            faults: Vec::new(),
            alarms: Vec::new(),
            storm: None,
            alarm_tags: BTreeMap::new(),
            account: None,
            history: Vec::new(),
            just_installed: false,
            goes_on: no_time(),
            assume: Assumptions::default(),
            expect: Vec::new(),
            recorded: None,
        }
    }
}

impl Plan {
    /// A deployment of a service with everything else as usual.
    pub fn usual(service: &str, platform: Platform) -> Self {
        Self {
            service: service.to_owned(),
            after: None,
            at: None,
            platform,
            configuration: None,
            description: String::new(),
            version: None,
            green: Behaviour::default(),
            hooks: None,
            test_listener: true,
            test_traffic: TestTraffic::default(),
            test_rules: Vec::new(),
            first: false,
            app_spec: AppSpecForm::default(),
            alias_sends: 0.0,
            group_alarms: Vec::new(),
            more_group_alarms: 0,
            auto_rollback: true,
            termination_wait: five_minutes(),
            stopped_by_person_after: None,
            rollback_takes: None,
            rollback_fails: false,
            rollback_linked_after: None,
            task_definition_tags: BTreeMap::new(),
        }
    }
}

/// The scenario of that name, or an error that names the nearest one.
pub fn find<'a>(scenarios: &'a [Scenario], name: &str) -> Result<&'a Scenario, String> {
    scenarios.iter().find(|scenario| scenario.name == name).ok_or_else(|| {
        let names = scenarios.iter().map(|scenario| scenario.name.as_str());
        match nearest(name, names) {
            Some(near) => {
                format!("there is no scenario `{name}`; did you mean `{near}`? `cargo rehearse list` shows all of them")
            }
            None => format!("there is no scenario `{name}`; `cargo rehearse list` shows all of them"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_scenario_is_told_with_its_place() {
        let error =
            Scenario::parse("x.yaml", "name: x\ntitle: t\ndeployments:\n  - service: a\n    color: red\nexpect: []\n");
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with("x.yaml:5:") && text.contains("color"), "{text}");
        let error = Scenario::parse("x.yaml", "name: x\ntitle: t\ndeployments: []\nexpect: [pages: 0]\n");
        let text = error.unwrap_err().to_string();
        assert!(text.contains("`[trigger, resolve]`, or `[]` for nothing"), "{text}");
    }
}
