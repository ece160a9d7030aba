//! What is measured and when, and from which facts. That it is published once is `once`'s, what the schedule looks at is `schedule`'s, and that neither
//! order nor loss of events makes a difference is `property`'s.

mod faults;
mod golden;
mod once;
mod property;
mod schedule;
mod seen;
mod way_back;
mod world;

use std::time::Duration;

use domain::deployment::{
    AppSpec, Deployment, DeploymentError, DeploymentId, GroupName, LifecycleEvent, Platform, Status,
};
use domain::ports::PortError;
use domain::time::Timestamp;
use serde_json::{Value, json};
use testkit::build;
use testkit::fakes::{denied, throttled};

use world::{Fact, World, changed, event, schedule};

/// When the tests begin.
const BEGIN: Timestamp = Timestamp(1_767_603_600_000);
/// A minute.
const MINUTE: Duration = Duration::from_mins(1);

fn id(id: &str) -> DeploymentId {
    DeploymentId(id.to_owned())
}

/// One that was created ten minutes before the beginning and ended at it.
fn ended(status: Status) -> Deployment {
    let began = Some(BEGIN.minus(10 * MINUTE));
    let revision_id = Some("sha256:new".to_owned());
    let (created, started, completed) = (began, began, Some(BEGIN));
    Deployment { status, created, started, completed, revision_id, ..build::deployment() }
}

fn stopped() -> Deployment {
    let error = Some(DeploymentError { code: "MANUAL_STOP".into(), message: String::new() });
    Deployment { error, ..ended(Status::Stopped) }
}

fn lifecycle(name: &str, status: &str, from: u64, to: u64) -> LifecycleEvent {
    let at = |seconds| Some(BEGIN.minus(10 * MINUTE).plus(Duration::from_secs(seconds)));
    LifecycleEvent { name: name.to_owned(), status: status.to_owned(), started: at(from), ended: at(to) }
}

fn other_group() -> GroupName {
    GroupName { deployment_group: "burst-overflow".to_owned(), ..build::group() }
}

fn hear(world: &World, id: &str, state: &str) -> String {
    let heard = world.hear(&changed(id, state)).unwrap();
    heard.get("outcome").or_else(|| heard.get("ignored")).and_then(Value::as_str).unwrap().to_owned()
}

#[test]
fn an_ending_is_measured_at_its_own_time_under_the_three_sets_of_dimensions() {
    let world = World::new([Fact::of(ended(Status::Succeeded))]);
    world.wait(5 * MINUTE);
    assert_eq!(hear(&world, "d-1", "SUCCESS"), "published");
    assert_eq!((world.values("Deployments"), world.values("TotalDurationSeconds")), (vec![1.0], vec![600.0]));
    let taken = world.ports.metrics.taken.borrow();
    assert!(taken.iter().all(|measure| measure.at == BEGIN));
    let sets = taken.iter().filter(|measure| measure.name == "Deployments").map(|measure| measure.dimensions.len());
    assert_eq!((sets.collect::<Vec<_>>(), world.ports.metrics.requests.get()), (vec![3, 1, 0], 1));
}

#[test]
fn what_concerns_nobody_costs_no_call() {
    let world = World::new([Fact::of(ended(Status::Succeeded))]);
    assert_eq!(hear(&world, "d-1", "START"), "it has not ended");
    let other = event("codedeploy-success", &json!({"deploymentGroup": "another-teams"}));
    let ignored = "the configuration names no service with its deployment group";
    assert_eq!(world.hear(&other).unwrap()["ignored"], ignored);
    let ignored = format!("{ignored} or its ECS service");
    for file in ["hook-verdict-failed", "hook-verdict-succeeded", "hook-verdict-of-the-watchdog", "rollback-decision"] {
        assert!(world.hear(&event(file, &json!({}))).unwrap()["ignored"].is_string(), "{file}");
    }
    let elsewhere = json!({"group": {"application": "a", "deployment_group": "b"}});
    assert_eq!(world.hear(&event("traffic-restored", &elsewhere)).unwrap()["ignored"], ignored);
    assert!(world.ports.deployments.calls.borrow().is_empty() && world.ports.ledger.table.0.borrow().is_empty());
}

#[test]
fn the_record_counts_and_not_the_event() {
    // The event says that it failed; the record never does, so nothing is published on the event's word.
    let world = World::new([Fact::of(Deployment { completed: None, ..ended(Status::InProgress) })]);
    assert_eq!(hear(&world, "d-1", "FAILURE"), "its ending is not settled yet; the schedule looks again");
    assert!(world.calls("GetDeployment") <= 10);
    assert_eq!(world.hear(&schedule()).unwrap()["looked_at"], 0);
    assert!(world.ports.metrics.taken.borrow().is_empty());
    // It lags behind its event, and what it says is something else.
    let world = World::new([Fact { lag: Duration::from_secs(8), ..Fact::of(ended(Status::Succeeded)) }]);
    assert_eq!(hear(&world, "d-1", "FAILURE"), "published");
    assert_eq!(world.values("DeploymentSucceeded"), [1.0]);
}

#[test]
fn a_rollback_that_is_linked_late_is_waited_for_and_without_one_thirty_seconds_are_enough() {
    let linked = Deployment { rolled_back_by: Some(id("d-2")), ..stopped() };
    let world = World::new([Fact { linked_after: Duration::from_secs(12), ..Fact::of(linked) }]);
    assert_eq!(hear(&world, "d-1", "STOP"), "published");
    assert_eq!((world.values("RolledBack"), world.values("ChangeFailure")), (vec![1.0], vec![1.0]));
    assert!(world.now() < BEGIN.plus(Duration::from_secs(20)), "as soon as it is linked");
    let world = World::new([Fact::of(stopped())]);
    assert_eq!(hear(&world, "d-1", "STOP"), "published");
    assert_eq!((world.values("RolledBack"), world.values("ChangeFailure")), (vec![0.0], vec![0.0]));
    let waited = world.now().since(BEGIN);
    assert!((30..=35).contains(&waited.as_secs()), "{waited:?}");
    // The schedule does not wait: what is too young is the next one's.
    let world = World::new([Fact::of(stopped())]);
    assert_eq!(world.hear(&schedule()).unwrap()["waiting"], 1);
    world.wait(MINUTE);
    assert_eq!(world.hear(&schedule()).unwrap()["deployments"], json!(["d-1"]));
}

#[test]
fn a_stop_that_greenlight_has_noted_is_no_persons_and_one_that_it_only_began_proves_nothing() {
    let cases = [
        (json!({"stopped": BEGIN, "alarm": "web-5xx"}), "published", vec![1.0]),
        (
            json!({"lease": {"holder": "r", "until": BEGIN}}),
            "its ending is not settled yet; the schedule looks again",
            Vec::new(),
        ),
    ];
    for (noted, outcome, failures) in cases {
        let world = World::new([Fact::of(stopped())]);
        world.note("stop/d-1", noted);
        assert_eq!(hear(&world, "d-1", "STOP"), outcome);
        assert_eq!(world.values("ChangeFailure"), failures);
        // The lease has run out, and nobody completed it.
        world.ports.ledger.table.0.borrow_mut().remove("stop/d-1");
        world.hear(&schedule()).unwrap();
        assert_eq!(world.values("ChangeFailure"), if failures.is_empty() { vec![0.0] } else { failures });
    }
}

#[test]
fn hooks_are_measured_from_the_lifecycle_events_that_have_one() {
    let events = vec![
        lifecycle("BeforeInstall", "Succeeded", 0, 1),
        lifecycle("BeforeAllowTraffic", "Succeeded", 60, 90),
        lifecycle("AllowTraffic", "Succeeded", 91, 200),
        lifecycle("AfterAllowTraffic", "Failed", 200, 207),
    ];
    let fact = |status| Fact { events: events.clone(), ..Fact::of(Deployment { ..ended(status) }) };
    let error = Some(DeploymentError { code: "HOOK_EXECUTION_FAILURE".into(), message: String::new() });
    let mut failed = fact(Status::Failed);
    failed.deployment = Deployment { error, rolled_back_by: Some(id("d-2")), ..failed.deployment };
    let world = World::new([failed.clone()]);
    hear(&world, "d-1", "FAILURE");
    assert_eq!((world.values("HookVerdict"), world.values("HookSeconds")), (vec![1.0, 0.0], vec![30.0, 7.0]));
    // Stopped while the second hook ran: CodeDeploy calls the lifecycle event failed, and the hook has not answered.
    failed.deployment = Deployment { rolled_back_by: Some(id("d-2")), ..stopped() };
    let world = World::new([failed]);
    hear(&world, "d-1", "STOP");
    assert_eq!(world.values("HookVerdict"), [1.0]);
    // Which lifecycle events have hooks is not known.
    let mut unread = fact(Status::Succeeded);
    unread.deployment.app_spec = AppSpec::Elsewhere("S3".into());
    let world = World::new([unread]);
    hear(&world, "d-1", "SUCCESS");
    // All lifecycle events had ended after 207 of the 600 seconds.
    assert_eq!((world.values("HookVerdict"), world.values("DurationSeconds")), (vec![], vec![207.0]));
}

#[test]
fn what_is_not_there_is_absent_and_what_could_not_be_read_is_tried_again() {
    let not_started = PortError::Permanent { what: "x".into(), detail: "DeploymentNotStartedException".into() };
    for (error, is_absent) in [(not_started, true), (throttled(), false), (denied("ListDeploymentTargets"), false)] {
        let world = World::new([Fact::of(ended(Status::Succeeded))]);
        *world.ports.deployments.target_fails.borrow_mut() = Some(error.clone());
        assert_eq!(world.hear(&changed("d-1", "SUCCESS")).is_ok(), is_absent, "{error}");
        assert_eq!(world.values("Deployments").len(), usize::from(is_absent));
        world.hear(&changed("d-1", "SUCCESS")).unwrap();
        assert_eq!(world.values("Deployments"), [1.0]);
    }
}

#[test]
fn the_commits_time_is_the_descriptions_and_else_the_task_definitions() {
    let (tag, older) = (BEGIN.minus(60 * MINUTE), BEGIN.minus(120 * MINUTE));
    let described = Deployment { description: format!("commit_time={older}"), ..ended(Status::Succeeded) };
    let lambda = Deployment { platform: Some(Platform::Lambda), ..ended(Status::Succeeded) };
    let cases = [
        (described, vec![7200.0]),
        (ended(Status::Succeeded), vec![3600.0]),
        (lambda, vec![]),
        (Deployment { rolled_back_by: Some(id("d-2")), ..ended(Status::Failed) }, vec![]),
    ];
    for (deployment, expected) in cases {
        let world = World::new([Fact::of(deployment)]);
        world.ports.tags.0.borrow_mut().push((dora::COMMIT_TIME_TAG.to_owned(), tag.to_string()));
        hear(&world, "d-1", "SUCCESS");
        assert_eq!(world.values("LeadTimeSeconds"), expected);
    }
    let world = World::new([Fact::of(ended(Status::Succeeded))]);
    hear(&world, "d-1", "SUCCESS");
    assert!(world.values("LeadTimeSeconds").is_empty(), "never guessed");
}

/// `d-1` had succeeded, and was taken back by a deployment of Greenlight's own an hour later.
fn taken_back() -> [Fact; 2] {
    let at = |minutes| Some(BEGIN.plus(minutes * MINUTE));
    let back = Deployment {
        id: id("d-3"),
        description: "greenlight_rolls_back=d-1".to_owned(),
        rolls_back: Some(id("d-1")),
        created: at(60),
        started: at(60),
        completed: at(62),
        revision_id: Some("sha256:old".to_owned()),
        ..ended(Status::Succeeded)
    };
    [Fact::of(ended(Status::Succeeded)), Fact::of(back)]
}

#[test]
fn what_greenlight_takes_back_is_one_deployment_and_one_change_failure_whatever_is_heard_and_when() {
    for heard in [vec!["d-1", "d-3"], vec!["d-3", "d-1", "d-3"], vec!["d-3"], vec![]] {
        let world = World::new(taken_back());
        world.wait(70 * MINUTE);
        for id in &heard {
            hear(&world, id, "SUCCESS");
        }
        world.hear(&schedule()).unwrap();
        let names = ["Deployments", "DeploymentSucceeded", "ChangeFailure", "RolledBack", "Changes"];
        assert_eq!(names.map(|name| world.sum(name)).to_vec(), vec![1.0; 5], "{heard:?}");
        assert_eq!(world.values("FailedDeploymentRecoverySeconds"), [120.0], "{heard:?}");
        assert_eq!(world.hear(&schedule()).unwrap()["published"], 0);
    }
}

#[test]
fn a_description_is_believed_of_what_had_succeeded_before_and_of_nothing_else() {
    // Whoever takes a deployment back by hand says so, and the table knows nothing of it.
    let world = World::new(taken_back());
    world.wait(70 * MINUTE);
    world.hear(&schedule()).unwrap();
    assert_eq!(["Deployments", "ChangeFailure", "RolledBack"].map(|name| world.sum(name)).to_vec(), vec![1.0; 3]);
    // To claim it of one that had failed, or of none, would be a way not to be counted.
    for (named, of) in [("d-1", ended(Status::Failed)), ("d-X", ended(Status::Succeeded))] {
        let [_, mut back] = taken_back();
        back.deployment.rolls_back = Some(id(named));
        back.deployment.description = format!("greenlight_rolls_back={named}");
        let failures = f64::from(u8::from(of.status == Status::Failed));
        let world = World::new([Fact::of(of), back]);
        world.wait(70 * MINUTE);
        world.hear(&schedule()).unwrap();
        assert_eq!(
            (world.sum("Deployments"), world.sum("ChangeFailure"), world.sum("RolledBack")),
            (2.0, failures, 0.0)
        );
    }
}

#[test]
fn the_way_back_is_measured_once_by_its_event_or_from_what_alarm_rollback_left() {
    let told = event("traffic-restored", &json!({"deployment_id": "d-1", "at": BEGIN, "seconds_since_alarm": 31.5}));
    let rolled_back = Deployment { rolled_back_by: Some(id("d-2")), ..stopped() };
    for heard in [0, 2] {
        let world = World::new([Fact::of(rolled_back.clone())]);
        world.note("ending/d-1/restored", json!({"told": BEGIN, "detail": told["detail"]}));
        world.hear(&event("traffic-not-restored", &json!({"deployment_id": "d-1"}))).unwrap();
        for _ in 0..heard {
            world.hear(&told).unwrap();
        }
        let found = world.hear(&schedule()).unwrap();
        assert_eq!((world.values("RollbackSeconds"), &found["restored"]), (vec![31.5], &json!(u8::from(heard == 0))));
        assert_eq!(world.hear(&schedule()).unwrap()["restored"], 0);
    }
    // What an older version left has no detail.
    let world = World::new([Fact::of(rolled_back)]);
    world.note("ending/d-1/restored", json!({"told": BEGIN}));
    assert_eq!(world.hear(&schedule()).unwrap()["restored"], 0);
}
