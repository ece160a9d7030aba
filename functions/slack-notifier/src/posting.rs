//! Posting one thing in a thread: in a plain form where Slack does not take it as it is, looked for where no answer came, and not without end where
//! nobody can look. Knows nothing of what is posted, nor in which order.

use std::time::Duration;

use domain::ports::{Address, Chat, Ledger, PortError, PostedMessage, Unsent};
use serde_json::Value;

use crate::mention::plain;
use crate::outbox::Thread;
use crate::teller::{Stop, Teller};
use crate::telling::root_key;

/// How long after a post without an answer it is looked for: a moment, in which Slack may finish what it has begun.
const PAUSE: Duration = Duration::from_secs(1);
/// So often one thing is posted without an answer where nobody can look whether it is there.
pub(crate) const TWICE: usize = 2;

/// What came of posting one thing.
pub(crate) enum Posted {
    /// It stands there.
    There(PostedMessage),
    /// It stands there, as looking has shown: the answer was lost.
    Found(PostedMessage),
    /// There is no place for it any more.
    Gone,
    /// Slack takes it in no form.
    Unfit,
}

/// What came of looking for one thing.
pub(crate) enum Found {
    /// It stands there.
    There(PostedMessage),
    /// It does not.
    Nowhere,
    /// Nobody can tell: a webhook cannot look, and a bot may not.
    Unknown,
}

impl<L: Ledger, C: Chat> Teller<'_, L, C> {
    /// Posts. Where no answer comes and time is left, it is looked for, and posted once more where it is not there.
    pub(crate) async fn post_surely(
        &mut self,
        to: &Address<'_>,
        content: &Value,
        mark: &str,
        thread: &Thread,
    ) -> Result<Posted, Stop> {
        let clock = self.telling.clock;
        let unsent = match self.post(to, content, mark).await {
            Ok(posted) => return Ok(posted),
            Err(unsent) => unsent,
        };
        let may_be_there = matches!(unsent, Unsent::Unanswered(_));
        let stop = self.failed(unsent, mark).await;
        if !may_be_there || clock.now().plus(PAUSE) >= self.telling.until {
            return Err(stop);
        }
        clock.sleep(PAUSE).await;
        match self.telling.chat.find(to, mark, thread.since).await {
            Ok(Some(posted)) => Ok(Posted::Found(posted)),
            Ok(None) => {
                self.is_not_there(mark).await?;
                match self.post(to, content, mark).await {
                    Ok(posted) => Ok(posted),
                    Err(unsent) => Err(self.failed(unsent, mark).await),
                }
            }
            // Where nobody can look, the next try is better made a while later.
            Err(_) => Err(stop),
        }
    }

    /// Posts, in a plain form where Slack does not take the message as it is.
    pub(crate) async fn post(&self, to: &Address<'_>, content: &Value, mark: &str) -> Result<Posted, Unsent> {
        let chat = self.telling.chat;
        let outcome = match chat.post(to, content, mark).await {
            Err(Unsent::Unfit(error)) => {
                tracing::error!(key = mark, "Slack does not take this message, so its text alone is posted: {error}");
                chat.post(to, &plain(content), mark).await
            }
            outcome => outcome,
        };
        match outcome {
            Ok(posted) => Ok(Posted::There(posted)),
            Err(Unsent::Gone(error)) => {
                tracing::warn!(key = mark, "there is no place any more where this could be told: {error}");
                Ok(Posted::Gone)
            }
            Err(Unsent::Unfit(error)) => {
                tracing::error!(key = mark, "Slack does not even take this message's text, so it is not told: {error}");
                Ok(Posted::Unfit)
            }
            Err(unsent) => Err(unsent),
        }
    }

    /// Looks for what may have been posted without an answer, or by somebody who died.
    pub(crate) async fn find(&self, to: &Address<'_>, mark: &str, thread: &Thread) -> Result<Found, Stop> {
        match self.telling.chat.find(to, mark, thread.since).await {
            Ok(found) => Ok(found.map_or(Found::Nowhere, Found::There)),
            Err(error) if error.is_transient() => Err(Stop::Failed(error)),
            // The thread itself is not there any more.
            Err(PortError::NotFound { .. }) if to.thread.is_some() => Ok(Found::Nowhere),
            Err(error) => {
                tracing::warn!(
                    key = mark,
                    "whether this stands in Slack already cannot be told, so it is posted {TWICE} times at most: {error}"
                );
                Ok(Found::Unknown)
            }
        }
    }

    /// What a message that was not posted means for the rest.
    async fn failed(&mut self, unsent: Unsent, mark: &str) -> Stop {
        if let Unsent::Unanswered(_) = &unsent {
            let noted = if mark == root_key(self.outbox.story) {
                self.outbox.doubt_root().await
            } else {
                self.outbox.doubt(mark).await
            };
            if let Err(error) = noted {
                self.keeps_lease = true;
                tracing::warn!(
                    "that a message may have been posted is not remembered, so the right to tell is kept until it runs out: {error}"
                );
            }
        }
        closed_or_failed(unsent)
    }

    async fn is_not_there(&self, mark: &str) -> Result<(), PortError> {
        if mark == root_key(self.outbox.story) {
            self.outbox.is_root_certain().await
        } else {
            self.outbox.is_not_there(mark).await
        }
    }
}

pub(crate) fn closed_or_failed(unsent: Unsent) -> Stop {
    match unsent {
        Unsent::Closed(_) => Stop::Closed,
        other => Stop::Failed(other.into()),
    }
}
