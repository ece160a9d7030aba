//! Follows stopped deployments until all traffic is on the old version, and tells how it ended. Knows nothing of alarms beyond their
//! names, and never stops anything.

use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId, Status, Target};
use domain::events::{Notice, TrafficRestored};
use domain::ports::{Deployments, Outbox, PortError};
use domain::time::{Timestamp, spoken};
use runtime::Invocation;

use crate::{Ports, Subject};

/// How often a stopped deployment is looked at. CodeDeploy throttles some 40 `GetDeployment` a minute (aws-codedeploy-plugin#95).
const EVERY: Duration = Duration::from_secs(5);
/// What is promised: back within 2 minutes, counted from the event's arrival.
const AT_MOST: Duration = Duration::from_mins(2);
/// Kept free before the invocation's deadline, for telling how it ended.
const RESERVE: Duration = Duration::from_secs(5);
/// What a last look may take of the reserve.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// A stopped deployment on its way back.
pub(crate) struct Pursuit {
    deployment: Deployment,
    service: Option<String>,
    environment: Option<String>,
    alarm: String,
    alarmed: Option<Timestamp>,
    /// What was last seen, as the beginning of a sentence.
    observed: String,
}

/// What one look showed.
enum Seen {
    Restored(String),
    NotRestored(String),
    NotYet(String),
}

impl Pursuit {
    /// Of a deployment that was stopped.
    pub(crate) fn of_stopped(deployment: &Deployment, subject: Subject<'_>) -> Self {
        let observed = format!("`{}` was stopped and has not been looked at since", deployment.id);
        Self::new(deployment.clone(), observed, subject)
    }

    /// Of a deployment that had ended, whose predecessor is deployed again by another one that Greenlight has created.
    pub(crate) fn of_redeployed(deployment: &Deployment, by: DeploymentId, subject: Subject<'_>) -> Self {
        let observed = format!("`{by}` was created and has not been looked at since");
        Self::new(Deployment { rolled_back_by: Some(by), ..deployment.clone() }, observed, subject)
    }

    fn new(deployment: Deployment, observed: String, subject: Subject<'_>) -> Self {
        Self {
            observed,
            deployment,
            service: subject.service.map(|service| service.name.clone()),
            environment: subject.service.map(|service| service.environment.clone()),
            alarm: subject.transition.alarm.name.clone(),
            alarmed: subject.transition.alarm.changed_at,
        }
    }

    fn rollback(&self) -> Option<&DeploymentId> {
        self.deployment.rolled_back_by.as_ref()
    }

    /// Traffic is back when the stopped deployment's own target says so or the rollback has succeeded: whether the target is kept up
    /// to date during the rollback is not documented. Before the deployment has ended its target proves nothing, since a
    /// shift may still be under way.
    async fn look(&mut self, codedeploy: &impl Deployments) -> Result<Seen, PortError> {
        if !self.deployment.status.is_terminal() || self.rollback().is_none() {
            self.deployment = codedeploy.deployment(&self.deployment.id).await?;
        }
        let Deployment { id, status, .. } = &self.deployment;
        if *status == Status::Succeeded && self.rollback().is_none() {
            return Ok(Seen::NotRestored(format!(
                "`{id}` succeeded before it could be stopped, so nothing rolls it back"
            )));
        }
        if !status.is_terminal() {
            return Ok(Seen::NotYet(format!("`{id}` is still `{}`", status.as_str())));
        }
        let target = codedeploy.target(id).await;
        if target.as_ref().is_ok_and(Target::is_all_on_the_old_version) {
            return Ok(Seen::Restored("all production traffic is on the old version".to_owned()));
        }
        let share = target.as_ref().ok().and_then(share).unwrap_or_default();
        let Some(rollback) = self.rollback() else {
            return Ok(Seen::NotYet(format!(
                "`{id}` is `{}` and no rollback of it has started{share}",
                status.as_str()
            )));
        };
        let rollback = codedeploy.deployment(rollback).await?;
        let (id, word) = (&rollback.id, rollback.status.as_str());
        Ok(match rollback.status {
            Status::Succeeded => Seen::Restored(format!("the rollback `{id}` has succeeded")),
            Status::Failed | Status::Stopped => {
                let why = rollback.error.as_ref().map(|error| format!(": {} {}", error.code, error.message));
                Seen::NotRestored(format!("the rollback `{id}` is `{word}`{}{share}", why.unwrap_or_default()))
            }
            _ => Seen::NotYet(format!("the rollback `{id}` is `{word}`{share}")),
        })
    }

    fn ended(&self, restored: bool, observed: &str, arrived: Timestamp, at: Timestamp) -> TrafficRestored {
        TrafficRestored {
            deployment_id: self.deployment.id.clone(),
            rollback_deployment_id: self.rollback().cloned(),
            group: Some(self.deployment.group.clone()),
            ecs: None,
            service: self.service.clone(),
            environment: self.environment.clone(),
            alarm: self.alarm.clone(),
            restored,
            observed: domain::text::bounded(observed, 500),
            seconds_since_alarm: self.alarmed.map(|alarmed| at.since(alarmed).as_secs_f64()),
            seconds_since_event: at.since(arrived).as_secs_f64(),
            at,
        }
    }
}

/// The new version's share of production traffic, where its scale is known.
fn share(target: &Target) -> Option<String> {
    match target {
        Target::Ecs(_) => target
            .new_version_weight()
            .map(|weight| format!("; {weight} % of production traffic is on the new version")),
        Target::Lambda(_) => None,
    }
}

/// Follows all of them at once; gives back how each ended and what of that could not be published.
pub(crate) async fn follow<C: Deployments, O: Outbox, A>(
    ports: &Ports<C, O, A>,
    mut open: Vec<Pursuit>,
    invocation: &Invocation,
) -> (Vec<TrafficRestored>, Vec<Notice>) {
    let (clock, arrived) = (&ports.clock, invocation.arrived);
    let last = arrived.plus(AT_MOST).min(invocation.deadline.minus(RESERVE));
    let (mut endings, mut untold) = (Vec::new(), Vec::new());
    while !open.is_empty() {
        let mut still_open = Vec::new();
        for mut pursuit in open {
            let limit = last.since(clock.now()).max(LAST_LOOK);
            let ending = match clock.timeout(limit, pursuit.look(&ports.codedeploy)).await {
                Ok(Ok(Seen::Restored(observed))) => Some((true, observed)),
                Ok(Ok(Seen::NotRestored(observed))) => Some((false, observed)),
                Ok(Ok(Seen::NotYet(observed))) => {
                    pursuit.observed = observed;
                    None
                }
                // What was seen before still tells more than that one look failed.
                Ok(Err(error)) => {
                    tracing::debug!(deployment.id = %pursuit.deployment.id, %error, "a look at the rollback failed");
                    None
                }
                Err(_) => None,
            };
            let now = clock.now();
            let ending = ending.or_else(|| {
                let waited = spoken(Duration::from_secs(now.since(arrived).as_secs()));
                (now >= last).then(|| (false, format!("after {waited}, {}", pursuit.observed)))
            });
            let Some((restored, observed)) = ending else {
                still_open.push(pursuit);
                continue;
            };
            let ending = pursuit.ended(restored, &observed, arrived, now);
            tracing::info!(deployment.id = %ending.deployment_id, restored, "{}", ending.observed);
            let notice = Notice::TrafficRestored(ending.clone());
            if let Err(error) = ports.outbox.publish(&notice).await {
                tracing::warn!(deployment.id = %ending.deployment_id, %error, "how the rollback ended is told later");
                untold.push(notice);
            }
            endings.push(ending);
        }
        open = still_open;
        if !open.is_empty() {
            clock.sleep(EVERY.min(last.since(clock.now()))).await;
        }
    }
    (endings, untold)
}
