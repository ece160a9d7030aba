//! The facts about one deployment and about its group's history, from CodeDeploy's record, the deployment's target, the task definition's tags
//! and what `alarm-rollback` has noted in the ledger. Decides nothing of what they come to.
//!
//! What it costs, for one deployment that has ended: `GetDeployment` once, or every five seconds while its ending settles, ten times at most;
//! `GetApplicationRevision`, `ListDeploymentTargets`, `BatchGetDeploymentTargets` and `DescribeTaskDefinition` once at most; of the group
//! `ListDeployments` once a page and `BatchGetDeployments` once for 25 deployments of the last thirty days; and one read of the ledger for
//! each of them that was stopped without a rollback, or that says it rolls another one back. What the time does not suffice for is left to the schedule.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::deployment::{AppSpec, Deployment, DeploymentId, GroupName, Platform, Status};
use domain::entries::stop_key;
use domain::lease;
use domain::ports::{DeploymentRecords, Deployments, Ledger, Measure, Metrics, PortError, TaskDefinitionTags};
use domain::redeploy::{is_believable, to_confirm};
use domain::time::Timestamp;
use dora::{Assessment, COMMIT_TIME_TAG, Labels, Record};

use crate::trouble::Unread;
use crate::{RESERVE, Shift};

/// How far back the group's history is read, from the deployment that is assessed: what was in production before that is not known.
pub(crate) const WINDOW: Duration = Duration::from_hours(30 * 24);
/// How old an ending without a rollback must be to be taken for one: CodeDeploy links a rollback some seconds after it has ended what it rolls back.
const SETTLED: Duration = Duration::from_secs(30);
/// How often to look while waiting.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How many records are read at a time, between two looks at the clock: what `BatchGetDeployments` takes ("BatchGetDeployments", CodeDeploy API
/// reference).
const BATCH: usize = 25;
/// What ended so long ago is not read twice in one invocation: nothing more is recorded of it.
const FINAL: Duration = Duration::from_hours(1);
/// A minute in milliseconds: by so much CloudWatch tells values apart.
const MINUTE: i64 = 60_000;

/// When a deployment began to exist.
pub(crate) fn created(deployment: &Deployment) -> Timestamp {
    deployment.known_start().unwrap_or_default()
}

/// Whether it is a rollback that CodeDeploy or CloudFormation made. What a description claims is `dora`'s to judge, by the history.
fn is_automatic_rollback(deployment: &Deployment) -> bool {
    deployment.is_rollback() && to_confirm(deployment).is_none()
}

/// Since when the history matters to a deployment.
pub(crate) fn window(of: &Record) -> Timestamp {
    created(&of.deployment).minus(WINDOW)
}

/// What a deployment comes to in the light of its group's history; `None` where it is none that is counted. By `dora`'s rules nothing that was
/// created later makes a difference, and what is too old for the window is left out: so it comes to the same whenever it is asked.
pub(crate) fn assessed(history: &[Record], of: &Record) -> Option<Assessment> {
    let (id, from) = (&of.deployment.id, window(of));
    let matters = |other: &&Record| other.deployment.id != *id && created(&other.deployment) >= from;
    let around: Vec<Record> = history.iter().filter(matters).chain([of]).cloned().collect();
    dora::assess(&around).into_iter().find(|assessment| assessment.id == *id)
}

/// Tells whether no other deployment of the group puts a value into a measure's metric in the same minute.
pub(crate) fn is_alone(history: &[Record], id: &DeploymentId, labels: &Labels) -> impl Fn(&Measure) -> bool {
    move |witness| {
        let others = dora::assess(history).into_iter().filter(|other| other.id != *id);
        let is_same = |other: &Measure| {
            let minute = |measure: &Measure| measure.at.0.div_euclid(MINUTE);
            other.name == witness.name && other.dimensions == witness.dimensions && minute(other) == minute(witness)
        };
        !others.flat_map(|other| dora::measures(&other, labels)).any(|other| is_same(&other))
    }
}

/// What is not there is absent; what could not be read fails, since nothing that was published is corrected later.
fn if_there<T>(read: Result<T, PortError>, of: &DeploymentId) -> Result<Option<T>, PortError> {
    match read {
        Ok(read) => Ok(Some(read)),
        // `DeploymentNotStartedException` of what ended before it began, a target of a kind without lifecycle events, and the like.
        Err(error @ (PortError::NotFound { .. } | PortError::Permanent { .. })) => {
            tracing::info!(deployment.id = %of, %error, "what it would tell is not measured");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl<D, L, M, T> Shift<'_, D, L, M, T>
where
    D: Deployments + DeploymentRecords,
    L: Ledger,
    M: Metrics,
    T: TaskDefinitionTags,
{
    /// The deployment when its ending is settled; `None` when that takes longer than `patience`.
    pub(crate) async fn settled(&self, id: &DeploymentId, patience: Duration) -> Result<Option<Deployment>, PortError> {
        let clock = &self.ports.clock;
        let give_up = clock.now().plus(patience);
        loop {
            let deployment = self.ports.deployments.deployment(id).await?;
            let is_settled = self.is_settled(&deployment).await?;
            // An AppSpec that could not be read may be the next time.
            if is_settled && !matches!(deployment.app_spec, AppSpec::Unreadable(_)) {
                return Ok(Some(deployment));
            }
            if clock.now().plus(LOOK_AGAIN) > give_up {
                return Ok(is_settled.then_some(deployment));
            }
            clock.sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether nothing more will be recorded of it that counts.
    pub(crate) async fn is_settled(&self, deployment: &Deployment) -> Result<bool, PortError> {
        if !deployment.status.is_terminal() {
            return Ok(false);
        }
        // CodeDeploy rolls back none of its own rollbacks.
        let is_explained = deployment.status == Status::Succeeded || deployment.rolled_back_by.is_some();
        if is_explained || is_automatic_rollback(deployment) {
            return Ok(true);
        }
        if deployment.known_end().is_none_or(|ended| self.now().since(ended) < SETTLED) {
            return Ok(false);
        }
        // Whoever stops it has not written down yet that it did. The lease is a short one, so this is soon over.
        Ok(deployment.status != Status::Stopped || !matches!(self.stop(&deployment.id).await?, Stop::Begun))
    }

    /// What `alarm-rollback` has noted of stopping it. A lease that nobody completed is no proof: its holder may have died before it asked
    /// CodeDeploy, and who asked and died is followed by a second try, which completes it.
    async fn stop(&self, id: &DeploymentId) -> Result<Stop, PortError> {
        let noted = self.ports.ledger.read(&stop_key(id)).await?;
        Ok(match noted {
            None => Stop::None,
            Some(entry) if lease::is_lease(&entry) => Stop::Begun,
            Some(_) => Stop::Done,
        })
    }

    /// A deployment with what the ledger knows of it.
    async fn noted(&self, deployment: Deployment) -> Result<Record, PortError> {
        // What was rolled back is a failure either way.
        let is_open = deployment.status == Status::Stopped && deployment.rolled_back_by.is_none();
        let stopped_by_alarm = is_open && matches!(self.stop(&deployment.id).await?, Stop::Done);
        // Read only of what claims to roll another back, which is hardly ever there.
        let is_confirmed_rollback =
            to_confirm(&deployment).is_some() && is_believable(&deployment, &self.ports.ledger).await?;
        Ok(Record { stopped_by_alarm, is_confirmed_rollback, ..Record::of(deployment) })
    }

    /// The deployments of a group that were created since then, whatever became of them. What is `known` of an ending that is long over is not read
    /// again.
    ///
    /// # Errors
    /// [`Unread`] when CodeDeploy does not give them or the time does not suffice.
    pub(crate) async fn history(
        &self,
        group: &GroupName,
        since: Timestamp,
        known: &[Record],
    ) -> anyhow::Result<Vec<Record>> {
        let failed = |error| Unread::Failed { group: group.clone(), error };
        let out_of_time = || Unread::OutOfTime { group: group.clone() };
        let (clock, codedeploy) = (&self.ports.clock, &self.ports.deployments);
        let left = || self.remaining().saturating_sub(RESERVE);
        clock.sleep(self.pause).await;
        let listed = clock.timeout(left(), codedeploy.list(Some(group), &[], Some(since))).await;
        let mut ids = listed.map_err(|_| out_of_time())?.map_err(failed)?;
        let is_final = |record: &&Record| {
            let age = record.deployment.known_end().map(|ended| self.now().since(ended));
            record.deployment.status.is_terminal() && age.is_some_and(|age| age > FINAL)
        };
        let known: BTreeMap<&DeploymentId, &Record> =
            known.iter().filter(is_final).map(|record| (&record.deployment.id, record)).collect();
        let mut history: Vec<Record> = ids.iter().filter_map(|id| known.get(id).copied()).cloned().collect();
        ids.retain(|id| !known.contains_key(id));
        for batch in ids.chunks(BATCH) {
            clock.sleep(self.pause).await;
            let read = clock.timeout(left(), codedeploy.records(batch)).await;
            for deployment in read.map_err(|_| out_of_time())?.map_err(failed)? {
                history.push(self.noted(deployment).await?);
            }
        }
        Ok(history)
    }

    /// A deployment that has ended, with everything that is to be known of it.
    pub(crate) async fn whole(&self, deployment: Deployment) -> Result<Record, PortError> {
        let mut record = self.noted(deployment).await?;
        let has_succeeded = record.deployment.status == Status::Succeeded;
        let is_rollback = is_automatic_rollback(&record.deployment);
        // Of a rollback nothing but its success is measured.
        let has_target = record.deployment.platform != Some(Platform::Server) && (has_succeeded || !is_rollback);
        if has_target {
            let id = &record.deployment.id;
            if let Some(target) = if_there(self.ports.deployments.target(id).await, id)? {
                if let Some(why) = record.deployment.app_spec.unknown() {
                    tracing::warn!(deployment.id = %id, why, "which lifecycle events have hooks is not known, so no hooks are measured");
                }
                record = record.with_course(target.lifecycle_events());
            }
        }
        if has_succeeded && !is_rollback && record.committed.is_none() {
            record.committed = self.tagged(&record.deployment).await?;
        }
        Ok(record)
    }

    /// When the commit was made, by the task definition's tag.
    async fn tagged(&self, deployment: &Deployment) -> Result<Option<Timestamp>, PortError> {
        let Some(definition) =
            deployment.revision.task_definition.as_deref().filter(|_| deployment.platform == Some(Platform::Ecs))
        else {
            return Ok(None);
        };
        let tags = if_there(self.ports.tags.tags(definition).await, &deployment.id)?.unwrap_or_default();
        let tag = tags.into_iter().find(|(key, _)| key == COMMIT_TIME_TAG);
        Ok(tag.and_then(|(_, value)| dora::commit_time(&value)))
    }
}

/// What is noted of a stop by Greenlight.
enum Stop {
    None,
    Begun,
    Done,
}
