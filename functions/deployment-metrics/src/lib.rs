//! Deployment and DORA metrics, exactly once per deployment: from CodeDeploy's events as they come, and by a schedule from CodeDeploy's record
//! what best-effort events have missed. Knows nothing of CloudWatch or DynamoDB, only of their ports; what is measured is [`dora`]'s.

pub mod dora;

use std::time::Duration;

use anyhow::bail;
use clock::Clock;
use domain::config::Config;
use domain::deployment::{Deployment, DeploymentId, ROLLS_BACK, Status};
use domain::events::{ChangedState, Decision, Envelope, Heard, HookVerdict, Notice, RollbackDecision, TrafficRestored};
use domain::lease::{self, Holder, Once};
use domain::ports::{Deployments, Ledger, Measure, Metrics, PortError, Unpublished};
use domain::redeploy;
use domain::time::Timestamp;
use runtime::Invocation;
use serde_json::{Value, json};

use dora::{Ended, Labels};

/// How long it is remembered what was published: longer than CloudWatch takes values from the past (two weeks).
const KEPT: Duration = Duration::from_hours(90 * 24);
/// How far back the schedule looks, by when deployments were created: a termination wait of 48 h (CodeDeploy quotas) and a day.
const LOOKED_BACK: Duration = Duration::from_hours(72);
/// How old an ending must be for the schedule: a younger one is its event's, which waits for the rollback to be recorded.
const SETTLED: Duration = Duration::from_mins(1);
/// What the schedule leaves of its time when there is more to do than fits; the next one goes on.
const RESERVE: Duration = Duration::from_secs(5);
/// How often to look while waiting.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long to wait for the record to follow its event, and for the rollback to follow the stop.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What the function works with.
#[derive(Debug)]
pub struct Ports<D, L, M> {
    /// CodeDeploy's record.
    pub deployments: D,
    /// What was published before.
    pub ledger: L,
    /// Where values go.
    pub metrics: M,
    /// The clock.
    pub clock: Clock,
    /// [`PATIENCE`]; tests have less.
    pub patience: Duration,
}

/// Measures what one event tells.
///
/// # Errors
/// When the event cannot be understood or something could not be published: Lambda tries again, and nothing is published twice.
pub async fn handle<D: Deployments, L: Ledger, M: Metrics>(
    ports: &Ports<D, L, M>,
    config: &Config,
    invocation: Invocation,
) -> anyhow::Result<Value> {
    let (envelope, heard) = Heard::parse(&invocation.payload)?;
    let holder = Holder { id: invocation.request_id.clone(), until: invocation.deadline };
    let shift = Shift { ports, config, holder, envelope: &envelope };
    match &heard {
        Heard::StateChange(change) => {
            let status = match change.state {
                ChangedState::Success => Status::Succeeded,
                ChangedState::Failure => Status::Failed,
                ChangedState::Stop => Status::Stopped,
                ChangedState::Start | ChangedState::Ready | ChangedState::Other(_) => {
                    return Ok(json!({"deployment": change.deployment_id, "ignored": "it has not ended"}));
                }
            };
            let patience = ports.patience.min(invocation.remaining(ports.clock.now()) / 4);
            Ok(shift.ending(&change.deployment_id, Some(status), patience).await?.summary(&change.deployment_id))
        }
        Heard::Notice(notice) => match &**notice {
            Notice::HookVerdict(verdict) => shift.verdict(verdict).await,
            Notice::TrafficRestored(restored) => shift.restored(restored).await,
            Notice::RollbackDecision(decision) => shift.decision(decision).await,
        },
        Heard::Schedule => shift.reconcile().await,
    }
}

/// What became of one thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Published,
    DoneBefore,
    Busy,
    Rollback,
    NotEnded,
    TooYoung,
    NotOurs,
}

impl Outcome {
    fn summary(self, deployment: &DeploymentId) -> Value {
        let word = match self {
            Outcome::Published => "published",
            Outcome::DoneBefore => "published before",
            Outcome::Busy => "another invocation is publishing it",
            Outcome::Rollback => "a rollback is no deployment",
            Outcome::NotEnded => "it has not ended",
            Outcome::TooYoung => "its event will bring it",
            Outcome::NotOurs => "it is of an application that the function's policy does not name",
        };
        json!({"deployment": deployment, "outcome": word})
    }
}

/// One invocation's work.
struct Shift<'a, D, L, M> {
    ports: &'a Ports<D, L, M>,
    config: &'a Config,
    holder: Holder,
    envelope: &'a Envelope,
}

fn taken_back_key(deployment: &DeploymentId) -> String {
    format!("metrics/{deployment}/taken-back")
}

fn decided_key(deployment: &DeploymentId) -> String {
    format!("metrics/{deployment}/stop-decided")
}

impl<D: Deployments, L: Ledger, M: Metrics> Shift<'_, D, L, M> {
    /// Publishes under a key, once.
    async fn publish(&self, key: &str, measures: &[Measure]) -> Result<Outcome, PortError> {
        let now = self.ports.clock.now();
        let work = async || {
            self.ports.metrics.publish(measures).await.map_err(|error| match error {
                Unpublished::Refused(error) | Unpublished::Unanswered(error) => error,
            })?;
            Ok(json!({"published": measures.len()}))
        };
        match lease::once(&self.ports.ledger, key, &self.holder, now, now.plus(KEPT), work).await? {
            Once::Did { forgotten } => {
                if let Some(error) = forgotten {
                    tracing::error!(
                        key,
                        "this was published and cannot be remembered, so it may be published again: {error}"
                    );
                }
                Ok(Outcome::Published)
            }
            Once::DoneBefore => Ok(Outcome::DoneBefore),
            Once::Busy => Ok(Outcome::Busy),
        }
    }

    /// Publishes a deployment's ending; `told` is the ending that an event tells of, if one does.
    async fn ending(&self, id: &DeploymentId, told: Option<Status>, patience: Duration) -> Result<Outcome, PortError> {
        let key = format!("metrics/{id}");
        if lease::record(&self.ports.ledger, &key).await?.is_some() {
            return Ok(Outcome::DoneBefore);
        }
        let (record, stopped_by_alarm) = match self.settled(id, patience).await {
            // The schedule's list is the whole account's, the policy names the applications that are guarded.
            Err(PortError::Denied { .. }) if told.is_none() => return Ok(Outcome::NotOurs),
            settled => settled?,
        };
        if record.is_rollback() {
            tracing::info!(deployment.id = %id, "a rollback is no deployment, so it is not measured as one");
            self.by_its_rollback(&record).await?;
            return Ok(Outcome::Rollback);
        }
        let is_told = told.is_some();
        let recorded = Some(record.status.clone()).filter(Status::is_terminal);
        let Some(status) = recorded.or(told) else { return Ok(Outcome::NotEnded) };
        let is_young = record.completed.is_some_and(|at| self.ports.clock.now().since(at) < SETTLED);
        if !is_told && is_young {
            return Ok(Outcome::TooYoung);
        }
        let labels = Labels::of(Some(&record.group), self.config, None);
        let ended = Ended { status, at: self.envelope.time, stopped_by_alarm };
        self.publish(&key, &dora::of_deployment(&record, &ended, &labels)).await
    }

    /// The record and whether Greenlight decided to stop the deployment; read again while the record lags behind the event or may not name
    /// the rollback yet, since what has been published is not corrected later.
    async fn settled(&self, id: &DeploymentId, patience: Duration) -> Result<(Deployment, bool), PortError> {
        let clock = &self.ports.clock;
        let give_up = clock.now().plus(patience);
        loop {
            let record = self.believed(self.ports.deployments.deployment(id).await?).await?;
            let decided = self.ports.ledger.read(&decided_key(id)).await?.is_some();
            let is_explained = record.status == Status::Succeeded || record.rolled_back_by.is_some() || decided;
            let is_settled = record.is_rollback() || record.status.is_terminal() && is_explained;
            if is_settled || clock.now().plus(LOOK_AGAIN) > give_up {
                return Ok((record, decided));
            }
            clock.sleep(LOOK_AGAIN).await;
        }
    }

    /// The deployment, without a rollback that its description alone claims.
    async fn believed(&self, deployment: Deployment) -> Result<Deployment, PortError> {
        if redeploy::is_believable(&deployment, &self.ports.ledger).await? {
            return Ok(deployment);
        }
        tracing::warn!(deployment.id = %deployment.id, original = ?deployment.rolls_back, "its description says that it rolls this one back, and Greenlight knows nothing of that: it counts as a deployment like any other");
        Ok(Deployment { rolls_back: None, ..deployment })
    }

    async fn verdict(&self, verdict: &HookVerdict) -> anyhow::Result<Value> {
        let id = &verdict.deployment_id;
        if !verdict.reported {
            // CodeDeploy does not know it: what counts is the watchdog's answer in its place.
            return Ok(json!({"deployment": id, "ignored": "CodeDeploy was not told of the verdict"}));
        }
        let labels = Labels::of(verdict.group.as_ref(), self.config, verdict.environment.as_deref());
        let key = format!("metrics/{id}/hook/{}", dora::lifecycle_event(verdict));
        Ok(self.publish(&key, &dora::of_verdict(verdict, &labels)).await?.summary(id))
    }

    async fn restored(&self, restored: &TrafficRestored) -> anyhow::Result<Value> {
        let id = &restored.deployment_id;
        if !restored.restored {
            tracing::info!(deployment.id = %id, "the traffic is not back, so there is no time to measure: {}", restored.observed);
            return Ok(json!({"deployment": id, "ignored": "the traffic is not back"}));
        }
        let environment = restored.environment.as_deref();
        let labels = match &restored.ecs {
            Some(ecs) => Labels::of_ecs(ecs, self.config, environment),
            None => Labels::of(restored.group.as_ref(), self.config, environment),
        };
        let key = format!("metrics/{id}/restored");
        Ok(self.publish(&key, &dora::of_rollback(restored, &labels)).await?.summary(id))
    }

    /// A stop that Greenlight asked for is recorded as if a person had: what it was is remembered for when the ending comes. What is taken back
    /// after it had succeeded has no further ending, so it is measured now.
    async fn decision(&self, decision: &RollbackDecision) -> anyhow::Result<Value> {
        let Some(id) = &decision.deployment_id else {
            return Ok(json!({"ignored": "it concerns no deployment"}));
        };
        if decision.ecs.is_some() {
            return Ok(
                json!({"deployment": id, "ignored": "ECS deploys it, and only CodeDeploy's deployments are counted"}),
            );
        }
        match decision.decision {
            Decision::StopAndRollBack => {
                let value = json!({"alarm": decision.alarm.name});
                self.ports.ledger.claim(&decided_key(id), &value, self.ports.clock.now().plus(KEPT)).await?;
                Ok(json!({"deployment": id, "noted": "an alarm stops it"}))
            }
            Decision::RedeployPrevious => {
                let labels = Labels::of(decision.group.as_ref(), self.config, decision.environment.as_deref());
                Ok(self.taken_back(id, decision.at, &labels).await?.summary(id))
            }
            Decision::Alert | Decision::Ignore => Ok(json!({"ignored": "no deployment was stopped"})),
        }
    }

    /// Publishes, once, that a deployment was taken back after it had succeeded.
    async fn taken_back(&self, id: &DeploymentId, at: Timestamp, labels: &Labels) -> Result<Outcome, PortError> {
        self.publish(&taken_back_key(id), &dora::of_taken_back(at, labels)).await
    }

    /// A deployment that Greenlight made to take another back: should the decision not have been heard, this is the other sign of it.
    async fn by_its_rollback(&self, rollback: &Deployment) -> Result<(), PortError> {
        let Some(original) = rollback.rolls_back.as_ref().filter(|_| rollback.described(ROLLS_BACK).is_some()) else {
            return Ok(());
        };
        if lease::record(&self.ports.ledger, &taken_back_key(original)).await?.is_some() {
            return Ok(());
        }
        let of = match self.ports.deployments.deployment(original).await {
            Err(PortError::NotFound { .. }) => return Ok(()),
            read => read?,
        };
        // What was stopped is counted with its own ending.
        if of.status == Status::Succeeded {
            let labels = Labels::of(Some(&of.group), self.config, None);
            let at = rollback.created.unwrap_or(self.envelope.time);
            self.taken_back(original, at, &labels).await?;
        }
        Ok(())
    }

    /// Publishes the endings that no event brought.
    async fn reconcile(&self) -> anyhow::Result<Value> {
        let now = self.ports.clock.now();
        let endings = [Status::Succeeded, Status::Failed, Status::Stopped];
        let ids = self.ports.deployments.list(None, &endings, Some(now.minus(LOOKED_BACK))).await?;
        let (mut published, mut failures, mut left, mut not_ours) = (Vec::new(), Vec::new(), 0, 0);
        for id in &ids {
            if self.out_of_time() {
                left += 1;
                continue;
            }
            match self.ending(id, None, Duration::ZERO).await {
                Ok(Outcome::Published) => published.push(id.to_string()),
                Ok(Outcome::NotOurs) => not_ours += 1,
                Ok(_) => {}
                Err(error) => failures.push(format!("`{id}`: {error}")),
            }
        }
        if not_ours > 0 {
            tracing::info!(not_ours, "deployments of applications that the policy does not name are left alone");
        }
        if left > 0 {
            tracing::warn!(left, "the time did not suffice for all deployments; the next schedule goes on");
        }
        if let Some(first) = failures.first() {
            bail!(
                "{} of {} deployments could not be reconciled, {} were; the first: {first}",
                failures.len(),
                ids.len(),
                published.len()
            );
        }
        Ok(json!({"looked_at": ids.len(), "published": published.len(), "deployments": published, "left": left}))
    }

    fn out_of_time(&self) -> bool {
        let now: Timestamp = self.ports.clock.now();
        now.plus(RESERVE) >= self.holder.until
    }
}

#[cfg(test)]
mod tests;
