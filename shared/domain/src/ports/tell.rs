//! Where people are told: the chat, the pager and whoever keeps tickets. Knows nothing of any vendor's protocol.

use serde_json::Value;

use super::PortError;
use crate::time::Timestamp;

/// Why something did not reach the people it was for. What may be done next depends on it, so each sender has to say which of these it was.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unsent {
    /// It was certainly not taken, and may be tried again: throttled, no connection.
    #[error("{0}")]
    NotTaken(PortError),
    /// It may have been taken: no answer came, or none that tells. Whoever tries again looks first whether it is there.
    #[error("{0}")]
    Unanswered(PortError),
    /// This one thing is not taken, however often it is tried; others are.
    #[error("{0}")]
    Unfit(PortError),
    /// What was to be changed is not there any more.
    #[error("{0}")]
    Gone(PortError),
    /// Nothing is taken there until somebody changes something: a revoked token, a channel that does not exist or is archived.
    #[error("{0}")]
    Closed(PortError),
}

impl Unsent {
    /// The error behind it.
    pub fn error(&self) -> &PortError {
        match self {
            Unsent::NotTaken(error)
            | Unsent::Unanswered(error)
            | Unsent::Unfit(error)
            | Unsent::Gone(error)
            | Unsent::Closed(error) => error,
        }
    }
}

impl From<Unsent> for PortError {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::NotTaken(error)
            | Unsent::Unanswered(error)
            | Unsent::Unfit(error)
            | Unsent::Gone(error)
            | Unsent::Closed(error) => error,
        }
    }
}

/// A message that was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedMessage {
    /// The channel's id, as Slack answered it.
    pub channel: String,
    /// Slack's id of the message within the channel; empty for a webhook's.
    pub ts: String,
}

/// Where in the chat a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// The channel's id; a webhook has its own.
    pub channel: &'a str,
    /// The message that it replies to.
    pub thread: Option<&'a str>,
    /// Whether a reply is shown in the channel, too.
    pub broadcast: bool,
}

/// The chat that people read.
pub trait Chat {
    /// Posts a message. `mark` stays with it, unseen by readers, and is the same in every try to post the same thing.
    async fn post(&self, to: &Address<'_>, message: &Value, mark: &str) -> Result<PostedMessage, Unsent>;
    /// The message that was posted there with this mark at or after `since`; `None` when there is none. An error when that cannot be told: a webhook
    /// cannot look, and a bot needs the right to.
    async fn find(&self, to: &Address<'_>, mark: &str, since: Timestamp) -> Result<Option<PostedMessage>, PortError>;
    /// Replaces a message's text and blocks.
    async fn update(&self, message: &PostedMessage, content: &Value) -> Result<(), Unsent>;
}

/// The pager.
pub trait Pager {
    /// Sends one PagerDuty event: `event_action`, `dedup_key` and `payload`, without the routing key. Its key makes a repetition harmless.
    async fn send(&self, event: &Value) -> Result<(), Unsent>;
    /// Sends one PagerDuty change event: `payload` and `links`, without the routing key. It has no key: a repetition shows twice.
    async fn change(&self, event: &Value) -> Result<(), Unsent>;
}

/// Whoever keeps tickets, by HTTP with JSON.
pub trait Tickets {
    /// Opens a ticket; what was answered.
    async fn open(&self, body: &Value) -> Result<Value, Unsent>;
    /// Asks by GET whether there is one already; what was answered.
    async fn ask(&self, url: &str) -> Result<Value, PortError>;
}
