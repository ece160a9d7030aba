//! Published once: duplicates side by side, a CloudWatch that throttles, refuses or does not answer, a process that dies, a table that is down.

use serde_json::{Value, json};
use testkit::run_on;

use super::faults::Fate;
use super::world::{Fact, LIMIT, World, changed, schedule};
use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn world(fates: impl IntoIterator<Item = Fate>) -> World {
    let world = World::new([Fact::of(ended(Status::Succeeded))]).settled_in();
    world.ports.metrics.fates.borrow_mut().extend(fates);
    world
}

fn outcome(heard: &anyhow::Result<Value>) -> &str {
    heard.as_ref().unwrap()["outcome"].as_str().unwrap()
}

#[test]
fn two_that_hear_it_at_the_same_moment_publish_it_once() {
    let world = world([]);
    let event = changed("d-1", "SUCCESS");
    let both = futures_util::future::join(world.invoke(&event), world.invoke(&event));
    let (one, other) = run_on(&world.ports.clock, both);
    let mut outcomes = [outcome(&one), outcome(&other)];
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["another invocation is publishing it", "published"]);
    assert_eq!(outcome(&world.hear(&event)), "published before");
    assert_eq!((world.sum("Deployments"), world.ports.metrics.requests.get()), (1.0, 1));
}

#[test]
fn throttling_is_waited_out_and_for_long_only_as_far_as_the_time_goes() {
    let calm = world([Fate::Throttled; 4]);
    assert_eq!(outcome(&calm.hear(&changed("d-1", "SUCCESS"))), "published");
    assert_eq!((calm.sum("Deployments"), calm.ports.metrics.requests.get()), (1.0, 5));
    let busy = world([Fate::Throttled; 100]);
    assert!(busy.hear(&changed("d-1", "SUCCESS")).unwrap_err().to_string().contains("is tried again"));
    assert!(busy.now() < BEGIN.plus(LIMIT) && busy.ports.metrics.requests.get() < 40);
    // It was given back, so the next try need not ask what shows.
    assert_eq!(busy.noted("metrics/d-1"), None);
    busy.ports.metrics.fates.borrow_mut().clear();
    assert_eq!(outcome(&busy.hear(&changed("d-1", "SUCCESS"))), "published");
    assert_eq!((busy.sum("Deployments"), busy.ports.metrics.looks.get()), (1.0, 0));
}

#[test]
fn what_was_refused_is_given_back_at_once() {
    let world = world([Fate::Refused]);
    let error = format!("{:#}", world.hear(&changed("d-1", "SUCCESS")).unwrap_err());
    assert!(error.contains("InvalidParameterValue") && error.contains("`metrics/d-1` was not published"), "{error}");
    assert_eq!((world.ports.metrics.requests.get(), world.noted("metrics/d-1")), (1, None));
    assert_eq!(outcome(&world.hear(&changed("d-1", "SUCCESS"))), "published");
}

#[test]
fn without_an_answer_the_next_look_tells_whether_it_was_taken() {
    // Lost on the way, taken and not heard of, and the two ways to die; how many requests it takes in the end.
    let cases = [(Fate::Lost, 2), (Fate::LostTaken, 1), (Fate::DiesBefore, 2), (Fate::DiesAfter, 1)];
    for (fate, requests) in cases {
        let world = world([fate]);
        assert!(world.hear(&changed("d-1", "SUCCESS")).is_err(), "{fate:?}");
        // Lambda's next tries come after one and two minutes, when CloudWatch need not show it.
        for _ in 0..2 {
            world.wait(MINUTE);
            let heard = world.hear(&changed("d-1", "SUCCESS"));
            assert!(outcome(&heard).starts_with("it may have been published"), "{fate:?}: {heard:?}");
        }
        assert_eq!(
            (world.ports.metrics.looks.get(), world.hear(&schedule()).unwrap()["waiting"].as_u64()),
            (0, Some(1))
        );
        world.wait(HOUR);
        world.hear(&schedule()).unwrap();
        assert_eq!((world.sum("Deployments"), world.ports.metrics.requests.get()), (1.0, requests), "{fate:?}");
        assert_eq!(outcome(&world.hear(&changed("d-1", "SUCCESS"))), "published before");
        assert_eq!(world.ports.metrics.looks.get(), 1);
    }
}

#[test]
fn at_the_worst_it_is_counted_twice_and_never_lost() {
    // Taken, unheard of, and CloudWatch does not show it in time.
    let slow = world([Fate::LostTaken]);
    slow.ports.metrics.shows.set(false);
    assert!(slow.hear(&changed("d-1", "SUCCESS")).is_err());
    slow.wait(HOUR);
    assert_eq!(slow.hear(&schedule()).unwrap()["published"], 1);
    assert_eq!(slow.values("Deployments").len(), 2);
    // Another one ended in the same minute: nobody can tell whose value shows.
    for fate in [Fate::Lost, Fate::LostTaken] {
        let neighbour =
            Deployment { id: id("d-0"), created: Some(BEGIN.minus(20 * MINUTE)), ..ended(Status::Succeeded) };
        let crowded = World::new([Fact::of(ended(Status::Succeeded)), Fact::of(neighbour)]);
        crowded.hear(&changed("d-0", "SUCCESS")).unwrap();
        crowded.ports.metrics.fates.borrow_mut().push_back(fate);
        assert!(crowded.hear(&changed("d-1", "SUCCESS")).is_err());
        crowded.wait(HOUR);
        crowded.hear(&schedule()).unwrap();
        assert_eq!(crowded.values("Deployments").len(), if fate == Fate::Lost { 2 } else { 3 });
    }
}

#[test]
fn an_old_value_is_not_looked_for_before_cloudwatch_must_show_it() {
    // By how old it is when it is sent: for how long it is left alone.
    for (age, hours) in [(4, 3), (30, 52)] {
        let world = world([Fate::LostTaken]);
        world.wait(age * HOUR);
        // Of what has been missing for long a person hears.
        assert_eq!(world.hear(&schedule()).is_err(), age > 6);
        world.wait((hours - 1) * HOUR);
        assert_eq!(world.hear(&schedule()).unwrap()["waiting"], 1);
        world.wait(2 * HOUR);
        assert_eq!(world.hear(&schedule()).unwrap()["waiting"], 0);
        assert_eq!((world.sum("Deployments"), world.ports.metrics.looks.get()), (1.0, 1));
    }
}

#[test]
fn a_table_that_is_down_loses_nothing_and_doubles_nothing() {
    // It fails from the claim on, from the record on, and from giving back on.
    for (writes, fates, requests) in [(0, vec![], 1), (1, vec![], 1), (1, vec![Fate::Refused], 2)] {
        let world = world(fates);
        // The first one begins the group's counting.
        world.ports.ledger.writes_left.set(Some(1 + writes));
        let heard = world.hear(&changed("d-1", "SUCCESS"));
        // What was published is not tried again because it could not be recorded.
        assert_eq!(heard.is_ok(), writes == 1 && requests == 1);
        world.ports.ledger.writes_left.set(None);
        world.wait(HOUR);
        world.hear(&schedule()).unwrap();
        assert_eq!((world.sum("Deployments"), world.ports.metrics.requests.get()), (1.0, requests), "{writes}");
        assert_eq!(world.hear(&schedule()).unwrap()["published"], 0);
    }
}

#[test]
fn a_claim_whose_answer_was_lost_is_known_again() {
    let world = world([]);
    world.ports.ledger.claims_twice.set(true);
    assert_eq!(outcome(&world.hear(&changed("d-1", "SUCCESS"))), "published");
    assert_eq!(outcome(&world.hear(&changed("d-1", "SUCCESS"))), "published before");
}

#[test]
fn what_cloudwatch_takes_no_more_is_recorded_and_not_tried_for_ever() {
    let days = |days: u32| days * 24 * HOUR;
    // A hook that ran six days before the end is too old before the ending is.
    let mut long = ended(Status::Succeeded);
    long.created = Some(BEGIN.minus(days(6)));
    let mut hook = lifecycle("BeforeAllowTraffic", "Succeeded", 0, 0);
    (hook.started, hook.ended) = (long.created, long.created);
    let world = World::new([Fact { events: vec![hook], ..Fact::of(long) }]).settled_in();
    world.wait(days(9));
    assert_eq!(world.hear(&schedule()).unwrap()["published"], 1);
    assert_eq!((world.sum("Deployments"), world.values("HookVerdict").len()), (1.0, 0));
    // The schedule comes at last when the ending itself is too old.
    let world = self::world([]);
    world.wait(Duration::from_hours(14 * 24 - 1));
    let summary = world.hear(&schedule()).unwrap();
    assert_eq!(
        (&summary["looked_at"], &summary["published"], world.ports.metrics.requests.get()),
        (&json!(1), &json!(0), 0)
    );
    assert_eq!(world.noted("metrics/d-1").unwrap()["published"], 0);
    world.wait(days(1));
    assert_eq!(world.hear(&schedule()).unwrap()["looked_at"], 0);
    assert_eq!(outcome(&world.hear(&changed("d-1", "SUCCESS"))), "published before");
}

#[test]
fn what_is_begun_so_late_that_its_fate_would_not_show_in_time_is_not_begun() {
    // Two weeks, less the 52 hours that a value of more than a day may take to show, less two before and after that.
    for (age, requests) in [(281, 0), (279, 1)] {
        let world = world([Fate::LostTaken]);
        world.wait(age * HOUR);
        let begun = world.hear(&schedule());
        assert_eq!((begun.is_err(), world.ports.metrics.requests.get()), (requests == 1, requests), "{begun:?}");
        // What was begun is seen to its end, within the two weeks.
        world.wait(53 * HOUR);
        assert_eq!(world.hear(&schedule()).unwrap()["waiting"], 0);
        assert_eq!((world.ports.metrics.looks.get(), world.ports.metrics.requests.get()), (requests, requests));
        assert!(world.noted("metrics/d-1").unwrap().get("published").is_some());
    }
}
