//! What a scenario may expect. Knows nothing of how it is held against a run.

use std::collections::BTreeMap;

use domain::time::Span;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::AlarmWord;

/// Something that must come of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expectation {
    /// How a deployment ends.
    Deployment(ExpectedDeployment),
    /// Which version has all production traffic in the end: `green` (the newest) or `blue` (the one before it).
    Production(ExpectedProduction),
    /// The most production traffic, in percent, that a planned deployment's version ever had.
    PeakTraffic(ExpectedPeak),
    /// What alarm-rollback publishes of its decisions.
    Decision(ExpectedDecision),
    /// What it publishes of the traffic's return.
    Restored(ExpectedReturn),
    /// A verdict that reached CodeDeploy.
    Verdict(ExpectedVerdict),
    /// How many messages stand in the channel, threads apart.
    SlackMessages(usize),
    /// A text that stands in a message or its thread.
    SlackSays(String),
    /// A text that stands nowhere in Slack.
    SlackSaysNot(String),
    /// No thread has the same reply twice.
    SlackRepeatsNothing,
    /// The PagerDuty actions, in order: `trigger`, `resolve`.
    Pages(#[serde(deserialize_with = "actions")] Vec<String>),
    /// The severities of the triggers, in order.
    PageSeverities(Vec<String>),
    /// The change events at PagerDuty: a text of each summary, in order.
    Changes(Vec<String>),
    /// A statistic of a metric over the scenario, read back through `GetMetricData`.
    Metric(ExpectedMetric),
    /// The state of an alarm at the end.
    Alarm {
        /// Its name.
        name: String,
        /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
        state: AlarmWord,
    },
    /// How often a call was made and answered well.
    Calls(ExpectedCalls),
    /// The most AWS calls that any one invocation of a function made, whatever came of them.
    CallsPerInvocation {
        /// The function's binary.
        function: String,
        /// At most this many.
        at_most: usize,
    },
    /// How many invocations of a function failed, retries included.
    Errors {
        /// The function's binary.
        function: String,
        /// How many.
        times: usize,
    },
    /// How long at most from an alarm to all traffic on the old version.
    RestoredWithin(ExpectedRestored),
    /// How many events ended in dead-letter queues.
    DeadLetters(usize),
    /// How long at most from a deployment's start to its end.
    EndedWithin(Span),
}

/// How a deployment ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedDeployment {
    /// Which: 1 is the first planned one.
    pub nth: usize,
    /// CodeDeploy's status.
    pub status: String,
    /// CodeDeploy's error code.
    #[serde(default)]
    pub error: Option<String>,
    /// The status of the rollback that it caused.
    #[serde(default)]
    pub rollback: Option<String>,
}

/// A statistic of a metric, over the whole scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedMetric {
    /// The metric's name.
    pub name: String,
    /// The sum of its values; 0 when there are none.
    #[serde(default)]
    pub sum: Option<f64>,
    /// In place of `sum`: `Maximum`, `Minimum`, `Average`, `SampleCount`, `p50`, …
    #[serde(default)]
    pub statistic: Option<String>,
    /// What the statistic comes to.
    #[serde(default)]
    pub value: Option<f64>,
    /// By how much it may be more or less; not at all when not given.
    #[serde(default)]
    pub give: f64,
    /// Under which of the usual dimensions; the fleet's, which are none, when not given.
    #[serde(default)]
    pub by: MetricOf,
    /// Of which service's group or environment; of the first one that is deployed when not given.
    #[serde(default)]
    pub service: Option<String>,
    /// Further dimensions: `{ LifecycleEvent: BeforeAllowTraffic }`.
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
}

/// The usual sets of dimensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricOf {
    /// None.
    #[default]
    Fleet,
    /// `Environment`.
    Environment,
    /// `Application`, `DeploymentGroup` and `Environment`.
    Group,
}

/// A verdict that reached CodeDeploy.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedVerdict {
    /// The function's binary.
    pub hook: String,
    /// `Succeeded` or `Failed`.
    pub verdict: String,
    /// A text that the published reason or its findings contain.
    #[serde(default)]
    pub says: Option<String>,
}

/// Which version has all production traffic: a colour, or more.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "`green`, `blue`, or `{ service: …, nth: …, colour: …, version: … }`")]
pub enum ExpectedProduction {
    /// `green` or `blue`, of the last planned deployment.
    Colour(String),
    /// The same of a deployment that is named.
    Of(ProductionOf),
}

/// Which version of a service has all production traffic.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductionOf {
    /// The service.
    #[serde(default)]
    pub service: Option<String>,
    /// The planned deployment's number, from 1.
    #[serde(default)]
    pub nth: Option<usize>,
    /// `green` (the version that the deployment brought) or `blue` (the one before it).
    #[serde(default)]
    pub colour: Option<String>,
    /// The number of the version.
    #[serde(default)]
    pub version: Option<u32>,
}

/// The most production traffic that a new version ever had.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedPeak {
    /// At most this, in percent.
    pub at_most: f64,
    /// The service.
    #[serde(default)]
    pub service: Option<String>,
    /// The planned deployment's number, from 1.
    #[serde(default)]
    pub nth: Option<usize>,
}

/// How often a call is made and answered well.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedCalls {
    /// `codedeploy:StopDeployment`
    pub call: String,
    /// By this function only.
    #[serde(default)]
    pub function: Option<String>,
    /// Exactly so often.
    #[serde(default)]
    pub times: Option<usize>,
    /// At most so often.
    #[serde(default)]
    pub at_most: Option<usize>,
}

/// How long at most until all traffic is back: a time, or more.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a time such as `2m`, or `{ within: 2m, service: …, alarm: … }`")]
pub enum ExpectedRestored {
    /// Of every service whose traffic came back.
    Within(Span),
    /// Of one service, or counted from one alarm.
    Of(RestoredOf),
}

/// How long at most until a service's traffic is back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoredOf {
    /// The limit.
    pub within: Span,
    /// The service; every one whose traffic came back when not given.
    #[serde(default)]
    pub service: Option<String>,
    /// The alarm from whose transition it is counted; the first one after the deployment's creation when not given.
    #[serde(default)]
    pub alarm: Option<String>,
}

/// A decision that alarm-rollback publishes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedDecision {
    /// `StopAndRollBack`, `RedeployPrevious`, `Alert` or `Ignore`.
    pub decision: String,
    /// Of this alarm only.
    #[serde(default)]
    pub alarm: Option<String>,
    /// Of this service only.
    #[serde(default)]
    pub service: Option<String>,
    /// A text that the event contains.
    #[serde(default)]
    pub says: Option<String>,
    /// How many such events there are.
    #[serde(default = "once")]
    pub times: usize,
    /// Whether it asks for a person at once.
    #[serde(default)]
    pub page: Option<bool>,
}

/// What alarm-rollback publishes of the traffic's return.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedReturn {
    /// Of this service only.
    #[serde(default)]
    pub service: Option<String>,
    /// Whether the traffic was back.
    pub restored: bool,
    /// A text that the event contains.
    #[serde(default)]
    pub says: Option<String>,
    /// How long after the alarm's transition at most.
    #[serde(default)]
    pub within: Option<Span>,
    /// How many such events there are.
    #[serde(default = "once")]
    pub times: usize,
}

fn once() -> usize {
    1
}

/// A list of words, asked for by what it is.
fn actions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Actions;
    impl<'de> Visitor<'de> for Actions {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("what PagerDuty gets, in order: `[trigger, resolve]`, or `[]` for nothing")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut actions = Vec::new();
            while let Some(action) = items.next_element()? {
                actions.push(action);
            }
            Ok(actions)
        }
    }
    deserializer.deserialize_seq(Actions)
}
