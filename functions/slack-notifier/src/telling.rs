//! Tells a story in Slack: one headline, posted once and updated in place, and the replies below it. What is to be told goes into the thread's
//! outbox first; then one invocation at a time tells, and the others wait until theirs is told or it is their turn. Knows nothing of what the
//! messages say.

use std::time::Duration;

use clock::Clock;
use domain::config::Channel;
use domain::deployment::DeploymentId;
use domain::lease::{self, Holder, Taken};
use domain::ports::{Chat, Ledger, PortError};
use domain::time::Timestamp;

use crate::blocks::Message;
use crate::contend::{Chance, Patient};
use crate::memory::{KEPT, Known, Root};
use crate::outbox::Outbox;
use crate::tale::Tale;
use crate::teller::{Stop, Teller};
use crate::thread::Reply;

/// How often to look whether it is one's turn, on average.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// One channel, for one invocation.
#[derive(Debug)]
pub(crate) struct Telling<'a, L, C> {
    /// What was told before.
    pub(crate) ledger: &'a L,
    /// Where it is told.
    pub(crate) chat: &'a C,
    /// The channel, whether only bad news is told there, and whom that mentions.
    pub(crate) channel: Channel<'a>,
    /// Whether the chat knows threads and updates; an incoming webhook does not.
    pub(crate) has_threads: bool,
    /// The clock.
    pub(crate) clock: &'a Clock,
    /// Who tells.
    pub(crate) holder: &'a Holder,
    /// The invocation's own numbers.
    pub(crate) chance: &'a Chance,
    /// How old a thing is when it is told, so that what happened before it stands above it.
    pub(crate) settle: Duration,
    /// Until when.
    pub(crate) until: Timestamp,
}

/// A reply and the deployment whose event it tells.
pub(crate) type Addressed = (DeploymentId, Reply);

/// What came of telling.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The keys of what was told now, by this invocation: its own and others'.
    pub(crate) told: Vec<String>,
    /// What could not be told.
    pub(crate) errors: Vec<PortError>,
    /// Whether anything of the thread is still to be told, by whoever comes next.
    pub(crate) is_open: bool,
}

impl Outcome {
    pub(crate) fn failed(error: PortError) -> Self {
        Self { errors: vec![error], is_open: true, ..Self::default() }
    }
}

/// The key of the message that stands for a story, which is its mark in Slack too.
pub(crate) fn root_key(story: &DeploymentId) -> String {
    format!("slack/{story}")
}

/// The replies as they go into the outbox: each with its key and what it says there.
pub(crate) fn addressed<'r>(
    known: &Known<impl Tale>,
    replies: &'r [Addressed],
    has_threads: bool,
) -> Vec<(String, &'r Reply, Message)> {
    let fitting = replies.iter().filter(|(_, reply)| has_threads || reply.important);
    let addressed = fitting.map(|(deployment, reply)| {
        let mut message = reply.message.clone();
        // Where there is no thread around it, it says itself what it is about.
        if !has_threads {
            message.context.extend(known.story.about());
        }
        (format!("slack/{deployment}/{}", reply.key), reply, message)
    });
    addressed.collect()
}

impl<L: Ledger, C: Chat> Telling<'_, L, C> {
    /// Adds the replies to the thread's outbox, and tells what waits there until all of these are told and the headline shows what is known.
    pub(crate) async fn tell<T: Tale>(&self, known: &Known<T>, replies: &[Addressed]) -> Outcome {
        let story = known.story.id();
        let patient = Patient { clock: self.clock, chance: self.chance, until: self.until };
        let outbox = Outbox { ledger: self.ledger, patient, story };
        match outbox.add(&addressed(known, replies, self.has_threads)).await {
            Ok(mine) => self.tell_all(known, &outbox, &mine).await,
            Err(error) => Outcome::failed(error),
        }
    }

    async fn tell_all<T: Tale>(&self, known: &Known<T>, outbox: &Outbox<'_, L>, mine: &[String]) -> Outcome {
        let mut told = Vec::new();
        loop {
            match self.is_told(known, outbox, mine).await {
                Ok(Progress { is_mine_told: true, is_open: false }) => return Outcome { told, ..Outcome::default() },
                Ok(Progress { is_mine_told: true, .. }) if !told.is_empty() => {
                    return Outcome { told, is_open: true, ..Outcome::default() };
                }
                Ok(_) => {}
                Err(error) => return Outcome { told, ..Outcome::failed(error) },
            }
            let key = format!("telling/{}", known.story.id());
            let error = match lease::take_staying(self.ledger, &key, self.holder, self.clock.now(), KEPT).await {
                Ok(Taken::Mine(lease)) => {
                    let told_now = Vec::new();
                    let mut teller = Teller {
                        telling: self,
                        outbox,
                        mine,
                        told: told_now,
                        keeps_lease: false,
                        cannot_look: false,
                        is_anew: false,
                    };
                    let stop = Box::pin(teller.run::<T>(lease.is_inherited())).await;
                    told.append(&mut teller.told);
                    if !teller.keeps_lease
                        && let Err(error) = lease.release().await
                    {
                        tracing::warn!(key, "the right to tell is not given back, and runs out by itself: {error}");
                    }
                    match stop {
                        Ok(is_open) => return Outcome { told, errors: Vec::new(), is_open },
                        // Told where that concerns people, and not to be tried again before tomorrow.
                        Err(Stop::Closed) => return Outcome { told, errors: Vec::new(), is_open: true },
                        Err(Stop::Failed(error)) => return Outcome { told, ..Outcome::failed(error) },
                    }
                }
                Ok(Taken::Busy) => busy(known),
                Ok(Taken::Done(_)) => PortError::Permanent {
                    what: format!("reading the ledger's entry `{key}`"),
                    detail: "it holds something else than a lease; delete the entry".to_owned(),
                },
                Err(error) => error,
            };
            let span = LOOK_AGAIN / 2 + self.chance.span(LOOK_AGAIN);
            if !error.is_transient() || self.clock.now().plus(span) >= self.until {
                return Outcome { told, ..Outcome::failed(error) };
            }
            self.clock.sleep(span).await;
        }
    }

    async fn is_told<T: Tale>(
        &self,
        known: &Known<T>,
        outbox: &Outbox<'_, L>,
        mine: &[String],
    ) -> Result<Progress, PortError> {
        let thread = outbox.read().await?;
        if thread.has_any(mine) {
            return Ok(Progress { is_mine_told: false, is_open: true });
        }
        let shown = match lease::record(self.ledger, &root_key(known.story.id())).await? {
            Some(entry) => !self.has_threads || Root::of_entry(&entry)?.shown >= known.version,
            // What goes well leaves no message.
            None => self.channel.quiet && !known.story.concerns(),
        };
        Ok(Progress { is_mine_told: shown, is_open: !shown || !thread.queue.is_empty() || thread.left_out > 0 })
    }
}

/// How far a thread is.
struct Progress {
    /// Whether the invocation's own replies are told, and the headline shows what it knows.
    is_mine_told: bool,
    /// Whether anything waits.
    is_open: bool,
}

fn busy(known: &Known<impl Tale>) -> PortError {
    PortError::Transient {
        what: format!("telling of `{}` in Slack", known.story.id()),
        detail: "another invocation has been at it for all of the time; what waits is told by whoever comes next"
            .to_owned(),
        retry_after: None,
    }
}
