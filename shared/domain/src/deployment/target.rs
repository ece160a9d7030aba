//! What a deployment deploys to, as CodeDeploy's deployment target tells it: an ECS service with its task sets, or a Lambda function's
//! alias. Knows nothing of the deployment's record.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One lifecycle event of a deployment target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleEvent {
    /// `BeforeAllowTraffic`, `AllowTraffic`, …
    pub name: String,
    /// `Pending`, `InProgress`, `Succeeded`, `Failed`, `Skipped`, `Unknown`.
    pub status: String,
    /// When it began, if it has.
    #[serde(default)]
    pub started: Option<Timestamp>,
    /// When it ended, if it has.
    #[serde(default)]
    pub ended: Option<Timestamp>,
}

impl LifecycleEvent {
    /// One whose times are not told.
    pub fn undated(name: &str, status: &str) -> Self {
        Self { name: name.to_owned(), status: status.to_owned(), started: None, ended: None }
    }
}

/// The deployment target: an ECS service or a Lambda function, as `BatchGetDeploymentTargets` tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Target {
    /// An ECS service.
    Ecs(EcsTarget),
    /// A Lambda function's alias.
    Lambda(LambdaTarget),
}

impl Target {
    /// The lifecycle events so far, in order.
    pub fn lifecycle_events(&self) -> &[LifecycleEvent] {
        match self {
            Target::Ecs(target) => &target.lifecycle_events,
            Target::Lambda(target) => &target.lifecycle_events,
        }
    }

    /// The lifecycle event that is in progress: the hook payload does not say which one it belongs to.
    pub fn current_event(&self) -> Option<&str> {
        self.lifecycle_events().iter().find(|event| event.status == "InProgress").map(|event| event.name.as_str())
    }

    /// The percentage of production traffic on the new version, when the target tells.
    pub fn new_version_weight(&self) -> Option<f64> {
        match self {
            Target::Ecs(target) => target.replacement().map(|set| set.traffic_weight),
            Target::Lambda(target) => target.target_version_weight,
        }
    }

    /// Whether all production traffic is on the version that was there before the deployment: false where that is not told. While the
    /// deployment runs it says what is so now, not what will be. Whether CodeDeploy keeps the target of a stopped deployment up to date
    /// during its rollback is not documented, so false proves nothing then, and the rollback's own success is the other sign.
    pub fn is_all_on_the_old_version(&self) -> bool {
        match self {
            Target::Ecs(target) => target.original().is_some_and(|set| set.traffic_weight >= 100.0),
            // The scale of `targetVersionWeight` (0 to 1 or 0 to 100) is not documented; zero is zero in both.
            Target::Lambda(target) => target.target_version_weight.is_some_and(|weight| weight == 0.0),
        }
    }

    /// Whether all production traffic is on the version that the deployment brings: false where that is not told, and where it cannot
    /// be read with certainty.
    pub fn is_all_on_the_new_version(&self) -> bool {
        match self {
            Target::Ecs(target) => target.replacement().is_some_and(|set| set.traffic_weight >= 100.0),
            // On one of the two possible scales 1 is all of it, and on the other one hundredth.
            Target::Lambda(target) => target.target_version_weight.is_some_and(|weight| weight >= 100.0),
        }
    }
}

/// An ECS deployment target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EcsTarget {
    /// The ECS cluster's name.
    pub cluster: String,
    /// The ECS service's name.
    pub service: String,
    /// The lifecycle events, in order.
    pub lifecycle_events: Vec<LifecycleEvent>,
    /// The original and the replacement task set.
    pub task_sets: Vec<TaskSet>,
}

impl EcsTarget {
    /// The task set that this deployment brings in (`taskSetLabel` `Green`).
    pub fn replacement(&self) -> Option<&TaskSet> {
        self.labelled(TaskSetLabel::Green)
    }

    /// The task set that was there before (`taskSetLabel` `Blue`).
    pub fn original(&self) -> Option<&TaskSet> {
        self.labelled(TaskSetLabel::Blue)
    }

    /// Answers from before labels existed have none (the tutorial "Creating a service using a blue/green deployment" of the ECS
    /// developer guide). Then the set with the status `PRIMARY` is the one that serves production, which tells the two apart
    /// before the shift and after it; during the shift it is left open.
    fn labelled(&self, label: TaskSetLabel) -> Option<&TaskSet> {
        if self.task_sets.iter().any(|set| set.label.is_some()) {
            return self.task_sets.iter().find(|set| set.label == Some(label));
        }
        let [one, other] = self.task_sets.as_slice() else { return None };
        let (primary, secondary) = match (one.status.as_str(), other.status.as_str()) {
            ("PRIMARY", "PRIMARY") => return None,
            ("PRIMARY", _) => (one, other),
            (_, "PRIMARY") => (other, one),
            _ => return None,
        };
        let shift = self.lifecycle_events.iter().find(|event| event.name == "AllowTraffic");
        match (shift.map(|event| event.status.as_str()), label) {
            (None | Some("Pending" | "Skipped"), TaskSetLabel::Blue) | (Some("Succeeded"), TaskSetLabel::Green) => {
                Some(primary)
            }
            (None | Some("Pending" | "Skipped"), TaskSetLabel::Green) | (Some("Succeeded"), TaskSetLabel::Blue) => {
                Some(secondary)
            }
            _ => None,
        }
    }
}

/// A task set's role in the deployment. It is not the name of a target group, however that is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskSetLabel {
    /// The original.
    Blue,
    /// The replacement.
    Green,
}

/// A task set of an ECS deployment target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSet {
    /// `ecs-svc/…` (CodeDeploy's field is misspelt `identifer`).
    pub id: String,
    /// Its role.
    pub label: Option<TaskSetLabel>,
    /// Tasks wanted.
    pub desired: i64,
    /// Tasks starting.
    pub pending: i64,
    /// Tasks running.
    pub running: i64,
    /// `PRIMARY`, `ACTIVE` or `DRAINING`.
    pub status: String,
    /// Percentage of production traffic, 0 to 100.
    pub traffic_weight: f64,
    /// The target group's name.
    pub target_group: Option<String>,
}

/// A Lambda deployment target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LambdaTarget {
    /// The function's name.
    pub function: String,
    /// The alias that is shifted.
    pub alias: String,
    /// The version that has the traffic at the start.
    pub current_version: String,
    /// The version that is to have it.
    pub target_version: String,
    /// Traffic on the target version, where CodeDeploy tells; whether 0 to 1 or 0 to 100 is not documented.
    pub target_version_weight: Option<f64>,
    /// The lifecycle events, in order.
    pub lifecycle_events: Vec<LifecycleEvent>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_labels_the_two_task_sets_are_told_apart_by_who_serves() {
        // The answer of the ECS developer guide's tutorial, which has no `taskSetLabel`, and what it looked like before the shift.
        let set = |id: &str, status: &str| TaskSet {
            id: id.to_owned(),
            label: None,
            desired: 1,
            pending: 0,
            running: 1,
            status: status.to_owned(),
            traffic_weight: if status == "PRIMARY" { 100.0 } else { 0.0 },
            target_group: None,
        };
        let target = |sets: [(&str, &str); 2], shift: &str| EcsTarget {
            cluster: "tutorial-bluegreen-app".to_owned(),
            service: "service-bluegreen".to_owned(),
            lifecycle_events: vec![LifecycleEvent::undated("AllowTraffic", shift)],
            task_sets: sets.iter().map(|(id, status)| set(id, status)).collect(),
        };
        let ids = |target: &EcsTarget| {
            (target.original().map(|set| set.id.clone()), target.replacement().map(|set| set.id.clone()))
        };
        let both = || (Some("old".to_owned()), Some("new".to_owned()));
        assert_eq!(ids(&target([("old", "PRIMARY"), ("new", "ACTIVE")], "Pending")), both());
        assert_eq!(ids(&target([("new", "ACTIVE"), ("old", "PRIMARY")], "Pending")), both());
        assert_eq!(ids(&target([("old", "ACTIVE"), ("new", "PRIMARY")], "Succeeded")), both());
        assert_eq!(ids(&target([("old", "PRIMARY"), ("new", "ACTIVE")], "InProgress")), (None, None));
        assert_eq!(ids(&target([("old", "ACTIVE"), ("new", "ACTIVE")], "Pending")), (None, None));
    }
}
