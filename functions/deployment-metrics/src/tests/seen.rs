//! How far back is looked, what is remembered for how long, and what is waited for.

use super::world::{Fact, World, schedule};
use super::*;

const DAY: Duration = Duration::from_hours(24);

/// Another deployment of the group that ended so long after the beginning, having brought that revision.
fn another(name: &str, days: i64, status: Status, revision: &str) -> Deployment {
    let ended_at = Timestamp(BEGIN.0 + days * 86_400_000);
    let began = Some(ended_at.minus(10 * MINUTE));
    let (created, started, completed) = (began, began, Some(ended_at));
    let revision_id = Some(revision.to_owned());
    Deployment { id: id(name), status, created, started, completed, revision_id, ..build::deployment() }
}

#[test]
fn thirty_days_of_the_group_are_known_and_no_more_whoever_asks() {
    // The same revision once more: within thirty days it is known to be in production, after them it is not.
    for (days, changes) in [(10, 0.0), (29, 0.0), (31, 1.0), (35, 1.0)] {
        let history = [
            another("d-0", 0, Status::Succeeded, "sha256:good"),
            another("d-5", days - 6, Status::Failed, "sha256:bad"),
            another("d-9", days, Status::Succeeded, "sha256:good"),
        ];
        let begun = || {
            let world = World::new(history.clone().map(Fact::of));
            world.hear(&schedule()).unwrap();
            world.wait_until(history[2].completed.unwrap().plus(MINUTE));
            world
        };
        let by_event = begun();
        assert_eq!(hear(&by_event, "d-9", "SUCCESS"), "published");
        // The schedule has an older one to publish, too, for which it reads further back.
        let by_schedule = begun();
        assert_eq!(by_schedule.hear(&schedule()).unwrap()["deployments"], json!(["d-5", "d-9"]));
        for world in [by_event, by_schedule] {
            assert_eq!(world.values("Changes").last(), Some(&changes), "after {days} days");
        }
    }
}

#[test]
fn what_was_published_is_remembered_as_long_as_anybody_looks_back() {
    // The second one is taken, and CloudWatch does not say so.
    for (fate, looks) in [(None, 0), (Some(faults::Fate::LostTaken), 1)] {
        let world = World::new([Fact::of(ended(Status::Succeeded))]);
        world.ports.metrics.fates.borrow_mut().extend(fate);
        assert_eq!(world.hear(&schedule()).is_ok_and(|told| told["published"] == 1), fate.is_none());
        for hours in [2, 20, 5 * 24, 6 * 24] {
            world.wait(Duration::from_hours(hours));
            assert_eq!(world.hear(&schedule()).unwrap()["published"], 0, "{fate:?}");
        }
        assert_eq!((world.sum("Deployments"), world.ports.metrics.looks.get()), (1.0, looks));
    }
}

#[test]
fn a_stop_that_greenlight_only_began_makes_no_failure_for_those_after_it() {
    let person = Deployment { error: stopped().error, ..another("d-0", 0, Status::Stopped, "sha256:bad") };
    let next = another("d-9", 1, Status::Succeeded, "sha256:better");
    let cases = [
        (json!({"lease": {"holder": "r", "until": BEGIN}}), 0.0, vec![]),
        (json!({"stopped": BEGIN, "alarm": "web-5xx"}), 1.0, vec![86_400.0]),
    ];
    for (noted, rework, recovery) in cases {
        let world = World::new([Fact::of(person.clone()), Fact::of(next.clone())]);
        world.note("stop/d-0", noted);
        world.wait_until(BEGIN.plus(DAY));
        assert_eq!(hear(&world, "d-9", "SUCCESS"), "published");
        assert_eq!((world.sum("Rework"), world.values("FailedDeploymentRecoverySeconds")), (rework, recovery));
    }
}

#[test]
fn an_app_spec_that_could_not_be_read_may_be_the_next_time() {
    let hook = lifecycle("BeforeAllowTraffic", "Succeeded", 60, 90);
    let fact = Fact { events: vec![hook], ..Fact::of(ended(Status::Succeeded)) };
    // It is read at the third try, or never; then the deployment counts all the same.
    for (times, verdicts) in [(2, vec![1.0]), (100, vec![])] {
        let world = World::new([fact.clone()]);
        world.ports.deployments.unreadable.set(times);
        assert_eq!(hear(&world, "d-1", "SUCCESS"), "published");
        assert_eq!((world.values("HookVerdict"), world.values("Deployments")), (verdicts, vec![1.0]));
        assert!(world.calls("GetDeployment") <= 10);
    }
}

#[test]
fn the_schedule_lets_the_hooks_have_their_share_of_codedeploys_calls() {
    let many = (0..30).map(|number: u32| {
        let at = Some(BEGIN.plus((1 + number) * 10 * MINUTE));
        let (created, started, completed) = (at, at, at.map(|at| at.plus(MINUTE)));
        let one = ended(Status::Succeeded);
        Fact::of(Deployment { id: id(&format!("d-{number:03}")), created, started, completed, ..one })
    });
    let world = World::new(many);
    world.hear(&schedule()).unwrap();
    world.wait(400 * MINUTE);
    let (before, began) = (world.calls(""), world.now());
    assert_eq!(world.hear(&schedule()).unwrap()["published"], 30);
    let (calls, took) = (world.calls("") - before, world.now().since(began));
    // The requests to CloudWatch alone take three seconds; then it would be twenty a second.
    assert!(calls as f64 <= 5.0 * took.as_secs_f64(), "{calls} in {took:?}");
}
