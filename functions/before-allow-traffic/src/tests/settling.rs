//! Tests of how long the facts are waited for, in virtual time.

use domain::alarm::{AlarmReading, AlarmState};
use domain::ports::ProvisionedConcurrency;

use super::*;

/// The hook on a deployment whose target comes out like this, with only the facts looked at: the verdict, what was said of the
/// tasks, and how long it took in virtual time.
fn settling(running: &[i64], seconds: u64) -> (Value, String, Duration) {
    let clock = testkit::clock();
    let mut function = function("http://unused", "");
    function.ports.http = HttpClient::new(clock.clone());
    let target = |running: &i64| {
        let mut target = build::ecs_target("BeforeAllowTraffic");
        let set = target.task_sets.iter_mut().find(|set| set.label == Some(TaskSetLabel::Green)).unwrap();
        (set.running, set.pending) = (*running, 2 - *running);
        Ok(Target::Ecs(target))
    };
    function.ports.codedeploy.targets = Script::of(running.iter().map(target));
    let arrived = clock.now();
    let deadline = arrived.plus(Duration::from_secs(seconds));
    let invocation = Invocation {
        payload: build::hook_payload(),
        request_id: "r".to_owned(),
        function_arn: String::new(),
        arrived,
        deadline,
    };
    let summary = testkit::run_on(&clock, handle(&function, &invocation)).unwrap();
    let verdict = function.ports.outbox.verdicts().remove(0);
    (summary["verdict"].clone(), verdict.findings[0].observed.clone(), clock.now().since(arrived))
}

#[test]
fn tasks_that_are_still_starting_are_waited_for() {
    let (verdict, seen, took) = settling(&[0, 1, 1, 2], 300);
    assert_eq!((verdict, seen.as_str()), (json!("Succeeded"), "2 of 2 tasks running, 0 pending"));
    assert_eq!(took, 3 * LOOK_AGAIN);
}

#[test]
fn tasks_that_never_run_are_given_up_when_there_is_only_time_for_the_answer() {
    let (verdict, seen, took) = settling(&[1], 300);
    assert_eq!((verdict, seen.as_str()), (json!("Failed"), "1 of 2 tasks running, 1 pending"));
    // 300 s leave 294.5 s for the work, and one look is kept of them.
    let work = Duration::from_millis(294_500);
    assert!(took + ONE_LOOK < work && took + ONE_LOOK + LOOK_AGAIN >= work, "{took:?}");
}

/// The whole hook in virtual time, with checks that nobody answers.
fn with_checks(change: impl Fn(&mut Fakes)) -> (Vec<Finding>, Duration) {
    let clock = testkit::clock();
    let mut function = function("http://127.0.0.1:1", CHECKS);
    function.ports.http = HttpClient::new(clock.clone());
    change(&mut function);
    let arrived = clock.now();
    let deadline = arrived.plus(Duration::from_mins(5));
    let invocation = Invocation {
        payload: build::hook_payload(),
        request_id: "r".to_owned(),
        function_arn: String::new(),
        arrived,
        deadline,
    };
    testkit::run_on(&clock, handle(&function, &invocation)).unwrap();
    (function.ports.outbox.verdicts().remove(0).findings, clock.now().since(arrived))
}

/// When half of the 294.5 s is over that 300 s leave for the work, give or take a look.
fn is_half(took: Duration) -> bool {
    let half = Duration::from_millis(294_500 / 2);
    took < half && took + LOOK_AGAIN >= half
}

#[test]
fn half_of_the_time_is_kept_for_the_checks() {
    let (findings, took) = with_checks(|function| {
        function.ports.balancer.health = Script::always(vec![target_health("a", "initial", None)]);
    });
    assert!(is_half(took), "{took:?}");
    assert_eq!((findings[1].name.as_str(), findings[1].outcome), ("targets_healthy", Outcome::Inconclusive));
    assert_eq!((findings[4].name.as_str(), findings[4].outcome), ("health", Outcome::Fail));
}

#[test]
fn the_checks_wait_for_targets_that_are_only_being_registered_or_slow_to_boot() {
    let (findings, took) = with_checks(|function| {
        let states = ["initial", "unhealthy", "healthy"];
        function.ports.balancer.health = Script::of(states.map(|state| Ok(vec![target_health("a", state, None)])));
    });
    assert_eq!(took, 2 * LOOK_AGAIN);
    assert_eq!(findings[1].outcome, Outcome::Pass);
}

#[test]
fn a_listener_that_does_not_show_its_change_at_once_is_looked_at_again() {
    let (findings, took) = with_checks(|function| {
        function.ports.balancer.actions = Script::of([Ok(leads_to("blue-tg")), Ok(leads_to("green-tg"))]);
    });
    assert_eq!(took, LOOK_AGAIN);
    assert_eq!((findings[3].name.as_str(), findings[3].outcome), ("test_listener_routed", Outcome::Pass));
    assert!(!findings[4].observed.starts_with("not sent"), "{:?}", findings[4]);
}

#[test]
fn a_fact_that_has_failed_for_good_ends_the_waiting_and_the_checks_are_sent_all_the_same() {
    let (findings, took) = with_checks(|function| {
        let mut gone = task("c");
        (gone.status, gone.stopped_reason) =
            ("STOPPED".to_owned(), Some("Essential container in task exited".to_owned()));
        function.ports.tasks.tasks = Script::always(vec![task("a"), task("b"), gone]);
        let states = ["initial", "healthy"];
        function.ports.balancer.health = Script::of(states.map(|state| Ok(vec![target_health("a", state, None)])));
    });
    assert_eq!(took, Duration::ZERO);
    assert_eq!((findings[0].outcome, findings[1].outcome), (Outcome::Fail, Outcome::Pass), "the last state is told");
    assert!(!findings[4].observed.starts_with("not sent"), "{:?}", findings[4]);
}

#[test]
fn a_red_alarm_does_not_send_the_checks_to_a_fleet_that_is_not_up() {
    let looked = |checks: &str| {
        let clock = testkit::clock();
        let more = format!("    alarms: [{{ name: red, action: rollback }}]\n{checks}");
        let mut function = function("http://127.0.0.1:1", &more);
        function.ports.http = HttpClient::new(clock.clone());
        let (name, reason) = ("red".to_owned(), "why".to_owned());
        let red = AlarmReading { name, state: AlarmState::Alarm, reason, since: None };
        function.ports.alarms.readings = Script::always(vec![red]);
        let states = ["initial", "initial", "healthy"];
        function.ports.balancer.health = Script::of(states.map(|state| Ok(vec![target_health("a", state, None)])));
        let arrived = clock.now();
        let deadline = arrived.plus(Duration::from_mins(5));
        let invocation = Invocation {
            payload: build::hook_payload(),
            request_id: "r".to_owned(),
            function_arn: String::new(),
            arrived,
            deadline,
        };
        testkit::run_on(&clock, handle(&function, &invocation)).unwrap();
        clock.now().since(arrived)
    };
    assert_eq!(looked(CHECKS), 2 * LOOK_AGAIN);
    assert_eq!(looked(""), Duration::ZERO, "without checks nothing can change the verdict any more");
}

#[test]
fn an_invocation_waits_for_the_version_and_not_for_its_provisioned_concurrency() {
    let invoke = "
    before_allow_traffic: { checks: [{ name: answers, invoke: { payload: 1 } }] }
";
    let clock = testkit::clock();
    let mut function = function("http://unused", invoke);
    function.ports.http = HttpClient::new(clock.clone());
    function.ports.codedeploy =
        CodeDeploy::with(build::lambda_deployment(), build::lambda_target("BeforeAllowTraffic"));
    let state = |state: &str| VersionState { state: state.into(), last_update: "Successful".into(), reason: None };
    let preparing = |status: &str| {
        let status = status.to_owned();
        Ok(Some(ProvisionedConcurrency { status, reason: None, requested: 5, available: 0 }))
    };
    function.ports.versions = Lambda {
        states: Script::of([Ok(state("Pending")), Ok(state("Active"))]),
        aliases: Script::always(build::alias()),
        provisioned: Script::of(["IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS", "READY"].map(preparing)),
        answers: Script::always(Invoked { payload: "1".into(), function_error: None }),
        ..Lambda::default()
    };
    let arrived = clock.now();
    let deadline = arrived.plus(Duration::from_mins(5));
    let invocation = Invocation {
        payload: build::hook_payload(),
        request_id: "r".to_owned(),
        function_arn: String::new(),
        arrived,
        deadline,
    };
    let summary = testkit::run_on(&clock, handle(&function, &invocation)).unwrap();
    assert_eq!((&summary["verdict"], clock.now().since(arrived)), (&json!("Succeeded"), 3 * LOOK_AGAIN), "{summary}");
    assert_eq!(function.ports.versions.invoked.borrow().len(), 1);
}

#[test]
fn a_budget_that_is_too_short_to_wait_is_answered_with_what_is_seen() {
    let (verdict, seen, took) = settling(&[1, 2], 16);
    assert_eq!((verdict, seen.as_str()), (json!("Succeeded"), "2 of 2 tasks running, 0 pending"));
    assert_eq!(took, LOOK_AGAIN);
    let (verdict, seen, took) = settling(&[1, 2], 14);
    assert_eq!((verdict, seen.as_str()), (json!("Failed"), "1 of 2 tasks running, 1 pending"));
    assert_eq!(took, Duration::ZERO);
}
