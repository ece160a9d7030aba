//! What goes wrong in a scenario. Knows nothing of how it is made to.

use domain::deployment::Status;
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
    /// An AWS call is refused with an error of the scenario's choosing.
    Refuse(Refusal),
    /// An AWS call takes effect, but whoever made it never gets the answer.
    LoseAnswer(LostAnswer),
    /// The deployment that a call is about ends in the instant before the call is carried out.
    EndsFirst(EndsFirst),
    /// Slack misbehaves for a while.
    Slack(VendorFault),
    /// PagerDuty misbehaves for a while.
    Pagerduty(VendorFault),
    /// Whoever keeps tickets misbehaves for a while.
    Ticket(VendorFault),
    /// The event bus misbehaves.
    Events(BusFault),
    /// What `PutMetricData` brings can be read only so long after it.
    MetricsShowAfter(Span),
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
    /// Whether the call has taken effect by then.
    #[serde(default)]
    pub taken: bool,
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

/// A call that is refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The call: `codedeploy:StopDeployment`.
    pub call: String,
    /// The error's code: `AccessDeniedException`.
    pub error: String,
    /// The sentence for people.
    #[serde(default = "on_purpose")]
    pub message: String,
    /// The HTTP status.
    #[serde(default = "bad_request")]
    pub status: u16,
    /// Whose call; anybody's when not given.
    #[serde(default)]
    pub function: Option<String>,
    /// How often; once when not given.
    #[serde(default = "once")]
    pub times: u32,
}

fn on_purpose() -> String {
    "refused, as the scenario says".to_owned()
}

fn bad_request() -> u16 {
    400
}

/// A call whose answer is lost.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LostAnswer {
    /// The call: `codedeploy:StopDeployment`.
    pub call: String,
    /// In which way.
    #[serde(default)]
    pub how: How,
    /// Whose call; anybody's when not given.
    #[serde(default)]
    pub function: Option<String>,
    /// How often; once when not given.
    #[serde(default = "once")]
    pub times: u32,
}

/// How an answer is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The connection is closed.
    #[default]
    HangUp,
    /// Nothing comes until the caller gives up.
    Silence,
}

/// A deployment that ends just before a call about it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndsFirst {
    /// The call: `codedeploy:StopDeployment`.
    pub during: String,
    /// How the deployment ends: `Succeeded`, `Failed` or `Stopped`.
    pub status: Status,
    /// Whose call; anybody's when not given.
    #[serde(default)]
    pub function: Option<String>,
    /// How often; once when not given.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

/// How a vendor misbehaves: one of `status`, `error`, `missing_scope`, `garbage`, `silence` and `hang_up`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorFault {
    /// The status that it answers.
    #[serde(default)]
    pub status: Option<u16>,
    /// `Retry-After`, in seconds.
    #[serde(default)]
    pub retry_after: Option<u32>,
    /// Slack's code, with status 200 and `ok: false`; a webhook answers it as text, with the status that belongs to it.
    #[serde(default)]
    pub error: Option<String>,
    /// A scope that the Slack app does not have: whatever needs it is refused.
    #[serde(default)]
    pub missing_scope: Option<String>,
    /// It answers 200 with a web page, as a gateway in front of it may.
    #[serde(default)]
    pub garbage: bool,
    /// It gives no answer until whoever asked gives up.
    #[serde(default)]
    pub silence: bool,
    /// It closes the connection without an answer.
    #[serde(default)]
    pub hang_up: bool,
    /// Whether what was asked has taken effect all the same.
    #[serde(default)]
    pub taken: bool,
    /// Only this method: `chat.postMessage`, `enqueue`, `open`, …
    #[serde(default)]
    pub method: Option<String>,
    /// Only this channel of Slack.
    #[serde(default)]
    pub channel: Option<String>,
    /// Only replies that are posted (`true`), or only messages that are none (`false`).
    #[serde(default)]
    pub reply: Option<bool>,
    /// How often; as long as its time lasts when not given.
    #[serde(default)]
    pub times: Option<u32>,
    /// Since when, counted from the scenario's start.
    #[serde(default)]
    pub from: Option<Span>,
    /// Until when, counted from the scenario's start; for good when not given.
    #[serde(default)]
    pub until: Option<Span>,
}

impl VendorFault {
    /// What it does, each in the word that a scenario has for it.
    pub(crate) fn ways(&self) -> Vec<String> {
        let given = [
            self.status.map(|status| format!("status: {status}")),
            self.error.as_ref().map(|code| format!("error: {code}")),
            self.missing_scope.as_ref().map(|scope| format!("missing_scope: {scope}")),
            self.garbage.then(|| "garbage".to_owned()),
            self.silence.then(|| "silence".to_owned()),
            self.hang_up.then(|| "hang_up".to_owned()),
        ];
        given.into_iter().flatten().collect()
    }

    /// The fault in words.
    pub(crate) fn spoken(&self) -> String {
        let mut words = self.ways();
        words.extend(self.method.as_ref().map(|method| format!("of {method}")));
        words.join(" ")
    }
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
