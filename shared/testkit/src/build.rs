//! Builders of what the ports tell and of the events that arrive: a healthy deployment in its usual form, to be changed where a
//! test differs. Knows nothing of AWS's wire formats beyond the events.

use domain::config::{Config, load};
use domain::deployment::{
    AppSpec, Deployment, DeploymentId, EcsTarget, GroupName, LambdaTarget, LifecycleEvent, Platform, Revision, Status,
    Target, TaskSet, TaskSetLabel, TrafficRoutes,
};
use domain::ports::{AliasState, Container, DefinedContainer, ListenerAction, TargetHealth, Task};
use serde_json::{Value, json};

/// The task definition of the new version.
pub const DEFINITION: &str = "arn:aws:ecs:us-east-1:111122223333:task-definition/orchestrator:42";
/// The image of the new version.
pub const IMAGE: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com/orchestrator:42";

/// The digest of that image.
pub const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// CodeDeploy's hook payload for the deployment `d-1`.
pub fn hook_payload() -> Value {
    json!({ "DeploymentId": "d-1", "LifecycleEventHookExecutionId": "execution-1" })
}

/// A configuration from YAML text.
pub fn config(yaml: &str) -> Config {
    load("greenlight.yaml", yaml).expect("a valid configuration")
}

/// The group `mangaassist/orchestrator`.
pub fn group() -> GroupName {
    GroupName { application: "mangaassist".to_owned(), deployment_group: "orchestrator".to_owned() }
}

/// The deployment `d-1` of that group to ECS, created by a person.
pub fn deployment() -> Deployment {
    Deployment {
        id: DeploymentId("d-1".to_owned()),
        group: group(),
        platform: Some(Platform::Ecs),
        status: Status::InProgress,
        creator: "user".to_owned(),
        configuration: "CodeDeployDefault.ECSCanary10Percent5Minutes".to_owned(),
        description: "git_sha=0123456789abcdef".to_owned(),
        created: None,
        started: None,
        completed: None,
        error: None,
        rolled_back_by: None,
        rolls_back: None,
        routes: Some(TrafficRoutes {
            production_listener: Some("arn:production".to_owned()),
            test_listener: Some("arn:test".to_owned()),
            target_groups: vec!["blue-tg".to_owned(), "green-tg".to_owned()],
        }),
        revision: Revision {
            task_definition: Some(DEFINITION.to_owned()),
            lambda_version: None,
            git_sha: Some("0123456789abcdef".to_owned()),
        },
        app_spec: AppSpec::Read {
            hooks: ["BeforeAllowTraffic", "AfterAllowTraffic"]
                .map(|event| (event.to_owned(), "hook".to_owned()))
                .to_vec(),
        },
        is_first: false,
        revision_id: None,
        termination_wait: None,
    }
}

/// The rollback `d-2` of the deployment `d-1`.
pub fn rollback() -> Deployment {
    Deployment {
        id: DeploymentId("d-2".to_owned()),
        creator: "codeDeployRollback".to_owned(),
        rolls_back: Some(DeploymentId("d-1".to_owned())),
        ..deployment()
    }
}

/// The same deployment to a Lambda function.
pub fn lambda_deployment() -> Deployment {
    Deployment {
        platform: Some(Platform::Lambda),
        routes: None,
        revision: Revision { task_definition: None, lambda_version: Some("2".to_owned()), git_sha: None },
        ..deployment()
    }
}

fn lifecycle(current: &str) -> Vec<LifecycleEvent> {
    vec![LifecycleEvent::undated(current, "InProgress")]
}

/// A task set with two of two tasks running.
pub fn task_set(label: TaskSetLabel) -> TaskSet {
    let is_new = label == TaskSetLabel::Green;
    TaskSet {
        id: if is_new { "ecs-svc/2" } else { "ecs-svc/1" }.to_owned(),
        label: Some(label),
        desired: 2,
        pending: 0,
        running: 2,
        status: if is_new { "ACTIVE" } else { "PRIMARY" }.to_owned(),
        traffic_weight: if is_new { 0.0 } else { 100.0 },
        target_group: Some(if is_new { "green-tg" } else { "blue-tg" }.to_owned()),
    }
}

/// The ECS target with this lifecycle event in progress.
pub fn ecs_target(current: &str) -> EcsTarget {
    EcsTarget {
        cluster: "main".to_owned(),
        service: "orchestrator".to_owned(),
        lifecycle_events: lifecycle(current),
        task_sets: vec![task_set(TaskSetLabel::Blue), task_set(TaskSetLabel::Green)],
    }
}

/// The Lambda target with this lifecycle event in progress.
pub fn lambda_target(current: &str) -> Target {
    Target::Lambda(LambdaTarget {
        function: "overflow".to_owned(),
        alias: "live".to_owned(),
        current_version: "1".to_owned(),
        target_version: "2".to_owned(),
        target_version_weight: Some(0.0),
        lifecycle_events: lifecycle(current),
    })
}

/// A task that runs the new image.
pub fn task(id: &str) -> Task {
    Task {
        id: id.to_owned(),
        status: "RUNNING".to_owned(),
        health: "HEALTHY".to_owned(),
        stopped_reason: None,
        stop_code: None,
        containers: vec![Container {
            name: "web".to_owned(),
            image: IMAGE.to_owned(),
            digest: Some(DIGEST.to_owned()),
            health: "UNKNOWN".to_owned(),
            exit_code: None,
            reason: None,
        }],
    }
}

/// The container that the new version's task definition names; it has no health check.
pub fn container() -> DefinedContainer {
    DefinedContainer { name: "web".to_owned(), image: IMAGE.to_owned(), is_essential: true, has_health_check: false }
}

/// What a listener does by default: everything goes to this target group.
pub fn leads_to(target_group: &str) -> Vec<ListenerAction> {
    let of = "the default action".to_owned();
    vec![ListenerAction { of, kind: "forward".to_owned(), forwards: vec![(target_group.to_owned(), 100)] }]
}

/// The alias of the Lambda function, before the shift.
pub fn alias() -> AliasState {
    AliasState { version: "1".to_owned(), shares: Vec::new() }
}

/// A target of a target group.
pub fn target_health(id: &str, state: &str, reason: Option<&str>) -> TargetHealth {
    TargetHealth { id: id.to_owned(), state: state.to_owned(), reason: reason.map(str::to_owned) }
}
