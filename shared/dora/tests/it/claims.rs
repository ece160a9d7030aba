//! What a deployment says of rolling another back, and what serves when it has done so.

use domain::deployment::{LifecycleEvent, Status};
use dora::{Record, assess, figures};

use crate::rules::{back, broken, claim, lines, ok};

/// A claim that an alarm has stopped.
fn stopped(id: &str, minute: i64, original: &str, revision: &str) -> Record {
    let mut record = claim(id, minute, original, revision);
    record.deployment.status = Status::Stopped;
    record.stopped_by_alarm = true;
    record
}

fn confirmed(record: Record) -> Record {
    Record { is_confirmed_rollback: true, ..record }
}

#[test]
fn failures_do_not_hide_behind_a_claim_that_each_of_them_copies() {
    let mut history = vec![ok("d-0", 0, "a")];
    history.extend((1..=8).map(|number| stopped(&format!("d-{number}"), number * 10, "d-0", &format!("new {number}"))));
    let sums = figures(&assess(&history));
    assert_eq!((sums.deployments, sums.succeeded, sums.changes, sums.change_failures), (9, 1, 9, 8));
    assert_eq!((sums.taken_back, sums.failed_rollbacks), (0, 0));
}

#[test]
fn what_the_table_confirms_is_believed_whatever_became_of_it() {
    let history = [ok("d-1", 0, "a"), ok("d-2", 10, "b")];
    let with = |record: Record| lines(&[&history[..], &[record]].concat())[2].clone();
    // Made anew for the purpose, and stopped: nothing but the table tells it from any other deployment.
    assert_eq!(with(confirmed(stopped("d-3", 20, "d-2", "a, anew"))), "d-3: no, rollback, takes back d-2: failure");
    assert_eq!(with(stopped("d-3", 20, "d-2", "a, anew")), "d-3: no, change, failure Alarm, 120/120");
    // What it takes back may be older than what was read.
    assert_eq!(with(confirmed(claim("d-3", 20, "d-gone", "a, anew"))), "d-3: ok, rollback");
    // CodeDeploy's own need no confirmation.
    assert_eq!(with(back("d-3", 20, "d-2", "a")), "d-3: ok, rollback, takes back d-2: failure, recovery 120");
}

#[test]
fn what_nobody_confirms_has_to_name_what_is_in_production_and_to_bring_what_served_or_to_succeed() {
    let history = [ok("d-1", 0, "a"), ok("d-2", 10, "b")];
    let with = |record: Record| lines(&[&history[..], &[record]].concat())[2].clone();
    assert_eq!(with(stopped("d-3", 20, "d-2", "a")), "d-3: no, rollback, takes back d-2: failure");
    assert_eq!(with(claim("d-3", 20, "d-2", "a, anew")), "d-3: ok, rollback, takes back d-2: failure, recovery 120");
    // The first is not in production any more.
    assert_eq!(with(claim("d-3", 20, "d-1", "a")), "d-3: ok, change, 120/120");
    assert_eq!(with(stopped("d-3", 20, "d-1", "a")), "d-3: no, change, failure Alarm, 120/120");
    // A rollback is nothing to take back: to bring back what it took away is a deployment.
    let after = [ok("d-1", 0, "a"), ok("d-2", 10, "b"), claim("d-3", 20, "d-2", "a"), claim("d-4", 30, "d-3", "b")];
    assert_eq!(lines(&after)[3], "d-4: ok, rework, 120/120");
}

#[test]
fn when_the_last_success_is_taken_back_the_one_before_it_is_in_production() {
    let history = [ok("d-1", 0, "a"), ok("d-2", 10, "b"), ok("d-3", 20, "c")];
    let twice = |first: Record| lines(&[&history[..], &[first, claim("d-5", 40, "d-2", "a")]].concat())[4].clone();
    assert_eq!(twice(claim("d-4", 30, "d-3", "b")), "d-5: ok, rollback, takes back d-2: failure, recovery 120");
    // A rollback that failed has taken nothing away.
    assert_eq!(twice(stopped("d-4", 30, "d-3", "b")), "d-5: ok, change, rework, 120/120, recovery 720");
}

/// What is deployed after Greenlight's rollback, whose AppSpec is the good one's without hooks.
fn after(history: &[Record], next: &str) -> String {
    let all = [history, &[ok("d-9", 90, next)]].concat();
    lines(&all).pop().unwrap()
}

#[test]
fn after_greenlights_rollback_the_good_version_serves_under_its_own_name() {
    let late = |of: &str| confirmed(claim("d-3", 20, of, "a, anew"));
    let taken = [ok("d-1", 0, "a"), ok("d-2", 10, "b"), late("d-2")];
    let (again, changed) = ("d-9: ok, rework, 120/120", "d-9: ok, change, rework, 120/120");
    assert_eq!(after(&taken, "a"), again, "what serves is no change");
    assert_eq!(after(&taken, "c"), changed);
    let sums = figures(&assess(&[&taken[..], &[ok("d-9", 90, "a")]].concat()));
    assert_eq!((sums.deployments, sums.changes), (3, 2));
    // The bad one twice: what was there before both of them.
    let twice = [ok("d-0", 0, "a"), ok("d-1", 5, "b"), ok("d-2", 10, "b"), late("d-2"), ok("d-4", 30, "c")];
    assert_eq!(after(&twice[..4], "a"), again);
    // A second time, with the same text: made anew as it is, it has not become a version of its own.
    let second = [&taken[..], &[ok("d-4", 30, "c"), confirmed(claim("d-5", 40, "d-4", "a, anew"))]].concat();
    assert_eq!(after(&second, "a"), again);
    // Where it names one that served, that serves, though another one was there in between.
    let named = [ok("d-0", 0, "a"), ok("d-1", 5, "b"), ok("d-2", 10, "c"), confirmed(claim("d-3", 20, "d-2", "a"))];
    assert_eq!(after(&named, "a"), again);
    assert_eq!(after(&named, "b"), changed);
    // Where nothing is known of what was there, it is what the rollback names.
    assert_eq!(after(&[late("d-gone")], "a, anew"), "d-9: ok, 120/120");
    assert_eq!(after(&[ok("d-2", 10, "b"), late("d-2")], "a, anew"), again);
}

#[test]
fn a_failure_that_a_rollback_of_codedeploys_takes_back_leaves_in_production_what_was() {
    let failed = broken("d-2", 10, "b", Status::Failed, "TIMEOUT");
    let history = [ok("d-1", 0, "a"), failed, back("d-3", 12, "d-2", "a"), claim("d-4", 20, "d-1", "z")];
    assert_eq!(lines(&history)[3], "d-4: ok, rollback, takes back d-1: failure, recovery 120");
}

#[test]
fn a_hook_that_a_stop_cut_short_has_given_no_verdict() {
    let event = |name: &str, status: &str, ended: i64| LifecycleEvent {
        started: Some(domain::time::Timestamp(1000)),
        ended: Some(domain::time::Timestamp(ended)),
        ..LifecycleEvent::undated(name, status)
    };
    let course = [
        event("BeforeAllowTraffic", "Succeeded", 2000),
        event("AllowTraffic", "Succeeded", 9000),
        event("AfterAllowTraffic", "Failed", 7000),
        LifecycleEvent::undated("AfterInstall", "Succeeded"),
        event("BeforeInstall", "Skipped", 2000),
    ];
    let of = |status: Status| {
        let mut record = ok("d-1", 0, "a");
        record.deployment.status = status;
        let hooks = ["BeforeInstall", "AfterInstall", "BeforeAllowTraffic", "AfterAllowTraffic"];
        let hooks = hooks.map(|event| (event.to_owned(), "hook".to_owned())).to_vec();
        record.deployment.app_spec = domain::deployment::AppSpec::Read { hooks };
        let record = record.with_course(&course);
        let hooks: Vec<_> = record.hooks.iter().map(|run| (run.lifecycle_event.clone(), run.succeeded)).collect();
        (record.shifted.map(|at| at.0), hooks)
    };
    let run = |event: &str, succeeded| (event.to_owned(), succeeded);
    let (before, after) = (run("BeforeAllowTraffic", true), run("AfterAllowTraffic", false));
    assert_eq!(of(Status::Failed), (None, vec![before.clone(), after.clone()]));
    assert_eq!(of(Status::Stopped), (None, vec![before.clone()]));
    assert_eq!(of(Status::Succeeded), (Some(9000), vec![before, after]));
    // Which have a hook stands in the AppSpec alone.
    let mut unread = ok("d-1", 0, "a");
    unread.deployment.app_spec = domain::deployment::AppSpec::None;
    assert_eq!(unread.with_course(&course).hooks, []);
}
