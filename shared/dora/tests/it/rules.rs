//! Each rule by itself, on a history as short as it can be.

use std::time::Duration;

use domain::deployment::{Deployment, DeploymentError, DeploymentId, ROLLS_BACK, Status};
use domain::time::{Span, Timestamp};
use dora::{Assessment, Record, assess, figures};

use crate::reading::told;

/// A deployment of `revision`, created at `minute`, started at once, over after two minutes.
pub(crate) fn deployed(id: &str, minute: i64, revision: &str, status: Status) -> Record {
    let created = Timestamp(minute * 60_000);
    Record::of(Deployment {
        id: DeploymentId(id.to_owned()),
        status,
        description: String::new(),
        created: Some(created),
        started: Some(created),
        completed: Some(Timestamp((minute + 2) * 60_000)),
        revision_id: Some(revision.to_owned()),
        ..testkit::build::deployment()
    })
}

pub(crate) fn ok(id: &str, minute: i64, revision: &str) -> Record {
    deployed(id, minute, revision, Status::Succeeded)
}

/// Stopped or failed with CodeDeploy's `code`.
pub(crate) fn broken(id: &str, minute: i64, revision: &str, status: Status, code: &str) -> Record {
    let mut record = deployed(id, minute, revision, status);
    record.deployment.error = Some(DeploymentError { code: code.to_owned(), message: String::new() });
    record
}

/// CodeDeploy's rollback of `original`.
pub(crate) fn back(id: &str, minute: i64, original: &str, revision: &str) -> Record {
    let mut record = ok(id, minute, revision);
    record.deployment.creator = String::from("codeDeployRollback");
    record.deployment.rolls_back = Some(DeploymentId(original.to_owned()));
    record
}

/// A redeployment by Greenlight or by hand that says it rolls `original` back.
pub(crate) fn claim(id: &str, minute: i64, original: &str, revision: &str) -> Record {
    let mut record = ok(id, minute, revision);
    record.deployment.description = format!("{ROLLS_BACK}={original}");
    record.deployment.rolls_back = Some(DeploymentId(original.to_owned()));
    record
}

pub(crate) fn lines(records: &[Record]) -> Vec<String> {
    assess(records).iter().map(|one| format!("{}: {}", one.id, told(one))).collect()
}

fn one(records: &[Record], id: &str) -> Assessment {
    assess(records).into_iter().find(|one| one.id.0 == id).unwrap()
}

#[test]
fn a_change_failure_is_what_did_harm() {
    use Status::{Failed, Stopped};
    let cases = [
        (Failed, "HOOK_EXECUTION_FAILURE", false, false, "no, change, failure Hook, 120/120"),
        (Failed, "TIMEOUT", false, false, "no, change, failure TimeOut, 120/120"),
        (Failed, "ECS_UPDATE_ERROR", false, false, "no, change, failure Other, 120/120"),
        (Failed, "ALARM_ACTIVE", false, false, "no, change, failure Alarm, 120/120"),
        (Stopped, "ALARM_ACTIVE", false, false, "no, change, failure Alarm, 120/120"),
        (Stopped, "HEALTH_CONSTRAINTS", false, false, "no, change, failure Other, 120/120"),
        (Stopped, "MANUAL_STOP", false, false, "no, change, 120/120"),
        (Stopped, "MANUAL_STOP", false, true, "no, change, failure StoppedAndRolledBack, rolled back, 120/120"),
        // The table knows that it was Greenlight who stopped it, whether or not it was rolled back.
        (Stopped, "MANUAL_STOP", true, false, "no, change, failure Alarm, 120/120"),
        (Stopped, "MANUAL_STOP", true, true, "no, change, failure Alarm, rolled back, 120/120"),
    ];
    for (status, code, stopped_by_alarm, is_rolled_back, expected) in cases {
        let mut record = broken("d-1", 0, "a", status, code);
        record.stopped_by_alarm = stopped_by_alarm;
        record.deployment.rolled_back_by = is_rolled_back.then(|| DeploymentId("d-2".to_owned()));
        assert_eq!(lines(&[record]), [format!("d-1: {expected}")]);
    }
    // A stop that CodeDeploy gives no reason for is a person's; a deployment that fails without one is a failure.
    assert!(!one(&[deployed("d-1", 0, "a", Stopped)], "d-1").is_change_failure());
    assert!(one(&[deployed("d-1", 0, "a", Failed)], "d-1").is_change_failure());
    // One that succeeded before the stop came through is none.
    let mut late = ok("d-1", 0, "a");
    late.stopped_by_alarm = true;
    assert_eq!(lines(&[late]), ["d-1: ok, change, 120/120"]);
}

#[test]
fn a_rollback_is_known_from_either_end_of_the_link() {
    let stopped = broken("d-1", 0, "a", Status::Stopped, "MANUAL_STOP");
    let mut running = back("d-2", 2, "d-1", "z");
    running.deployment.status = Status::InProgress;
    assert_eq!(
        lines(&[stopped, running]),
        ["d-1: no, change, failure StoppedAndRolledBack, rolled back, 120/120"],
        "the rollback is not over, and is known"
    );
}

#[test]
fn what_nobody_deployed_or_has_not_ended_or_has_no_time_is_passed_over() {
    let mut unasked = ok("d-1", 0, "a");
    unasked.deployment.creator = "autoscaling".to_owned();
    let running = deployed("d-2", 5, "b", Status::InProgress);
    let unknown = deployed("d-3", 6, "b", Status::Other("Pondering".to_owned()));
    let mut timeless = ok("d-4", 7, "c");
    (timeless.deployment.created, timeless.deployment.started, timeless.deployment.completed) = (None, None, None);
    assert_eq!(lines(&[unasked, running, unknown, timeless]), Vec::<String>::new());
    assert_eq!(figures(&[]), dora::Figures::default());
}

#[test]
fn no_length_of_time_is_invented_and_none_is_negative() {
    let mut endless = ok("d-1", 10, "a");
    endless.deployment.completed = None;
    endless.committed = Some(Timestamp(0));
    let assessment = one(&[broken("d-0", 0, "z", Status::Failed, "TIMEOUT"), endless], "d-1");
    assert_eq!(told(&assessment), "ok, change, rework, -/-", "neither durations nor lead time nor recovery");
    assert_eq!(assessment.ended, Timestamp(600_000), "but a time to be counted at");

    let mut backwards = ok("d-1", 10, "a");
    backwards.deployment.completed = Some(Timestamp(0));
    backwards.shifted = Some(Timestamp(300_000));
    assert_eq!(lines(&[backwards]), ["d-1: ok, change, 0/0"]);

    let mut never_started = deployed("d-1", 10, "a", Status::Failed);
    never_started.deployment.started = None;
    assert_eq!(lines(&[never_started]), ["d-1: no, change, failure Other, 120/120"], "from its creation");
}

#[test]
fn the_shifts_end_is_the_targets_and_else_reckoned_from_the_wait() {
    let wait = |minutes| Some(Span(Duration::from_mins(minutes)));
    let cases = [
        // Lasted two minutes, of which the last was the wait.
        (wait(1), None, Status::Succeeded, "ok, change, 60/120"),
        // Shorter than the wait, which somebody must have cut short.
        (wait(3), None, Status::Succeeded, "ok, change, 120/120"),
        (wait(1), Some(30_000), Status::Succeeded, "ok, change, 30/120"),
        (None, Some(30_000), Status::Succeeded, "ok, change, 30/120"),
        (None, Some(999_000), Status::Succeeded, "ok, change, 120/120"),
        // What failed did so at its end, in the wait or not.
        (wait(1), Some(30_000), Status::Failed, "no, change, failure Other, 120/120"),
    ];
    for (termination_wait, shifted, status, expected) in cases {
        let mut record = deployed("d-1", 0, "a", status);
        record.deployment.termination_wait = termination_wait;
        record.shifted = shifted.map(Timestamp);
        assert_eq!(lines(&[record]), [format!("d-1: {expected}")]);
    }
}

#[test]
fn codedeploys_own_rollback_waits_for_nothing_and_another_one_does() {
    let failed = broken("d-2", 10, "b", Status::Failed, "TIMEOUT");
    let waiting = |mut record: Record| {
        record.deployment.termination_wait = Some(Span(Duration::from_mins(1)));
        record
    };
    let (own, by_hand) = (waiting(back("d-3", 12, "d-2", "a")), waiting(claim("d-3", 20, "d-2", "a")));
    assert_eq!(lines(&[ok("d-1", 0, "a"), failed, own])[2], "d-3: ok, rollback, recovery 120");
    let taken = lines(&[ok("d-1", 0, "a"), ok("d-2", 10, "b"), by_hand]);
    assert_eq!(taken[2], "d-3: ok, rollback, takes back d-2: failure, recovery 60");
}

#[test]
fn a_revision_that_codedeploy_does_not_tell_is_always_a_change() {
    let mut history = [ok("d-1", 0, ""), ok("d-2", 10, "")];
    for record in &mut history {
        record.deployment.revision_id = None;
        record.committed = Some(Timestamp(0));
    }
    assert_eq!(lines(&history), ["d-1: ok, change, 120/120, lead 120", "d-2: ok, change, 120/120, lead 720"]);
}

#[test]
fn a_change_that_a_person_stopped_is_decided_by_its_next_try() {
    let stopped = broken("d-1", 0, "a", Status::Stopped, "MANUAL_STOP");
    let failed = broken("d-2", 10, "a", Status::Failed, "TIMEOUT");
    let again = broken("d-3", 20, "a", Status::Failed, "TIMEOUT");
    let history = [stopped.clone(), failed, again];
    assert_eq!(
        lines(&history),
        ["d-1: no, change, 120/120", "d-2: no, failure TimeOut, 120/120", "d-3: no, again TimeOut, rework, 120/120",]
    );
    let sums = figures(&assess(&history));
    assert_eq!((sums.changes, sums.change_failures), (1, 1));
    // The same where the next try succeeds and is taken back.
    let sums = figures(&assess(&[stopped, ok("d-2", 10, "a"), claim("d-3", 20, "d-2", "z")]));
    assert_eq!((sums.changes, sums.change_failures, sums.taken_back), (1, 1, 1));
    // A person who stops the redeployment of what is in production has stopped no change.
    let serving = [
        ok("d-1", 0, "a"),
        broken("d-2", 10, "a", Status::Stopped, "MANUAL_STOP"),
        broken("d-3", 20, "a", Status::Failed, "TIMEOUT"),
    ];
    assert_eq!(figures(&assess(&serving)).change_failures, 0);
}

#[test]
fn a_change_that_failed_before_it_was_taken_back_is_one_failure() {
    let history = [broken("d-1", 0, "a", Status::Failed, "TIMEOUT"), ok("d-2", 10, "a"), claim("d-3", 20, "d-2", "z")];
    let sums = figures(&assess(&history));
    assert_eq!((sums.changes, sums.change_failures, sums.rolled_back, sums.taken_back), (1, 1, 1, 1));
}

#[test]
fn a_claim_to_roll_back_is_believed_of_what_had_succeeded_before_it() {
    let (good, bad) = (ok("d-1", 0, "a"), ok("d-2", 10, "b"));
    assert_eq!(
        lines(&[good.clone(), bad.clone(), claim("d-3", 20, "d-2", "a")])[2],
        "d-3: ok, rollback, takes back d-2: failure, recovery 120"
    );
    // What failed has been counted, what is of later or of nowhere is not known, and nothing rolls itself back.
    let failed = broken("d-2", 10, "b", Status::Failed, "TIMEOUT");
    assert_eq!(lines(&[good, failed, claim("d-3", 20, "d-2", "a")])[2], "d-3: ok, rework, 120/120, recovery 600");
    assert_eq!(lines(&[claim("d-1", 0, "d-9", "a")]), ["d-1: ok, change, 120/120"]);
    assert_eq!(lines(&[claim("d-1", 0, "d-1", "a")]), ["d-1: ok, change, 120/120"]);
    assert_eq!(
        lines(&[claim("d-1", 0, "d-2", "a"), claim("d-2", 5, "d-1", "b")]),
        ["d-1: ok, change, 120/120", "d-2: ok, rollback, takes back d-1: failure, recovery 120"]
    );
}

#[test]
fn another_groups_deployment_is_nobodys_to_take_back() {
    let mut elsewhere = ok("d-1", 0, "a");
    elsewhere.deployment.group.deployment_group = "burst".to_owned();
    let mut told = lines(&[elsewhere, claim("d-2", 10, "d-1", "b")]);
    told.sort();
    assert_eq!(told, ["d-1: ok, change, 120/120", "d-2: ok, change, 120/120"]);
}

#[test]
fn a_rollback_of_what_is_not_in_the_list_tells_nothing_that_is_not_known() {
    assert_eq!(lines(&[back("d-2", 10, "d-1", "a"), ok("d-3", 20, "a")]), ["d-2: ok, rollback", "d-3: ok, 120/120"]);
}

#[test]
fn what_is_taken_back_twice_is_one_failure_and_one_incident() {
    let (good, bad) = (ok("d-0", 0, "z"), ok("d-1", 5, "a"));
    let mut first = claim("d-2", 10, "d-1", "z");
    first.deployment.status = Status::Failed;
    let history = [good, bad, first, claim("d-3", 20, "d-1", "z"), claim("d-4", 30, "d-1", "z")];
    // By the fourth it is not in production any more: an ordinary deployment, of what is there.
    assert_eq!(
        lines(&history)[2..],
        ["d-2: no, rollback, takes back d-1: failure", "d-3: ok, rollback, recovery 720", "d-4: ok, rework, 120/120"]
    );
}

#[test]
fn a_rollback_that_is_rolled_back_brings_the_suspect_back() {
    let mut failed = claim("d-3", 20, "d-2", "a");
    failed.deployment.status = Status::Failed;
    let history = [ok("d-1", 0, "a"), ok("d-2", 10, "b"), failed, back("d-4", 22, "d-3", "b"), ok("d-5", 30, "b")];
    // `b` is in production again, so to deploy it is no change; that it ends well ends the incident.
    assert_eq!(lines(&history)[3..], ["d-4: ok, rollback", "d-5: ok, rework, 120/120, recovery 720"]);
}

#[test]
fn after_a_rollback_the_old_version_serves() {
    // CodeDeploy's own brings back what was there before; what its record names as its revision is not documented.
    let failed = broken("d-2", 10, "b", Status::Failed, "TIMEOUT");
    for named in ["a", "b"] {
        let history = [ok("d-1", 0, "a"), failed.clone(), back("d-3", 12, "d-2", named), ok("d-4", 20, "a")];
        assert_eq!(lines(&history)[3], "d-4: ok, rework, 120/120", "{named}");
    }
    // Without a past to look into, the record of the rollback tells it, unless it names what failed.
    let first = broken("d-1", 0, "b", Status::Failed, "TIMEOUT");
    let then = |named: &str, next: &str| {
        let history = [first.clone(), back("d-2", 2, "d-1", named), ok("d-3", 10, "c"), ok("d-4", 20, next)];
        lines(&history)[3].clone()
    };
    assert_eq!(then("a", "a"), "d-4: ok, change, 120/120");
    let unmended = [first.clone(), back("d-2", 2, "d-1", "a"), ok("d-3", 10, "a")];
    assert_eq!(lines(&unmended)[2], "d-3: ok, rework, 120/120");
}

#[test]
fn equal_creations_go_by_id_and_a_missing_one_by_the_start_and_the_end() {
    assert_eq!(lines(&[ok("d-2", 0, "a"), ok("d-1", 0, "a")]), ["d-1: ok, change, 120/120", "d-2: ok, 120/120"]);
    let (first, mut second, mut third) = (ok("d-9", 0, "a"), ok("d-8", 10, "a"), ok("d-7", 20, "b"));
    second.deployment.created = None;
    (third.deployment.created, third.deployment.started) = (None, None);
    assert_eq!(
        lines(&[third, second, first]),
        ["d-9: ok, change, 120/120", "d-8: ok, 120/120", "d-7: ok, change, -/-"]
    );
}

#[test]
fn a_record_that_is_there_twice_counts_once_with_what_is_known_last() {
    let ended = broken("d-1", 0, "a", Status::Stopped, "MANUAL_STOP");
    let mut running = ended.clone();
    (running.deployment.status, running.deployment.completed) = (Status::InProgress, None);
    let mut linked = ended.clone();
    linked.deployment.rolled_back_by = Some(DeploymentId("d-2".to_owned()));
    for history in [[&ended, &linked, &running], [&running, &linked, &ended], [&linked, &running, &ended]] {
        assert_eq!(
            lines(&history.map(Clone::clone)),
            ["d-1: no, change, failure StoppedAndRolledBack, rolled back, 120/120"]
        );
    }
}

#[test]
fn the_emergency_lane_is_rework_and_its_reason_is_needed() {
    for (description, expected) in [("[greenlight skip: INC-7]", true), ("[greenlight skip]", false), ("", false)] {
        let mut record = ok("d-1", 0, "a");
        record.deployment.description = description.to_owned();
        let assessment = one(&[record], "d-1");
        assert_eq!((assessment.is_rework, assessment.is_unchecked), (expected, expected), "{description}");
    }
}

#[test]
fn a_week_is_that_of_the_end_and_of_what_is_taken_back_that_of_the_asking() {
    // The epoch was a Thursday: minute 5760 is Monday, 1970-01-05T00:00:00Z.
    let sunday_night = 5759;
    let history = [ok("d-1", 10, "a"), ok("d-2", 60, "b"), claim("d-3", sunday_night, "d-2", "a")];
    let all = figures(&assess(&history));
    let week = |week: &dora::Week| {
        let of = &week.figures;
        (week.from.0 / 60_000, of.deployments, of.change_failures, of.recovery.map(|spread| spread.count))
    };
    assert_eq!(all.weeks.iter().map(week).collect::<Vec<_>>(), [(-4320, 2, 1, None), (5760, 0, 0, Some(1))]);
    // A week in which nothing happened is there.
    let apart = figures(&assess(&[ok("d-1", 10, "a"), ok("d-2", 3 * 10_080, "b")]));
    assert_eq!(apart.weeks.iter().map(|week| week.figures.deployments).collect::<Vec<_>>(), [1, 0, 0, 1]);
    // The second ends on the 21st day after the first: 22 days with both.
    assert_eq!((apart.days, apart.per_week()), (22, Some(14.0 / 22.0)));
}

#[test]
fn hooks_are_counted_by_lifecycle_event() {
    let run = |event: &str, took: i64, succeeded| dora::HookRun {
        lifecycle_event: event.to_owned(),
        started: Timestamp(0),
        ended: Timestamp(took * 1000),
        succeeded,
    };
    let (mut first, mut second) = (ok("d-1", 0, "a"), ok("d-2", 10, "b"));
    first.hooks = vec![run("AfterAllowTraffic", 5, true), run("BeforeAllowTraffic", 9, true)];
    second.hooks = vec![run("AfterAllowTraffic", 7, false)];
    let hooks = figures(&assess(&[first, second])).hooks;
    let told: Vec<_> = hooks
        .iter()
        .map(|(event, of)| (event.as_str(), of.runs, of.failed, of.took.map(|took| took.longest.as_secs())))
        .collect();
    assert_eq!(told, [("AfterAllowTraffic", 2, 1, Some(7)), ("BeforeAllowTraffic", 1, 0, Some(9))]);
}
