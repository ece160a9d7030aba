//! How long a way back took: published as `alarm-rollback` has left it in the table, whatever an event says.

use super::world::{Fact, World, event, schedule};
use super::*;

/// A deployment that was rolled back, and what `alarm-rollback` has told of it: 31.5 s.
fn told() -> (World, Value) {
    let rolled_back = Deployment { rolled_back_by: Some(id("d-2")), ..stopped() };
    let told = event("traffic-restored", &json!({"deployment_id": "d-1", "at": BEGIN, "seconds_since_alarm": 31.5}));
    (World::new([Fact::of(rolled_back)]), told)
}

fn leave(world: &World, told: &Value) {
    let key = format!("ending/{}/restored", told["detail"]["deployment_id"].as_str().unwrap());
    world.note(&key, json!({"told": BEGIN, "detail": told["detail"]}));
}

fn outcome(world: &World, event: &Value) -> String {
    let heard = world.hear(event).unwrap();
    heard.get("outcome").or_else(|| heard.get("ignored")).and_then(Value::as_str).unwrap().to_owned()
}

#[test]
fn a_forged_event_publishes_nothing_and_stands_in_the_way_of_nothing() {
    let (world, told) = told();
    let mut forged = told.clone();
    forged["detail"]["seconds_since_alarm"] = json!(86_400.0);
    forged["detail"]["at"] = json!(BEGIN.minus(60 * MINUTE));
    let unknown = "the table does not know that its traffic is back; the schedule looks again";
    assert_eq!(outcome(&world, &forged), unknown);
    assert_eq!((world.noted("metrics/d-1/restored"), world.values("RollbackSeconds")), (None, vec![]));
    // The true one comes.
    leave(&world, &told);
    assert_eq!(outcome(&world, &told), "published");
    assert_eq!(outcome(&world, &forged), "published before");
    // With the table's word before it, the forged one only says when to look.
    let (world, told) = self::told();
    leave(&world, &told);
    assert_eq!(outcome(&world, &forged), "published");
    assert_eq!(world.values("RollbackSeconds"), [31.5]);
    let taken = world.ports.metrics.taken.borrow();
    assert!(taken.iter().all(|measure| measure.at == BEGIN));
}

#[test]
fn what_is_left_a_moment_after_the_event_is_waited_for_and_else_found_by_the_schedule() {
    let (world, told) = told();
    // `alarm-rollback` is at it.
    world.note("ending/d-1/restored", json!({"lease": {"holder": "r", "until": BEGIN.plus(MINUTE)}}));
    let written = async {
        world.ports.clock.sleep(Duration::from_secs(4)).await;
        leave(&world, &told);
    };
    let both = futures_util::future::join(world.invoke(&told), written);
    let (heard, ()) = testkit::run_on(&world.ports.clock, both);
    assert_eq!(heard.unwrap()["outcome"], "published");
    assert!(world.now() < BEGIN.plus(Duration::from_secs(6)));
    // It takes longer than anybody waits.
    let (world, told) = self::told();
    let unknown = "the table does not know that its traffic is back; the schedule looks again";
    assert_eq!(outcome(&world, &told), unknown);
    assert!((10..=20).contains(&world.now().since(BEGIN).as_secs()));
    leave(&world, &told);
    assert_eq!(world.hear(&schedule()).unwrap()["restored"], 1);
    assert_eq!(world.values("RollbackSeconds"), [31.5]);
}

#[test]
fn what_is_left_of_another_deployment_is_not_believed_of_this_one() {
    let (world, told) = told();
    world
        .note("ending/d-1/restored", json!({"told": BEGIN, "detail": event("traffic-restored", &json!({}))["detail"]}));
    assert!(outcome(&world, &told).starts_with("the table does not know"));
    assert!(world.values("RollbackSeconds").is_empty());
}

#[test]
fn of_a_service_that_ecs_deploys_only_the_way_back_is_measured() {
    let world = World::new([]);
    let told = event("traffic-restored-ecs", &json!({"at": BEGIN}));
    // Nothing lists these, so only another event brings it.
    let unknown = "the table does not know that its traffic is back; it is not measured unless the event comes again";
    assert_eq!(outcome(&world, &told), unknown);
    leave(&world, &told);
    assert_eq!([outcome(&world, &told), outcome(&world, &told)], ["published", "published before"]);
    let taken = world.ports.metrics.taken.borrow();
    let dimensions: Vec<String> = taken[0].dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(dimensions, ["Cluster=main", "Service=recommender", "Environment=production"]);
    assert!(taken.iter().all(|measure| measure.name == "RollbackSeconds") && taken.len() == 3);
}

#[test]
fn of_services_and_environments_that_the_configuration_does_not_name_nothing_is_measured() {
    let ignored = "the configuration names no service with its deployment group or its ECS service";
    let made_up = json!({"at": BEGIN, "ecs": {"cluster": "main", "service": "made-up"}, "environment": "made-up"});
    let made_up = event("traffic-restored-ecs", &made_up);
    let neither = event("traffic-restored", &json!({"group": null, "ecs": null}));
    let world = World::new([]);
    for event in [&made_up, &neither] {
        // An event costs nothing then, not even a look into the table.
        assert_eq!(outcome(&world, event), ignored);
        assert_eq!(world.now(), BEGIN);
        // Nor is it believed of the table: the service may have been taken out of the configuration since.
        leave(&world, event);
        assert_eq!(outcome(&world, event), ignored);
    }
    let mut named = made_up.clone();
    named["detail"]["ecs"]["service"] = json!("recommender");
    assert_eq!(outcome(&world, &named), ignored, "what counts is what is left");
    assert!(world.ports.metrics.taken.borrow().is_empty());
    // The environment is the configuration's, whatever was told.
    leave(&world, &named);
    assert_eq!(outcome(&world, &named), "published");
    let taken = world.ports.metrics.taken.borrow();
    let mut environments =
        taken.iter().flat_map(|measure| &measure.dimensions).filter(|(key, _)| *key == "Environment");
    assert!(environments.all(|(_, value)| value == "production"));
}
