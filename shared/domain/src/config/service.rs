//! What the configuration says of the fleet and of each service. Knows nothing of how it is read.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, Severity};
use super::schema::{self, Requirement};
use super::tell::{Links, PagerDuty, ServiceSlack, Slack, Ticket};
use crate::deployment::{EcsServiceName, GroupName};
use crate::time::Span;

/// `config/greenlight.yaml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The format's version: 1.
    #[schemars(extend("const" = 1))]
    pub version: u32,
    /// Where messages go.
    #[serde(default)]
    pub slack: Option<Slack>,
    /// Whom to page.
    #[serde(default)]
    pub pagerduty: Option<PagerDuty>,
    /// Where failed deployments become tickets.
    #[serde(default)]
    pub ticket: Option<Ticket>,
    /// The services that are guarded.
    pub services: Vec<Service>,
}

impl Config {
    /// The service that a deployment group deploys.
    pub fn service_of(&self, group: &GroupName) -> Option<&Service> {
        self.services.iter().find(|service| service.codedeploy.as_ref() == Some(group))
    }

    /// The service that is deployed to an ECS service by ECS itself.
    pub fn service_of_ecs(&self, name: &EcsServiceName) -> Option<&Service> {
        self.services.iter().find(|service| service.ecs.as_ref() == Some(name))
    }

    /// Every service that names this alarm, with what it wants done.
    pub fn services_with_alarm<'a>(&'a self, alarm: &'a str) -> impl Iterator<Item = (&'a Service, AlarmAction)> {
        self.services.iter().filter_map(move |service| {
            service.alarms.iter().find(|policy| policy.name == alarm).map(|policy| (service, policy.action))
        })
    }
}

fn production() -> String {
    "production".to_owned()
}

/// One guarded service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schema::service)]
pub struct Service {
    /// The service's name in messages.
    pub name: String,
    /// `production` unless said otherwise.
    #[serde(default = "production")]
    pub environment: String,
    /// The CodeDeploy application and deployment group.
    #[serde(default)]
    pub codedeploy: Option<GroupName>,
    /// In place of `codedeploy`: the ECS service that ECS itself deploys to, task by task (a rolling deployment). There are no hooks then;
    /// an alarm returns the service to the task definition that it had before.
    #[serde(default)]
    pub ecs: Option<EcsServiceName>,
    /// Where requests go, when not to the deployment group's own listeners.
    #[serde(default)]
    pub endpoints: Endpoints,
    /// What must hold before production traffic may shift.
    #[serde(default)]
    pub before_allow_traffic: BeforeAllowTraffic,
    /// What must hold after it has shifted.
    #[serde(default)]
    pub after_allow_traffic: AfterAllowTraffic,
    /// The alarms that concern the service.
    #[serde(default)]
    pub alarms: Vec<AlarmPolicy>,
    /// What an alarm leads to when the deployment has ended already; only people are told when not given.
    #[serde(default)]
    pub late_rollback: Option<LateRollback>,
    /// After how many rollbacks Greenlight leaves the next one to a person.
    #[serde(default)]
    pub rollback_limit: RollbackLimit,
    /// What is different about the service in Slack.
    #[serde(default)]
    pub slack: ServiceSlack,
    /// Where its messages lead to.
    #[serde(default)]
    pub links: Links,
}

/// An alarm soon after a deployment has ended takes the version back that was good before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LateRollback {
    /// How long after its end a deployment is still held to be the cause.
    pub window: Span,
}

/// A service that is rolled back again and again is not cured by one more rollback: a person has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RollbackLimit {
    /// So many rollbacks within the window are made; the next one is not, and a person is paged.
    #[schemars(range(min = 1))]
    pub rollbacks: u32,
    /// The window, counted back from the alarm's event.
    pub window: Span,
}

impl Default for RollbackLimit {
    fn default() -> Self {
        Self { rollbacks: 3, window: Span(Duration::from_hours(1)) }
    }
}

/// Base URLs that replace the deployment group's listeners.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// In place of the test listener.
    #[serde(default)]
    #[schemars(regex(pattern = r"^https?://[^\s?#{}]+$"))]
    pub test: Option<String>,
    /// In place of the production listener.
    #[serde(default)]
    #[schemars(regex(pattern = r"^https?://[^\s?#{}]+$"))]
    pub production: Option<String>,
}

/// The `before_allow_traffic` block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BeforeAllowTraffic {
    /// The time for all of it, retries included; what Lambda leaves when not given.
    #[serde(default)]
    pub budget: Option<Span>,
    /// The facts that must hold.
    #[serde(default)]
    pub require: Require,
    /// The requests that must be answered as expected.
    #[serde(default)]
    pub checks: Vec<Check>,
}

/// The `after_allow_traffic` block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AfterAllowTraffic {
    /// The time for all of it, retries included; what Lambda leaves when not given.
    #[serde(default)]
    pub budget: Option<Span>,
    /// The requests that must be answered as expected.
    #[serde(default)]
    pub checks: Vec<Check>,
}

/// Which facts about the new version must hold. All are on by default where they apply; each is `true`, `false` or `warn`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Require {
    /// The replacement task set runs what it should; the Lambda version is active.
    #[serde(with = "requirement")]
    #[schemars(with = "Requirement")]
    pub tasks_running: Option<Severity>,
    /// Its target group has healthy targets and no unhealthy one.
    #[serde(with = "requirement")]
    #[schemars(with = "Requirement")]
    pub targets_healthy: Option<Severity>,
    /// What runs is what the revision names.
    #[serde(with = "requirement")]
    #[schemars(with = "Requirement")]
    pub image_matches_revision: Option<Severity>,
    /// The test listener leads to the replacement task set's target group (ECS).
    #[serde(with = "requirement")]
    #[schemars(with = "Requirement")]
    pub test_listener_routed: Option<Severity>,
    /// The alias has all its traffic on one version before the shift begins (Lambda).
    #[serde(with = "requirement")]
    #[schemars(with = "Requirement")]
    pub alias_not_shifting: Option<Severity>,
    /// The provisioned concurrency that is configured for the new version is there (Lambda).
    #[serde(with = "requirement")]
    #[schemars(with = "Requirement")]
    pub provisioned_concurrency_ready: Option<Severity>,
    /// None of the service's alarms with `action: rollback` is in ALARM.
    #[serde(with = "requirement")]
    #[schemars(with = "Requirement")]
    pub alarms_quiet: Option<Severity>,
}

impl Default for Require {
    fn default() -> Self {
        let on = Some(Severity::Fail);
        Self {
            tasks_running: on,
            targets_healthy: on,
            image_matches_revision: on,
            test_listener_routed: on,
            alias_not_shifting: on,
            provisioned_concurrency_ready: on,
            alarms_quiet: on,
        }
    }
}

/// `true`, `false` or `warn` as an optional severity.
mod requirement {
    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    use super::Severity;

    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    pub(super) fn serialize<S: Serializer>(value: &Option<Severity>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(Severity::Fail) => serializer.serialize_bool(true),
            Some(Severity::Warn) => serializer.serialize_str("warn"),
            None => serializer.serialize_bool(false),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Severity>, D::Error> {
        struct Requirement;
        impl Visitor<'_> for Requirement {
            type Value = Option<Severity>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`true`, `false` or `warn`")
            }
            fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
                Ok(on.then_some(Severity::Fail))
            }
            fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
                if word == "warn" {
                    Ok(Some(Severity::Warn))
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Str(word), &self))
                }
            }
        }
        deserializer.deserialize_any(Requirement)
    }
}

/// An alarm and what it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlarmPolicy {
    /// The alarm's name in CloudWatch.
    #[schemars(transform = schema::alarm_name)]
    pub name: String,
    /// What it leads to while a deployment is in flight, and within the window of `late_rollback`.
    pub action: AlarmAction,
}

/// What an alarm leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlarmAction {
    /// Stop the deployment and roll back.
    Rollback,
    /// Tell people.
    Alert,
}

/// Names by which a map's entries are found; kept here so that other modules share one spelling.
pub(super) type Texts = BTreeMap<String, String>;
