//! Rates and cron expressions against AWS's documented examples.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::ScheduleExpression;

fn millis(time: &str) -> u64 {
    u64::try_from(OffsetDateTime::parse(time, &Rfc3339).unwrap().unix_timestamp_nanos() / 1_000_000).unwrap()
}

fn readable(epoch_ms: u64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(epoch_ms) * 1_000_000).unwrap().format(&Rfc3339).unwrap()
}

/// The firings after a moment.
#[track_caller]
fn check(expression: &str, after: &str, expected: &[&str]) {
    let parsed = ScheduleExpression::parse(expression).unwrap();
    let mut now = millis(after);
    for expected in expected {
        now = parsed.next_after(now).expect("the schedule fires again");
        assert_eq!(readable(now), *expected, "{expression}");
    }
}

#[test]
fn rates_count_from_the_last_firing() {
    check("rate(5 minutes)", "2026-01-01T00:00:30Z", &["2026-01-01T00:05:30Z", "2026-01-01T00:10:30Z"]);
    check("rate(1 hour)", "2026-01-01T00:00:00Z", &["2026-01-01T01:00:00Z"]);
    check("rate(7 days)", "2026-01-01T00:00:00Z", &["2026-01-08T00:00:00Z"]);
}

#[test]
fn every_day_at_ten() {
    check("cron(0 10 * * ? *)", "2026-08-22T09:59:59Z", &["2026-08-22T10:00:00Z", "2026-08-23T10:00:00Z"]);
    check("cron(0 10 * * ? *)", "2026-08-22T10:00:00Z", &["2026-08-23T10:00:00Z"]);
}

#[test]
fn working_days_at_six() {
    check("cron(0 18 ? * MON-FRI *)", "2026-08-21T18:00:00Z", &["2026-08-24T18:00:00Z", "2026-08-25T18:00:00Z"]);
    check("cron(0 18 ? * 2-6 *)", "2026-08-21T18:00:00Z", &["2026-08-24T18:00:00Z"]);
}

#[test]
fn the_first_of_every_month() {
    check("cron(0 8 1 * ? *)", "2026-12-01T08:00:00Z", &["2027-01-01T08:00:00Z"]);
}

#[test]
fn steps_ranges_and_lists() {
    check("cron(0/15 * * * ? *)", "2026-01-01T00:50:00Z", &["2026-01-01T01:00:00Z", "2026-01-01T01:15:00Z"]);
    check("cron(1/10 * * * ? *)", "2026-01-01T00:01:00Z", &["2026-01-01T00:11:00Z"]);
    check("cron(*/20 8-9 * JAN,mar ? *)", "2026-01-31T09:40:00Z", &["2026-03-01T08:00:00Z", "2026-03-01T08:20:00Z"]);
    check("cron(0/30 8-17/4 ? * SUN,7 *)", "2026-08-22T16:30:00Z", &["2026-08-23T08:00:00Z"]);
}

#[test]
fn last_days_nearest_working_days_and_nth_days() {
    check("cron(0 0 L * ? *)", "2028-02-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"]);
    check("cron(0 0 ? * L *)", "2026-08-21T00:00:00Z", &["2026-08-22T00:00:00Z"]);
    check("cron(0 0 ? * FRIL *)", "2026-08-01T00:00:00Z", &["2026-08-28T00:00:00Z", "2026-09-25T00:00:00Z"]);
    check("cron(0 9 ? * 3#2 *)", "2026-08-01T00:00:00Z", &["2026-08-11T09:00:00Z", "2026-09-08T09:00:00Z"]);
    // 1 August 2026 is a Saturday and 15 November 2026 a Sunday.
    check("cron(0 9 1W * ? *)", "2026-07-31T00:00:00Z", &["2026-08-03T09:00:00Z", "2026-09-01T09:00:00Z"]);
    check("cron(0 9 15W * ? *)", "2026-11-01T00:00:00Z", &["2026-11-16T09:00:00Z"]);
    check("cron(0 9 31W 5 ? 2026)", "2026-01-01T00:00:00Z", &["2026-05-29T09:00:00Z"]);
}

#[test]
fn a_day_that_most_years_lack_is_waited_for() {
    check("cron(0 0 29 2 ? *)", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
}

#[test]
fn a_cron_expression_can_run_out_of_years() {
    let once = ScheduleExpression::parse("cron(0 0 1 1 ? 2026)").unwrap();
    assert_eq!(once.next_after(millis("2025-06-01T00:00:00Z")).map(readable).as_deref(), Some("2026-01-01T00:00:00Z"));
    assert_eq!(once.next_after(millis("2026-01-01T00:00:00Z")), None);
    assert_eq!(ScheduleExpression::parse("cron(0 0 30 2 ? *)").unwrap().next_after(0), None);
}

#[test]
fn expressions_that_aws_refuses_are_refused() {
    for expression in [
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(5 seconds)",
        "rate(five minutes)",
        "rate(5)",
        "at(2026-01-01T00:00:00)",
        "5 minutes",
        "cron(0 10 * * ?)",
        "cron(0 10 * * * *)",
        "cron(0 10 ? * ? *)",
        "cron(60 10 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 0 0 * ? *)",
        "cron(0 0 1 13 ? *)",
        "cron(0 0 ? * 8 *)",
        "cron(0 0 ? * FRI-MON *)",
        "cron(0 0 ? * 3#6 *)",
        "cron(0/0 0 * * ? *)",
        "cron(0 0 ? * MON 2200)",
        "cron(a 0 * * ? *)",
    ] {
        assert!(ScheduleExpression::parse(expression).is_err(), "{expression} should be refused");
    }
    let error = ScheduleExpression::parse("cron(0 10 ? * ? *)").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the schedule `cron(0 10 ? * ? *)`: exactly one of day of month and day of week must be `?`"
    );
}
