//! Deployment and DORA metrics, exactly once per deployment: from CodeDeploy's events as they come, and by a schedule from CodeDeploy's record
//! what best-effort events have missed. An event only says when to look: what is counted comes from the record, by the rules of the crate
//! `dora`. Knows nothing of CloudWatch, DynamoDB or ECS, only of their ports.

mod gather;
mod mark;
mod publish;
mod reconcile;
mod tally;
mod trouble;

use std::time::Duration;

use clock::Clock;
use domain::config::Config;
use domain::deployment::{DeploymentId, GroupName};
use domain::entries::{self, RESTORED};
use domain::events::{ChangedState, Heard, Notice, StateChange, TrafficRestored};
use domain::lease::{self, Holder};
use domain::ports::{DeploymentRecords, Deployments, Ledger, Metrics, TaskDefinitionTags};
use domain::time::Timestamp;
use dora::{Labels, Record};
use runtime::Invocation;
use serde_json::{Value, json};

use publish::Outcome;

/// How long an event's invocation waits for the record to show the ending and for the ending to be settled; what takes longer is the schedule's.
const PATIENCE: Duration = Duration::from_secs(45);
/// What is kept of an invocation's time: nothing new is begun when only so much is left.
const RESERVE: Duration = Duration::from_secs(15);
/// How long after what it tells of an event's invocation is the last that Lambda makes: Lambda waits a minute before the second and two more before
/// the third (Lambda developer guide, "How Lambda handles errors and retries with asynchronous invocation").
const LAST_AFTER: Duration = Duration::from_secs(150);
/// What ended so lately lies after the group's first look, whenever that was or will be: the schedule looks within the hour, and begins its count
/// three hours before (see `mark`).
const SURELY_COUNTED: Duration = Duration::from_hours(2);
/// The pause before each reading of CodeDeploy's record by the schedule, which has time. Hooks and rollbacks share the account's rate with it.
const PAUSE: Duration = Duration::from_millis(200);
/// How long an event's invocation waits for what `alarm-rollback` leaves in the table. It tells first and writes then, which takes it a moment.
const FOR_THE_TABLE: Duration = Duration::from_secs(15);
/// How often to look into the table while waiting.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Of a way back that is not measured.
const UNNAMED: &str = "the configuration names no service with its deployment group or its ECS service";

/// What the function works with.
#[derive(Debug)]
pub struct Ports<D, L, M, T> {
    /// CodeDeploy's record.
    pub deployments: D,
    /// What was published before, and what `alarm-rollback` did.
    pub ledger: L,
    /// Where values go.
    pub metrics: M,
    /// The tags on task definitions, where a pipeline may leave the commit's time.
    pub tags: T,
    /// The clock.
    pub clock: Clock,
}

/// Measures what one event tells of, or, when the schedule rings, what no event has told of.
///
/// # Errors
/// When the event cannot be understood or something could not be read or published: Lambda tries again, and nothing is published twice.
pub async fn handle<D, L, M, T>(
    ports: &Ports<D, L, M, T>,
    config: &Config,
    invocation: Invocation,
) -> anyhow::Result<Value>
where
    D: Deployments + DeploymentRecords,
    L: Ledger,
    M: Metrics,
    T: TaskDefinitionTags,
{
    let (envelope, heard) = Heard::parse(&invocation.payload)?;
    let holder = Holder { id: invocation.request_id, until: invocation.deadline };
    let pause = if heard == Heard::Schedule { PAUSE } else { Duration::ZERO };
    let shift = Shift { ports, config, holder, arrived: invocation.arrived, pause };
    let at = envelope.time;
    match &heard {
        Heard::StateChange(change) => {
            let done = shift.changed(change, at).await;
            shift.or_schedule(done, &change.deployment_id, &change.group(), at).await
        }
        Heard::Notice(notice) => match &**notice {
            Notice::TrafficRestored(restored) => {
                let done = shift.restored(restored).await;
                match &restored.group {
                    Some(group) if restored.ecs.is_none() => {
                        shift.or_schedule(done, &restored.deployment_id, group, at).await
                    }
                    // There is nothing to list ECS's own deployments by, so the event is all there is.
                    _ => done,
                }
            }
            Notice::HookVerdict(verdict) => Ok(json!({
                "deployment": verdict.deployment_id,
                "ignored": "hooks are measured from CodeDeploy's record when the deployment has ended"
            })),
            Notice::RollbackDecision(decision) => Ok(json!({
                "deployment": decision.deployment_id,
                "ignored": "what came of the decision is measured from CodeDeploy's record when the deployment has ended"
            })),
        },
        Heard::Schedule => shift.reconcile().await,
    }
}

/// One invocation's work.
struct Shift<'a, D, L, M, T> {
    ports: &'a Ports<D, L, M, T>,
    config: &'a Config,
    holder: Holder,
    arrived: Timestamp,
    /// Before each reading of many records.
    pause: Duration,
}

/// The ledger's entry for what is published of a deployment's ending.
fn ending_key(deployment: &DeploymentId) -> String {
    format!("metrics/{deployment}")
}

/// The ledger's entry for what is published of the way back.
fn restored_key(deployment: &DeploymentId) -> String {
    format!("metrics/{deployment}/restored")
}

impl<D, L, M, T> Shift<'_, D, L, M, T>
where
    D: Deployments + DeploymentRecords,
    L: Ledger,
    M: Metrics,
    T: TaskDefinitionTags,
{
    /// A deployment has changed its state.
    async fn changed(&self, change: &StateChange, at: Timestamp) -> anyhow::Result<Value> {
        let id = &change.deployment_id;
        let ignored = |why: &str| Ok(json!({"deployment": id, "ignored": why}));
        if !matches!(change.state, ChangedState::Success | ChangedState::Failure | ChangedState::Stop) {
            return ignored("it has not ended");
        }
        if !self.is_ours(&change.group()) {
            return ignored("the configuration names no service with its deployment group");
        }
        if self.is_done(&ending_key(id)).await? {
            return Ok(Outcome::DoneBefore.summary(id));
        }
        self.begin_at_the_latest(&change.group(), at).await;
        let patience = PATIENCE.min(self.remaining().saturating_sub(2 * RESERVE));
        let Some(deployment) = self.settled(id, patience).await? else {
            tracing::info!(deployment.id = %id, "CodeDeploy's record does not show a settled ending yet; the schedule brings it");
            return Ok(json!({"deployment": id, "outcome": "its ending is not settled yet; the schedule looks again"}));
        };
        let record = self.whole(deployment).await?;
        let history = self.history(&record.deployment.group, gather::window(&record), &[]).await?;
        Ok(self.ended(&record, &history).await?.summary(id))
    }

    /// What came of an event, or, where Lambda would not try again and the schedule finds the same in CodeDeploy's record, that it does: a dead letter
    /// would call a person for what heals by itself.
    async fn or_schedule(
        &self,
        done: anyhow::Result<Value>,
        id: &DeploymentId,
        group: &GroupName,
        at: Timestamp,
    ) -> anyhow::Result<Value> {
        let Err(error) = done else { return done };
        let age = self.arrived.since(at);
        if !trouble::is_transient(&error) || age < LAST_AFTER {
            return Err(error);
        }
        let is_counted = age < SURELY_COUNTED || matches!(self.mark(group).await, Ok(mark) if mark.since < at);
        if !is_counted {
            return Err(error);
        }
        tracing::warn!(deployment.id = %id, "it could not be measured for now; the schedule brings it: {error:#}");
        Ok(json!({"deployment": id, "outcome": "it could not be measured for now; the schedule brings it"}))
    }

    /// Publishes what a deployment that has ended comes to in the light of its group's history.
    async fn ended(&self, record: &Record, history: &[Record]) -> anyhow::Result<Outcome> {
        let id = &record.deployment.id;
        let labels = Labels::of(Some(&record.deployment.group), self.config, None);
        let assessment = gather::assessed(history, record);
        let measures = assessment.map(|assessment| dora::measures(&assessment, &labels)).unwrap_or_default();
        let is_alone = gather::is_alone(history, id, &labels);
        self.publish(&ending_key(id), &measures, is_alone).await
    }

    /// What was rolled back has its traffic back. The event only says when to look here, too: anybody who may put events onto the bus can say anything,
    /// so what counts is what `alarm-rollback` has left in the table.
    async fn restored(&self, restored: &TrafficRestored) -> anyhow::Result<Value> {
        let id = &restored.deployment_id;
        let ignored = |why: &str| Ok(json!({"deployment": id, "ignored": why}));
        if !restored.restored {
            tracing::info!(deployment.id = %id, "the traffic is not back, so there is no time to measure: {}", restored.observed);
            return ignored("the traffic is not back");
        }
        if self.labels(restored).is_none() {
            return ignored(UNNAMED);
        }
        let give_up = self.now().plus(FOR_THE_TABLE.min(self.remaining().saturating_sub(2 * RESERVE)));
        let left = loop {
            if let Some(left) = self.left(id).await? {
                break left;
            }
            if self.now().plus(LOOK_AGAIN) > give_up {
                let later = match restored.ecs {
                    None => "the schedule looks again",
                    Some(_) => "it is not measured unless the event comes again",
                };
                tracing::warn!(deployment.id = %id, "the table does not know that its traffic is back; {later}");
                return Ok(
                    json!({"deployment": id, "outcome": format!("the table does not know that its traffic is back; {later}")}),
                );
            }
            self.ports.clock.sleep(LOOK_AGAIN).await;
        };
        match self.way_back(&left).await? {
            Some(outcome) => Ok(outcome.summary(id)),
            None => ignored(UNNAMED),
        }
    }

    /// What `alarm-rollback` has left in the table when it told that the traffic is back.
    pub(crate) async fn left(&self, id: &DeploymentId) -> anyhow::Result<Option<TrafficRestored>> {
        let left = lease::record(&self.ports.ledger, &entries::ending_key(id, RESTORED)).await?;
        Ok(left.as_ref().and_then(entries::told).filter(|left| left.deployment_id == *id))
    }

    /// Publishes how long the way back took; `None` where it is not measured.
    async fn way_back(&self, left: &TrafficRestored) -> anyhow::Result<Option<Outcome>> {
        let Some(labels) = self.labels(left) else { return Ok(None) };
        let measures = dora::of_traffic_restored(left, &labels);
        // Two rollbacks of one group within a minute are none that anybody has seen: each takes longer.
        self.publish(&restored_key(&left.deployment_id), &measures, |_| true).await.map(Some)
    }

    /// The dimensions of a way back, the environment from the configuration; `None` of what it does not name.
    fn labels(&self, of: &TrafficRestored) -> Option<Labels> {
        match (&of.ecs, &of.group) {
            (Some(ecs), _) => self.config.service_of_ecs(ecs).is_some().then(|| Labels::of_ecs(ecs, self.config, None)),
            (None, Some(group)) => self.is_ours(group).then(|| Labels::of(Some(group), self.config, None)),
            (None, None) => None,
        }
    }

    /// Whether the configuration names the group: only then its environment is known, the number of metrics bounded and the policy wide enough.
    fn is_ours(&self, group: &GroupName) -> bool {
        self.config.service_of(group).is_some()
    }

    fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    fn remaining(&self) -> Duration {
        self.holder.until.since(self.now())
    }

    fn is_out_of_time(&self) -> bool {
        self.remaining() <= RESERVE
    }
}

#[cfg(test)]
mod tests;
