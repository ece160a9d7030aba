//! The decision table, row by row.

use std::time::Duration;

use domain::config::{LateRollback, RollbackLimit};
use domain::deployment::{DeploymentError, DeploymentId};
use domain::time::Span;

use super::*;
use crate::samples::{alarm, config, deployment, minutes, rollback};

fn transition(state: AlarmState) -> Transition {
    let mut transition = alarm("orchestrator-http-5xx");
    transition.alarm.state = state;
    transition
}

fn red() -> Transition {
    transition(AlarmState::Alarm)
}

#[track_caller]
fn check(decided: &Decided, decision: Decision, pages: bool, words: &str) {
    assert_eq!((decided.decision, decided.page), (decision, pages), "{decided:?}");
    assert!(decided.reason.contains(words), "{}", decided.reason);
    assert!(!decided.next_step.is_empty());
}

/// The service `orchestrator`, rolled back late within half an hour.
fn service() -> Service {
    let late_rollback = Some(LateRollback { window: Span(Duration::from_mins(30)) });
    let rollback_limit = RollbackLimit { rollbacks: 2, window: Span(Duration::from_hours(1)) };
    Service { late_rollback, rollback_limit, ..config().services.remove(0) }
}

fn concern(service: &Service) -> Concern<'_> {
    Concern {
        group: service.codedeploy.clone().unwrap(),
        service: Some(service),
        action: AlarmAction::Rollback,
        tagged_environment: None,
        named_by: NamedBy::Configuration,
    }
}

const NEVER: Before = Before { now: minutes(6), rollbacks: Some(0) };

fn good() -> Good {
    let deployment = Deployment { status: Status::Succeeded, ..deployment("d-0") };
    let task_definition = Some("arn:aws:ecs:us-east-1:1:task-definition/orchestrator:41".to_owned());
    Good { deployment, revision: Revision { task_definition, ..Revision::default() } }
}

/// The last deployment, succeeded a minute before the alarm.
fn ended() -> Deployment {
    Deployment { status: Status::Succeeded, completed: Some(minutes(5)), ..deployment("d-1") }
}

#[test]
fn rows_1_and_2_only_a_transition_to_alarm_leads_to_anything() {
    for state in [AlarmState::Ok, AlarmState::InsufficientData, AlarmState::Other("NEW".to_owned())] {
        let decided = ignored(&transition(state.clone())).unwrap();
        check(&decided, Decision::Ignore, false, &format!("went to {state}"));
    }
    let again = Transition { is_news: false, ..red() };
    check(&ignored(&again).unwrap(), Decision::Ignore, false, "was in ALARM before");
    assert_eq!(ignored(&red()), None);
}

#[test]
fn row_3_a_suppressed_alarm_is_ignored_and_says_by_whom() {
    let mut suppressed = red();
    suppressed.alarm.suppressed_by = Some("WaitPeriod".to_owned());
    check(&ignored(&suppressed).unwrap(), Decision::Ignore, false, "suppressed by `WaitPeriod`");
}

#[test]
fn rows_4_to_6_what_is_elsewhere_nobodys_or_badly_tagged_stops_nothing() {
    check(&foreign(&red(), "the account 1", true), Decision::Alert, false, "it is an alarm of the account 1");
    check(&foreign(&red(), "the account 1", false), Decision::Ignore, false, "it is an alarm of the account 1");
    let remark = ["only 100 of the 120 deployments in flight were looked at".to_owned()];
    check(&unconfigured(&red(), &remark), Decision::Ignore, false, "in flight; only 100 of the 120");
    let slips = ["`greenlight:action` is `x`; write `rollback` or `alert`".to_owned()];
    check(&malformed(&red(), &slips), Decision::Alert, false, "write `rollback` or `alert`");
}

#[test]
fn row_7_an_alarm_of_another_environment_stops_nothing() {
    let service = service();
    let staging = Concern { tagged_environment: Some("staging".to_owned()), ..concern(&service) };
    let running = deployment("d-1");
    let unknown = NoGood::Unknown("it was not looked for".to_owned());
    let found = [Found::InFlight(&running, None), Found::Nothing { last: None, good: Err(&unknown) }];
    for found in found {
        let decided = decide(&red(), &staging, found, NEVER);
        check(&decided, Decision::Alert, false, "says `staging`, and `orchestrator` is `production`");
    }
    let same = Concern { tagged_environment: Some("production".to_owned()), ..concern(&service) };
    assert_eq!(decide(&red(), &same, Found::InFlight(&running, None), NEVER).decision, Decision::StopAndRollBack);
}

#[test]
fn row_7a_old_news_of_an_alarm_that_is_ok_again_stops_nothing_and_wakes_nobody() {
    let service = service();
    let concern = concern(&service);
    let over = Transition { over_since: Some(minutes(9)), ..red() };
    let (running, ended, good) = (deployment("d-1"), ended(), good());
    let limited = Before { rollbacks: Some(2), ..NEVER };
    for found in [Found::InFlight(&running, None), Found::Nothing { last: Some(&ended), good: Ok(&good) }] {
        for before in [NEVER, limited] {
            check(
                &decide(&over, &concern, found, before),
                Decision::Alert,
                false,
                "which was told late, and has been OK since",
            );
        }
    }
}

#[test]
fn what_only_a_tag_names_is_called_so_and_is_not_rolled_back_late() {
    let service = service();
    let by_tag = Concern { named_by: NamedBy::Tag, ..concern(&service) };
    let (ended, good) = (ended(), good());
    let found = Found::Nothing { last: Some(&ended), good: Ok(&good) };
    check(&decide(&red(), &by_tag, found, NEVER), Decision::Alert, false, "so there is nothing to stop");
    let alerts = Concern { action: AlarmAction::Alert, ..by_tag };
    let decided = decide(&red(), &alerts, Found::InFlight(&deployment("d-1"), None), NEVER);
    check(&decided, Decision::Alert, false, "its tag `greenlight:action` says `alert`");
}

#[test]
fn rows_8_to_14_a_deployment_in_flight() {
    let service = service();
    let concern = concern(&service);
    let alert_only = Concern { action: AlarmAction::Alert, ..concern.clone() };
    let red_at = |at: Option<Timestamp>| Transition { since: at, ..red() };
    let (before, after) = (red_at(Some(minutes(-1))), red_at(Some(minutes(6))));
    let with = |change: fn(&mut Deployment)| {
        let mut changed = deployment("d-1");
        change(&mut changed);
        changed
    };
    let by_codedeploy = with(|it| {
        it.error = Some(DeploymentError { code: "ALARM_ACTIVE".to_owned(), message: String::new() });
        it.rolled_back_by = Some(DeploymentId("d-2".to_owned()));
    });
    let stopped = Deployment { status: Status::Stopped, ..by_codedeploy.clone() };
    let failed = with(|it| it.status = Status::Failed);
    let not_started = with(|it| (it.started, it.created) = (None, Some(minutes(7))));
    let unknown = with(|it| (it.started, it.created) = (None, None));
    let greenlights = with(|it| it.rolls_back = Some(DeploymentId("d-0".to_owned())));
    let twice = Before { rollbacks: Some(2), ..NEVER };
    let untold = Before { rollbacks: None, ..NEVER };
    let (stop, alert, page) = ((Decision::StopAndRollBack, false), (Decision::Alert, false), (Decision::Alert, true));
    let cases = [
        (&after, &concern, rollback("d-2", "d-1"), NEVER, alert, "rollback `d-2` of `d-1` is under way"),
        (&after, &concern, greenlights, NEVER, alert, "rollback `d-1` of `d-0` is under way"),
        (
            &after,
            &concern,
            by_codedeploy,
            NEVER,
            alert,
            "is being stopped already (ALARM_ACTIVE) and is rolled back by `d-2`",
        ),
        (
            &after,
            &concern,
            stopped,
            NEVER,
            alert,
            "has been stopped (ALARM_ACTIVE) and is rolled back by `d-2`, which was not Greenlight",
        ),
        (&after, &concern, failed, NEVER, alert, "has failed, which was not Greenlight"),
        (&after, &alert_only, deployment("d-1"), NEVER, alert, "its configured action is `alert`"),
        (&before, &concern, deployment("d-1"), NEVER, alert, "1 min before the deployment `d-1`"),
        (&after, &concern, not_started, NEVER, alert, "1 min before the deployment `d-1`"),
        (
            &after,
            &concern,
            deployment("d-1"),
            twice,
            page,
            "`orchestrator` was rolled back 2 times within 1 h, which is its limit (by Greenlight;",
        ),
        (
            &after,
            &concern,
            deployment("d-1"),
            NEVER,
            stop,
            "6 min after the deployment `d-1` of `orchestrator` to orchestrator:42 began",
        ),
        (&after, &concern, deployment("d-1"), untold, stop, "is not known, as the table did not answer"),
        (&red_at(None), &concern, deployment("d-1"), NEVER, stop, "went to ALARM after the deployment `d-1`"),
        (&after, &concern, unknown, NEVER, stop, "went to ALARM after the deployment `d-1`"),
    ];
    for (transition, concern, deployment, before, (decision, pages), words) in cases {
        check(&decide(transition, concern, Found::InFlight(&deployment, None), before), decision, pages, words);
    }
}

#[test]
fn rows_15_to_20_nothing_in_flight() {
    let service = service();
    let concern = concern(&service);
    let off = Service { late_rollback: None, ..service.clone() };
    let off = Concern { service: Some(&off), ..concern.clone() };
    let alert_only = Concern { action: AlarmAction::Alert, ..concern.clone() };
    let good = good();
    let known = Ok(&good);
    let unknown = NoGood::Unknown("no earlier version is known".to_owned());
    let with = |change: fn(&mut Deployment)| {
        let mut changed = ended();
        change(&mut changed);
        Some(changed)
    };
    let before_it = Transition { since: Some(minutes(-3)), ..red() };
    let twice = Before { rollbacks: Some(2), ..NEVER };
    let (again, alert, page) = ((Decision::RedeployPrevious, false), (Decision::Alert, false), (Decision::Alert, true));
    let red = red();
    let cases = [
        (&red, &off, Some(ended()), known, NEVER, alert, "so there is nothing to stop"),
        (&red, &alert_only, Some(ended()), known, NEVER, alert, "so there is nothing to stop"),
        (&red, &concern, None, known, NEVER, alert, "none has ended in the 30 min before"),
        (&red, &concern, with(|it| it.status = Status::Failed), known, NEVER, alert, "`d-1`, is `Failed`"),
        (
            &red,
            &concern,
            with(|it| it.creator = "codeDeployRollback".to_owned()),
            known,
            NEVER,
            alert,
            "was itself a rollback",
        ),
        (
            &red,
            &concern,
            with(|it| it.completed = Some(minutes(-25))),
            known,
            NEVER,
            alert,
            "ended more than 30 min before",
        ),
        (&red, &concern, with(|it| it.completed = None), known, NEVER, alert, "ended more than 30 min before"),
        (&before_it, &concern, Some(ended()), known, NEVER, alert, "red 3 min before the last one, `d-1`, began"),
        (&red, &concern, Some(ended()), known, twice, page, "which is its limit"),
        (&red, &concern, Some(ended()), Err(&unknown), NEVER, page, "but no earlier version is known"),
        (
            &red,
            &concern,
            with(|it| it.completed = Some(minutes(-24))),
            known,
            NEVER,
            again,
            "30 min after the deployment `d-1`",
        ),
        (&red, &concern, Some(ended()), known, NEVER, again, "orchestrator:41 is deployed again, as by `d-0`"),
    ];
    for (transition, concern, last, good, before, (decision, pages), words) in cases {
        let found = Found::Nothing { last: last.as_ref(), good };
        check(&decide(transition, concern, found, before), decision, pages, words);
    }
}

#[test]
fn an_alert_says_what_a_person_can_do() {
    let service = service();
    let concern = Concern { action: AlarmAction::Alert, ..concern(&service) };
    let running = deployment("d-1");
    let decided = decide(&red(), &concern, Found::InFlight(&running, None), NEVER);
    assert!(decided.next_step.contains("`aws deploy stop-deployment --deployment-id d-1 --auto-rollback-enabled`"));
    let decided = decide(&red(), &concern, Found::Nothing { last: None, good: Err(&NoGood::IsSame) }, NEVER);
    let command = "`aws deploy list-deployments --application-name mangaassist --deployment-group-name orchestrator --include-only-statuses Succeeded`";
    assert!(decided.next_step.contains(command), "{}", decided.next_step);
}

#[test]
fn a_group_that_no_service_names_is_acted_on_with_the_defaults() {
    let service = service();
    let concern = Concern { service: None, ..concern(&service) };
    let running = deployment("d-1");
    let decided = |rollbacks| {
        decide(&red(), &concern, Found::InFlight(&running, None), Before { rollbacks: Some(rollbacks), ..NEVER })
    };
    check(&decided(2), Decision::StopAndRollBack, false, "of `mangaassist/orchestrator`");
    check(&decided(3), Decision::Alert, true, "3 times within 1 h");
    assert_eq!(concern.late(), None);
}

#[test]
fn rows_12_and_17_a_cure_is_left_alone_and_after_its_end_a_person_is_paged() {
    let service = service();
    let concern = concern(&service);
    let version = |number: &str| Revision { lambda_version: Some(number.to_owned()), ..Revision::default() };
    let cure = Cure::older(&version("6"), &version("7")).unwrap();
    assert_eq!(Cure::older(&version("7"), &version("6")), None);
    // The limit does not matter to what is not rolled back.
    let often = Before { rollbacks: Some(9), ..NEVER };
    let running = deployment("d-1");
    let decided = decide(&red(), &concern, Found::InFlight(&running, Some(&cure)), often);
    check(
        &decided,
        Decision::Alert,
        false,
        "which goes back to version 6 from version 7: it is taken for a cure and not stopped",
    );
    let ended = ended();
    let decided =
        decide(&red(), &concern, Found::Nothing { last: Some(&ended), good: Err(&NoGood::IsCure(cure)) }, often);
    check(&decided, Decision::Alert, true, "but it goes back to version 6 from version 7: it is taken for a cure");
    assert!(decided.next_step.contains("`greenlight_rolls_back=d-1`"), "{}", decided.next_step);
    let without_reason = Deployment { description: "[greenlight skip]".to_owned(), ..ended };
    assert_eq!(Cure::marked(&without_reason), None);
}

#[test]
fn rows_19_and_20_say_what_a_person_needs_to_know() {
    let service = service();
    let concern = concern(&service);
    let ended = Deployment { platform: Some(domain::deployment::Platform::Lambda), ..ended() };
    let (last, good) = (Some(&ended), good());
    let decided = decide(&red(), &concern, Found::Nothing { last, good: Err(&NoGood::IsSame) }, NEVER);
    check(&decided, Decision::Alert, true, "there is nothing to go back to: the version before it is the same");
    assert!(!decided.next_step.contains("list-deployments"), "{}", decided.next_step);
    let decided = decide(&red(), &concern, Found::Nothing { last, good: Ok(&good) }, NEVER);
    assert!(decided.next_step.contains("`CodeDeployLambdaAliasUpdate`"), "{}", decided.next_step);
    // The event has waited for longer than the window.
    let later = Before { now: minutes(36), ..NEVER };
    let decided = decide(&red(), &concern, Found::Nothing { last, good: Ok(&good) }, later);
    check(&decided, Decision::Alert, false, "ended 31 min ago, which is more than 30 min");
    assert!(decided.next_step.contains("`d-1` is among them and is not to be chosen"), "{}", decided.next_step);
}
