//! What the table remembers of a deployment group: since when its deployments are counted, and up to when everything is. Knows nothing of how they are
//! counted.
//!
//! Counting begins with the first look at a group. CloudWatch would take two weeks of what came before, and show what is older than a day only after two more
//! days: until then a rate over the week would be that of the last day, and an alarm would go off for a failure that nobody had asked Greenlight about.

use std::time::Duration;

use anyhow::Context;
use domain::deployment::GroupName;
use domain::ports::{DeploymentRecords, Deployments, Ledger, Metrics, TaskDefinitionTags};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::Shift;

/// How long before the first look counting begins: values so young show within minutes ("PutMetricData", CloudWatch API reference).
const BEFORE: Duration = Duration::from_hours(3);
/// By so much the mark moves at a time; the schedule looks back on a day anyway.
const STEP: Duration = Duration::from_hours(12);
/// How long a person hears nothing more of a group that may not be read: a day, less what one hour's schedule may be earlier than another's.
const TOLD: Duration = Duration::from_mins(24 * 60 - 30);

const SINCE: &str = "since";
const LOOKED: &str = "looked";
const FAILING: &str = "failing";
const TOLD_BY: &str = "told_by";

/// What is remembered of a group.
#[derive(Debug)]
pub(crate) struct Mark {
    /// The schedule counts nothing that ended before.
    pub(crate) since: Timestamp,
    /// Everything that ended up to then is counted.
    pub(crate) looked: Timestamp,
    /// Since when no look at it has gone well.
    pub(crate) failing: Option<Timestamp>,
    stored: Value,
}

impl Mark {
    fn read(stored: Value) -> Self {
        let time = |key: &str| stored.get(key)?.as_str().and_then(Timestamp::parse);
        // An entry that cannot be read hides nothing.
        let since = time(SINCE).unwrap_or_default();
        Self { since, looked: time(LOOKED).unwrap_or(since), failing: time(FAILING), stored }
    }
}

fn mark_key(group: &GroupName) -> String {
    format!("metrics/since/{group}")
}

impl<D, L, M, T> Shift<'_, D, L, M, T>
where
    D: Deployments + DeploymentRecords,
    L: Ledger,
    M: Metrics,
    T: TaskDefinitionTags,
{
    /// What is remembered of a group. The first look makes the mark.
    pub(crate) async fn mark(&self, group: &GroupName) -> anyhow::Result<Mark> {
        let (ledger, key) = (&self.ports.ledger, mark_key(group));
        if let Some(stored) = ledger.read(&key).await? {
            return Ok(Mark::read(stored));
        }
        let first = json!({SINCE: self.now().minus(BEFORE)});
        if ledger.claim(&key, &first, self.kept()).await? {
            tracing::info!(%group, "this is the first look at the group: what ended more than three hours ago is not counted");
            return Ok(Mark::read(first));
        }
        let stored = ledger.read(&key).await?;
        stored
            .map(Mark::read)
            .with_context(|| format!("`{key}` is there and cannot be read; the next hour tries again"))
    }

    /// An ending was heard of, so that the group's counting has begun.
    pub(crate) async fn begin_at_the_latest(&self, group: &GroupName, ended: Timestamp) {
        let first = json!({SINCE: ended.min(self.now()).minus(BEFORE)});
        if let Err(error) = self.ports.ledger.claim(&mark_key(group), &first, self.kept()).await {
            tracing::warn!(%group, %error, "that its counting has begun could not be remembered; the schedule does so");
        }
    }

    /// Remembers that a look at a group went well, and up to when everything is counted.
    pub(crate) async fn looked(&self, group: &GroupName, mark: &Mark, up_to: Timestamp) {
        if up_to.since(mark.looked) < STEP && mark.failing.is_none() {
            return;
        }
        let to = json!({SINCE: mark.since, LOOKED: up_to.max(mark.looked)});
        if let Err(error) = self.ports.ledger.replace(&mark_key(group), Some(&mark.stored), &to, self.kept()).await {
            tracing::warn!(%group, %error, "how far its deployments are counted could not be remembered; the next hour looks again");
        }
    }

    /// Since when no look at the group has gone well, this one included.
    pub(crate) async fn failing_since(&self, group: &GroupName, mark: &Mark) -> anyhow::Result<Timestamp> {
        if let Some(failing) = mark.failing {
            return Ok(failing);
        }
        let now = self.now();
        let to = json!({SINCE: mark.since, LOOKED: mark.looked, FAILING: now});
        self.ports.ledger.replace(&mark_key(group), Some(&mark.stored), &to, self.kept()).await?;
        Ok(now)
    }

    /// Whether it is this invocation's to tell people that a group may not be read: once a day. Lambda's further tries of the same invocation tell it
    /// again, as only the last one reaches the dead letters.
    pub(crate) async fn is_to_tell(&self, group: &GroupName) -> anyhow::Result<bool> {
        let (ledger, key) = (&self.ports.ledger, format!("metrics/unread/{group}"));
        let mine = json!({TOLD_BY: self.holder.id});
        if ledger.claim(&key, &mine, self.now().plus(TOLD)).await? {
            return Ok(true);
        }
        Ok(ledger.read(&key).await?.is_none_or(|told| told == mine))
    }
}
