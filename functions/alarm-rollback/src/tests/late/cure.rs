//! A person's cure is not undone, and nothing leads back to a version that was bad or further back than the one before.

use super::*;

/// `d-0` brought the first of these versions and then the second and the third, which ended four minutes before the alarm.
fn history(first: u32, second: u32, third: u32) -> World {
    let world = World::new();
    world.deployments.borrow_mut().clear();
    succeeded(&world, "d-0", -20 * 60, first);
    succeeded(&world, "d-bad", -60, second);
    succeeded(&world, "d-1", 1, third);
    world
}

fn suspects(world: &World) -> Vec<String> {
    world.entries.borrow().keys().filter_map(|key| key.strip_prefix("suspect/").map(str::to_owned)).collect()
}

#[test]
fn going_back_to_an_older_version_is_a_cure() {
    let world = history(30, 41, 30);
    check_alert(&world, true, "it goes back to orchestrator:30 from orchestrator:41: it is taken for a cure");
    assert!(suspects(&world).is_empty(), "an alarm after a cure makes its version no worse");
}

#[test]
fn and_so_is_a_version_without_a_number_that_was_there_before_the_one_that_it_replaces() {
    let world = history(30, 41, 30);
    for (name, key) in [("d-0", "one"), ("d-bad", "other"), ("d-1", "one")] {
        let (bucket, key) = ("b".to_owned(), format!("{key}.zip"));
        let source = Source::S3 { bucket, key, bundle_type: None, version: None, e_tag: None };
        world.account.sources.borrow_mut().insert(id(name), source);
    }
    check_alert(&world, true, "it goes back to the version of `d-0`");
}

#[test]
fn and_one_that_came_by_the_emergency_lane() {
    let world = history(41, 42, 43);
    let description = "[greenlight skip: INC-42, this is the cure]".to_owned();
    let cure = world.deployments.borrow()[&id("d-1")].clone();
    world.put(Deployment { description, ..cure });
    check_alert(&world, true, "it came by the emergency lane (`INC-42, this is the cure`)");
    assert_eq!(suspects(&world), ["d-1"], "it is new, and its alarm tells of it");
}

#[test]
fn a_version_that_had_an_alarm_after_its_window_is_not_deployed_again() {
    let world = history(41, 42, 43);
    world.deployments.borrow_mut().remove(&id("d-1"));
    check_alert(&world, false, "ended more than 30 min before");
    assert_eq!(suspects(&world), ["d-bad"]);
    // The cure after it is bad, too.
    succeeded(&world, "d-1", 1, 43);
    let mut payload = event("orchestrator-p95-latency", "ALARM");
    payload["detail"]["state"]["timestamp"] = json!(minutes(7));
    let settings = Ok(Settings { config: late_config(), ledger: &world });
    run(&world, &settings, &invocation(&world, payload)).unwrap();
    let decision = decisions(&world).pop().unwrap();
    assert_eq!(decision.restores.unwrap().spoken(), "orchestrator:41 (000041)", "{}", decision.reason);
}

#[test]
fn an_old_alarm_speaks_against_no_version() {
    let world = history(41, 42, 43);
    world.deployments.borrow_mut().retain(|name, _| *name == id("d-bad"));
    succeeded(&world, "d-bad", -25 * 60, 42);
    check_alert(&world, false, "ended more than 30 min before");
    assert!(suspects(&world).is_empty());
}

#[test]
fn the_same_version_again_leads_to_no_older_one() {
    let world = history(30, 41, 41);
    succeeded(&world, "d-0", -60 * 24 * 37, 30);
    check_alert(&world, true, "there is nothing to go back to: the version before it is the same");
}

#[test]
fn an_event_that_comes_after_the_window_deploys_nothing() {
    let world = history(40, 41, 42);
    world.clock.run(world.clock.sleep(Duration::from_mins(220))).unwrap();
    check_alert(&world, false, "3 h 44 min ago, which is more than 30 min: the alarm's event has come too late");
    assert_eq!(suspects(&world), ["d-1"]);
}

#[test]
fn after_a_rollback_nothing_leads_to_the_version_that_was_rolled_back() {
    let world = history(40, 41, 42);
    let description = "greenlight_rolls_back=d-1".to_owned();
    succeeded(&world, "d-2", 3, 41);
    let back = world.deployments.borrow()[&id("d-2")].clone();
    world.put(Deployment { description, rolls_back: Some(id("d-1")), ..back });
    check_alert(&world, false, "`d-2`, was itself a rollback of `d-1`");
    let [decision] = decisions(&world).try_into().unwrap();
    assert!(!decision.next_step.contains("list-deployments"), "{}", decision.next_step);
    assert!(decision.next_step.contains("do not deploy `d-1` again"), "{}", decision.next_step);
}

#[test]
fn a_claim_that_is_not_true_takes_neither_the_last_nor_an_earlier_deployment_out() {
    let world = history(40, 41, 42);
    for (name, claim) in [("d-1", "d-none"), ("d-bad", "d-1")] {
        let description = format!("greenlight_rolls_back={claim}");
        let found = world.deployments.borrow()[&id(name)].clone();
        world.put(Deployment { description, rolls_back: Some(id(claim)), ..found });
    }
    alarm_late(&world, "orchestrator-http-5xx").unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.restores.map(|good| good.spoken()).as_deref(), Some("orchestrator:41"), "{}", decision.reason);
}

#[test]
fn a_redeployment_that_did_not_come_about_does_not_count_and_the_version_stays_doubtful() {
    for trouble in [Trouble::Refused(denied()), Trouble::Overtaken] {
        let world = history(40, 41, 42);
        world.account.create_troubles.borrow_mut().push_back(trouble);
        let _ = alarm_late(&world, "orchestrator-http-5xx");
        let [decision] = decisions(&world).try_into().unwrap();
        assert_eq!(decision.decision, Decision::Alert);
        assert_eq!(world.entries.borrow()["rollbacks/mangaassist/orchestrator"].0["rollbacks"], json!([]));
        assert_eq!(suspects(&world), ["d-1"]);
    }
}
