//! Commit times, the shift's end, the order of a group and the days that a rate is over: at their limits.

use std::time::Duration;

use domain::deployment::{DeploymentId, Status};
use domain::time::Timestamp;
use dora::{Record, assess, commit_time, figures, figures_between};

use crate::rules::{back, broken, claim, lines, ok};

#[test]
fn a_commits_time_is_read_in_both_of_gits_forms_and_never_guessed() {
    // `git show -s --format=%cI` and `%ct` of the same commit; `date -u -d @1772528828` agrees.
    let expected = Some(Timestamp(1_772_528_828_000));
    assert_eq!(commit_time("2026-03-03T10:07:08+01:00"), expected);
    assert_eq!(commit_time("2026-03-03T09:07:08Z"), expected);
    assert_eq!(commit_time(" 1772528828 "), expected);
    for unknown in [
        "",
        "0",
        "-5",
        "1",
        "20260305",
        "0001-01-01T00:00:00Z",
        "1772528828000",
        "99999999999999999999",
        "yesterday",
        "2026-03-03",
        "1.5",
    ] {
        assert_eq!(commit_time(unknown), None, "{unknown}");
    }
    // `date -u -d 2005-01-01 +%s`: git's first commit is of April of that year.
    assert_eq!(commit_time("1104537600"), Some(Timestamp(1_104_537_600_000)));
    assert_eq!((commit_time("1104537599"), commit_time("2004-12-31T23:59:59Z")), (None, None));
    let mut described = testkit::build::deployment();
    described.description = "git_sha=abc,commit_time=1772528828; by=ada".to_owned();
    assert_eq!(Record::of(described.clone()).committed, expected);
    described.description = "commit_time= by=ada".to_owned();
    assert_eq!(Record::of(described).committed, None);
}

#[test]
fn a_lead_time_is_told_once_of_what_got_there() {
    let at = |mut record: Record| {
        record.committed = Some(Timestamp(-60_000));
        record
    };
    let history = [
        at(broken("d-1", 0, "a", Status::Failed, "TIMEOUT")),
        at(ok("d-2", 10, "a")),
        at(ok("d-3", 20, "b")),
        // Back to the older version, and forth again: neither gets there for the first time.
        at(ok("d-4", 30, "a")),
        at(ok("d-5", 40, "b")),
    ];
    let leads: Vec<_> = assess(&history).iter().map(|one| one.lead_time.map(|took| took.as_secs() / 60)).collect();
    assert_eq!(leads, [None, Some(13), Some(23), None, None]);
}

#[test]
fn a_commit_of_the_future_has_a_lead_time_of_nothing_for_a_day_and_then_none() {
    let of = |committed: Timestamp| {
        let mut record = ok("d-1", 0, "a");
        record.committed = Some(committed);
        lines(&[record])[0].clone()
    };
    let end = Timestamp(120_000);
    let (day, moment) = (Duration::from_hours(24), Duration::from_millis(1));
    assert_eq!(of(end.plus(day)), "d-1: ok, change, 120/120, lead 0");
    assert_eq!(of(end.plus(day).plus(moment)), "d-1: ok, change, 120/120");
    assert_eq!(of(Timestamp::parse("9999-01-01T00:00:00Z").unwrap()), "d-1: ok, change, 120/120");
}

#[test]
fn the_shift_ends_no_sooner_than_the_deployment_begins() {
    // Begins at 10:00 by CodeDeploy's clock, and had its traffic at 5:00 by the target's.
    let mut record = ok("d-1", 10, "a");
    (record.shifted, record.committed) = (Some(Timestamp(300_000)), Some(Timestamp(480_000)));
    assert_eq!(lines(&[record]), ["d-1: ok, change, 0/120, lead 120"], "from 8:00 to 10:00");
}

#[test]
fn a_rollback_comes_after_what_it_rolls_back_whatever_the_clocks_say() {
    // The same creation, and an id that sorts before; then a creation a minute before.
    for minute in [10, 9] {
        let bad = ok("d-5", 10, "b");
        let history = [ok("d-3", 0, "a"), claim("d-1", minute, "d-5", "a"), bad];
        let told = lines(&history);
        assert_eq!(told[1], "d-5: ok, change, 120/120", "{minute}");
        assert!(told[2].starts_with("d-1: ok, rollback, takes back d-5: failure"), "{told:?}");
    }
}

/// Each says that it rolls the one before it back: long enough that who walks the chain anew for each never comes to an end.
#[test]
fn a_long_chain_of_rollbacks_is_walked_once() {
    let chain = 30_000_i64;
    let mut history: Vec<Record> =
        (1..=chain).map(|number| back(&format!("d-{number:05}"), 5, &format!("d-{:05}", number - 1), "a")).collect();
    history.push(ok("d-00000", 10, "a"));
    history.reverse();
    let assessed = assess(&history);
    let ids: Vec<String> = assessed.iter().map(|one| one.id.0.clone()).collect();
    let expected: Vec<String> = (0..=chain).map(|number| format!("d-{number:05}")).collect();
    assert!(ids == expected, "a rollback comes after what it rolls back, created before it or not");
}

#[test]
fn those_that_name_each_other_keep_their_order_and_what_follows_comes_after_them() {
    let of = |id: &str, minute: i64, original: &str| {
        let mut record = ok(id, minute, "a");
        record.deployment.rolls_back = Some(DeploymentId(original.to_owned()));
        record
    };
    let history = [of("d-4", 1, "d-3"), of("d-3", 2, "d-2"), of("d-2", 9, "d-3"), ok("d-1", 20, "a")];
    let ids: Vec<String> = assess(&history).into_iter().map(|one| one.id.0).collect();
    assert_eq!(ids, ["d-2", "d-3", "d-4", "d-1"]);
}

#[test]
fn a_rate_a_week_is_over_the_days_and_not_over_the_weeks_of_the_calendar() {
    let day = |text: &str| Timestamp::parse(&format!("{text}T00:00:00Z")).unwrap();
    // One on each day from Wednesday, 2026-02-04 to Tuesday, 2026-02-10, which touches two weeks, and one more on the last.
    let wednesday = day("2026-02-04").0 / 60_000;
    let history: Vec<Record> = (0..8)
        .map(|number: i64| ok(&format!("d-{number}"), wednesday + number.min(6) * 1440 + number * 5, "a"))
        .collect();
    let assessed = assess(&history);
    let rate = |since: Option<&str>, until: Option<&str>| {
        let figures = figures_between(&assessed, since.map(day), until.map(day));
        (figures.days, figures.per_week().unwrap())
    };
    assert_eq!(figures(&assessed).weeks.len(), 2);
    assert_eq!(rate(None, None), (7, 8.0));
    // `until` is the first moment that is not meant.
    assert_eq!(rate(Some("2026-02-04"), Some("2026-02-11")), (7, 8.0));
    // A fortnight in which half of the days had none.
    assert_eq!(rate(Some("2026-01-28"), Some("2026-02-11")), (14, 4.0));
    assert_eq!(rate(Some("2026-01-28"), None), (14, 4.0));
    assert_eq!(rate(None, Some("2026-02-18")), (14, 4.0));
    // Less than a week tells nothing of a week.
    let one = figures(&assess(&history[..1]));
    assert_eq!((one.days, one.per_week()), (7, Some(1.0)));
    assert_eq!((figures(&[]).days, figures(&[]).per_week()), (0, None));
    // A rollback alone is no deployment.
    let failed = broken("d-8", wednesday, "b", Status::Failed, "TIMEOUT");
    let rollback = &assess(&[failed, back("d-9", wednesday + 2, "d-8", "a")])[1..];
    assert_eq!(figures(rollback).per_week(), None);
}
