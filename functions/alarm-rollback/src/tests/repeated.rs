//! Tries that come after others: what took effect without its answer, what was refused, and a group that is rolled back again and again.

use super::*;

#[test]
fn a_stop_that_took_effect_without_its_answer_is_told_as_ours_once_and_followed() {
    let world = World::new();
    world.account.before_the_stop.borrow_mut().push_back(|world| {
        world.stop(&DeploymentId("d-1".to_owned()));
    });
    world.stop_troubles.borrow_mut().push_back(throttled());
    assert!(invoke(&world, event("orchestrator-http-5xx", "ALARM")).is_err());
    assert!(world.published.borrow().is_empty());
    let again = invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(again["decisions"][0]["outcome"], "it had already been stopped");
    assert!(endings(&world)[0].restored);
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.decision, Decision::StopAndRollBack);
    assert_eq!((world.stops.borrow().len(), endings(&world).len()), (1, 1));
}

#[test]
fn a_refused_stop_pages_once_however_often_it_is_tried() {
    let world = World::new();
    for _ in 0..3 {
        world.stop_troubles.borrow_mut().push_back(denied());
        invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    }
    let [decision] = decisions(&world).try_into().unwrap();
    assert!(decision.page);
    assert!(decision.next_step.contains("stop-deployment --deployment-id d-1"), "{}", decision.next_step);
}

/// Alarms, each during a deployment of its own, ten minutes apart.
fn deployment_goes_bad(world: &World, number: i64) -> RollbackDecision {
    let (id, at) = (format!("d-{number}0"), minutes(10 * number));
    world.put(Deployment { created: Some(at), started: Some(at), ..deployment(&id) });
    let mut event = event("orchestrator-http-5xx", "ALARM");
    event["detail"]["state"]["timestamp"] = json!(at.plus(Duration::from_mins(5)));
    world.clock.run(world.clock.sleep(at.plus(Duration::from_mins(5)).since(world.clock.now()))).unwrap();
    invoke(world, event).unwrap();
    let told = decisions(world).pop().unwrap();
    world.deployments.borrow_mut().clear();
    told
}

#[test]
fn after_three_rollbacks_within_an_hour_a_person_is_paged_and_after_an_hour_it_goes_on() {
    let world = World::new();
    world.deployments.borrow_mut().clear();
    for number in 1..=3 {
        assert_eq!(deployment_goes_bad(&world, number).decision, Decision::StopAndRollBack);
    }
    let fourth = deployment_goes_bad(&world, 4);
    assert_eq!((fourth.decision, fourth.page), (Decision::Alert, true));
    assert!(fourth.reason.contains("3 times within 1 h"), "{}", fourth.reason);
    assert!(fourth.next_step.contains("stop-deployment --deployment-id d-40"), "{}", fourth.next_step);
    assert_eq!(world.stops.borrow().len(), 3);
    // The first was at minute 15.
    assert_eq!(deployment_goes_bad(&world, 8).decision, Decision::StopAndRollBack);
    let entry = world.entries.borrow()["rollbacks/mangaassist/orchestrator"].0.clone();
    assert_eq!(entry["rollbacks"].as_array().unwrap().len(), 4);
}

#[test]
fn without_the_ledger_it_is_rolled_back_and_says_that_nobody_has_counted() {
    let world = World::new();
    world.ledger_is_down.set(true);
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.decision, Decision::StopAndRollBack);
    assert!(decision.reason.contains("is not known, as the table did not answer"), "{}", decision.reason);
}
