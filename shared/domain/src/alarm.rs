//! An alarm's transition, whatever shape it arrived in. Knows nothing of the shapes themselves.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A CloudWatch alarm's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmState {
    /// The threshold is kept.
    #[serde(rename = "OK")]
    Ok,
    /// The threshold is crossed.
    #[serde(rename = "ALARM")]
    Alarm,
    /// Too little data to tell.
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
    /// A state that this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl fmt::Display for AlarmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AlarmState::Ok => "OK",
            AlarmState::Alarm => "ALARM",
            AlarmState::InsufficientData => "INSUFFICIENT_DATA",
            AlarmState::Other(other) => other,
        })
    }
}

/// An alarm changed its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmFact {
    /// The alarm's name.
    pub name: String,
    /// The alarm's ARN, where the shape carries it.
    pub arn: Option<String>,
    /// The state it went to.
    pub state: AlarmState,
    /// The state it came from.
    pub previous: Option<AlarmState>,
    /// When the state changed, by CloudWatch's clock.
    pub changed_at: Option<Timestamp>,
    /// CloudWatch's sentence; of a composite alarm, after the names of the alarms that triggered it. Text from outside.
    pub reason: String,
    /// What the alarm watches: a metric's name, an expression's label or a composite's rule.
    pub metric: Option<String>,
    /// The threshold; of a band, the side that was crossed last.
    pub threshold: Option<f64>,
    /// The data points that crossed the threshold, newest first; all recent ones where it cannot be told how they are compared.
    pub datapoints: Vec<f64>,
    /// Who suppressed the alarm's actions, when they are suppressed. CloudWatch emits the event all the same.
    pub suppressed_by: Option<String>,
}

/// An alarm as `DescribeAlarms` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmReading {
    /// The alarm's name.
    pub name: String,
    /// Its state.
    pub state: AlarmState,
    /// Why it is in that state; text from outside.
    pub reason: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// So many alarms CodeDeploy takes for a deployment group ("Limits", CodeDeploy user guide).
pub const MOST_GROUP_ALARMS: usize = 10;

/// The alarms on a deployment group, which CodeDeploy watches during a deployment (`alarmConfiguration`, CodeDeploy API reference).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupAlarms {
    /// Their names.
    pub names: Vec<String>,
    /// Whether CodeDeploy looks at them at all.
    pub enabled: bool,
    /// Whether a deployment goes on when CodeDeploy cannot read their states.
    pub ignores_poll_failure: bool,
}
