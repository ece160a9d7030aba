//! How an answer reaches CodeDeploy, and what is told of it.

use super::*;

#[test]
fn a_report_that_is_throttled_twice_is_taken_at_the_third_try() {
    let mut scene = scene();
    scene.codedeploy.reports = Script::of([Err(throttled()), Err(throttled()), Ok(Reported::Accepted)]);
    assert_eq!(scene.answer(fine).unwrap()["reported"], json!(true));
    assert_eq!(scene.codedeploy.verdicts(), [Verdict::Succeeded; 3]);
    assert_eq!(scene.bus.verdicts().len(), 1);
}

#[test]
fn a_report_that_is_always_throttled_ends_before_the_deadline_and_is_left_to_the_watchdog() {
    let mut scene = Scene { milliseconds: 10_000, ..scene() };
    scene.codedeploy.reports = Script::failing(throttled());
    let (answered, took) = scene.timed(fine);
    let error = answered.unwrap_err();
    assert!(took > Duration::from_secs(8) && took < Duration::from_secs(10), "{took:?}");
    let Unanswered::NotReported { error: cause, .. } = &error else { panic!("{error}") };
    assert!(cause.is_transient(), "{error}");
    let handover = handover::Handover::find(&error.to_string()).unwrap();
    assert_eq!((handover.verdict, handover.reason.as_str()), (Verdict::Succeeded, "fine"));
    // After 0.2, 0.6, 1.4 and 3 s, and then every other second.
    assert_eq!(scene.codedeploy.verdicts().len(), 8);
    let told = scene.bus.verdicts();
    assert_eq!((told.len(), told[0].reported), (1, false));
}

#[test]
fn a_report_is_tried_for_as_long_as_there_is_time() {
    let mut scene = Scene { milliseconds: 300_000, ..scene() };
    let throttled = std::iter::repeat_n(Err(throttled()), 140);
    scene.codedeploy.reports = Script::of(throttled.chain([Ok(Reported::Accepted)]));
    let (answered, took) = scene.timed(fine);
    assert_eq!(answered.unwrap()["reported"], json!(true));
    assert!(took > Duration::from_secs(270), "{took:?}");
    assert!(scene.bus.verdicts()[0].reported);
}

/// CodeDeploy has its answer already; the events of the target as the hook first sees them, and as they are after its report.
fn answered_already(before: &str, after: &str, status: Status) -> Scene {
    let mut scene = scene();
    scene.codedeploy.reports = Script::always(Reported::AlreadyCompleted);
    let target = |status: &str| {
        let mut target = build::ecs_target(before);
        target.lifecycle_events[0].status = status.to_owned();
        Ok(Target::Ecs(target))
    };
    scene.codedeploy.targets = Script::of([target("InProgress"), target(after)]);
    let record = |status| Ok(Deployment { status, ..build::deployment() });
    scene.codedeploy.deployments = Script::of([record(Status::InProgress), record(status)]);
    scene
}

#[test]
fn a_verdict_that_codedeploy_has_is_told_and_one_that_it_did_not_take_is_not() {
    let config = build::config(CONFIG);
    let cases = [
        // The report only seemed to be lost.
        ("BeforeAllowTraffic", "Succeeded", Status::InProgress, Verdict::Succeeded, true),
        ("BeforeAllowTraffic", "Failed", Status::Failed, Verdict::Failed, true),
        ("BeforeAllowTraffic", "Failed", Status::InProgress, Verdict::Failed, true),
        // A person or an alarm has stopped the deployment, whatever AWS then calls the event.
        ("BeforeAllowTraffic", "Failed", Status::Stopped, Verdict::Succeeded, false),
        ("BeforeAllowTraffic", "Failed", Status::Stopped, Verdict::Failed, false),
        ("BeforeAllowTraffic", "Skipped", Status::Stopped, Verdict::Failed, false),
        // Another invocation has answered otherwise.
        ("BeforeAllowTraffic", "Succeeded", Status::InProgress, Verdict::Failed, false),
        // A duplicate that came after the answer.
        ("AllowTraffic", "Succeeded", Status::InProgress, Verdict::Succeeded, false),
    ];
    for (event, after, status, verdict, told) in cases {
        let scene = answered_already(event, after, status.clone());
        let config = if verdict == Verdict::Succeeded { Ok(&config) } else { Err("broken".to_owned()) };
        let summary = scene.gathered(config).unwrap();
        assert_eq!(scene.codedeploy.verdicts(), [verdict]);
        let seen = (&summary["reported"], scene.bus.verdicts().len());
        assert_eq!(seen, (&json!(told), usize::from(told)), "{event} {after} {status:?} {verdict}");
    }
}

#[test]
fn a_verdict_is_not_told_when_what_codedeploy_has_cannot_be_read() {
    let mut scene = answered_already("BeforeAllowTraffic", "Succeeded", Status::InProgress);
    let before = Target::Ecs(build::ecs_target("BeforeAllowTraffic"));
    scene.codedeploy.targets = Script::of([Ok(before), Err(throttled())]);
    let config = build::config(CONFIG);
    assert_eq!(scene.gathered(Ok(&config)).unwrap()["reported"], json!(false));
    assert!(scene.bus.verdicts().is_empty());
}

#[test]
fn an_event_bus_that_throttles_is_tried_again() {
    let mut scene = scene();
    scene.bus.answers = Script::of([Err(throttled()), Ok(())]);
    scene.answer(fine).unwrap();
    assert_eq!(scene.bus.verdicts().len(), 2, "the fake keeps what was tried");
}

#[test]
fn an_event_bus_that_is_down_changes_nothing() {
    let mut scene = scene();
    scene.bus.answers = Script::failing(denied("`PutEvents`"));
    assert_eq!(scene.answer(fine).unwrap()["verdict"], json!("Succeeded"));
    assert_eq!(scene.codedeploy.verdicts(), [Verdict::Succeeded]);
}
