//! What is still to be told in a thread: each reply as an entry of its own, and the thread's queue of them. Written before anything is sent, so
//! that whoever has time tells it, in the order in which things happened. Knows nothing of how it is sent.
//!
//! A reply's entry (`slack/<deployment>/<reply>`) is pending or a record; the queue (`thread/<story>`) names those that are pending. An entry that
//! is a record is told, whatever the queue says: whoever dies between the two leaves a name in the queue that the next one takes out.

use std::time::Duration;

use domain::deployment::DeploymentId;
use domain::lease;
use domain::ports::{Ledger, PortError};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::blocks::{Message, render};
use crate::contend::Patient;
use crate::memory::KEPT;
use crate::mention::plain;
use crate::said;
use crate::thread::Reply;

/// So much a reply may take in the table, in bytes of JSON. An entry may have 400 kB (DynamoDB, "Quotas"); a reply that is longer than this is read
/// by nobody.
const REPLY: usize = 12_000;
/// So many replies wait in one thread; what goes beyond is counted.
pub(crate) const WAITING: usize = 60;
const PENDING: &str = "pending";

/// A reply that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Queued {
    /// Its entry's key, which is its mark in Slack too.
    pub(crate) key: String,
    /// When that happened which it tells.
    pub(crate) at: Timestamp,
    /// When it was added.
    pub(crate) added: Timestamp,
    /// Whether it may stand in the thread although nobody has recorded that.
    #[serde(default)]
    pub(crate) is_uncertain: bool,
    /// How often it was posted without an answer, since it was last looked for.
    #[serde(default)]
    pub(crate) unanswered: usize,
    /// Whether it is bad news that a headline says too.
    #[serde(default)]
    pub(crate) is_headline_alarming: bool,
}

impl Queued {
    /// From when on it may be told: what happened before it has had the time to be heard of, too. A clock that is ahead delays nothing.
    pub(crate) fn due(&self, settle: Duration) -> Timestamp {
        self.at.min(self.added).plus(settle)
    }
}

/// A thread's queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Thread {
    /// When anything was to be told in it for the first time; nothing of it was posted before.
    pub(crate) since: Timestamp,
    /// What waits.
    pub(crate) queue: Vec<Queued>,
    /// When the latest thing happened that was told.
    #[serde(default)]
    pub(crate) told_up_to: Option<Timestamp>,
    /// Whether the headline may stand there although nobody has recorded that.
    #[serde(default)]
    pub(crate) is_root_uncertain: bool,
    /// How often the headline was posted without an answer, since it was last looked for.
    #[serde(default)]
    pub(crate) root_unanswered: usize,
    /// How many replies there was no room for.
    #[serde(default)]
    pub(crate) left_out: usize,
}

impl Thread {
    /// What is to be told next.
    pub(crate) fn next(&self) -> Option<&Queued> {
        self.queue.iter().min_by_key(|queued| (queued.at, queued.added, &queued.key))
    }

    /// Whether one of these waits.
    pub(crate) fn has_any(&self, keys: &[String]) -> bool {
        self.queue.iter().any(|queued| keys.contains(&queued.key))
    }
}

/// A reply as it waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// What it says, as Slack's `text` and `blocks`.
    pub(crate) content: Value,
    /// [`Reply::in_headline`].
    pub(crate) in_headline: bool,
    /// [`Reply::alarming`].
    pub(crate) alarming: bool,
}

impl Pending {
    /// From a reply's entry; `None` when it is none any more.
    pub(crate) fn of_entry(entry: &Value) -> Option<Self> {
        Pending::deserialize(entry.get(PENDING)?).ok()
    }
}

/// The replies of one thread that wait.
#[derive(Debug)]
pub(crate) struct Outbox<'a, L> {
    pub(crate) ledger: &'a L,
    pub(crate) patient: Patient<'a>,
    pub(crate) story: &'a DeploymentId,
}

/// Renders a message so that it fits into the table: its last lines go, and how many they were is said.
fn fitted(message: &Message) -> Value {
    let all = message.lines.len();
    for kept in (0..=all).rev() {
        let mut lines: Vec<_> = message.lines.iter().take(kept).cloned().collect();
        if kept < all {
            lines.push(said!("… and {}.", domain::text::count(all - kept, "more line")));
        }
        let rendered = render(&Message { lines, ..message.clone() });
        if rendered.to_string().len() <= REPLY {
            return rendered;
        }
    }
    plain(&render(&Message { fallback: message.fallback.clone(), ..Message::default() }))
}

impl<L: Ledger> Outbox<'_, L> {
    fn key(&self) -> String {
        format!("thread/{}", self.story)
    }

    /// How the queue stands, which is written now if it was not: nothing may be posted of which nobody would know since when to look for it.
    pub(crate) async fn begin(&self) -> Result<Thread, PortError> {
        self.amend(|_| {}).await
    }

    /// How the queue stands.
    pub(crate) async fn read(&self) -> Result<Thread, PortError> {
        let entry = self.ledger.read(&self.key()).await?;
        entry.as_ref().map_or_else(|| Ok(Thread::default()), |entry| self.of_entry(entry))
    }

    fn of_entry(&self, entry: &Value) -> Result<Thread, PortError> {
        Thread::deserialize(entry).map_err(|error| PortError::Permanent {
            what: format!("reading the ledger's entry `{}`", self.key()),
            detail: format!(
                "{error}; delete the entry: replies that wait in it are told with their events' next delivery"
            ),
        })
    }

    /// Changes the queue, whoever else does.
    async fn amend(&self, change: impl Fn(&mut Thread)) -> Result<Thread, PortError> {
        let now = self.patient.clock.now();
        self.patient
            .change(self.ledger, &self.key(), now.plus(KEPT), |entry| {
                let old = entry.map(|entry| self.of_entry(entry)).transpose()?;
                let mut next = old.clone().unwrap_or_else(|| Thread { since: now, ..Thread::default() });
                change(&mut next);
                if old.as_ref() == Some(&next) {
                    return Ok((None, next));
                }
                let written = serde_json::to_value(&next).map_err(|error| PortError::Permanent {
                    what: format!("writing the ledger's entry `{}`", self.key()),
                    detail: error.to_string(),
                })?;
                Ok((Some(written), next))
            })
            .await
    }

    /// Adds replies that have not been told, each under its key; the keys of those that wait now. Adding one twice changes nothing.
    pub(crate) async fn add(&self, replies: &[(String, &Reply, Message)]) -> Result<Vec<String>, PortError> {
        let now = self.patient.clock.now();
        let mut waiting = Vec::new();
        for (key, reply, message) in replies {
            let pending = json!({PENDING: {
                "content": fitted(message), "in_headline": reply.in_headline, "alarming": reply.alarming
            }});
            if self.is_pending(key, &pending, now).await? {
                waiting.push(Queued {
                    key: key.clone(),
                    at: reply.at,
                    added: now,
                    is_uncertain: false,
                    unanswered: 0,
                    is_headline_alarming: reply.alarming && reply.in_headline,
                });
            }
        }
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        let thread = self
            .amend(|thread| {
                for queued in &waiting {
                    if thread.queue.iter().any(|other| other.key == queued.key) {
                        continue;
                    }
                    if thread.queue.len() < WAITING {
                        thread.queue.push(queued.clone());
                    } else {
                        thread.left_out += 1;
                    }
                }
            })
            .await?;
        let mut keys = Vec::new();
        for Queued { key, .. } in waiting {
            if thread.has_any(std::slice::from_ref(&key)) {
                keys.push(key);
            } else {
                tracing::error!(key, "{WAITING} replies wait in this thread already, so this one is only counted");
                self.record(&key, &json!({"left_out": now})).await?;
            }
        }
        Ok(keys)
    }

    /// Writes a reply unless it is there; whether it waits.
    async fn is_pending(&self, key: &str, pending: &Value, now: Timestamp) -> Result<bool, PortError> {
        let expires = now.plus(KEPT);
        if self.ledger.claim(key, pending, expires).await? {
            return Ok(true);
        }
        match self.ledger.read(key).await? {
            Some(entry) if entry.get(PENDING).is_some() => Ok(true),
            // An earlier version of the function died with it.
            Some(entry) if lease::is_lease(&entry) => {
                Ok(self.ledger.replace(key, Some(&entry), pending, expires).await?)
            }
            Some(_) => Ok(false),
            None => self.ledger.claim(key, pending, expires).await,
        }
    }

    /// Puts a record in the place of what waited; it is left as it is where somebody has done so before.
    async fn record(&self, key: &str, record: &Value) -> Result<(), PortError> {
        let entry = self.ledger.read(key).await?;
        if entry.as_ref().is_some_and(|entry| entry.get(PENDING).is_some()) {
            self.ledger.replace(key, entry.as_ref(), record, self.patient.clock.now().plus(KEPT)).await?;
        }
        Ok(())
    }

    /// Takes a reply out of the queue that `record` says what became of.
    pub(crate) async fn done(&self, queued: &Queued, record: &Value) -> Result<(), PortError> {
        self.record(&queued.key, record).await?;
        self.amend(|thread| {
            thread.queue.retain(|other| other.key != queued.key);
            thread.told_up_to = thread.told_up_to.max(Some(queued.at));
        })
        .await
        .map(drop)
    }

    /// Takes a reply out of the queue of which there is a record.
    pub(crate) async fn forget(&self, queued: &Queued) -> Result<(), PortError> {
        self.amend(|thread| thread.queue.retain(|other| other.key != queued.key)).await.map(drop)
    }

    /// Notes that a reply was posted without an answer, so that it may stand in the thread.
    pub(crate) async fn doubt(&self, key: &str) -> Result<(), PortError> {
        self.amend(|thread| {
            for queued in thread.queue.iter_mut().filter(|queued| queued.key == key) {
                queued.is_uncertain = true;
                queued.unanswered += 1;
            }
        })
        .await
        .map(drop)
    }

    /// Notes that a reply does not stand in the thread.
    pub(crate) async fn is_not_there(&self, key: &str) -> Result<(), PortError> {
        self.amend(|thread| {
            for queued in thread.queue.iter_mut().filter(|queued| queued.key == key) {
                queued.is_uncertain = false;
                queued.unanswered = 0;
            }
        })
        .await
        .map(drop)
    }

    /// Notes that the headline was posted without an answer, so that it may stand in the channel.
    pub(crate) async fn doubt_root(&self) -> Result<(), PortError> {
        self.amend(|thread| {
            thread.is_root_uncertain = true;
            thread.root_unanswered += 1;
        })
        .await
        .map(drop)
    }

    /// Notes that what may have stood in the channel as the headline does not, or is known.
    pub(crate) async fn is_root_certain(&self) -> Result<(), PortError> {
        self.amend(|thread| (thread.is_root_uncertain, thread.root_unanswered) = (false, 0)).await.map(drop)
    }

    /// Whoever told here before has died: any of it may stand in the channel.
    pub(crate) async fn doubt_all(&self) -> Result<(), PortError> {
        self.amend(|thread| {
            thread.is_root_uncertain = true;
            for queued in &mut thread.queue {
                queued.is_uncertain = true;
            }
        })
        .await
        .map(drop)
    }

    /// Notes that it is said how many replies there was no room for.
    pub(crate) async fn said_left_out(&self, number: usize) -> Result<(), PortError> {
        self.amend(|thread| thread.left_out = thread.left_out.saturating_sub(number)).await.map(drop)
    }
}
