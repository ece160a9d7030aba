//! What the schedule looks at, in how many calls, since when, and for what it calls a person.

use serde_json::json;

use super::faults::Fate;
use super::world::{Fact, LIMIT, World, changed, schedule};
use super::*;

const HOUR: Duration = Duration::from_hours(1);

/// One that succeeded so long before the beginning.
fn before(number: u32, ago: Duration) -> Deployment {
    let at = Some(BEGIN.minus(ago));
    let (created, started, completed) = (at.map(|at| at.minus(MINUTE)), at.map(|at| at.minus(MINUTE)), at);
    Deployment { id: id(&format!("d-{number:05}")), created, started, completed, ..ended(Status::Succeeded) }
}

#[test]
fn counting_begins_with_the_first_look_at_a_group() {
    let past = [before(1, 72 * HOUR), before(2, 4 * HOUR), before(3, 2 * HOUR)];
    let world = World::new(past.into_iter().map(Fact::of));
    assert_eq!(world.hear(&schedule()).unwrap()["deployments"], json!(["d-00003"]));
    let mark = world.noted("metrics/since/mangaassist/orchestrator").unwrap();
    let since = Timestamp::parse(mark["since"].as_str().unwrap()).unwrap();
    assert!(since.since(BEGIN.minus(3 * HOUR)) < Duration::from_secs(2), "{mark}");
    // Nor later; and an event counts whatever it tells of.
    world.wait(30 * HOUR);
    assert_eq!(world.hear(&schedule()).unwrap()["published"], 0);
    assert_eq!(hear(&world, "d-00002", "SUCCESS"), "published");
    assert_eq!(world.values("Deployments"), [1.0; 2]);
}

#[test]
fn an_event_begins_a_groups_counting_as_well_as_a_look() {
    let world = World::new([Fact::of(before(1, 2 * HOUR)), Fact::of(ended(Status::Succeeded))]);
    hear(&world, "d-1", "SUCCESS");
    // No schedule for a day: all the same nothing is lost that ended since.
    world.ports.deployments.facts.borrow_mut().push(Fact::of(Deployment {
        id: id("d-2"),
        created: Some(BEGIN.plus(HOUR)),
        started: Some(BEGIN.plus(HOUR)),
        completed: Some(BEGIN.plus(HOUR)),
        ..ended(Status::Succeeded)
    }));
    world.wait(50 * HOUR);
    assert_eq!(world.hear(&schedule()).unwrap()["deployments"], json!(["d-00001", "d-2"]));
}

#[test]
fn after_an_outage_of_days_everything_is_caught_up_with() {
    let world = World::new([Fact::of(ended(Status::Succeeded))]);
    world.hear(&schedule()).unwrap();
    for day in 1..=10 {
        let at = Some(BEGIN.plus(day * 24 * HOUR));
        let new = Deployment {
            id: id(&format!("d-{day:02}")),
            created: at,
            started: at,
            completed: at,
            ..ended(Status::Succeeded)
        };
        world.ports.deployments.facts.borrow_mut().push(Fact::of(new));
    }
    world.wait(11 * 24 * HOUR);
    assert_eq!(world.hear(&schedule()).unwrap()["published"], 10);
    // Then a day is looked back on.
    world.wait(HOUR);
    assert_eq!(world.hear(&schedule()).unwrap()["looked_at"], 0);
}

#[test]
fn an_ending_without_a_time_is_found_all_the_same() {
    let world = World::new([]).settled_in();
    world.hear(&schedule()).unwrap();
    world.wait(40 * HOUR);
    world.hear(&schedule()).unwrap();
    world.ports.deployments.facts.borrow_mut().push(Fact::of(Deployment { completed: None, ..ended(Status::Failed) }));
    assert_eq!(world.hear(&schedule()).unwrap()["deployments"], json!(["d-1"]));
}

#[test]
fn a_group_that_may_not_be_read_is_told_once_a_day_and_does_not_hold_up_the_others() {
    let missing = PortError::NotFound { what: "the deployment group `x`".into(), detail: "gone".into() };
    let cases = [
        (
            denied("ListDeployments of `mangaassist/burst-overflow`"),
            "the stack's parameter `CodeDeployApplication` so that it covers `mangaassist`",
        ),
        (missing, "correct the application or the deployment group in the configuration"),
    ];
    for (error, remedy) in cases {
        let world = World::new([Fact::of(ended(Status::Succeeded))]);
        *world.ports.deployments.denies.borrow_mut() = Some((other_group(), error.clone()));
        let told = world.hear(&schedule()).unwrap_err().to_string();
        assert!(told.contains("`mangaassist/burst-overflow`") && told.contains(remedy), "{told}");
        assert!(told.contains(&error.to_string()) && told.ends_with("Published: 1"), "{told}");
        assert_eq!(world.values("Deployments"), [1.0]);
        // Lambda's next tries are the same invocation: only what the last of them says reaches a person.
        world.again.set(true);
        assert!(world.hear(&schedule()).is_err());
        world.again.set(false);
        let mut times = 0;
        for _ in 0..48 {
            world.wait(HOUR);
            match world.hear(&schedule()) {
                Ok(summary) => assert_eq!(summary["groups_unread"], json!(["mangaassist/burst-overflow"])),
                Err(_) => times += 1,
            }
        }
        assert_eq!(times, 2);
        *world.ports.deployments.denies.borrow_mut() = None;
        assert_eq!(world.hear(&schedule()).unwrap()["groups_unread"], json!([]));
    }
}

#[test]
fn a_table_that_refuses_is_no_group_that_may_not_be_read() {
    let world = World::new([Fact::of(ended(Status::Succeeded))]);
    *world.ports.ledger.denies.borrow_mut() = Some("metrics/d-1".to_owned());
    let told = world.hear(&schedule()).unwrap_err().to_string();
    assert!(
        told.starts_with("not reconciled: 0 of 1 deployments, 1 of 2 groups; the first: `mangaassist/orchestrator`"),
        "{told}"
    );
}

#[test]
fn what_fails_for_hours_is_the_next_hours_and_then_a_persons() {
    let world = World::new([Fact::of(ended(Status::Succeeded))]);
    world.ports.deployments.is_throttled.set(true);
    let calls: Vec<bool> = (0..9)
        .map(|_| {
            let told = world.hear(&schedule());
            world.wait(HOUR);
            told.is_err()
        })
        .collect();
    assert_eq!(calls, [false, false, false, false, false, false, true, true, true]);
    let told = world.hear(&schedule()).unwrap_err().to_string();
    assert!(told.starts_with("not reconciled: 0 of 0 deployments, 2 of 2 groups; the first: "), "{told}");
    // Once it has gone well it counts anew.
    world.ports.deployments.is_throttled.set(false);
    assert_eq!(world.hear(&schedule()).unwrap()["published"], 1);
    world.ports.deployments.is_throttled.set(true);
    assert_eq!(world.hear(&schedule()).unwrap()["failed_for_now"].as_array().unwrap().len(), 2);
}

#[test]
fn a_deployment_that_fails_for_hours_is_a_persons_and_one_that_is_refused_at_once() {
    for (fate, age, calls) in [(Fate::Throttled, 1, false), (Fate::Throttled, 7, true), (Fate::Refused, 1, true)] {
        let world = World::new([Fact::of(ended(Status::Succeeded))]).settled_in();
        world.wait(age * HOUR);
        world.ports.metrics.fates.borrow_mut().extend([fate; 40]);
        let told = world.hear(&schedule());
        assert_eq!(told.is_err(), calls, "{fate:?} {age}");
        if let Err(told) = told {
            assert!(
                told.to_string().starts_with("not reconciled: 1 of 1 deployments, 0 of 2 groups; the first: `d-1`"),
                "{told}"
            );
        }
    }
}

#[test]
fn lambdas_last_try_of_an_event_leaves_it_to_the_schedule_where_that_finds_it() {
    let at = json!(BEGIN);
    let mut told = changed("d-1", "SUCCESS");
    let mut restored = event("traffic-restored", &json!({"deployment_id": "d-1", "at": BEGIN}));
    let mut of_ecs = event("traffic-restored-ecs", &json!({"at": BEGIN}));
    for event in [&mut told, &mut restored, &mut of_ecs] {
        event["time"] = at.clone();
    }
    // After so many seconds, with CloudWatch throttling or refusing for good.
    let cases = [
        (&told, 60, Fate::Throttled, false),
        (&told, 180, Fate::Throttled, true),
        (&told, 180, Fate::Lost, true),
        (&told, 180, Fate::Refused, false),
        (&restored, 180, Fate::Throttled, true),
        (&of_ecs, 180, Fate::Throttled, false),
    ];
    for (event, age, fate, is_left) in cases {
        let world = World::new([Fact::of(ended(Status::Succeeded))]);
        for left in [&restored, &of_ecs] {
            let id = left["detail"]["deployment_id"].as_str().unwrap();
            world.note(&format!("ending/{id}/restored"), json!({"told": BEGIN, "detail": left["detail"]}));
        }
        world.wait(Duration::from_secs(age));
        world.ports.metrics.fates.borrow_mut().extend([fate; 40]);
        let heard = world.hear(event);
        assert_eq!(heard.is_ok(), is_left, "{} after {age} s, {fate:?}: {heard:?}", event["detail-type"]);
        if let Ok(heard) = heard {
            assert!(heard["outcome"].as_str().unwrap().ends_with("the schedule brings it"));
        }
    }
    // News from before the first look: the schedule would not bring it.
    let world = World::new([Fact::of(ended(Status::Succeeded))]);
    world.wait(5 * HOUR);
    world.hear(&schedule()).unwrap();
    world.ports.metrics.fates.borrow_mut().extend([Fate::Throttled; 40]);
    assert!(world.hear(&told).is_err());
}

#[test]
fn in_a_quiet_hour_the_schedule_reads_ten_days_and_no_more() {
    // One every six hours for thirty days, and all of them counted.
    let many: Vec<Deployment> = (0..120).map(|number| before(number, (1 + 6 * number) * HOUR)).collect();
    let world = World::new(many.iter().cloned().map(Fact::of));
    for deployment in &many {
        world.note(&format!("metrics/{}", deployment.id), json!({"published": 1}));
    }
    world.note(
        "metrics/since/mangaassist/orchestrator",
        json!({"since": BEGIN.minus(720 * HOUR), "looked": BEGIN.minus(HOUR)}),
    );
    let summary = world.hear(&schedule()).unwrap();
    assert_eq!((&summary["looked_at"], &summary["published"]), (&json!(4), &json!(0)));
    // Forty of them in ten days: a page and two batches; and a page of the other group.
    assert_eq!((world.calls("List"), world.calls("BatchGet"), world.calls("Get")), (2, 2, 0));
}

#[test]
fn a_very_large_group_is_caught_up_with_over_the_hours_within_the_bound() {
    // One every ten minutes for ten days, and nobody has counted the last 300; a call takes 300 ms.
    let many: Vec<Deployment> = (0..1440).map(|number| before(number, (5 + 10 * number) * MINUTE)).collect();
    let world = World::new(many.iter().cloned().map(Fact::of));
    world.note("metrics/since/mangaassist/orchestrator", json!({"since": BEGIN.minus(300 * 10 * MINUTE)}));
    world.ports.deployments.takes.set(Duration::from_millis(300));
    let (mut published, mut hours) = (0, 0);
    while published < 300 {
        let (begun, calls) = (world.now(), world.calls(""));
        let summary = world.hear(&schedule()).unwrap();
        let (took, calls) = (world.now().since(begun), world.calls("") - calls);
        assert!(took + Duration::from_secs(10) < LIMIT, "{took:?}");
        // Five a second, and a page of the list for each hundred, twice.
        assert!(calls <= 75 * 5 + 30, "{calls}");
        let new = summary["published"].as_u64().unwrap();
        assert!(new > 0 && summary["left"].as_u64().unwrap() + published + new == 300, "{summary}");
        (published, hours) = (published + new, hours + 1);
        world.wait_until(begun.plus(HOUR));
    }
    assert!((3..30).contains(&hours), "{hours}");
    assert_eq!(world.values("Deployments").len(), 300);
}

#[test]
fn what_cannot_be_read_in_the_time_is_left_and_a_person_hears_of_it_after_hours() {
    let many = (0..300).map(|number| before(number, (5 + 10 * number) * MINUTE));
    let world = World::new(many.map(Fact::of)).settled_in();
    // Half a minute for a call.
    world.ports.deployments.takes.set(Duration::from_secs(30));
    let mut calls = Vec::new();
    for _ in 0..16 {
        let begun = world.now();
        calls.push(world.hear(&schedule()).is_err());
        assert!(world.now().since(begun) < LIMIT, "it was not killed");
        world.wait(HOUR);
    }
    assert!(!calls[0] && calls.contains(&true), "{calls:?}");
    let told = world.hear(&schedule()).or_else(|_| world.hear(&schedule())).map_err(|error| error.to_string());
    assert!(!format!("{told:?}").contains("killed"));
}

#[test]
fn the_next_hour_begins_with_the_group_that_was_left() {
    let other = Deployment { id: id("d-5"), group: other_group(), ..ended(Status::Succeeded) };
    let world = World::new([Fact::of(ended(Status::Succeeded)), Fact::of(other)]);
    // The first one that is tried uses up all of the time.
    world.ports.deployments.takes.set(Duration::from_secs(40));
    let mut first = Vec::new();
    for _ in 0..4 {
        world.ports.deployments.calls.borrow_mut().clear();
        assert_eq!(world.hear(&schedule()).unwrap()["groups_left"], 1);
        first.push(world.ports.deployments.calls.borrow()[0].clone());
        world.wait(HOUR);
    }
    assert!(first[0] != first[1] && first[0] == first[2] && first[1] == first[3], "{first:?}");
}
