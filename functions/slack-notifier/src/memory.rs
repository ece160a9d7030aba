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

/// Adds a story to what is known and returns all of it.
pub async fn remember<T: Tale>(ledger: &impl Ledger, fresh: &T, now: Timestamp) -> Result<Known<T>, PortError> {
    let key = key(fresh.id());
    for _ in 0..RACES {
        let entry = ledger.read(&key).await?;
        let next = match &entry {
            None => Known { version: 1, story: fresh.clone() },
            Some(entry) => {
                let mut old: Known<T> = Known::deserialize(entry).map_err(|error| unreadable(fresh.id(), &error))?;
                let mut story = old.story.clone();
                story.absorb(fresh.clone());
                let is_news = story.headline() != old.story.headline();
                let read_at = std::mem::replace(story.read_at(), *old.story.read_at());
                if !is_news && story == old.story {
                    return Ok(old);
                }
                *story.read_at() = read_at;
                Known { version: old.version + u64::from(is_news), story }
            }
        };
        let written = serde_json::to_value(&next).map_err(|error| unreadable(fresh.id(), &error))?;
        if ledger.replace(&key, entry.as_ref(), &written, now.plus(KEPT)).await? {
            return Ok(next);
        }
    }
    Err(PortError::Transient {
        what: format!("adding to the ledger's entry `{key}`"),
        detail: format!("others changed it {RACES} times in between"),
        retry_after: None,
    })
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
        serde_json::json!({"channel": self.channel, "ts": self.ts, "shown": self.shown, "state": self.state})
    }
}
