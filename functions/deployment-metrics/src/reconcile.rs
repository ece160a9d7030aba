//! What no event brought: hourly, every group that the configuration names is looked through for deployments that have ended and are not
//! published, by CodeDeploy's own record. Knows nothing of how they are published.
//!
//! In an hour without anything missing that is, for each group, `ListDeployments` once a page, `BatchGetDeployments` once for 25
//! deployments of the last ten days, one read of the ledger, and one for each deployment that has ended within a day. Only when something is missing, more
//! of the history is read, once. In any hour it is as much as the time suffices for at five calls a second to CodeDeploy; the next hour goes on
//! where this one stopped, with the first group that was not looked at, and in a group with the first deployment that is not counted.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId, GroupName};
use domain::ports::{DeploymentRecords, Deployments, Ledger, Metrics, TaskDefinitionTags};
use domain::time::Timestamp;
use dora::Record;
use serde_json::{Value, json};

use crate::mark::Mark;
use crate::publish::Outcome;
use crate::tally::Tally;
use crate::trouble::{Unread, is_transient};
use crate::{Shift, ending_key, gather, restored_key};

/// What ended within so long is looked at each hour, known to be counted or not: a record may come late, and so may the word of a way back.
const OVERLAP: Duration = Duration::from_hours(24);
/// Nothing that ended before is looked for: CloudWatch takes two weeks. After an outage of days all of it is, since the group's mark has not moved.
const REACH: Duration = Duration::from_hours(14 * 24);
/// How long a deployment may live before it ends: 120 h before the shift, 48 h between its first and its last step and 48 h of termination wait
/// ("Limits", CodeDeploy user guide). `ListDeployments` knows only when deployments were created.
const LIFE: Duration = Duration::from_hours(120 + 48 + 48);
/// The pause between two deployments that are published. Each takes four calls to CodeDeploy, which slows down an account that makes some dozens a
/// minute (awslabs/aws-codedeploy-plugin#95), the hooks and the rollbacks with it; nobody waits for this here.
const PACE: Duration = Duration::from_secs(1);
/// How long something may be missing that the next hour may bring, before a person is called.
const HEALS_WITHIN: Duration = Duration::from_hours(6);
/// The ledger's entry for the group with which the next hour begins.
const NEXT: &str = "metrics/next";

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
        let mut tally = Tally::of(named.len());
        // Where it cannot be read, it matters less with which one it begins than that it begins.
        let next = self.ports.ledger.read(NEXT).await.unwrap_or_default();
        let name = next.as_ref().and_then(|next| next.get("group")?.as_str()).unwrap_or_default();
        let first = named.iter().position(|group| group.to_string() == name).unwrap_or_default();
        let mut left = None;
        for (turn, group) in named.iter().copied().cycle().skip(first).take(named.len()).enumerate() {
            if self.is_out_of_time() || !self.look_at(group, turn == 0, &mut tally).await {
                left = left.or(Some(group));
                tally.groups_left += 1;
            }
        }
        if let Some(group) = left {
            let to = json!({"group": group.to_string()});
            if let Err(error) = self.ports.ledger.replace(NEXT, next.as_ref(), &to, self.kept()).await {
                tracing::warn!(%group, %error, "that the next hour is to begin with this group could not be remembered");
            }
        }
        tally.summary()
    }

    /// Catches up with a group; whatever is wrong with it does not hold up the others. False when there was no time to read it.
    async fn look_at(&self, group: &GroupName, is_first: bool, tally: &mut Tally) -> bool {
        let mark = match self.mark(group).await {
            Ok(mark) => mark,
            Err(error) => {
                // Without the table it is not known since when it has been so.
                tally.group_failed(group, &error, true);
                return true;
            }
        };
        let error = match self.catch_up(group, &mark, tally).await {
            Ok(up_to) => {
                self.looked(group, &mark, up_to).await;
                return true;
            }
            Err(error) => error,
        };
        let unread = error.downcast_ref::<Unread>();
        if let Some(remedy) = unread.and_then(Unread::remedy) {
            tracing::warn!(%group, "its deployments are not measured: {error:#}; {remedy}");
            // Rather twice than never.
            let is_to_tell = self.is_to_tell(group).await.unwrap_or(true);
            tally.group_unread(group, &error, &remedy, is_to_tell);
            return true;
        }
        // The first one had all of the time.
        if matches!(unread, Some(Unread::OutOfTime { .. })) && !is_first {
            return false;
        }
        let since = self.failing_since(group, &mark).await;
        let is_over_soon = is_transient(&error) && since.is_ok_and(|since| self.now().since(since) < HEALS_WITHIN);
        tally.group_failed(group, &error, !is_over_soon);
        true
    }

    /// Publishes what is missing of a group; gives up to when everything that ended is counted.
    async fn catch_up(&self, group: &GroupName, mark: &Mark, tally: &mut Tally) -> anyhow::Result<Timestamp> {
        let now = self.now();
        let from = mark.looked.min(now.minus(OVERLAP)).max(mark.since).max(now.minus(REACH));
        let history = self.history(group, from.minus(LIFE), &[]).await?;
        let is_due = |deployment: &&Deployment| {
            // Of one without an end it is not known how long ago that was.
            let has_no_end = deployment.completed.is_none() && ended(deployment) > mark.since;
            deployment.status.is_terminal() && (has_no_end || ended(deployment) > from)
        };
        let mut due: Vec<&Deployment> = history.iter().map(|record| &record.deployment).filter(is_due).collect();
        due.sort_by_key(|deployment| (ended(deployment), &deployment.id));
        tally.looked_at += due.len();
        let are_back = self.ways_back(&due, mark.since, tally).await?;
        let mut up_to = if are_back { now } else { from };
        let mut missing = Vec::new();
        for (number, deployment) in due.iter().enumerate() {
            if self.is_out_of_time() {
                tally.left += due.len() - number;
                up_to = up_to.min(before(deployment));
                break;
            }
            if self.is_done(&ending_key(&deployment.id)).await? {
                continue;
            }
            if self.is_settled(deployment).await? {
                missing.push(*deployment);
            } else {
                tally.waiting += 1;
                up_to = up_to.min(before(deployment));
            }
        }
        let Some(first) = missing.iter().map(|deployment| gather::created(deployment)).min() else { return Ok(up_to) };
        let history = self.history(group, first.minus(gather::WINDOW), &history).await?;
        for deployment in missing {
            let id = &deployment.id;
            if self.is_out_of_time() {
                tally.left += 1;
                up_to = up_to.min(before(deployment));
                continue;
            }
            self.ports.clock.sleep(PACE).await;
            match self.missing(id, &history).await {
                Ok(outcome) if outcome.is_open() => tally.waiting += 1,
                Ok(outcome) => {
                    if outcome == Outcome::Published {
                        tally.published.push(id.clone());
                    }
                    continue;
                }
                Err(error) => {
                    let is_over_soon = is_transient(&error) && now.since(ended(deployment)) < HEALS_WITHIN;
                    tally.deployment_failed(id, &error, !is_over_soon);
                }
            }
            up_to = up_to.min(before(deployment));
        }
        Ok(up_to)
    }

    async fn missing(&self, id: &DeploymentId, history: &[Record]) -> anyhow::Result<Outcome> {
        let Some(deployment) = self.settled(id, Duration::ZERO).await? else { return Ok(Outcome::NotEnded) };
        self.ended(&self.whole(deployment).await?, history).await
    }

    /// Publishes how long the ways back took of which no event came: `alarm-rollback` leaves in the ledger what it told. Gives whether none is left.
    async fn ways_back(&self, due: &[&Deployment], since: Timestamp, tally: &mut Tally) -> anyhow::Result<bool> {
        let rolled_back = due.iter().filter(|it| it.rolled_back_by.is_some()).map(|it| (&it.id, ended(it)));
        let taken_back = due.iter().filter_map(|it| Some((it.rolls_back.as_ref()?, ended(it))));
        let ids: BTreeSet<(&DeploymentId, Timestamp)> = rolled_back.chain(taken_back).collect();
        let mut are_all = true;
        for (id, at) in ids {
            if self.is_out_of_time() {
                return Ok(false);
            }
            if self.is_done(&restored_key(id)).await? {
                continue;
            }
            let Some(restored) = self.left(id).await? else { continue };
            // A description may name anything.
            if restored.at <= since {
                continue;
            }
            match self.way_back(&restored).await {
                Ok(Some(Outcome::Published)) => tally.restored += 1,
                Ok(outcome) => are_all &= !outcome.is_some_and(Outcome::is_open),
                Err(error) => {
                    are_all = false;
                    let is_over_soon = is_transient(&error) && self.now().since(at) < HEALS_WITHIN;
                    tally.way_back_failed(id, &error, !is_over_soon);
                }
            }
        }
        Ok(are_all)
    }
}

fn ended(deployment: &Deployment) -> Timestamp {
    deployment.known_end().unwrap_or_default()
}

/// Just before its end: up to there everything is counted that ended before it.
fn before(deployment: &Deployment) -> Timestamp {
    ended(deployment).minus(Duration::from_millis(1))
}
