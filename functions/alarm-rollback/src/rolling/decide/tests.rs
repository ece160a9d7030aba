//! The decision table for rolling deployments, row by row.

use domain::rolling::{Part, Rollout};
use domain::time::Timestamp;

use super::*;
use crate::rolling::fakes::{arn, config, name, one, past, quiet, service, under_way};
use crate::samples::{alarm, minutes};

/// The alarm has been red since six minutes after the beginning; a minute later it is decided.
fn facts<'a>(service: &'a RollingService, history: Option<&'a [Past]>) -> Facts<'a> {
    Facts { service, takes_back: None, history, rollbacks: 0, now: minutes(7) }
}

fn ruling(more: &str, action: AlarmAction, facts: &Facts<'_>) -> Ruling {
    decide(&alarm("orchestrator-http-5xx"), &config(more).services[0], action, facts)
}

const LATE: &str = "    late_rollback: { window: 30m }\n";
const ROLLBACK: AlarmAction = AlarmAction::Rollback;

#[track_caller]
fn check(ruling: &Ruling, decision: Decision, page: bool, words: &str) {
    assert_eq!((ruling.decision, ruling.page), (decision, page), "{ruling:?}");
    assert!(ruling.reason.contains(words), "{}", ruling.reason);
    assert!(!ruling.next_step.is_empty());
    assert_eq!(ruling.returns.is_some(), decision != Decision::Alert, "{ruling:?}");
}

#[test]
fn r1_a_service_that_is_gone_is_told_with_what_to_correct() {
    let config = config("");
    let transition = alarm("orchestrator-http-5xx");
    let gone = missing(&transition, &config.services[0], &name(), "was not found");
    check(&gone, Decision::Alert, false, "the ECS service `main/orchestrator` of `orchestrator` was not found");
    assert!(gone.next_step.contains("correct `ecs`"));
    let deleted = RollingService { status: "INACTIVE".to_owned(), ..service(Vec::new()) };
    check(&ruling("", ROLLBACK, &facts(&deleted, None)), Decision::Alert, false, "is `INACTIVE`");
}

#[test]
fn r2_and_r3_what_others_deploy_is_left_to_them() {
    let with = |controller: Controller, strategy: &str| {
        let seen = RollingService { controller, strategy: strategy.to_owned(), ..under_way() };
        ruling("", ROLLBACK, &facts(&seen, None))
    };
    let codedeploy = with(Controller::CodeDeploy, "ROLLING");
    check(&codedeploy, Decision::Alert, false, "CodeDeploy deploys `main/orchestrator`");
    assert!(codedeploy.next_step.contains("`codedeploy: { … }` in place of `ecs`"), "{}", codedeploy.next_step);
    check(&with(Controller::External, "ROLLING"), Decision::Alert, false, "deployment controller `EXTERNAL`");
    check(&with(Controller::Ecs, "BLUE_GREEN"), Decision::Alert, false, "by `BLUE_GREEN`, not task by task");
}

#[test]
fn r3a_old_news_of_an_alarm_that_is_ok_again_returns_nothing() {
    let over = Transition { over_since: Some(minutes(9)), ..alarm("orchestrator-http-5xx") };
    for seen in [under_way(), quiet()] {
        let ruling = decide(&over, &config(LATE).services[0], ROLLBACK, &facts(&seen, None));
        check(&ruling, Decision::Alert, false, "which was told late, and has been OK since");
    }
}

#[test]
fn r4_without_a_deployment_in_flight_there_is_nothing_to_take_back() {
    let seen = quiet();
    check(
        &ruling("", ROLLBACK, &facts(&seen, None)),
        Decision::Alert,
        false,
        "no deployment of `orchestrator` is in flight",
    );
    let told = ruling(LATE, AlarmAction::Alert, &facts(&seen, None));
    check(&told, Decision::Alert, false, "nothing to take back");
    assert!(told.next_step.contains("orchestrator:42, which runs now"), "{}", told.next_step);
}

#[test]
fn r5_a_deployment_that_ended_too_long_ago_or_not_well_is_not_taken_back() {
    let seen = quiet();
    let late = |history: &[Past]| ruling(LATE, ROLLBACK, &facts(&seen, Some(history)));
    let old = [past(42, -60, -24), past(41, -6000, -5990)];
    check(&late(&old), Decision::Alert, false, "the last one ended 31 min ago, which is outside of the window of 30m");
    let unknown = [Past { finished: None, ..past(42, 0, 0) }, past(41, -6000, -5990)];
    check(&late(&unknown), Decision::Alert, false, "at an unknown time");
    let taken_back = [Past { is_successful: false, ..past(43, 0, 5) }, past(42, -6000, -5990)];
    check(&late(&taken_back), Decision::Alert, false, "did not end well");
    check(&late(&[]), Decision::Alert, false, "ECS remembers none");
}

#[test]
fn r6_a_rollback_is_never_taken_back() {
    let of = DeploymentId("ecs-svc/1".to_owned());
    let seen = under_way();
    let own = Facts { takes_back: Some(&of), ..facts(&seen, None) };
    check(
        &ruling("", ROLLBACK, &own),
        Decision::Alert,
        false,
        "`ecs-svc/2` is a rollback (Greenlight's own, of `ecs-svc/1`)",
    );
    let older = service(vec![
        one(3, Part::Primary, Rollout::InProgress, 41, 3),
        one(2, Part::Active, Rollout::InProgress, 42, 0),
        one(1, Part::Active, Rollout::Completed, 41, -6000),
    ]);
    check(
        &ruling("", ROLLBACK, &facts(&older, None)),
        Decision::Alert,
        false,
        "it returns to an older task definition",
    );
    let mut breaker = under_way();
    breaker.deployments[0].reason =
        "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.".to_owned();
    check(&ruling("", ROLLBACK, &facts(&breaker, None)), Decision::Alert, false, "by ECS's circuit breaker");
    // Afterwards nothing but the numbers tells.
    let after = service(vec![one(3, Part::Primary, Rollout::Completed, 41, 3)]);
    let history = [past(41, 3, 5), past(42, -60, -50)];
    check(&ruling(LATE, ROLLBACK, &facts(&after, Some(&history))), Decision::Alert, false, "it returned to an older");
}

#[test]
fn r7_an_alarm_that_only_alerts_touches_nothing() {
    let seen = under_way();
    let told = ruling("", AlarmAction::Alert, &facts(&seen, None));
    check(&told, Decision::Alert, false, "during the deployment `ecs-svc/2` of `orchestrator` to orchestrator:42");
    assert_eq!(
        told.next_step,
        "look at the alarm; to return by hand: `aws ecs update-service --cluster main --service orchestrator --task-definition orchestrator:41`"
    );
}

#[test]
fn r8_what_was_red_before_is_not_the_deployments_doing() {
    let seen = service(vec![
        one(2, Part::Primary, Rollout::InProgress, 42, 7),
        one(1, Part::Active, Rollout::Completed, 41, -6000),
    ]);
    check(
        &ruling("", ROLLBACK, &facts(&seen, None)),
        Decision::Alert,
        false,
        "1 min before the deployment `ecs-svc/2`",
    );
    let (after, history) = (quiet(), [past(42, 7, 7), past(41, -6000, -5990)]);
    let late = ruling(LATE, ROLLBACK, &facts(&after, Some(&history)));
    check(&late, Decision::Alert, false, "1 min before the last deployment of `orchestrator`");
}

#[test]
fn r9_where_nothing_tells_what_ran_before_a_person_is_paged() {
    let first = service(vec![one(1, Part::Primary, Rollout::InProgress, 42, 0)]);
    check(&ruling("", ROLLBACK, &facts(&first, Some(&[]))), Decision::Alert, true, "ran before is not known");
    // ECS remembers what the service itself shows no more.
    let history = [Past { is_successful: false, ..past(40, -20, -10) }, past(41, -6000, -5990)];
    let from_history = ruling("", ROLLBACK, &facts(&first, Some(&history)));
    check(&from_history, Decision::StopAndRollBack, false, "6 min after the deployment `ecs-svc/1`");
    assert_eq!(from_history.returns.unwrap().previous, arn(41));
    let forgotten = [past(42, 0, 5), Past { task_definition: None, ..past(41, -6000, -5990) }];
    check(
        &ruling(LATE, ROLLBACK, &facts(&quiet(), Some(&forgotten))),
        Decision::Alert,
        true,
        "ran before is not known",
    );
    let another = [past(43, 0, 5), past(41, -6000, -5990)];
    check(&ruling(LATE, ROLLBACK, &facts(&quiet(), Some(&another))), Decision::Alert, true, "ran before is not known");
}

#[test]
fn r10_a_deployment_of_the_same_task_definition_leaves_nothing_to_return_to() {
    let mut same = under_way();
    same.deployments[1].task_definition = arn(42);
    check(&ruling("", ROLLBACK, &facts(&same, None)), Decision::Alert, true, "ran the same task definition before");
    let history = [past(42, 0, 5), past(42, -6000, -5990)];
    check(
        &ruling(LATE, ROLLBACK, &facts(&quiet(), Some(&history))),
        Decision::Alert,
        true,
        "ran the same task definition",
    );
}

#[test]
fn r11_after_so_many_rollbacks_a_person_is_paged_in_place_of_the_next() {
    let seen = under_way();
    let after = |rollbacks: usize| ruling("", ROLLBACK, &Facts { rollbacks, ..facts(&seen, None) });
    check(&after(3), Decision::Alert, true, "was rolled back 3 times within 1 h, which is its limit");
    check(&after(2), Decision::StopAndRollBack, false, "went to ALARM");
    let strict = "    rollback_limit: { rollbacks: 1, window: 2h }\n";
    let told = ruling(strict, ROLLBACK, &Facts { rollbacks: 1, ..facts(&seen, None) });
    check(&told, Decision::Alert, true, "1 time within 2 h");
}

#[test]
fn r12_within_the_window_the_last_deployment_is_taken_back() {
    let (seen, history) =
        (quiet(), [past(42, 0, 5), Past { is_successful: false, ..past(43, -90, -80) }, past(41, -6000, -5990)]);
    let late = ruling(LATE, ROLLBACK, &facts(&seen, Some(&history)));
    check(
        &late,
        Decision::RedeployPrevious,
        false,
        "2 min after the last deployment of `orchestrator` to orchestrator:42 had ended",
    );
    let back = late.returns.unwrap();
    assert_eq!((back.deployment.0.as_str(), back.bad, back.previous), ("ecs-svc/2", arn(42), arn(41)));
}

#[test]
fn r13_a_deployment_in_flight_is_taken_back() {
    let seen = under_way();
    let decided = ruling("", ROLLBACK, &facts(&seen, None));
    let expected = "`orchestrator-http-5xx` went to ALARM 6 min after the deployment `ecs-svc/2` of `orchestrator` to orchestrator:42 began";
    assert_eq!(decided.reason, expected);
    assert_eq!(decided.concerns, Some((DeploymentId("ecs-svc/2".to_owned()), arn(42))));
    assert_eq!(decided.returns.unwrap().previous, arn(41));
    let mut transition = alarm("orchestrator-http-5xx");
    transition.since = None::<Timestamp>;
    let untimed = decide(&transition, &config("").services[0], ROLLBACK, &facts(&seen, None));
    check(&untimed, Decision::StopAndRollBack, false, "went to ALARM after the deployment");
}

#[test]
fn what_ecs_refuses_is_told_with_what_to_do_by_hand_and_pages() {
    let seen = under_way();
    let decided = ruling("", ROLLBACK, &facts(&seen, None));
    let told = refused(
        &decided,
        &name(),
        "UpdateService of `main/orchestrator` failed: ClientException: TaskDefinition is inactive",
    );
    check(&told, Decision::Alert, true, "began, but UpdateService of `main/orchestrator` failed");
    assert!(told.next_step.contains("--task-definition orchestrator:41"), "{}", told.next_step);
}

#[test]
fn the_history_is_asked_for_only_where_something_depends_on_it() {
    let (plain, late) = (config(""), config(LATE));
    let alone = service(vec![one(1, Part::Primary, Rollout::InProgress, 42, 0)]);
    let cases = [
        (&plain, ROLLBACK, under_way(), false),
        (&plain, ROLLBACK, alone.clone(), true),
        (&plain, AlarmAction::Alert, alone, false),
        (&plain, ROLLBACK, quiet(), false),
        (&late, ROLLBACK, quiet(), true),
        (&late, AlarmAction::Alert, quiet(), false),
        (&late, ROLLBACK, RollingService { controller: Controller::CodeDeploy, ..quiet() }, false),
    ];
    for (config, action, seen, expected) in cases {
        assert_eq!(needs_history(&config.services[0], action, &seen), expected, "{action:?} {seen:?}");
    }
}
