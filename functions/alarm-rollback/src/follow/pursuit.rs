//! A deployment on its way back to the old version, as it stands in the table and as one look shows it. Knows nothing of waiting and of
//! telling.

use domain::config::Service;
use domain::deployment::{Deployment, DeploymentId, EcsServiceName, GroupName, Status, Target};
use domain::events::TrafficRestored;
use domain::ports::{Deployments, PortError, RollingServices};
use domain::rolling;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Subject;
use crate::event::Transition;

/// The table's key for the open pursuits of a deployment group, or of a service that ECS itself deploys. No application's name has a colon
/// ("CodeDeploy quotas", user guide), so the two never meet.
pub(crate) fn key(group: Option<&GroupName>, ecs: Option<&EcsServiceName>) -> Option<String> {
    match (group, ecs) {
        (Some(group), _) => Some(format!("pursuit/{group}")),
        (None, Some(service)) => Some(format!("pursuit/ecs:{service}")),
        (None, None) => None,
    }
}

/// A deployment on its way back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pursuit {
    /// The deployment that is to be taken back. It tells the pursuits of a group apart.
    pub(crate) deployment: DeploymentId,
    /// How the old version comes back.
    pub(crate) course: Course,
    pub(crate) group: Option<GroupName>,
    pub(crate) ecs: Option<EcsServiceName>,
    pub(crate) service: Option<String>,
    pub(crate) environment: Option<String>,
    /// The alarm that led to it, and when it went to ALARM.
    pub(crate) alarm: String,
    pub(crate) alarmed: Option<Timestamp>,
    /// When the alarm's event arrived at the function first.
    pub(crate) arrived: Timestamp,
    /// What was last seen, as the beginning of a sentence.
    pub(crate) observed: String,
    /// Who follows it at the moment.
    pub(crate) follower: Option<Follower>,
}

/// How the old version comes back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Course {
    /// The deployment was stopped, and CodeDeploy rolls it back.
    Stopped {
        /// Whether the deployment is known to have ended.
        ended: bool,
        /// The rollback, as soon as CodeDeploy names it.
        rollback: Option<DeploymentId>,
    },
    /// The deployment had ended, and Greenlight has created another one that brings the version back that was good before.
    Redeployed {
        /// That other one.
        by: DeploymentId,
    },
    /// ECS itself deploys the service, and was told to return it to its previous task definition.
    Returned {
        /// The task definition that comes back, and the one that is to go; ARNs.
        previous: String,
        bad: String,
        /// The deployment that brings the previous one back, where ECS has named it.
        by: Option<DeploymentId>,
    },
}

/// The invocation that follows a pursuit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Follower {
    /// Lambda's id of the request, which a second try of the same event has too.
    pub(crate) id: String,
    /// If it has not been heard of by then, it is dead.
    pub(crate) until: Timestamp,
}

/// What one look showed.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    /// All production traffic is on the old version.
    Restored {
        observed: String,
        /// Since when at the latest, where CodeDeploy has recorded that.
        recorded: Option<Timestamp>,
    },
    /// It is not, and nothing is under way that would bring it there.
    Failed(String),
    /// It is not known to be.
    NotYet(String),
    /// Somebody has deployed something else since; nobody waits for the old version any more.
    Superseded(String),
}

impl Pursuit {
    /// Of a deployment that was stopped.
    pub(crate) fn of_stopped(deployment: &Deployment, subject: Subject<'_>, arrived: Timestamp) -> Self {
        let observed = format!("`{}` was stopped and has not been looked at since", deployment.id);
        let course =
            Course::Stopped { ended: deployment.status.is_terminal(), rollback: deployment.rolled_back_by.clone() };
        Self::new(deployment, course, observed, subject, arrived)
    }

    /// Of a deployment that had ended, whose predecessor is deployed again by another one that Greenlight has created.
    pub(crate) fn of_redeployed(
        deployment: &Deployment,
        by: DeploymentId,
        subject: Subject<'_>,
        arrived: Timestamp,
    ) -> Self {
        let observed = format!("`{by}` was created and has not been looked at since");
        Self::new(deployment, Course::Redeployed { by }, observed, subject, arrived)
    }

    /// Of a service that ECS itself deploys, and was told to return. Until ECS has been seen doing so, nothing is known of its tasks.
    pub(crate) fn of_returned(
        (service, name): (&Service, &EcsServiceName),
        deployment: DeploymentId,
        course: Course,
        transition: &Transition,
        (arrived, follower): (Timestamp, Follower),
    ) -> Self {
        Self {
            observed: format!("`{name}` was told to return and has not been looked at since"),
            deployment,
            course,
            group: None,
            ecs: Some(name.clone()),
            service: Some(service.name.clone()),
            environment: Some(service.environment.clone()),
            alarm: transition.alarm.name.clone(),
            alarmed: transition.alarm.changed_at,
            arrived,
            follower: Some(follower),
        }
    }

    fn new(
        deployment: &Deployment,
        course: Course,
        observed: String,
        subject: Subject<'_>,
        arrived: Timestamp,
    ) -> Self {
        Self {
            deployment: deployment.id.clone(),
            course,
            group: Some(deployment.group.clone()),
            ecs: None,
            service: subject.service.map(|service| service.name.clone()),
            environment: subject.service.map(|service| service.environment.clone()),
            alarm: subject.transition.alarm.name.clone(),
            alarmed: subject.transition.alarm.changed_at,
            arrived,
            observed,
            follower: None,
        }
    }

    pub(crate) fn key(&self) -> Option<String> {
        key(self.group.as_ref(), self.ecs.as_ref())
    }

    /// The deployment that restores the old version, where it is known.
    pub(crate) fn restored_by(&self) -> Option<&DeploymentId> {
        match &self.course {
            Course::Stopped { rollback, .. } => rollback.as_ref(),
            Course::Redeployed { by } => Some(by),
            Course::Returned { by, .. } => by.as_ref(),
        }
    }

    /// Whether a change of that deployment's state is part of this pursuit.
    pub(crate) fn concerns(&self, id: &DeploymentId) -> bool {
        self.deployment == *id || self.restored_by() == Some(id)
    }

    /// Looks once.
    pub(crate) async fn look(
        &mut self,
        codedeploy: &impl Deployments,
        ecs: &impl RollingServices,
    ) -> Result<Seen, PortError> {
        match &mut self.course {
            Course::Stopped { ended, rollback } => stopped(codedeploy, &self.deployment, ended, rollback).await,
            Course::Redeployed { by } => redeployed(codedeploy, by).await,
            Course::Returned { previous, bad, .. } => match &self.ecs {
                Some(name) => returned(ecs, name, previous, (&self.deployment, bad)).await,
                None => Ok(Seen::Failed("the table does not tell which ECS service was to return".to_owned())),
            },
        }
    }

    /// What is told of it. Where CloudWatch's clock or CodeDeploy's is ahead of ours, it took no time.
    pub(crate) fn told(&self, restored: bool, observed: &str, at: Timestamp, now: Timestamp) -> TrafficRestored {
        TrafficRestored {
            deployment_id: self.deployment.clone(),
            rollback_deployment_id: self.restored_by().cloned(),
            group: self.group.clone(),
            ecs: self.ecs.clone(),
            service: self.service.clone(),
            environment: self.environment.clone(),
            alarm: self.alarm.clone(),
            restored,
            observed: domain::text::bounded(observed, 500),
            seconds_since_alarm: self.alarmed.map(|alarmed| at.since(alarmed).as_secs_f64()),
            seconds_since_event: at.since(self.arrived).as_secs_f64(),
            at: at.min(now),
        }
    }
}

/// The traffic is back when the rollback has succeeded or the stopped deployment's own target says so; the target mostly does earlier, but
/// whether CodeDeploy keeps it up to date during the rollback is not documented. Before the deployment has ended its target proves
/// nothing, since a shift may still be under way; and a weight that is not told proves nothing at any time.
async fn stopped(
    codedeploy: &impl Deployments,
    id: &DeploymentId,
    ended: &mut bool,
    rollback: &mut Option<DeploymentId>,
) -> Result<Seen, PortError> {
    let mut word = "ended".to_owned();
    if !*ended || rollback.is_none() {
        let deployment = codedeploy.deployment(id).await?;
        deployment.status.as_str().clone_into(&mut word);
        if deployment.status == Status::Succeeded {
            let observed = format!("`{id}` succeeded before it could be stopped, so nothing rolls it back");
            return Ok(Seen::Failed(observed));
        }
        if !deployment.status.is_terminal() {
            return Ok(Seen::NotYet(format!("`{id}` is still `{word}`")));
        }
        *ended = true;
        *rollback = deployment.rolled_back_by.or(rollback.take());
    }
    let back = match rollback {
        Some(rollback) => Some(codedeploy.deployment(rollback).await),
        None => None,
    };
    if let Some(Ok(back)) = &back
        && back.status == Status::Succeeded
    {
        return Ok(Seen::Restored {
            observed: format!("the rollback `{}` has succeeded", back.id),
            recorded: back.completed,
        });
    }
    let target = codedeploy.target(id).await;
    if target.as_ref().is_ok_and(Target::is_all_on_the_old_version) {
        let observed = "all production traffic is on the old version".to_owned();
        return Ok(Seen::Restored { observed, recorded: None });
    }
    let share = target.as_ref().ok().and_then(|target| share(target, "the new version")).unwrap_or_default();
    match back.transpose()? {
        None => Ok(Seen::NotYet(format!("`{id}` is `{word}` and no rollback of it has started{share}"))),
        Some(back) => Ok(under_way(&back, "rollback", &share)),
    }
}

/// The traffic is back when the deployment that brings the good version again has succeeded, or its own target shows all traffic on it: it
/// may wait for an hour after that, before it ends the tasks of the bad version.
async fn redeployed(codedeploy: &impl Deployments, by: &DeploymentId) -> Result<Seen, PortError> {
    let back = codedeploy.deployment(by).await?;
    if back.status == Status::Succeeded {
        let observed = format!("`{by}`, which deploys the good version again, has succeeded");
        return Ok(Seen::Restored { observed, recorded: back.completed });
    }
    if matches!(back.status, Status::Created | Status::Queued) {
        return Ok(under_way(&back, "redeployment", ""));
    }
    let target = codedeploy.target(by).await.ok();
    // Once it has ended otherwise, CodeDeploy may be rolling it back, too.
    if !back.status.is_terminal() && target.as_ref().is_some_and(Target::is_all_on_the_new_version) {
        let observed = format!("all production traffic is on the version that `{by}` has deployed again");
        return Ok(Seen::Restored { observed, recorded: None });
    }
    let share = target.as_ref().and_then(|target| share(target, "the version that is deployed again"));
    Ok(under_way(&back, "redeployment", &share.unwrap_or_default()))
}

/// The traffic is back when no task of another task definition gets any; see [`rolling::look`].
async fn returned(
    ecs: &impl RollingServices,
    name: &EcsServiceName,
    previous: &str,
    bad: (&DeploymentId, &str),
) -> Result<Seen, PortError> {
    Ok(match rolling::look(&ecs.service(name).await?, previous, bad) {
        rolling::Seen::Restored(observed) => Seen::Restored { observed, recorded: None },
        rolling::Seen::NotYet(observed) => Seen::NotYet(observed),
        rolling::Seen::NotRestored(observed) => Seen::Failed(observed),
        rolling::Seen::Superseded(observed) => Seen::Superseded(observed),
    })
}

/// How it stands with the deployment that is to restore the old version, and has not yet.
fn under_way(back: &Deployment, kind: &str, share: &str) -> Seen {
    let (id, word) = (&back.id, back.status.as_str());
    if !back.status.is_terminal() {
        return Seen::NotYet(format!("the {kind} `{id}` is `{word}`{share}"));
    }
    let why = back.error.as_ref().map(|error| format!(": {} {}", error.code, error.message));
    Seen::Failed(format!("the {kind} `{id}` is `{word}`{}{share}", why.unwrap_or_default()))
}

/// The share of production traffic on what a deployment deploys, where its scale is known.
fn share(target: &Target, on: &str) -> Option<String> {
    match target {
        Target::Ecs(_) => {
            target.new_version_weight().map(|weight| format!("; {weight} % of production traffic is on {on}"))
        }
        Target::Lambda(_) => None,
    }
}
