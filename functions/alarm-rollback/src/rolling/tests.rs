//! Whole invocations against a service that behaves as ECS does.

mod back;

use domain::deployment::DeploymentId;
use domain::rolling::{Part, Rollout};
use runtime::SettingError;
use serde_json::json;

use super::fakes::{Cluster, Trouble, arn, config, name, one, past, quiet, under_way};
use super::*;
use crate::samples::{World, decisions, endings, minutes};
use crate::{Ports, Settings, handle};

/// CloudWatch's event in EventBridge's form, six minutes after the deployment began.
fn event(alarm: &str) -> Value {
    let at = minutes(6);
    json!({
        "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch", "time": at,
        "detail": {"alarmName": alarm, "state": {"value": "ALARM", "reason": "Threshold Crossed", "timestamp": at},
            "previousState": {"value": "OK", "timestamp": minutes(-60)}}
    })
}

/// ECS's event that a deployment of the service has ended.
fn ended(event: &str) -> Value {
    json!({
        "detail-type": "ECS Deployment State Change", "source": "aws.ecs", "time": minutes(8),
        "resources": ["arn:aws:ecs:eu-west-1:1:service/main/orchestrator"],
        "detail": {"eventName": event, "deploymentId": "ecs-svc/9"}
    })
}

/// One invocation. CodeDeploy is asked for nothing: the world has a deployment of its own, which nobody touches.
async fn invoke(world: &World, cluster: &Cluster, more: &str, payload: Value) -> anyhow::Result<Value> {
    invoke_as("r", world, cluster, more, payload).await
}

async fn invoke_as(id: &str, world: &World, cluster: &Cluster, more: &str, payload: Value) -> anyhow::Result<Value> {
    let arrived = world.clock.now();
    let deadline = arrived.plus(Duration::from_secs(170));
    let invocation = Invocation {
        payload,
        request_id: id.to_owned(),
        arrived,
        deadline,
        function_arn: crate::samples::ARN.to_owned(),
    };
    let settings: Result<Settings<&World>, SettingError> = Ok(Settings { config: config(more), ledger: world });
    let ports = Ports { codedeploy: world, outbox: world, alarms: world, clock: world.clock.clone() };
    let answer = handle(&ports, cluster, &settings, &invocation).await;
    // But for the alarm's tags, which may name another environment.
    let mut asked = world.asked.borrow().clone();
    asked.retain(|call| *call != "ListTagsForResource");
    assert!(asked.is_empty(), "CodeDeploy has nothing to do with it: {asked:?}");
    answer
}

/// One invocation on the world's clock; after one that has waited, no other can wait on the same clock.
fn run(world: &World, cluster: &Cluster, more: &str, payload: Value) -> anyhow::Result<Value> {
    world.clock.run(invoke(world, cluster, more, payload)).unwrap()
}

fn started() -> (World, Cluster) {
    let world = World::new();
    let cluster = Cluster::new(&world.clock, under_way());
    (world, cluster)
}

/// How many pursuits of the service the table has.
fn open(world: &World) -> usize {
    let entries = world.entries.borrow();
    entries.get("pursuit/ecs:main/orchestrator").map_or(0, |(entry, _)| entry.as_array().unwrap().len())
}

fn lost() -> PortError {
    PortError::Transient {
        what: "UpdateService of `main/orchestrator`".to_owned(),
        detail: "timed out".to_owned(),
        retry_after: None,
    }
}

fn inactive() -> PortError {
    PortError::Permanent {
        what: "UpdateService of `main/orchestrator`".to_owned(),
        detail: "ClientException: TaskDefinition is inactive".to_owned(),
    }
}

const ALARM: &str = "orchestrator-http-5xx";

#[test]
fn an_alarm_returns_the_service_tells_why_and_tells_when_it_is_steady() {
    let (world, cluster) = started();
    let summary = run(&world, &cluster, "", event(ALARM)).unwrap();
    assert_eq!(*cluster.deploys.borrow(), [arn(41)]);
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.decision, Decision::StopAndRollBack);
    assert_eq!((decision.group, decision.ecs), (None, Some(name())));
    assert_eq!(decision.deployment_id, Some(DeploymentId("ecs-svc/2".to_owned())));
    assert_eq!(decision.rollback_deployment_id, Some(DeploymentId("ecs-svc/9".to_owned())));
    assert_eq!(decision.revision.spoken(), "orchestrator:42");
    assert_eq!(decision.restores.unwrap().spoken(), "orchestrator:41");
    let [ending] = endings(&world).try_into().unwrap();
    assert!(ending.restored && !decision.page);
    assert_eq!(ending.deployment_id, DeploymentId("ecs-svc/2".to_owned()));
    assert_eq!((ending.group, ending.ecs), (None, Some(name())));
    // After 70 s, as soon as one looks; the alarm was 2 s before its event.
    assert!((70.0..=75.0).contains(&ending.seconds_since_event), "{}", ending.seconds_since_event);
    assert_eq!(ending.seconds_since_alarm, Some(ending.seconds_since_event + 2.0));
    assert_eq!(summary["decisions"][0]["outcome"], "returned");
    assert_eq!(summary["restored"][0]["restored"], true);
    assert_eq!(open(&world), 0, "it has ended");
}

#[test]
fn the_same_alarm_again_and_another_one_return_nothing_once_more() {
    let (world, cluster) = started();
    for _ in 0..2 {
        run(&world, &cluster, "", event(ALARM)).unwrap();
    }
    // As if the return had not been seen yet.
    *cluster.service.borrow_mut() = Some(under_way());
    cluster.returned_at.set(None);
    let again = run(&world, &cluster, "", event("orchestrator-p95-latency")).unwrap();
    assert_eq!(again["decisions"][0]["outcome"], "returned before, by another invocation");
    assert_eq!((cluster.deploys.borrow().len(), decisions(&world).len(), endings(&world).len()), (1, 1, 1));
}

#[test]
fn an_alarm_during_the_return_leaves_it_alone() {
    let (world, cluster) = started();
    cluster.back_after.set(Duration::from_mins(30));
    run(&world, &cluster, "", event(ALARM)).unwrap();
    run(&world, &cluster, "", event("orchestrator-p95-latency")).unwrap();
    assert_eq!(cluster.deploys.borrow().len(), 1);
    let last = decisions(&world).pop().unwrap();
    assert_eq!(last.decision, Decision::Alert);
    assert!(last.reason.contains("`ecs-svc/9` is a rollback"), "{}", last.reason);
}

#[test]
fn greenlights_own_rollback_is_known_by_the_ledger_where_the_numbers_do_not_tell() {
    let (world, cluster) = started();
    let entry = json!({"rolls_back": "ecs-svc/1"});
    world.entries.borrow_mut().insert("rollback/ecs-svc/2".to_owned(), (entry, minutes(600)));
    run(&world, &cluster, "", event(ALARM)).unwrap();
    assert!(cluster.deploys.borrow().is_empty());
    assert!(decisions(&world)[0].reason.contains("Greenlight's own, of `ecs-svc/1`"));
}

#[test]
fn an_answer_that_is_lost_after_the_return_took_effect_is_no_reason_to_do_it_again() {
    let (world, cluster) = started();
    cluster.deploy_troubles.borrow_mut().push_back(Trouble::Lost(lost()));
    run(&world, &cluster, "", event(ALARM)).unwrap();
    assert_eq!(cluster.deploys.borrow().len(), 1);
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.rollback_deployment_id, Some(DeploymentId("ecs-svc/9".to_owned())));
    assert!(endings(&world)[0].restored);
}

#[test]
fn a_throttled_return_is_an_error_that_is_told_from_the_second_try_on_once_and_the_next_try_returns() {
    let (world, cluster) = started();
    for told in [0, 1, 1] {
        cluster.deploy_troubles.borrow_mut().push_back(Trouble::Refused(lost()));
        assert!(run(&world, &cluster, "", event(ALARM)).unwrap_err().to_string().contains("timed out"));
        assert_eq!(decisions(&world).len(), told);
        world.clock.run(world.clock.sleep(Duration::from_secs(1))).unwrap();
    }
    let overdue = decisions(&world).remove(0);
    assert_eq!((overdue.decision, overdue.page), (Decision::Alert, true));
    assert!(overdue.reason.contains("could not be returned so far: UpdateService of"), "{}", overdue.reason);
    assert!(overdue.next_step.contains("--task-definition orchestrator:41"), "{}", overdue.next_step);
    run(&world, &cluster, "", event(ALARM)).unwrap();
    assert_eq!(cluster.deploys.borrow().len(), 1);
    assert_eq!(decisions(&world)[1].decision, Decision::StopAndRollBack);
    assert!(endings(&world)[0].restored);
}

#[test]
fn a_return_that_took_effect_without_any_answer_is_told_by_the_next_try() {
    let (world, cluster) = started();
    cluster.deploy_troubles.borrow_mut().push_back(Trouble::Lost(lost()));
    // Nor does the service itself answer then.
    cluster.read_troubles_after_a_deploy.set(1);
    assert!(run(&world, &cluster, "", event(ALARM)).is_err());
    assert!(world.published.borrow().is_empty());
    let again = run(&world, &cluster, "", event(ALARM)).unwrap();
    assert_eq!(again["decisions"][0]["outcome"], "it had already been returned");
    assert_eq!(cluster.deploys.borrow().len(), 1);
    assert_eq!(decisions(&world)[0].decision, Decision::StopAndRollBack);
}

#[test]
fn a_return_that_ecs_refuses_is_told_at_once_and_pages() {
    let (world, cluster) = started();
    cluster.deploy_troubles.borrow_mut().push_back(Trouble::Refused(inactive()));
    cluster.deploy_troubles.borrow_mut().push_back(Trouble::Refused(inactive()));
    for _ in 0..2 {
        assert!(run(&world, &cluster, "", event(ALARM)).is_err());
    }
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!((decision.decision, decision.page), (Decision::Alert, true));
    assert!(decision.reason.contains("TaskDefinition is inactive"), "{}", decision.reason);
}

#[test]
fn a_ledger_that_is_down_holds_up_no_return() {
    let (world, cluster) = started();
    world.ledger_is_down.set(true);
    let _ = run(&world, &cluster, "", event(ALARM));
    assert_eq!(cluster.deploys.borrow().len(), 1);
    assert_eq!((decisions(&world).len(), endings(&world).len()), (1, 1));
}

#[test]
fn a_return_whose_process_was_killed_before_telling_is_told_by_the_next_try() {
    let (world, cluster) = started();
    let begun = json!({"returns": "ecs-svc/2", "bad": arn(42), "previous": arn(41), "decision": "StopAndRollBack", "reason": "r", "next_step": "n"});
    world.entries.borrow_mut().insert(format!("alarm/orchestrator/{ALARM}/{}", minutes(6).0), (begun, minutes(600)));
    *cluster.service.borrow_mut() = Some(returning());
    cluster.returned_at.set(Some(minutes(6)));
    let again = run(&world, &cluster, "", event(ALARM)).unwrap();
    assert_eq!(again["decisions"][0]["outcome"], "it had already been returned");
    assert!(cluster.deploys.borrow().is_empty());
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.deployment_id, Some(DeploymentId("ecs-svc/2".to_owned())));
    assert!(endings(&world)[0].restored);
    let third = run(&world, &cluster, "", event(ALARM)).unwrap();
    assert_eq!(third["decisions"][0]["outcome"], "told before, by another invocation");
}

#[test]
fn a_return_that_another_invocation_is_at_is_left_to_it() {
    let (world, cluster) = started();
    // It has called ECS and not told anybody yet.
    let begun = json!({"returns": "ecs-svc/2", "bad": arn(42), "previous": arn(41), "decision": "StopAndRollBack", "reason": "r", "next_step": "n"});
    let lease = json!({"lease": {"holder": "another", "until": minutes(7)}});
    world.entries.borrow_mut().insert(format!("alarm/orchestrator/{ALARM}/{}", minutes(6).0), (begun, minutes(600)));
    world.entries.borrow_mut().insert("stop/ecs-svc/2".to_owned(), (lease, minutes(600)));
    for service in [under_way(), returning()] {
        *cluster.service.borrow_mut() = Some(service);
        let summary = run(&world, &cluster, "", event(ALARM)).unwrap();
        assert_eq!(summary["decisions"][0]["outcome"], "being returned by another invocation");
    }
    assert!(cluster.deploys.borrow().is_empty() && world.published.borrow().is_empty());
}

/// `ecs-svc/9` brings 41 back.
fn returning() -> RollingService {
    let mut service = under_way();
    for one in &mut service.deployments {
        one.part = Part::Active;
    }
    service.deployments.insert(0, one(9, Part::Primary, Rollout::InProgress, 41, 6));
    service
}

#[test]
fn a_return_that_was_begun_before_somebody_deployed_anew_is_decided_anew() {
    let (world, cluster) = started();
    let begun = json!({"returns": "ecs-svc/1", "bad": arn(40), "previous": arn(39), "decision": "StopAndRollBack", "reason": "old", "next_step": "old"});
    world.entries.borrow_mut().insert(format!("alarm/orchestrator/{ALARM}/{}", minutes(6).0), (begun, minutes(600)));
    run(&world, &cluster, "", event(ALARM)).unwrap();
    assert_eq!(*cluster.deploys.borrow(), [arn(41)]);
    assert_eq!(decisions(&world)[0].deployment_id, Some(DeploymentId("ecs-svc/2".to_owned())));
}

#[test]
fn after_the_limits_rollbacks_the_next_one_is_left_to_a_person() {
    let world = World::new();
    for id in [12, 22, 32, 42] {
        let deployments = vec![
            one(id, Part::Primary, Rollout::InProgress, 42, 0),
            one(1, Part::Active, Rollout::Completed, 41, -6000),
        ];
        let cluster = Cluster::new(&world.clock, super::fakes::service(deployments));
        cluster.back_after.set(Duration::ZERO);
        // Each a transition of its own.
        let mut payload = event(ALARM);
        payload["detail"]["state"]["timestamp"] = json!(minutes(6).plus(Duration::from_secs(u64::from(id))));
        run(&world, &cluster, "", payload).unwrap();
        assert_eq!(cluster.deploys.borrow().len(), usize::from(id != 42));
    }
    let last = decisions(&world).pop().unwrap();
    assert_eq!((last.decision, last.page), (Decision::Alert, true));
    assert!(last.reason.contains("rolled back 3 times within 1 h"), "{}", last.reason);
}

#[test]
fn within_the_window_a_deployment_that_has_ended_is_taken_back_once() {
    let world = World::new();
    let cluster = Cluster::new(&world.clock, quiet());
    *cluster.history.borrow_mut() = vec![past(42, 0, 5), past(41, -6000, -5990)];
    let late = "    late_rollback: { window: 30m }\n";
    run(&world, &cluster, late, event(ALARM)).unwrap();
    assert_eq!(*cluster.deploys.borrow(), [arn(41)]);
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.decision, Decision::RedeployPrevious);
    assert!(endings(&world)[0].restored);
    *cluster.history.borrow_mut() = vec![past(41, 6, 7), past(42, 0, 5), past(41, -6000, -5990)];
    run(&world, &cluster, late, event("orchestrator-p95-latency")).unwrap();
    assert_eq!(cluster.deploys.borrow().len(), 1);
    assert!(decisions(&world)[1].reason.contains("is a rollback"), "{}", decisions(&world)[1].reason);
}

#[test]
fn a_service_that_does_not_exist_is_told_and_one_that_cannot_be_read_is_an_error() {
    let (world, cluster) = started();
    *cluster.service.borrow_mut() = None;
    run(&world, &cluster, "", event(ALARM)).unwrap();
    assert!(decisions(&world)[0].reason.contains("was not found"), "{}", decisions(&world)[0].reason);

    let (world, cluster) = started();
    let denied = PortError::Denied { what: "DescribeServices".to_owned(), detail: "AccessDeniedException".to_owned() };
    cluster.read_troubles.borrow_mut().extend([lost(), denied]);
    for told in [0, 1] {
        // What has been told and will never work needs no further try.
        assert_eq!(run(&world, &cluster, "", event(ALARM)).is_ok(), told == 1);
        assert_eq!(decisions(&world).len(), told);
    }
    assert!(decisions(&world)[0].page);
}

#[test]
fn an_alarm_costs_one_look_at_the_service_before_the_return() {
    let (world, cluster) = started();
    run(&world, &cluster, "", event("orchestrator-error-log-5x")).unwrap();
    assert_eq!((cluster.reads.get(), cluster.histories.get()), (1, 0));
    assert_eq!(decisions(&world)[0].decision, Decision::Alert);
}
