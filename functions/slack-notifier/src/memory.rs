//! The story of a deployment in the ledger: every invocation adds what it knows and gets back all that is known. Knows nothing of
//! Slack; the story is kept even while Slack is down or not configured.

use std::time::Duration;

use domain::deployment::DeploymentId;
use domain::ports::{Ledger, PortError};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::story::Story;
use crate::thread::headline;

/// How long anything about a deployment is kept: longer than a termination wait (48 h) and a redrive of the dead-letter queue.
pub const KEPT: Duration = Duration::from_hours(30 * 24);

/// How often a lost race is run again.
const RACES: usize = 8;

/// A story and how often what it shows has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Grows with every change that a reader of the headline would see.
    pub version: u64,
    /// All that is known.
    pub story: Story,
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
pub async fn recall<L: Ledger>(ledger: &L, deployment: &DeploymentId) -> Result<Option<Known>, PortError> {
    let entry = ledger.read(&key(deployment)).await?;
    entry.map(|entry| Known::deserialize(&entry).map_err(|error| unreadable(deployment, &error))).transpose()
}

/// Adds a story to what is known and returns all of it.
pub async fn remember<L: Ledger>(ledger: &L, fresh: &Story, now: Timestamp) -> Result<Known, PortError> {
    let key = key(&fresh.deployment);
    for _ in 0..RACES {
        let entry = ledger.read(&key).await?;
        let next = match &entry {
            None => Known { version: 1, story: fresh.clone() },
            Some(entry) => {
                let old = Known::deserialize(entry).map_err(|error| unreadable(&fresh.deployment, &error))?;
                let mut story = old.story.clone();
                story.absorb(fresh.clone());
                let is_news = headline(&story) != headline(&old.story);
                if !is_news && (Story { read_at: old.story.read_at, ..story.clone() }) == old.story {
                    return Ok(old);
                }
                Known { version: old.version + u64::from(is_news), story }
            }
        };
        let written = serde_json::to_value(&next).map_err(|error| unreadable(&fresh.deployment, &error))?;
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
