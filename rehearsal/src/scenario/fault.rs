//! What goes wrong in a scenario. Knows nothing of how it is made to.

use domain::time::Span;
use serde::Deserialize;

/// Something that goes wrong.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// A function's process is killed from outside, as when it runs out of memory.
    Kill(ProcessFault),
    /// A function's process stops doing anything.
    Hang(ProcessFault),
    /// A function's code panics, as from a defect in it.
    Panic(ProcessFault),
    /// An asynchronous invocation of a function is delivered twice, as Lambda may do.
    Duplicate {
        /// The function's binary.
        function: String,
        /// How long after the first the second is delivered.
        #[serde(default)]
        after: Option<Span>,
        /// How often; once when not given.
        #[serde(default = "once")]
        times: u32,
    },
    /// An AWS call is throttled.
    Throttle(CallFault),
    /// An AWS call fails with a server's error.
    Break(CallFault),
    /// Slack does not take messages for a while.
    Slack(VendorFault),
    /// PagerDuty does not take events for a while.
    Pagerduty(VendorFault),
    /// The event bus misbehaves.
    Events(BusFault),
    /// An alarm is red from the start.
    RedAlarm {
        /// Its name.
        name: String,
    },
    /// An alarm never has enough data.
    MuteAlarm {
        /// Its name.
        name: String,
    },
    /// An alarm of the template does not exist.
    MissingAlarm {
        /// Its name.
        name: String,
    },
}

/// Which process, and when.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessFault {
    /// The function's binary.
    pub function: String,
    /// The AWS call during which it strikes: `codedeploy:GetDeployment`.
    pub during: String,
    /// How often; once when not given.
    #[serde(default = "once")]
    pub times: u32,
}

/// Which call, and how often.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallFault {
    /// The call: `codedeploy:StopDeployment`.
    pub call: String,
    /// Whose call; anybody's when not given.
    #[serde(default)]
    pub function: Option<String>,
    /// How often.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

/// How a vendor misbehaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorFault {
    /// The status that it answers.
    pub status: u16,
    /// `Retry-After`, in seconds.
    #[serde(default)]
    pub retry_after: Option<u32>,
    /// Since when, counted from the scenario's start.
    #[serde(default)]
    pub from: Option<Span>,
    /// Until when, counted from the scenario's start; for good when not given.
    #[serde(default)]
    pub until: Option<Span>,
}

/// How the event bus misbehaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusFault {
    /// Which events; all when not given.
    #[serde(default)]
    pub detail_type: Option<String>,
    /// Delivered so many times more.
    #[serde(default)]
    pub duplicate: u32,
    /// Not delivered at all.
    #[serde(default)]
    pub lose: bool,
    /// Delivered so much later.
    #[serde(default)]
    pub delay: Option<Span>,
}
