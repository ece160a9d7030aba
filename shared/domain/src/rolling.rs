//! An ECS service that ECS itself deploys, task by task (the deployment controller `ECS`): what stands in it, and what follows from that: which
//! deployment is in flight, what it replaces, whether it is itself a rollback, whether the service is stable. Pure; knows nothing of how it
//! was read, and nothing of alarms.
//!
//! What ECS says of each field: `Service` and `Deployment`, ECS API reference.

mod look;

use crate::deployment::{DeploymentId, EcsServiceName};
use crate::time::Timestamp;

pub use look::{Seen, look};

/// Who deploys the service (`deploymentController.type`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Controller {
    /// ECS itself; also where ECS names none.
    Ecs,
    /// CodeDeploy.
    CodeDeploy,
    /// Somebody else, by task sets.
    External,
    /// A controller that this version does not know.
    Other(String),
}

impl Controller {
    /// From ECS's own word.
    pub fn from_word(word: &str) -> Self {
        match word {
            "" | "ECS" => Controller::Ecs,
            "CODE_DEPLOY" => Controller::CodeDeploy,
            "EXTERNAL" => Controller::External,
            other => Controller::Other(other.to_owned()),
        }
    }

    /// ECS's own word.
    pub fn as_str(&self) -> &str {
        match self {
            Controller::Ecs => "ECS",
            Controller::CodeDeploy => "CODE_DEPLOY",
            Controller::External => "EXTERNAL",
            Controller::Other(other) => other,
        }
    }
}

/// The part that a deployment has in the service (`status`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The newest one.
    Primary,
    /// An older one that still has tasks, which are being replaced.
    Active,
    /// It has been replaced entirely.
    Inactive,
    /// A part that this version does not know.
    Other(String),
}

impl Part {
    /// From ECS's own word.
    pub fn from_word(word: &str) -> Self {
        match word {
            "PRIMARY" => Part::Primary,
            "ACTIVE" => Part::Active,
            "INACTIVE" => Part::Inactive,
            other => Part::Other(other.to_owned()),
        }
    }
}

/// How far a deployment has come (`rolloutState`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// It is under way.
    InProgress,
    /// The service has reached a steady state with it.
    Completed,
    /// ECS's circuit breaker has given it up; it starts no new tasks.
    Failed,
    /// ECS does not tell, as behind a Classic Load Balancer, or in a word that this version does not know.
    Untold,
}

impl Rollout {
    /// From ECS's own word.
    pub fn from_word(word: &str) -> Self {
        match word {
            "IN_PROGRESS" => Rollout::InProgress,
            "COMPLETED" => Rollout::Completed,
            "FAILED" => Rollout::Failed,
            _ => Rollout::Untold,
        }
    }
}

/// One of the service's deployments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rolling {
    /// ECS's id, `ecs-svc/…`.
    pub id: DeploymentId,
    /// Its part in the service.
    pub part: Part,
    /// How far it has come.
    pub rollout: Rollout,
    /// ECS's sentence on that; text from outside.
    pub reason: String,
    /// The ARN of the task definition that it brings.
    pub task_definition: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When anything of it last changed, its number of tasks included.
    pub updated: Option<Timestamp>,
    /// How many tasks it wants.
    pub desired: u32,
    /// How many of them run.
    pub running: u32,
    /// How many are starting.
    pub pending: u32,
    /// How many have failed in a row.
    pub failed: u32,
}

/// An ECS service, as `DescribeServices` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollingService {
    /// Its cluster and its name.
    pub name: EcsServiceName,
    /// `ACTIVE`, `DRAINING` or `INACTIVE`; a service that was deleted is still told for a while.
    pub status: String,
    /// Who deploys it.
    pub controller: Controller,
    /// `deploymentConfiguration.strategy`: `ROLLING`, also where ECS names none; `BLUE_GREEN`, `LINEAR`, `CANARY`.
    pub strategy: String,
    /// How many tasks it wants.
    pub desired: u32,
    /// Its deployments.
    pub deployments: Vec<Rolling>,
}

/// A deployment that has ended, as ECS's history of the service tells it (`ListServiceDeployments`, `DescribeServiceRevisions`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The ARN of the task definition that it brought, where ECS still tells.
    pub task_definition: Option<String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Whether the service runs what it brought: `SUCCESSFUL`. Of the others ECS has stopped some and rolled some back.
    pub is_successful: bool,
}

/// The family and the number of a task definition's ARN, `…:task-definition/shop:42`.
pub fn family_and_number(task_definition: &str) -> Option<(&str, u32)> {
    let name = task_definition.rsplit('/').next().unwrap_or(task_definition);
    let (family, number) = name.rsplit_once(':')?;
    Some((family, number.parse().ok()?))
}

/// Whether the first task definition is an older one of the second's family.
pub fn is_older(one: &str, other: &str) -> bool {
    match (family_and_number(one), family_and_number(other)) {
        (Some((family, number)), Some((other, than))) => family == other && number < than,
        _ => false,
    }
}

/// Why a deployment is taken for a rollback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RollbackSign {
    /// ECS's circuit breaker says so in the deployment's reason ("ECS deployment state change events", ECS developer guide).
    CircuitBreaker,
    /// It brings an older number of the same family than another deployment that still has tasks.
    OlderRevision,
}

impl RollingService {
    /// The newest deployment.
    pub fn primary(&self) -> Option<&Rolling> {
        self.deployments.iter().find(|one| one.part == Part::Primary)
    }

    /// The older deployments that still have tasks, the newest first.
    fn replaced(&self) -> Vec<&Rolling> {
        let mut replaced: Vec<&Rolling> = self.deployments.iter().filter(|one| one.part == Part::Active).collect();
        replaced.sort_by_key(|one| std::cmp::Reverse(one.created));
        replaced
    }

    /// The deployment that is in flight: the newest one, until the service is steady with it. One that the circuit breaker has given up is still
    /// what ECS would deploy.
    pub fn in_flight(&self) -> Option<&Rolling> {
        self.primary().filter(|primary| match primary.rollout {
            Rollout::InProgress | Rollout::Failed => true,
            Rollout::Completed => false,
            Rollout::Untold => !self.replaced().is_empty(),
        })
    }

    /// The task definition that the newest deployment replaces: that of the newest older one that was ever complete. An older one that was
    /// itself replaced half-way has never proved good.
    pub fn previous(&self) -> Option<&str> {
        let replaced = self.replaced();
        let complete = replaced.iter().find(|one| one.rollout == Rollout::Completed);
        let only = || match replaced.as_slice() {
            [only] if only.rollout == Rollout::Untold => Some(only),
            _ => None,
        };
        complete.or_else(only).map(|one| one.task_definition.as_str())
    }

    /// Whether the newest deployment is a rollback, as far as the service itself shows it.
    pub fn rollback_sign(&self) -> Option<RollbackSign> {
        let primary = self.primary()?;
        if primary.reason.to_ascii_lowercase().contains("rolling back to deploymentid") {
            return Some(RollbackSign::CircuitBreaker);
        }
        let is_older = |one: &&Rolling| is_older(&primary.task_definition, &one.task_definition);
        self.replaced().iter().any(is_older).then_some(RollbackSign::OlderRevision)
    }

    /// Whether nothing moves any more: the newest deployment is complete, has all its tasks, and no other has any.
    pub fn is_stable(&self) -> bool {
        let alone = self
            .deployments
            .iter()
            .filter(|one| one.part != Part::Primary)
            .all(|one| one.part == Part::Inactive && one.running == 0 && one.pending == 0);
        let is_steady = |primary: &Rolling| {
            matches!(primary.rollout, Rollout::Completed | Rollout::Untold)
                && primary.running == self.desired
                && primary.pending == 0
        };
        alone && self.primary().is_some_and(is_steady)
    }

    /// Where traffic is: how many tasks of this task definition run, and how many of others. A rolling deployment has no weights; the load
    /// balancer gives each healthy task its share.
    pub fn running(&self, task_definition: &str) -> (u32, u32) {
        self.deployments.iter().fold((0, 0), |(own, others), one| {
            if one.task_definition == task_definition {
                (own + one.running, others)
            } else {
                (own, others + one.running)
            }
        })
    }
}

#[cfg(test)]
mod tests;
