//! What happened, when and by whom: the record of a run. Knows nothing of how it is shown.

use domain::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// The rehearsal itself: what it sets up and what it lets happen.
    Rehearsal,
    /// CodeDeploy.
    CodeDeploy,
    /// ECS, where it deploys services itself.
    Ecs,
    /// CloudWatch.
    CloudWatch,
    /// EventBridge.
    EventBridge,
    /// Lambda as a service: kills, retries, dead letters.
    Lambda,
    /// Slack.
    Slack,
    /// PagerDuty.
    PagerDuty,
    /// Whoever keeps tickets.
    Tickets,
    /// One of the functions, by its binary.
    #[serde(untagged)]
    Function(String),
}

impl Who {
    /// The name as it stands in the timeline.
    pub fn name(&self) -> &str {
        match self {
            Who::Rehearsal => "rehearsal",
            Who::CodeDeploy => "codedeploy",
            Who::Ecs => "ecs",
            Who::CloudWatch => "cloudwatch",
            Who::EventBridge => "eventbridge",
            Who::Lambda => "lambda",
            Who::Slack => "slack",
            Who::PagerDuty => "pagerduty",
            Who::Tickets => "tickets",
            Who::Function(binary) => binary,
        }
    }
}

/// How an entry is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// The way it should go.
    Plain,
    /// Something good was reached.
    Good,
    /// Worth a look.
    Warning,
    /// Something went wrong.
    Bad,
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Virtual time.
    pub at: Timestamp,
    /// Seconds since the scenario's start.
    pub seconds: f64,
    /// Who did it.
    pub who: Who,
    /// What was done, one sentence.
    pub what: String,
    /// How it is to be taken.
    pub tone: Tone,
    /// The production traffic on the new version in percent, where the entry is about traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// The service whose traffic it is about, where it is told of one.
    #[serde(skip)]
    pub service: Option<String>,
    /// More of it, for a reader who wants it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// One AWS call of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallRecord {
    /// Virtual time.
    pub at: Timestamp,
    /// The function's binary.
    pub function: String,
    /// `codedeploy`, `dynamodb`, …: IAM's prefix.
    pub service: String,
    /// `GetDeployment`
    pub operation: String,
    /// `ok`, the error's code, or `lost` when the answer was.
    pub outcome: String,
    /// Whether the outcome is a fault of the scenario.
    #[serde(skip)]
    pub injected: bool,
    /// The attempt at an invocation that made it.
    #[serde(skip)]
    pub attempt: Option<String>,
}

/// An invocation's end, for the records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerdictRecord {
    /// Virtual time.
    pub at: Timestamp,
    /// The function that answered.
    pub hook: String,
    /// The lifecycle event.
    pub lifecycle_event: String,
    /// The deployment.
    pub deployment: String,
    /// `Succeeded` or `Failed`.
    pub verdict: String,
    /// The "Hook Verdict" event that explains it, when it was published.
    pub published: Option<Value>,
}
