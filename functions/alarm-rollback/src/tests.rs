//! Whole invocations against a world that behaves as CodeDeploy does.

mod cure;
mod guards;
mod late;
mod repeated;
mod storm;
mod whom;

use std::time::Duration;

use domain::deployment::DeploymentId;
use domain::events::{RollbackDecision, TrafficRestored};
use domain::time::Timestamp;

use super::*;
use domain::events::Decision;

use crate::samples::{World, config, decisions, deployment, endings, minutes, rollback};

/// CloudWatch's event in EventBridge's form, six minutes after the deployment began.
fn event(alarm: &str, state: &str) -> Value {
    let at = minutes(6);
    json!({
        "id": "c4c1c1c9", "resources": [format!("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{alarm}")], "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch", "time": at, "region": "us-east-1",
        "detail": {"alarmName": alarm, "state": {"value": state, "reason": "Threshold Crossed", "timestamp": at},
            "previousState": {"value": "OK", "timestamp": minutes(-60)}}
    })
}

fn invocation(world: &World, payload: Value) -> Invocation {
    let arrived = world.clock.now();
    let deadline = arrived.plus(Duration::from_secs(170));
    Invocation { payload, request_id: "r".to_owned(), function_arn: samples::ARN.to_owned(), arrived, deadline }
}

/// One invocation on the world's clock.
fn invoke(world: &World, payload: Value) -> anyhow::Result<Value> {
    run(world, &Ok(Settings { config: config(), ledger: world }), &invocation(world, payload))
}

fn run<'a>(
    world: &'a World,
    settings: &Result<Settings<&'a World>, SettingError>,
    invocation: &Invocation,
) -> anyhow::Result<Value> {
    let ports = Ports { codedeploy: world, outbox: world, alarms: world, clock: world.clock.clone() };
    world.clock.run(handle(&ports, &rolling::fakes::Cluster::default(), settings, invocation)).unwrap()
}

/// From the event to the ending.
fn seconds(ending: &TrafficRestored) -> u64 {
    ending.seconds_since_event.round() as u64
}

fn throttled() -> PortError {
    PortError::Transient {
        what: "StopDeployment of `d-1`".to_owned(),
        detail: "ThrottlingException".to_owned(),
        retry_after: None,
    }
}

fn denied() -> PortError {
    PortError::Denied { what: "StopDeployment of `d-1`".to_owned(), detail: "AccessDeniedException".to_owned() }
}

#[test]
fn an_alarm_stops_the_deployment_tells_why_and_tells_when_traffic_is_back() {
    let world = World::new();
    let summary = invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(*world.stops.borrow(), [DeploymentId("d-1".to_owned())]);
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.decision, Decision::StopAndRollBack);
    assert_eq!(decision.revision.spoken(), "orchestrator:42");
    assert_eq!(decision.service.as_deref(), Some("orchestrator"));
    let [ending] = endings(&world).try_into().unwrap();
    assert!(ending.restored);
    assert_eq!(ending.rollback_deployment_id, Some(DeploymentId("d-2".to_owned())));
    assert_eq!(seconds(&ending), 24);
    assert_eq!(ending.seconds_since_alarm.map(f64::round), Some(26.0));
    assert_eq!(summary["decisions"][0]["outcome"], "stopped");
    assert_eq!(summary["restored"][0]["restored"], true);
}

#[test]
fn the_same_event_again_and_a_second_alarm_stop_nothing_and_tell_nothing() {
    let world = World::new();
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    // The rollback has ended; then once more as if the stop had not taken effect yet.
    let again = invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(again["decisions"][0]["outcome"], "told before, by another invocation");
    world.deployments.borrow_mut().clear();
    world.put(deployment("d-1"));
    for alarm in ["orchestrator-http-5xx", "orchestrator-p95-latency"] {
        let again = invoke(&world, event(alarm, "ALARM")).unwrap();
        assert_eq!(again["decisions"][0]["outcome"], "stopped before, by another invocation");
    }
    assert_eq!(world.stops.borrow().len(), 1);
    assert_eq!(world.published.borrow().len(), 2);
}

#[test]
fn a_throttled_stop_is_an_error_and_the_next_try_stops() {
    let world = World::new();
    world.stop_troubles.borrow_mut().push_back(throttled());
    let error = invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap_err();
    assert!(error.to_string().contains("ThrottlingException"), "{error}");
    assert!(world.published.borrow().is_empty());
    assert!(!world.entries.borrow().contains_key("stop/d-1"), "the lease is given back");
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(world.stops.borrow().len(), 1);
    assert_eq!(decisions(&world).len(), 1);
}

#[test]
fn a_ledger_that_is_down_holds_up_no_rollback() {
    let world = World::new();
    world.ledger_is_down.set(true);
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(world.stops.borrow().len(), 1);
    assert_eq!((decisions(&world).len(), endings(&world).len()), (1, 1));

    let world = World::new();
    world.ledger_hangs.set(true);
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert!(world.stopped_at.get().unwrap().since(minutes(6)) < Duration::from_secs(10));
}

#[test]
fn a_stop_that_was_not_told_is_told_by_the_next_try_although_nothing_is_in_flight_any_more() {
    let world = World::new();
    // The event bus is down at the stop, for the ending after the rollback however often that is tried, and at the last try.
    world.publish_troubles.borrow_mut().extend(std::iter::repeat_with(throttled).take(100));
    assert!(invoke(&world, event("orchestrator-http-5xx", "ALARM")).is_err());
    assert!(world.published.borrow().is_empty());
    world.publish_troubles.borrow_mut().clear();
    // Lambda waits for a minute before it tries again; the lease on the stop has run out by then.
    let lease = json!({"lease": {"holder": "r", "until": minutes(6)}});
    world.entries.borrow_mut().insert("stop/d-1".to_owned(), (lease, minutes(60)));
    let again = invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(again["decisions"][0]["outcome"], "it had already been stopped");
    assert_eq!(world.stops.borrow().len(), 1);
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(
        (decision.decision, decision.deployment_id),
        (Decision::StopAndRollBack, Some(DeploymentId("d-1".to_owned())))
    );
    assert!(endings(&world)[0].restored);
    let third = invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(third["decisions"][0]["outcome"], "told before, by another invocation");
}

#[test]
fn an_alert_whose_process_was_killed_is_told_by_the_next_try() {
    let world = World::new();
    let key = format!("alarm/orchestrator/orchestrator-error-log-5x/{}", minutes(6).0);
    let lease = json!({"lease": {"holder": "killed", "until": minutes(6)}});
    world.entries.borrow_mut().insert(key, (lease, minutes(60)));
    for _ in 0..2 {
        invoke(&world, event("orchestrator-error-log-5x", "ALARM")).unwrap();
    }
    assert_eq!(decisions(&world).len(), 1);
}

#[test]
fn a_refused_stop_is_told_at_once_with_what_to_do_by_hand() {
    let world = World::new();
    world.stop_troubles.borrow_mut().push_back(denied());
    // It has been told, and another try would be refused as well.
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.decision, Decision::Alert);
    assert!(decision.reason.contains("was refused"), "{}", decision.reason);
    assert!(decision.reason.contains("to orchestrator:42"), "as the AppSpec says: {}", decision.reason);
    assert_eq!(decision.revision.spoken(), "orchestrator:42");
    assert!(decision.next_step.contains("stop-deployment --deployment-id d-1"), "{}", decision.next_step);
}

#[test]
fn a_stop_whose_process_was_killed_is_taken_over_when_its_time_is_up() {
    let world = World::new();
    let claimed = |until: Timestamp| {
        let entry = json!({"lease": {"holder": "another", "until": until}});
        world.entries.borrow_mut().insert("stop/d-1".to_owned(), (entry, minutes(60)));
    };
    claimed(minutes(7));
    let busy = invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(busy["decisions"][0]["outcome"], "being stopped by another invocation");
    claimed(minutes(5));
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(world.stops.borrow().len(), 1);
    assert_eq!(world.entries.borrow()["stop/d-1"].0["alarm"], "orchestrator-http-5xx");
}

#[test]
fn a_deployment_that_ended_between_look_up_and_stop_is_followed_or_told() {
    let world = World::new();
    world.account.before_the_stop.borrow_mut().push_back(|world| {
        world.stop(&DeploymentId("d-1".to_owned()));
        world.stops.borrow_mut().clear();
    });
    let summary = invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(summary["decisions"][0]["outcome"], "it had already been stopped");
    assert_eq!(decisions(&world)[0].decision, Decision::StopAndRollBack);
    assert!(endings(&world)[0].restored);

    let world = World::new();
    let succeed = |world: &World| {
        world.put(Deployment { status: Status::Succeeded, completed: Some(world.clock.now()), ..deployment("d-1") });
    };
    world.account.before_the_stop.borrow_mut().push_back(succeed);
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.decision, Decision::Alert);
    assert!(decision.reason.contains("it had succeeded before it could be stopped"), "{}", decision.reason);
    assert!(endings(&world).is_empty());
    assert!(!world.entries.borrow().contains_key("stop/d-1"), "nothing is stopped under that lease any more");
}

#[test]
fn two_minutes_without_traffic_back_are_told_as_such() {
    let world = World::new();
    world.back_after.set(Duration::from_mins(10));
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    let [ending] = endings(&world).try_into().unwrap();
    assert!(!ending.restored);
    assert_eq!(
        ending.observed,
        "after 2 min, the rollback `d-2` is `InProgress`; 10 % of production traffic is on the new version"
    );
    assert_eq!(seconds(&ending), 120);
}

#[test]
fn five_seconds_before_the_deadline_the_ending_is_told() {
    let world = World::new();
    world.back_after.set(Duration::from_mins(10));
    let mut invocation = invocation(&world, event("orchestrator-http-5xx", "ALARM"));
    invocation.deadline = invocation.arrived.plus(Duration::from_secs(30));
    run(&world, &Ok(Settings { config: config(), ledger: &world }), &invocation).unwrap();
    assert_eq!(seconds(&endings(&world)[0]), 25);
}

#[test]
fn a_rollback_that_failed_is_told_with_its_cause_and_not_waited_for() {
    let world = World::new();
    *world.rollback_ends.borrow_mut() = Status::Failed;
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    let [ending] = endings(&world).try_into().unwrap();
    assert!(!ending.restored);
    assert!(
        ending.observed.starts_with("the rollback `d-2` is `Failed`: ECS_UPDATE_ERROR no capacity"),
        "{}",
        ending.observed
    );
    assert_eq!(seconds(&ending), 24);
}

#[test]
fn an_alarm_during_a_rollback_touches_nothing() {
    let world = World::new();
    world.deployments.borrow_mut().clear();
    world.put(rollback("d-2", "d-1"));
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert!(world.stops.borrow().is_empty());
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.decision, Decision::Alert);
    assert_eq!(decision.deployment_id, Some(DeploymentId("d-2".to_owned())));
}

#[test]
fn without_a_deployment_people_are_told_once() {
    let world = World::new();
    world.deployments.borrow_mut().clear();
    for _ in 0..2 {
        invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    }
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!((decision.decision, decision.deployment_id), (Decision::Alert, None));
}

#[test]
fn an_alarm_that_nobody_names_costs_two_calls_and_one_that_went_back_to_ok_none() {
    let world = World::new();
    world.deployments.borrow_mut().clear();
    let summary = invoke(&world, event("somebody-elses", "ALARM")).unwrap();
    assert_eq!(summary["decisions"][0]["decision"], "Ignore");
    assert_eq!(*world.asked.borrow(), ["ListTagsForResource", "ListDeployments"]);
    invoke(&world, event("somebody-elses", "OK")).unwrap();
    assert!(world.entries.borrow().is_empty());
    // Of one that is named it is remembered.
    invoke(&world, event("orchestrator-http-5xx", "OK")).unwrap();
    assert_eq!((world.asked.borrow().len(), world.entries.borrow().len()), (2, 1));
    assert!(world.published.borrow().is_empty());
}

#[test]
fn a_suppressed_alarm_of_a_guarded_service_is_told_and_touches_nothing() {
    let world = World::new();
    let mut payload = event("orchestrator-http-5xx", "ALARM");
    payload["detail"]["state"]["actionsSuppressedBy"] = json!("WaitPeriod");
    invoke(&world, payload).unwrap();
    assert_eq!(decisions(&world)[0].decision, Decision::Ignore);
    assert!(world.asked.borrow().is_empty());
}

#[test]
fn an_alarm_costs_a_constant_number_of_calls_before_the_stop() {
    let world = World::new();
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    let asked = world.asked.borrow();
    // What is told is read beside the stop.
    let expected = [
        "ListDeployments",
        "ListTagsForResource",
        "BatchGetDeployments",
        "GetRevisions",
        "GetDeployment",
        "StopDeployment",
    ];
    let before: Vec<&str> = asked.iter().take(expected.len()).copied().collect();
    assert!(expected.iter().all(|call| before.contains(call)), "{before:?}");
}

#[test]
fn a_decision_that_could_not_be_published_is_published_after_the_rollback() {
    let world = World::new();
    world.publish_troubles.borrow_mut().push_back(throttled());
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!((decisions(&world).len(), endings(&world).len()), (1, 1));
}

#[test]
fn an_alert_that_could_not_be_published_is_an_error_and_published_by_the_next_try() {
    let world = World::new();
    world.publish_troubles.borrow_mut().push_back(throttled());
    assert!(invoke(&world, event("orchestrator-error-log-5x", "ALARM")).is_err());
    invoke(&world, event("orchestrator-error-log-5x", "ALARM")).unwrap();
    assert_eq!(decisions(&world).len(), 1);
}

#[test]
fn unreadable_deployments_are_an_error_and_told_where_waiting_does_not_help() {
    let world = World::new();
    world.list_troubles.borrow_mut().extend([throttled(), denied()]);
    for told in [0, 1] {
        assert_eq!(invoke(&world, event("orchestrator-http-5xx", "ALARM")).is_ok(), told == 1);
        assert_eq!(decisions(&world).len(), told);
    }
}

#[test]
fn a_broken_configuration_and_an_event_that_is_no_alarm_are_errors() {
    let world = World::new();
    let broken = Err(SettingError::Missing("TABLE_NAME"));
    let error = run(&world, &broken, &invocation(&world, event("orchestrator-http-5xx", "ALARM"))).unwrap_err();
    assert!(error.to_string().contains("`TABLE_NAME` is not set"), "{error}");
    assert!(invoke(&world, json!({"hello": "world"})).is_err());
}
