//! What a scenario may expect. Knows nothing of how it is held against a run.

use domain::time::Span;
use serde::Deserialize;

/// Something that must come of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expectation {
    /// How a deployment ends.
    Deployment(ExpectedDeployment),
    /// Which version has all production traffic in the end: `green` (the newest) or `blue` (the one before it).
    Production(String),
    /// The most production traffic, in percent, that the last planned deployment's version ever had.
    PeakTraffic {
        /// At most this.
        at_most: f64,
    },
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
    Pages(Vec<String>),
    /// The sum of a metric over the scenario, without dimensions.
    Metric {
        /// The metric's name.
        name: String,
        /// The sum.
        sum: f64,
    },
    /// How often a call was made and answered well.
    Calls {
        /// `codedeploy:StopDeployment`
        call: String,
        /// How often.
        times: usize,
    },
    /// How long at most from an alarm to all traffic on the old version.
    RestoredWithin(Span),
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
