//! Tells a deployment's story in Slack: one headline, posted once and updated in place, never backwards; and each reply once. Knows
//! nothing of what the messages say.

use std::time::Duration;

use clock::Clock;
use domain::deployment::DeploymentId;
use domain::lease::{self, Holder, Once, Taken};
use domain::ports::{Address, Chat, Ledger, PortError, PostedMessage, Unsent};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::blocks::{Message, render};
use crate::memory::{KEPT, Known, Root, recall};
use crate::tale::Tale;
use crate::thread::Reply;

/// How often to look whether somebody else's headline is there by now.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often a headline is updated in one invocation, when others add to the story meanwhile.
const UPDATES: usize = 6;

/// One channel, for one invocation.
#[derive(Debug)]
pub(crate) struct Telling<'a, L, C> {
    /// What was told before.
    pub(crate) ledger: &'a L,
    /// Where it is told.
    pub(crate) chat: &'a C,
    /// The channel's id; empty for a webhook, which has its own.
    pub(crate) channel: &'a str,
    /// Whether the chat knows threads and updates; an incoming webhook does not.
    pub(crate) has_threads: bool,
    /// The clock.
    pub(crate) clock: &'a Clock,
    /// Who tells.
    pub(crate) holder: &'a Holder,
    /// Until when.
    pub(crate) until: Timestamp,
}

/// A reply and the deployment whose event it tells.
pub(crate) type Addressed = (DeploymentId, Reply);

impl<L: Ledger, C: Chat> Telling<'_, L, C> {
    /// Posts or updates the headline, then posts the replies that have not been posted yet. What fails does not hold up the rest.
    pub(crate) async fn tell<T: Tale>(&self, known: &Known<T>, replies: &[Addressed]) -> (Vec<String>, Vec<PortError>) {
        let (mut told, mut errors) = (Vec::new(), Vec::new());
        let (root, is_new) = match self.root(known).await {
            Ok(found) => found,
            // Without the headline there is no thread to reply in.
            Err(error) => return (told, vec![error]),
        };
        if is_new {
            told.push("headline".to_owned());
        } else if self.has_threads
            && let Err(error) = self.show(known, root.clone()).await
        {
            errors.push(error);
        }
        for (deployment, reply) in replies {
            match self.reply(known, &root, is_new, deployment, reply).await {
                Ok(true) => told.push(reply.key.clone()),
                Ok(false) => {}
                Err(error) => errors.push(error),
            }
        }
        (told, errors)
    }

    /// The headline, posted now if nobody has; true when it was posted now.
    async fn root<T: Tale>(&self, known: &Known<T>) -> Result<(Root, bool), PortError> {
        let key = format!("slack/{}", known.story.id());
        loop {
            let now = self.clock.now();
            match lease::take(self.ledger, &key, self.holder, now).await? {
                Taken::Done(entry) => return Ok((Root::of_entry(&entry)?, false)),
                Taken::Mine(lease) => {
                    let to = self.address(None);
                    let posted = match self.chat.post(&to, &render(&known.story.headline()), &key).await {
                        Ok(posted) => posted,
                        Err(error) => {
                            // If this fails too, the lease runs out by itself.
                            let _ = lease.release().await;
                            return Err(error.into());
                        }
                    };
                    let root = Root {
                        channel: posted.channel,
                        ts: posted.ts,
                        shown: known.version,
                        state: known.story.state(),
                    };
                    if let Err(error) = lease.complete(&root.to_entry(), now.plus(KEPT)).await {
                        tracing::error!(deployment.id = %known.story.id(), "the headline was posted and cannot be remembered, so the next event will post another: {error}");
                    }
                    return Ok((root, true));
                }
                Taken::Busy if now.plus(LOOK_AGAIN) < self.until => self.clock.sleep(LOOK_AGAIN).await,
                Taken::Busy => {
                    return Err(PortError::Transient {
                        what: format!("replying about deployment `{}`", known.story.id()),
                        detail: "another invocation has not finished posting the headline".to_owned(),
                        retry_after: None,
                    });
                }
            }
        }
    }

    /// Updates the headline until it shows all that is known. Two invocations may update at the same time, and the later update may be
    /// the older one; so whoever has updated looks again and goes on until the last thing it showed is the latest there is.
    async fn show<T: Tale>(&self, known: &Known<T>, mut root: Root) -> Result<(), PortError> {
        let key = format!("slack/{}", known.story.id());
        let mut showed: Option<u64> = None;
        for _ in 0..UPDATES {
            let Some(latest) = recall::<T>(self.ledger, known.story.id()).await? else { return Ok(()) };
            if showed.unwrap_or(root.shown) >= latest.version {
                return Ok(());
            }
            let posted = PostedMessage { channel: root.channel.clone(), ts: root.ts.clone() };
            match self.chat.update(&posted, &render(&latest.story.headline())).await {
                Err(Unsent::Gone(error)) => {
                    tracing::warn!(deployment.id = %known.story.id(), "somebody deleted the headline, so it is not updated: {error}");
                }
                outcome => outcome?,
            }
            showed = Some(latest.version);
            root = self.mark(&key, root, &latest).await?;
        }
        Ok(())
    }

    /// Remembers that the headline shows this version, unless it shows a later one already.
    async fn mark<T: Tale>(&self, key: &str, mut root: Root, latest: &Known<T>) -> Result<Root, PortError> {
        for _ in 0..UPDATES {
            if root.shown >= latest.version {
                break;
            }
            let next = Root { shown: latest.version, state: latest.story.state(), ..root.clone() };
            let expires = self.clock.now().plus(KEPT);
            if self.ledger.replace(key, Some(&root.to_entry()), &next.to_entry(), expires).await? {
                return Ok(next);
            }
            match lease::record(self.ledger, key).await? {
                Some(entry) => root = Root::of_entry(&entry)?,
                None => break,
            }
        }
        Ok(root)
    }

    /// Posts a reply unless it has been posted; true when it was posted now.
    async fn reply<T: Tale>(
        &self,
        known: &Known<T>,
        root: &Root,
        root_is_new: bool,
        deployment: &DeploymentId,
        reply: &Reply,
    ) -> Result<bool, PortError> {
        if !self.has_threads && !reply.important {
            return Ok(false);
        }
        // Without threads the headline is a message like the others, and what it has just said is not said again.
        let is_said = !self.has_threads && root_is_new && reply.in_headline;
        let message = self.addressed(known, reply);
        let key = format!("slack/{deployment}/{}", reply.key);
        let thread = self.has_threads.then_some(root.ts.as_str());
        let posted = self
            .once(&key, async || {
                if !is_said {
                    self.chat.post(&self.address(thread), &message, &key).await?;
                }
                Ok(json!({"told": true}))
            })
            .await?;
        Ok(posted && !is_said)
    }

    /// A message that belongs to no deployment; where it stands, when it was posted now.
    pub(crate) async fn tell_alone(&self, key: &str, message: &Message) -> Result<Option<PostedMessage>, PortError> {
        let message = render(message);
        let mut posted = None;
        self.once(&format!("slack/{key}"), async || {
            posted = Some(self.chat.post(&self.address(None), &message, key).await?);
            Ok(json!({"told": true}))
        })
        .await?;
        Ok(posted)
    }

    /// Changes such a message, or posts what it would say where messages cannot be changed; true when that was done now.
    pub(crate) async fn correct_alone(
        &self,
        key: &str,
        posted: &PostedMessage,
        message: &Message,
    ) -> Result<bool, PortError> {
        let message = render(message);
        self.once(&format!("slack/{key}"), async || {
            if self.has_threads {
                match self.chat.update(posted, &message).await {
                    Err(Unsent::Gone(error)) => {
                        tracing::warn!(key, "somebody deleted the message, so it is not updated: {error}");
                    }
                    outcome => outcome?,
                }
            } else {
                self.chat.post(&self.address(None), &message, key).await?;
            }
            Ok(json!({"told": true}))
        })
        .await
    }

    fn address<'t>(&'t self, thread: Option<&'t str>) -> Address<'t> {
        Address { channel: self.channel, thread, broadcast: false }
    }

    async fn once(&self, key: &str, work: impl AsyncFnOnce() -> Result<Value, PortError>) -> Result<bool, PortError> {
        let now = self.clock.now();
        match lease::once(self.ledger, key, self.holder, now, now.plus(KEPT), work).await? {
            Once::Did { forgotten } => {
                if let Some(error) = forgotten {
                    tracing::error!(key, "this was told and cannot be remembered, so it may be told again: {error}");
                }
                Ok(true)
            }
            Once::DoneBefore | Once::Busy => Ok(false),
        }
    }

    /// The reply as it is posted: where there is no thread around it, it says itself what it is about.
    fn addressed(&self, known: &Known<impl Tale>, reply: &Reply) -> Value {
        let mut message = reply.message.clone();
        if !self.has_threads {
            message.context.extend(known.story.about());
        }
        render(&message)
    }
}
