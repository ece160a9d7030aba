//! Whole invocations, and what comes of a stop in two minutes, in more, and over several invocations.

use domain::deployment::{EcsTarget, LambdaTarget, LifecycleEvent, Status, Target};
use domain::events::TrafficRestored;
use domain::ports::Ledger;
use testkit::build::{ecs_target, lambda_target};

use crate::play::{Plan, Play};

mod across;
mod looks;

fn ecs() -> Target {
    Target::Ecs(EcsTarget { lifecycle_events: Vec::new(), ..ecs_target("AllowTraffic") })
}

fn lambda(weight: Option<f64>) -> Target {
    let Target::Lambda(target) = lambda_target("AllowTraffic") else { panic!("a Lambda target") };
    Target::Lambda(LambdaTarget { target_version_weight: weight, ..target })
}

fn seconds(seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(seconds)
}

/// One alarm and its invocation, to the end.
fn alarm(plan: Plan) -> Play {
    let play = Play::of(plan);
    play.run(async {
        play.wait(60).await;
        play.invoke("r-1", play.alarm("errors", "ALARM")).await.unwrap();
    });
    play
}

/// The one ending, with `seconds_since_event` in tenths.
#[track_caller]
fn the_ending(play: &Play) -> (bool, String, f64) {
    let [ending] = play.endings().try_into().unwrap();
    (ending.restored, ending.observed, (ending.seconds_since_event * 10.0).round() / 10.0)
}

#[test]
fn the_seconds_are_those_of_codedeploys_record_however_late_it_is_seen() {
    for after in [0, 7, 40, 58, 101, 119] {
        let play = alarm(Plan::back_after(after));
        let (restored, observed, took) = the_ending(&play);
        assert!(restored, "{after} s: {observed}");
        assert_eq!(observed, "the rollback `d-1-back` has succeeded");
        assert!((took - after as f64).abs() < 0.01, "{took} s told, {after} s true");
        assert!(play.open().is_empty());
    }
}

#[test]
fn the_weights_tell_before_the_rollback_has_ended_and_a_look_is_never_far() {
    for (after, target) in [(0, ecs()), (23, ecs()), (44, lambda(Some(0.1))), (90, ecs()), (119, lambda(Some(0.1)))] {
        let play =
            alarm(Plan { weights: Some(seconds(after)), target: Some(target), ends: None, ..Plan::back_after(0) });
        let (restored, observed, took) = the_ending(&play);
        assert!(restored, "{after} s: {observed}");
        assert_eq!(observed, "all production traffic is on the old version");
        let most = if after < 30 { 5.0 } else { 15.0 };
        assert!((0.0..=most).contains(&(took - after as f64)), "{took} s told, {after} s true");
    }
}

#[test]
fn after_two_minutes_people_are_told_and_the_pursuit_stays_open() {
    let play = alarm(Plan { target: Some(ecs()), ..Plan::back_after(600) });
    let (restored, observed, took) = the_ending(&play);
    assert!(!restored);
    assert_eq!(
        observed,
        "after 2 min, the rollback `d-1-back` is `InProgress`; 50 % of production traffic is on the new version"
    );
    assert_eq!((took, play.open()), (120.0, vec!["d-1".to_owned()]));
}

#[test]
fn a_rollback_that_fails_or_is_stopped_is_told_at_once() {
    let cases = [
        (Status::Failed, "the rollback `d-1-back` is `Failed`: ECS_UPDATE_ERROR no capacity"),
        (Status::Stopped, "the rollback `d-1-back` is `Stopped`"),
    ];
    for (status, words) in cases {
        let play = alarm(Plan { ends: Some((seconds(12), status)), target: Some(ecs()), ..Plan::back_after(0) });
        let (restored, observed, took) = the_ending(&play);
        assert!(!restored);
        assert_eq!(observed, format!("{words}; 50 % of production traffic is on the new version"));
        assert!((12.0..=17.0).contains(&took), "{took}");
        assert_eq!(play.open(), ["d-1"], "a person may still bring it back");
    }
}

#[test]
fn a_rollback_that_never_starts_is_not_taken_for_one_that_succeeded() {
    let play = alarm(Plan { rollback: None, ..Plan::back_after(5) });
    assert_eq!(
        the_ending(&play),
        (false, "after 2 min, `d-1` is `Stopped` and no rollback of it has started".to_owned(), 120.0)
    );
}

#[test]
fn what_is_not_told_is_not_restored() {
    // No target, a Lambda target without a weight, and task sets without labels after a shift that was broken off.
    let unlabelled = match ecs() {
        Target::Ecs(mut target) => {
            target.task_sets.iter_mut().for_each(|set| set.label = None);
            let broken_off = LifecycleEvent::undated("AllowTraffic", "Failed");
            target.lifecycle_events.push(broken_off);
            Target::Ecs(target)
        }
        other @ Target::Lambda(_) => other,
    };
    for target in [None, Some(lambda(None)), Some(unlabelled)] {
        let play = alarm(Plan { weights: Some(seconds(0)), target, ends: None, ..Plan::back_after(0) });
        let (restored, observed, _) = the_ending(&play);
        assert!(!restored);
        assert_eq!(observed, "after 2 min, the rollback `d-1-back` is `InProgress`");
    }
}

#[test]
fn throttled_looks_become_rarer_and_cost_no_accuracy() {
    let play = Play::of(Plan::back_after(33));
    play.run(async {
        play.wait(60).await;
        let payload = play.alarm("errors", "ALARM");
        // Everything up to the stop is let through.
        let stopped = async {
            play.wait(1).await;
            play.throttled_until.set(play.begin.plus(seconds(60 + 55)));
        };
        let (done, ()) = futures_util::future::join(play.invoke("r-1", payload), stopped).await;
        done.unwrap();
    });
    let (restored, _, took) = the_ending(&play);
    assert!(restored);
    assert!((took - 33.0).abs() < 0.01, "{took}");
    assert!(play.gets.borrow().len() <= 9, "{:?}", play.gets.borrow());
}

#[test]
fn two_minutes_of_following_cost_few_calls() {
    let play = alarm(Plan::back_after(600));
    let gets = play.gets.borrow();
    let in_any_minute =
        gets.iter().map(|from| gets.iter().filter(|at| at.0 >= from.0 && at.0 < from.0 + 60_000).count());
    assert!(in_any_minute.max().unwrap() <= 13, "{gets:?}");
}

#[test]
fn shortly_before_the_deadline_it_is_told_as_after_two_minutes() {
    let play = Play::of(Plan::back_after(41));
    play.run(async {
        play.invoke_for("r-1", play.alarm("errors", "ALARM"), seconds(30)).await.unwrap();
        let (restored, observed, took) = the_ending(&play);
        assert_eq!((restored, took), (false, 25.0));
        assert_eq!(observed, "after 25 s, the rollback `d-1-back` is `InProgress`");
        play.wait(20).await;
        play.invoke("r-2", play.changed("d-1-back", "SUCCESS")).await.unwrap();
    });
    let last = play.endings().pop().unwrap();
    assert_eq!((last.restored, last.seconds_since_event.round()), (true, 41.0));
}

#[test]
fn clocks_that_disagree_give_no_negative_seconds() {
    let play = Play::of(Plan::back_after(3));
    play.run(async {
        let ahead = play.clock.now().plus(seconds(60));
        play.invoke("r-1", play.alarm_at("errors", "ALARM", ahead)).await.unwrap();
    });
    let [ending] = play.endings().try_into().unwrap();
    assert_eq!((ending.restored, ending.seconds_since_alarm, ending.seconds_since_event), (true, Some(0.0), 3.0));
}

#[test]
fn what_was_told_stays_in_the_table_for_those_who_did_not_hear_it() {
    let play = alarm(Plan::back_after(33));
    let [ending] = play.endings().try_into().unwrap();
    let left = play.run(play.table().table.read("ending/d-1/restored")).unwrap().unwrap();
    assert_eq!(serde_json::from_value::<TrafficRestored>(left["detail"].clone()).unwrap(), ending);
}
