//! The four alarms, day by day: one letter for each day, the alarm's state at midnight after it; `A` for ALARM, `.` for OK, `?` for neither.

use domain::deployment::Status;
use dora::{Assessment, Labels};
use rehearsal::services::cloudwatch::CloudWatch;
use rehearsal::template::{Alarm, EventSource, Template};
use serde_json::{Value, json};
use std::time::Duration;

use crate::project::root;
use crate::watch::{letter, named, watching};

use super::{
    DAY, HOUR, MINUTE, START, bad, ended, good, lasting, minutes, production, recovery, rolled_back, staging,
    taken_back, template,
};

const SUCCESS_RATE: &str = "greenlight-delivery-success-rate";
const DURATION: &str = "greenlight-delivery-duration";
const ROLLBACKS: &str = "greenlight-delivery-rollbacks";
const RECOVERY: &str = "greenlight-delivery-recovery";
const ALL: [&str; 4] = [DURATION, RECOVERY, ROLLBACKS, SUCCESS_RATE];

/// What ended on a day.
type Day = Vec<Assessment>;

fn day(well: usize, badly: usize) -> Day {
    [vec![good(); well], vec![bad(); badly]].concat()
}

fn delivery(template: &Template) -> Vec<&Alarm> {
    let mut alarms: Vec<&Alarm> =
        template.alarms.iter().filter(|alarm| alarm.name.starts_with("greenlight-delivery-")).collect();
    alarms.sort_by_key(|alarm| alarm.name.clone());
    alarms
}

/// The alarm alone in an account.
fn alone(template: &Template, alarm: &str) -> CloudWatch {
    watching(named(template, alarm).expect("the template has the alarm"), START)
}

#[track_caller]
fn check_on(parameters: &[(&str, &str)], labels: &Labels, alarm: &str, days: Vec<Day>, expected: &str) {
    let mut cloudwatch = alone(&template(parameters), alarm);
    let mut seen = String::new();
    for (day, midnight) in days.into_iter().zip((START..).step_by(24 * 3_600_000)) {
        for (one, at) in day.into_iter().zip((midnight + 10 * HOUR..).step_by(60_000)) {
            ended(&mut cloudwatch, at, one, labels);
        }
        cloudwatch.evaluate(midnight + DAY);
        seen.push(letter(&cloudwatch, alarm));
    }
    assert_eq!(seen, expected, "{alarm}");
}

#[track_caller]
fn check(alarm: &str, days: Vec<Day>, expected: &str) {
    check_on(&[], &production(), alarm, days, expected);
}

#[test]
fn the_success_rate_goes_off_below_95_percent_of_the_last_seven_days() {
    // By Friday 19 of 20 have succeeded, 95 % and so not below it. On the next Monday the first four are out of the week: 15 of 16 are 93.75 %, then
    // 11 of 12 and 7 of 8. On Thursday four are left, too few to judge by, and on Friday there are none.
    let days = [4, 4, 4, 4].map(|well| day(well, 0)).into_iter().chain([day(3, 1)]);
    let days = days.chain((0..7).map(|_| Day::new())).collect();
    check(SUCCESS_RATE, days, ".......AAA..");
    // 18 of 19 are 94.7 %; with one more good one it is quiet again.
    check(SUCCESS_RATE, vec![day(18, 1), day(1, 0)], "A.");
    check(SUCCESS_RATE, vec![day(0, 30)], "A");
}

#[test]
fn the_success_rate_is_quiet_again_when_what_failed_is_a_week_old() {
    // Of ten a day one fails on the first, and none after it: 90 %, 19 of 20, and so on.
    check(SUCCESS_RATE, vec![day(9, 1), day(10, 0), day(10, 0)], "A..");
    // One a day, of which the third fails: 4 of 5, 5 of 6, 6 of 7; on the tenth day it is out.
    let days = (1..=12).map(|number| if number == 3 { day(0, 1) } else { day(1, 0) }).collect();
    check(SUCCESS_RATE, days, "....AAAAA...");
}

#[test]
fn a_handful_of_deployments_says_nothing_of_a_rate() {
    check(SUCCESS_RATE, vec![day(0, 1), day(0, 1), day(0, 2), Day::new()], "....");
    check(SUCCESS_RATE, vec![day(0, 4), day(0, 1)], ".A");
    check(SUCCESS_RATE, vec![day(3, 1), day(1, 0)], ".A");
    let at_once = [("LeastDeploymentsPerWeek", "1")];
    check_on(&at_once, &production(), SUCCESS_RATE, vec![day(0, 1), day(1, 0)], "AA");
    check_on(&[("LeastDeploymentsPerWeek", "20")], &production(), SUCCESS_RATE, vec![day(0, 19), day(0, 1)], ".A");
}

#[test]
fn a_rollback_is_no_deployment_that_went_well() {
    // 8 of 10 are 80 %; with the two rollbacks among them they would be 10 of 12, which is 83.3 %.
    let stopped = || vec![rolled_back(), recovery(minutes(1))];
    check_on(
        &[("LeastSuccessRate", "83")],
        &production(),
        SUCCESS_RATE,
        vec![[day(8, 0), stopped(), stopped()].concat()],
        "A",
    );
    check_on(
        &[("LeastSuccessRate", "80")],
        &production(),
        SUCCESS_RATE,
        vec![[day(8, 0), stopped(), stopped()].concat()],
        ".",
    );
}

#[test]
fn the_duration_goes_off_when_the_slowest_twentieth_took_more_than_20_minutes() {
    check(DURATION, vec![vec![lasting(minutes(20))]], ".");
    check(DURATION, vec![vec![lasting(minutes(20) + Duration::from_secs(1))]], "A");
    // Of twenty, the slowest one alone is the slowest twentieth, and p95 the one before it; of nineteen p95 is the slowest.
    let fast_and = |fast: usize, slow: usize| [day(fast, 0), vec![lasting(minutes(40)); slow]].concat();
    check(DURATION, vec![fast_and(19, 1)], ".");
    check(DURATION, vec![fast_and(18, 2)], "A");
    check(DURATION, vec![fast_and(18, 1), day(1, 0)], "A.");
    // The wait before the old version is ended is no part of it.
    let waits = Assessment { total_duration: Some(minutes(70)), ..lasting(minutes(10)) };
    check(DURATION, vec![vec![waits]], ".");
    check_on(&[("LongestDeploymentMinutes", "40")], &production(), DURATION, vec![fast_and(0, 3)], ".");
}

#[test]
fn the_duration_is_quiet_again_after_a_week_and_without_deployments() {
    let mut days = vec![vec![lasting(minutes(45))]];
    days.resize(9, Day::new());
    check(DURATION, days, "AAAAAAA..");
    check(DURATION, vec![Day::new(); 10], "..........");
}

#[test]
fn the_rollbacks_go_off_with_the_third_of_seven_days() {
    let one = || vec![rolled_back(), recovery(minutes(1))];
    // The third is on Friday; on the next Monday the first is out of the week.
    let days = vec![one(), Day::new(), one(), Day::new(), one(), day(5, 0), Day::new(), Day::new()];
    check(ROLLBACKS, days, "....AAA.");
    check(ROLLBACKS, vec![one(), one(), day(20, 5)], "...");
    check_on(&[("MostRollbacksPerWeek", "0")], &production(), ROLLBACKS, vec![day(1, 0), one()], ".A");
    check(ROLLBACKS, vec![Day::new(); 10], "..........");
    // What had succeeded and is taken back counts from when it was taken back.
    let late = |day: i64| Assessment { takes_back: Some(taken_back(START + day * DAY + HOUR)), ..recovery(minutes(1)) };
    check(ROLLBACKS, vec![one(), vec![late(1)], vec![late(2)]], "..A");
}

#[test]
fn the_recovery_goes_off_for_a_day_with_one_that_took_more_than_five_minutes() {
    check(RECOVERY, vec![vec![recovery(minutes(5))]], ".");
    check(RECOVERY, vec![vec![recovery(minutes(5) + Duration::from_secs(1))]], "A");
    check(RECOVERY, vec![vec![recovery(minutes(90))], Day::new(), Day::new()], "A..");
    // A fast one after it does not make it good, and it does not make the fast one bad.
    check(RECOVERY, vec![vec![recovery(minutes(9)), recovery(minutes(1))], vec![recovery(minutes(1))]], "A.");
    // A deployment that makes the group well counts as a rollback does.
    check(RECOVERY, vec![vec![Assessment { recovery: Some(minutes(600)), ..good() }], day(9, 9)], "A.");
    check_on(&[("LongestRecoveryMinutes", "15")], &production(), RECOVERY, vec![vec![recovery(minutes(15))]], ".");
    // A hook that fails on Friday is heard of on Monday, when the next deployment succeeds: what Slack tells says so.
    let monday = Assessment { recovery: Some(minutes(3 * 24 * 60)), ..good() };
    check(RECOVERY, vec![day(0, 1), Day::new(), Day::new(), vec![monday]], "...A");
    let template = template(&[]);
    let alarm = delivery(&template).into_iter().find(|alarm| alarm.name == RECOVERY).expect("the alarm");
    let description = alarm.properties["AlarmDescription"].as_str().unwrap_or_default();
    assert!(description.contains("told when it is over, never while it lasts"), "{description}");
    assert!(description.contains("whether or not it got to production"), "{description}");
    check(RECOVERY, vec![Day::new(); 10], "..........");
}

#[test]
fn a_slow_recovery_is_seen_at_once_and_also_when_it_is_published_hours_later() {
    let template = template(&[]);
    let slow = || recovery(minutes(30));
    let mut cloudwatch = alone(&template, RECOVERY);
    ended(&mut cloudwatch, START + HOUR, slow(), &production());
    let mut at = |time| {
        cloudwatch.evaluate(time);
        letter(&cloudwatch, RECOVERY)
    };
    assert_eq!([START + HOUR + MINUTE, START + 24 * HOUR, START + 26 * HOUR].map(&mut at), ['A', 'A', '.']);
    // Its event was lost, and the reconciliation finds it after seven hours.
    let mut cloudwatch = alone(&template, RECOVERY);
    cloudwatch.evaluate(START + 8 * HOUR);
    assert_eq!(letter(&cloudwatch, RECOVERY), '.');
    ended(&mut cloudwatch, START + HOUR, slow(), &production());
    cloudwatch.evaluate(START + 8 * HOUR + MINUTE);
    assert_eq!(letter(&cloudwatch, RECOVERY), 'A');
}

#[test]
fn the_whole_fleet_is_looked_at_or_one_environment() {
    let of_production = [("MetricsEnvironment", "production")];
    let cases: [(&str, Day); 4] = [
        (SUCCESS_RATE, day(0, 9)),
        (DURATION, vec![lasting(minutes(60))]),
        (ROLLBACKS, vec![rolled_back(); 3]),
        (RECOVERY, vec![recovery(minutes(60))]),
    ];
    for (alarm, day) in cases {
        check_on(&[], &staging(), alarm, vec![day.clone()], "A");
        check_on(&of_production, &staging(), alarm, vec![day.clone()], ".");
        check_on(&of_production, &production(), alarm, vec![day], "A");
    }
    // Which environment that is stands in what Slack tells.
    let tells = |parameters: &[(&str, &str)], place: &str| {
        let template = template(parameters);
        for alarm in delivery(&template) {
            let what = alarm.properties["AlarmDescription"].as_str().and_then(|text| text.split("\n\n").next());
            assert!(what.is_some_and(|what| what.contains(place)), "{}: {what:?}", alarm.name);
        }
    };
    tells(&of_production, "(environment production)");
    tells(&[], "(all environments of the fleet)");
    for alarm in delivery(&template(&of_production)) {
        assert_eq!(alarm.tags.get("greenlight:environment").map(String::as_str), Some("production"), "{}", alarm.name);
    }
    for alarm in delivery(&template(&[])) {
        assert!(!alarm.tags.contains_key("greenlight:environment"), "{}", alarm.name);
    }
}

/// Every text below a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(entries) => entries.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_delivery_alarm_keeps_to_cloudwatchs_limits_and_tells_people_what_to_do() {
    let template = template(&[("AlertTopicArn", "arn:aws:sns:eu-west-1:123456789012:pager")]);
    let alarms = delivery(&template);
    assert_eq!(alarms.iter().map(|alarm| alarm.name.as_str()).collect::<Vec<_>>(), ALL);
    let board = template.resources["DeliveryDashboard"]["Properties"]["DashboardName"].as_str();
    for alarm in alarms {
        let properties = &alarm.properties;
        let metrics = properties["Metrics"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(metrics.len() <= 10, "{}", alarm.name);
        let periods: Vec<i64> = metrics
            .iter()
            .filter_map(|metric| metric.pointer("/MetricStat/Period"))
            .chain(properties.get("Period"))
            .filter_map(Value::as_i64)
            .collect();
        let evaluated = properties["EvaluationPeriods"].as_i64().expect("it has periods");
        assert!(!periods.is_empty() && periods.iter().all(|period| *period >= 3600 && period * evaluated <= 604_800));
        // Nothing that runs over more than the alarm's own period, nothing that is filled in, no division without a floor.
        for expression in metrics.iter().filter_map(|metric| metric["Expression"].as_str()) {
            for function in ["SUM(", "AVG(", "MIN(", "MAX(", "FILL(", "SEARCH(", "RUNNING_SUM("] {
                assert!(!expression.contains(function), "{}: {expression}", alarm.name);
            }
            assert!(!expression.contains("/ deployments") || expression.starts_with("IF(deployments >= "));
        }
        assert_eq!(properties["TreatMissingData"], "notBreaching", "{}", alarm.name);
        assert_eq!(properties["AlarmActions"], json!(["arn:aws:sns:eu-west-1:123456789012:pager"]), "{}", alarm.name);
        assert_eq!(alarm.tags.get("greenlight:action").map(String::as_str), Some("alert"), "{}", alarm.name);
        assert!(!alarm.tags.contains_key("greenlight:deployment-group"), "{}", alarm.name);
        let description = properties["AlarmDescription"].as_str().expect("it has a description");
        assert!(description.len() <= 1024, "{}", alarm.name);
        let (_, to_do) = description.split_once("\n\n").expect("what has happened, and what to do");
        assert!(board.is_some_and(|board| to_do.contains(board)), "{}: {to_do}", alarm.name);
        let is_resolved = texts(properties).into_iter().all(|text| !text.contains("${"));
        assert!(is_resolved, "{}: {properties}", alarm.name);
    }
}

#[test]
fn a_stop_by_a_person_counts_as_no_success_and_the_alarm_says_so() {
    // A person's stop without a rollback is the same to CloudWatch as the second failure of one revision: neither a success nor a change failure.
    let stopped = Assessment { status: Status::Stopped, ..good() };
    check(SUCCESS_RATE, vec![[day(4, 0), vec![stopped]].concat()], "A");
    let template = template(&[]);
    let alarm = delivery(&template).into_iter().find(|alarm| alarm.name == SUCCESS_RATE).expect("the alarm");
    let description = alarm.properties["AlarmDescription"].as_str().unwrap_or_default();
    assert!(description.contains("One that a person stopped counts as one that did not."), "{description}");
}

#[test]
fn slack_hears_of_the_dead_letters_with_what_to_do() {
    let template = template(&[]);
    let alarm = template.alarms.iter().find(|alarm| alarm.name == "greenlight-dead-letters").expect("the alarm");
    assert_eq!(alarm.tags.get("greenlight:action").map(String::as_str), Some("alert"));
    assert!(!alarm.tags.contains_key("greenlight:deployment-group"));
    let description = alarm.properties["AlarmDescription"].as_str().unwrap_or_default();
    let (what, to_do) = description.split_once("\n\n").expect("what has happened, and what to do");
    assert!(description.len() <= 1024 && what.contains("queue greenlight-dead-letters"), "{description}");
    assert!(to_do.contains("requestPayload") && to_do.contains("When a message was lost"), "{to_do}");
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README is there");
    assert!(readme.contains("## When a message was lost"));
}

#[test]
fn they_can_be_left_out() {
    assert!(delivery(&template(&[("DeliveryAlarms", "no")])).is_empty());
}

#[test]
fn a_prefix_for_alarms_does_not_keep_them_from_being_told() {
    let template = template(&[("AlarmNamePrefix", "shop-")]);
    let function =
        template.functions.iter().find(|function| function.binary == "alarm-rollback").expect("it has the function");
    let reaches = |alarm: &str| {
        let event = json!({"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change",
            "detail": {"alarmName": alarm, "state": {"value": "ALARM"}}});
        function.events.iter().any(|it| matches!(it, EventSource::Rule(rule) if rule.pattern.matches(&event)))
    };
    assert!(ALL.into_iter().chain(["shop-5xx", "greenlight-dead-letters"]).all(reaches));
    assert!(!["other-5xx", "greenlight-delivery-of-mine", "greenlight-dead-letters-of-mine"].into_iter().any(reaches));
}
