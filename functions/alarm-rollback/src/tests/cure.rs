//! In flight: a person's cure, what descriptions claim, and rollbacks that come to nothing.

use domain::deployment::DeploymentError;

use super::*;

#[test]
fn a_deployment_that_goes_back_to_an_older_version_is_a_persons_cure_and_never_stopped() {
    let world = World::new();
    let newer = deployment("d-0").revision.task_definition.map(|arn| arn.replace(":42", ":43"));
    world.account.replaced.borrow_mut().task_definition = newer;
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert!(world.stops.borrow().is_empty());
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!((decision.decision, decision.page), (Decision::Alert, false));
    assert!(decision.reason.contains("goes back to orchestrator:42 from orchestrator:43"), "{}", decision.reason);
    let keys: Vec<String> = world.entries.borrow().keys().cloned().collect();
    assert!(
        !keys.iter().any(|key| ["stop/", "rollbacks/", "suspect/"].iter().any(|kind| key.starts_with(kind))),
        "{keys:?}"
    );
    // What is not told in a second holds up no stop.
    let world = World::new();
    world.account.changes_hang.set(true);
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert!(world.stopped_at.get().unwrap().since(minutes(6)) <= Duration::from_secs(4));
}

#[test]
fn what_a_description_claims_stops_no_guard_unless_it_is_true() {
    let claims = |of: &str| {
        let world = World::new();
        let description = format!("greenlight_rolls_back={of}");
        let rolls_back = Some(DeploymentId(of.to_owned()));
        world.put(Deployment { description, rolls_back, ..deployment("d-1") });
        world
    };
    let ended = |status: Status| Deployment { status, completed: Some(minutes(-10)), ..deployment("d-0") };
    // Copied from another pipeline; of a deployment that had not ended well.
    let world = claims("d-else");
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(world.stops.borrow().len(), 1);
    let world = claims("d-0");
    world.put(ended(Status::Failed));
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(world.stops.borrow().len(), 1);
    // A person's rollback, Greenlight's own, and one of which the ledger does not tell.
    let by_hand = claims("d-0");
    by_hand.put(ended(Status::Succeeded));
    let own = claims("d-0");
    own.entries.borrow_mut().insert("late/d-0".to_owned(), (json!({"redeployed_by": "d-1"}), minutes(60)));
    let blind = claims("d-else");
    blind.ledger_is_down.set(true);
    invoke(&blind, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert!(blind.stops.borrow().is_empty());
    for world in [by_hand, own] {
        invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
        assert!(world.stops.borrow().is_empty());
        let [decision] = decisions(&world).try_into().unwrap();
        assert!(decision.reason.contains("its description says `greenlight_rolls_back=d-0`"), "{}", decision.reason);
    }
}

#[test]
fn a_rollback_that_was_not_made_does_not_count() {
    let counted = |world: &World| {
        let entries = world.entries.borrow();
        let entry = entries.get("rollbacks/mangaassist/orchestrator").map(|(value, _)| value["rollbacks"].clone());
        entry.map_or(0, |made| made.as_array().unwrap().len())
    };
    let refused = World::new();
    refused.stop_troubles.borrow_mut().push_back(denied());
    invoke(&refused, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert!(refused.entries.borrow().contains_key("suspect/d-1"), "it stays, and is no good to go back to");
    let succeeded = World::new();
    succeeded.account.before_the_stop.borrow_mut().push_back(|world| {
        world.put(Deployment { status: Status::Succeeded, completed: Some(world.clock.now()), ..deployment("d-1") });
    });
    invoke(&succeeded, event("orchestrator-http-5xx", "ALARM")).unwrap();
    let by_codedeploy = World::new();
    by_codedeploy.account.before_the_stop.borrow_mut().push_back(|world| {
        world.stop(&DeploymentId("d-1".to_owned()));
        let error = DeploymentError { code: "ALARM_ACTIVE".to_owned(), message: String::new() };
        let stopped = world.deployments.borrow()[&DeploymentId("d-1".to_owned())].clone();
        world.put(Deployment { error: Some(error), ..stopped });
    });
    invoke(&by_codedeploy, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!([counted(&refused), counted(&succeeded), counted(&by_codedeploy)], [0, 0, 0]);
    // A throttled one is made by the next try; and so it counts once.
    let throttled_once = World::new();
    throttled_once.stop_troubles.borrow_mut().push_back(throttled());
    assert!(invoke(&throttled_once, event("orchestrator-http-5xx", "ALARM")).is_err());
    invoke(&throttled_once, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(counted(&throttled_once), 1);
}
