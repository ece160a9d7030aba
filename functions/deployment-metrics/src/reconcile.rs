//! What no event brought: hourly, every group that the configuration names is looked through for deployments that have ended and are not
//! published, by CodeDeploy's own record. Knows nothing of how they are published.
//!
//! In an hour without anything missing that is, for each group, `ListDeployments` once a page, `BatchGetDeployments` once for 25
//! deployments of the last 23 days, and one read of the ledger for each that has ended within two weeks. Only when something is missing, more of
//! the history is read, once.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::bail;
use domain::deployment::{Deployment, DeploymentId, GroupName};
use domain::ports::{DeploymentRecords, Deployments, Ledger, Metrics, PortError, TaskDefinitionTags};
use domain::time::Timestamp;
use dora::Record;
use serde_json::{Value, json};

use crate::publish::Outcome;
use crate::{RESERVE, Shift, ending_key, gather, restored_key};

/// What ended within so long is looked for: everything that CloudWatch would still take (two weeks). So an outage of days loses nothing, and what
/// may or may not have been taken can be waited for until it must show, which takes two days of values that are a day old.
const REACH: Duration = Duration::from_hours(14 * 24);
/// How long a deployment may live before it ends: 120 h before the shift, 48 h between its first and its last step and 48 h of termination wait
/// ("Limits", CodeDeploy user guide). `ListDeployments` knows only when deployments were created.
const LIFE: Duration = Duration::from_hours(120 + 48 + 48);

/// The pause between two deployments that are published. Each takes four calls to CodeDeploy, which slows down an account that makes some dozens a
/// minute (awslabs/aws-codedeploy-plugin#95), the hooks and the rollbacks with it; nobody waits for this here.
const PACE: Duration = Duration::from_secs(1);

/// What came of it.
#[derive(Default)]
struct Tally {
    looked_at: usize,
    published: Vec<DeploymentId>,
    restored: usize,
    /// Not settled, or being published by another invocation, or not to be told yet.
    waiting: usize,
    /// The time did not suffice for so many deployments, and for so many groups.
    left: (usize, usize),
    /// Groups that may not be read or do not exist.
    unread: Vec<String>,
    failures: Vec<String>,
}

impl<D, L, M, T> Shift<'_, D, L, M, T>
where
    D: Deployments + DeploymentRecords,
    L: Ledger,
    M: Metrics,
    T: TaskDefinitionTags,
{
    /// Publishes what no event brought.
    pub(crate) async fn reconcile(&self) -> anyhow::Result<Value> {
        let named: BTreeSet<&GroupName> = self.config.services.iter().filter_map(|it| it.codedeploy.as_ref()).collect();
        // Each hour begins with another group: should the time never suffice for all, each has its turn.
        let hour = usize::try_from(self.now().0 / 3_600_000).unwrap_or_default();
        let first = hour.checked_rem(named.len()).unwrap_or_default();
        let mut tally = Tally::default();
        for group in named.iter().cycle().skip(first).take(named.len()) {
            if self.is_out_of_time() {
                tally.left.1 += 1;
                continue;
            }
            if let Err(error) = self.catch_up(group, &mut tally).await {
                match error.downcast_ref() {
                    Some(PortError::Denied { .. } | PortError::NotFound { .. }) => {
                        tracing::warn!(%group, "its deployments are not measured: {error:#}");
                        tally.unread.push(group.to_string());
                    }
                    _ => tally.failures.push(format!("`{group}`: {error:#}")),
                }
            }
        }
        tally.summary(named.len())
    }

    async fn catch_up(&self, group: &GroupName, tally: &mut Tally) -> anyhow::Result<()> {
        let now = self.now();
        let mut history = self.history(group, now.minus(REACH + LIFE)).await?;
        let ended =
            |record: &Record| gather::ended(&record.deployment).filter(|_| record.deployment.status.is_terminal());
        history.sort_by_key(|record| (ended(record), record.deployment.id.clone()));
        let is_due = |record: &&Record| ended(record).is_some_and(|ended| ended > now.minus(REACH));
        let due: Vec<Deployment> = history.iter().filter(is_due).map(|record| record.deployment.clone()).collect();
        tally.looked_at += due.len();
        self.ways_back(&due, tally).await?;
        let mut missing = Vec::new();
        for deployment in due {
            if self.is_done(&ending_key(&deployment.id)).await? {
                continue;
            }
            if self.is_settled(&deployment).await? {
                missing.push(deployment);
            } else {
                tally.waiting += 1;
            }
        }
        let Some(first) = missing.iter().map(gather::created).min() else { return Ok(()) };
        let history = self.history(group, first.minus(gather::WINDOW)).await?;
        for Deployment { id, .. } in &missing {
            if self.is_out_of_time() {
                tally.left.0 += 1;
                continue;
            }
            self.ports.clock.sleep(PACE).await;
            match self.missing(id, &history).await {
                Ok(outcome) if outcome.is_open() => tally.waiting += 1,
                Ok(Outcome::Published) => tally.published.push(id.clone()),
                Ok(_) => {}
                Err(error) => tally.failures.push(format!("`{id}`: {error:#}")),
            }
        }
        Ok(())
    }

    async fn missing(&self, id: &DeploymentId, history: &[Record]) -> anyhow::Result<Outcome> {
        let Some(deployment) = self.settled(id, Duration::ZERO).await? else { return Ok(Outcome::NotEnded) };
        self.ended(&self.whole(deployment).await?, history).await
    }

    /// Publishes how long the ways back took of which no event came: `alarm-rollback` leaves in the ledger what it told.
    async fn ways_back(&self, due: &[Deployment], tally: &mut Tally) -> anyhow::Result<()> {
        let rolled_back = due.iter().filter(|it| it.rolled_back_by.is_some()).map(|it| &it.id);
        let taken_back = due.iter().filter_map(|it| it.rolls_back.as_ref());
        for id in rolled_back.chain(taken_back).collect::<BTreeSet<_>>() {
            if self.is_out_of_time() || self.is_done(&restored_key(id)).await? {
                continue;
            }
            let Some(restored) = self.left(id).await? else { continue };
            match self.way_back(&restored).await {
                Ok(Some(Outcome::Published)) => tally.restored += 1,
                Ok(_) => {}
                Err(error) => tally.failures.push(format!("the way back of `{id}`: {error:#}")),
            }
        }
        Ok(())
    }

    fn is_out_of_time(&self) -> bool {
        let now: Timestamp = self.now();
        now.plus(RESERVE) >= self.holder.until
    }
}

impl Tally {
    fn summary(&self, groups: usize) -> anyhow::Result<Value> {
        let (deployments, left_groups) = self.left;
        if deployments + left_groups > 0 {
            tracing::warn!(
                deployments,
                groups = left_groups,
                "the time did not suffice for all; the next schedule goes on"
            );
        }
        if let Some(first) = self.failures.first() {
            bail!(
                "{} of {} deployments in {groups} groups could not be reconciled, {} were published; the first: {first}",
                self.failures.len(),
                self.looked_at,
                self.published.len()
            );
        }
        Ok(json!({
            "groups": groups,
            "looked_at": self.looked_at,
            "published": self.published.len(),
            "deployments": self.published,
            "restored": self.restored,
            "waiting": self.waiting,
            "left": deployments,
            "groups_left": left_groups,
            "groups_unread": self.unread,
        }))
    }
}
