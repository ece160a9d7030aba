//! The story of a deployment in the ledger: every invocation adds what it knows and gets back all that is known. Knows nothing of
//! Slack; the story is kept even while Slack is down or not configured.

use std::time::Duration;

use domain::deployment::DeploymentId;
use domain::ports::{Ledger, PortError};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tale::Tale;

/// How long anything about a deployment is kept: longer than a termination wait (48 h) and a redrive of the dead-letter queue.
pub const KEPT: Duration = Duration::from_hours(30 * 24);

/// How often a lost race is run again.
pub(crate) const RACES: usize = 8;

/// A story and how often what it shows has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known<T> {
    /// Grows with every change that a reader of the headline would see.
    pub version: u64,
    /// All that is known.
    pub story: T,
    /// Whether it is on the list of open stories, which the schedule goes through.
    #[serde(default)]
    pub watched: bool,
}

fn key(deployment: &DeploymentId) -> String {
    format!("story/{deployment}")
}

fn unreadable(deployment: &DeploymentId, error: &serde_json::Error) -> PortError {
    PortError::Permanent {
        what: format!("reading the ledger's entry `{}`", key(deployment)),
        detail: format!("{error}; delete the entry, and the next event writes it anew"),
    }
}

/// What is known of a deployment.
pub async fn recall<T: Tale>(ledger: &impl Ledger, deployment: &DeploymentId) -> Result<Option<Known<T>>, PortError> {
    let entry = ledger.read(&key(deployment)).await?;
    entry.map(|entry| Known::deserialize(&entry).map_err(|error| unreadable(deployment, &error))).transpose()
}

/// Adds a story to what is known and returns all of it; `None` when somebody else was faster.
pub async fn add<T: Tale>(ledger: &impl Ledger, fresh: &T, now: Timestamp) -> Result<Option<Known<T>>, PortError> {
    let key = key(fresh.id());
    let entry = ledger.read(&key).await?;
    let next = match &entry {
        None => Known { version: 1, story: fresh.clone(), watched: false },
        Some(entry) => {
            let mut old: Known<T> = Known::deserialize(entry).map_err(|error| unreadable(fresh.id(), &error))?;
            let mut story = old.story.clone();
            story.absorb(fresh.clone());
            let is_news = story.headline() != old.story.headline();
            let read_at = std::mem::replace(story.read_at(), *old.story.read_at());
            if !is_news && story == old.story {
                return Ok(Some(old));
            }
            *story.read_at() = read_at;
            Known { version: old.version + u64::from(is_news), story, watched: old.watched }
        }
    };
    let written = serde_json::to_value(&next).map_err(|error| unreadable(fresh.id(), &error))?;
    Ok(ledger.replace(&key, entry.as_ref(), &written, now.plus(KEPT)).await?.then_some(next))
}

/// Notes whether a story is on the list of open ones; `false` when somebody changed the story since it was read as `known`, or in between.
pub async fn note_watched<T: Tale>(
    ledger: &impl Ledger,
    known: &Known<T>,
    watched: bool,
    now: Timestamp,
) -> Result<bool, PortError> {
    let key = key(known.story.id());
    let Some(entry) = ledger.read(&key).await? else { return Ok(false) };
    let old: Known<T> = Known::deserialize(&entry).map_err(|error| unreadable(known.story.id(), &error))?;
    if old.version != known.version {
        return Ok(false);
    }
    let next = serde_json::to_value(Known { watched, ..old }).map_err(|error| unreadable(known.story.id(), &error))?;
    ledger.replace(&key, Some(&entry), &next, now.plus(KEPT)).await
}

/// The message that stands for a deployment, as the ledger remembers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Root {
    /// The channel's id.
    pub channel: String,
    /// Slack's id of the message; empty for a webhook's.
    pub ts: String,
    /// The version of the story that the message shows.
    pub shown: u64,
    /// The same in a word, for whoever looks into the table.
    pub state: String,
    /// A digest of what it says, so that the same is not sent again.
    #[serde(default)]
    pub says: u64,
    /// Whether it mentions somebody. It goes on to do so, since an update without would take that back.
    #[serde(default)]
    pub mentions: bool,
    /// How often it was posted anew, since somebody had deleted it.
    #[serde(default)]
    pub anew: usize,
}

impl Root {
    /// From the ledger's entry.
    pub fn of_entry(entry: &Value) -> Result<Self, PortError> {
        Root::deserialize(entry).map_err(|error| PortError::Permanent {
            what: "reading the ledger's entry of a Slack message".to_owned(),
            detail: format!("{error}; delete the entry, and the next event posts the message anew"),
        })
    }

    /// As the ledger's entry.
    pub fn to_entry(&self) -> Value {
        serde_json::json!({
            "channel": self.channel, "ts": self.ts, "shown": self.shown, "state": self.state, "says": self.says, "mentions": self.mentions,
            "anew": self.anew
        })
    }
}
