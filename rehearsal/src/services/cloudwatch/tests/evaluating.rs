//! M out of N, and what is made of missing data: the tables of AWS's page on missing data, row by row.

use super::*;
use AlarmState::{Alarm, InsufficientData, Ok as Fine};

/// The state after one evaluation of `data`, the oldest period first: `X` breaches, `0` does not, `-` is missing.
/// The alarm is in `before` when it is evaluated.
#[track_caller]
fn state(data: &str, periods: u32, datapoints: u32, missing: &str, before: AlarmState) -> AlarmState {
    let mut cloudwatch = CloudWatch::new();
    for (minutes_ago, mark) in data.split(' ').rev().zip(1..).map(|(mark, ago)| (ago, mark)) {
        match mark {
            "X" => sample(&mut cloudwatch, minutes_ago, 9.0),
            "0" => sample(&mut cloudwatch, minutes_ago, 0.0),
            _ => {}
        }
    }
    let more = json!({
        "EvaluationPeriods": periods, "DatapointsToAlarm": datapoints, "TreatMissingData": missing,
    });
    cloudwatch.put_alarm(&properties("a", &more), NOW).unwrap();
    let set = json!({"AlarmName": "a", "StateValue": before.as_str(), "StateReason": "test"});
    ok(&mut cloudwatch, "SetAlarmState", set);
    cloudwatch.evaluate(NOW);
    cloudwatch.alarm_state("a").unwrap()
}

/// One row: what `missing`, `ignore`, `breaching` and `notBreaching` make of it. `None` keeps the state.
#[track_caller]
fn row(data: &str, datapoints: u32, expected: [Option<AlarmState>; 4]) {
    for before in [Fine, Alarm, InsufficientData] {
        for (missing, expected) in ["missing", "ignore", "breaching", "notBreaching"].into_iter().zip(expected) {
            let seen = state(data, 3, datapoints, missing, before);
            assert_eq!(seen, expected.unwrap_or(before), "{data} as {missing}, before {before}");
        }
    }
}

#[test]
fn three_out_of_three_follow_the_documented_table() {
    row("0 - X - X", 3, [Some(Fine); 4]);
    row("- - - - 0", 3, [Some(Fine); 4]);
    row("- - - - -", 3, [Some(InsufficientData), None, Some(Alarm), Some(Fine)]);
    row("0 X X - X", 3, [Some(Alarm); 4]);
    row("- - X - -", 3, [Some(Alarm), None, Some(Alarm), Some(Fine)]);
}

#[test]
fn two_out_of_three_follow_the_documented_table() {
    row("0 - X - X", 2, [Some(Alarm); 4]);
    row("0 0 X 0 X", 2, [Some(Alarm); 4]);
    row("0 - X - -", 2, [Some(Fine), Some(Fine), Some(Alarm), Some(Fine)]);
    row("- - - - 0", 2, [Some(Fine), Some(Fine), Some(Alarm), Some(Fine)]);
    row("- - - X -", 2, [Some(Alarm), None, Some(Alarm), Some(Fine)]);
}

#[test]
fn too_little_bad_data_does_not_alarm_too_early() {
    for before in [Fine, InsufficientData] {
        assert_eq!(state("- - - - X", 3, 3, "missing", before), before);
        assert_eq!(state("- - - X -", 3, 3, "missing", before), before);
        assert_eq!(state("- - - - X", 3, 2, "missing", before), before);
    }
}

#[test]
fn data_beyond_the_evaluation_range_does_not_count() {
    assert_eq!(state("X - - - - -", 3, 1, "notBreaching", Fine), Fine);
    assert_eq!(state("X - - - -", 3, 1, "notBreaching", Fine), Alarm);
    assert_eq!(state("X 0 0 0", 3, 1, "notBreaching", Fine), Fine);
    assert_eq!(state("X - -", 1, 1, "missing", Fine), Alarm);
    assert_eq!(state("X - - -", 1, 1, "missing", Fine), InsufficientData);
}

#[test]
fn every_comparison_has_its_own_edge() {
    for (operator, below, at, above) in [
        ("GreaterThanThreshold", Fine, Fine, Alarm),
        ("GreaterThanOrEqualToThreshold", Fine, Alarm, Alarm),
        ("LessThanThreshold", Alarm, Fine, Fine),
        ("LessThanOrEqualToThreshold", Alarm, Alarm, Fine),
    ] {
        for (value, expected) in [(4.0, below), (5.0, at), (6.0, above)] {
            let mut cloudwatch = CloudWatch::new();
            sample(&mut cloudwatch, 1, value);
            cloudwatch.put_alarm(&properties("a", &json!({"ComparisonOperator": operator})), NOW).unwrap();
            cloudwatch.evaluate(NOW);
            assert_eq!(cloudwatch.alarm_state("a"), Some(expected), "{value} {operator}");
        }
    }
}

#[test]
fn an_alarm_fires_at_the_minute_after_the_data_and_recovers() {
    let mut cloudwatch = CloudWatch::new();
    let more = json!({"TreatMissingData": "notBreaching", "EvaluationPeriods": 2, "DatapointsToAlarm": 1});
    cloudwatch.put_alarm(&properties("a", &more), NOW).unwrap();
    let minute = NOW - NOW % MINUTE;
    cloudwatch.evaluate(minute);
    assert_eq!(cloudwatch.alarm_state("a"), Some(Fine));
    for second in [10, 40] {
        cloudwatch.put("N", "m", BTreeMap::new(), minute + second * 1000, 3.0, "Count");
        assert_eq!(cloudwatch.evaluate(minute + 59_000).len(), 0);
    }
    let changes = cloudwatch.evaluate(minute + MINUTE);
    assert_eq!(changes.len(), 1);
    assert!(changes[0].alarms());
    assert_eq!(cloudwatch.evaluate(minute + MINUTE).len(), 0);
    let back = (2..9).find(|minutes| !cloudwatch.evaluate(minute + minutes * MINUTE).is_empty());
    assert_eq!(back, Some(5), "AWS looks at two more periods than the alarm has");
}

#[test]
fn a_short_period_is_evaluated_every_ten_seconds() {
    let mut cloudwatch = CloudWatch::new();
    let put = json!({"Namespace": "N", "MetricData": [
        {"MetricName": "m", "Value": 9, "StorageResolution": 1, "Timestamp": when::seconds(NOW)}
    ]});
    ok(&mut cloudwatch, "PutMetricData", put);
    cloudwatch.put_alarm(&properties("a", &json!({"Period": 10})), NOW).unwrap();
    assert_eq!(cloudwatch.evaluate(NOW).len(), 0);
    assert_eq!(cloudwatch.evaluate(NOW + 10_000).len(), 1);
}

#[test]
fn a_week_long_alarm_looks_at_its_week_only() {
    let mut cloudwatch = CloudWatch::new();
    let metric = |id: &str, name: &str| {
        json!({"Id": id, "ReturnData": false, "MetricStat": {
            "Period": 604_800, "Stat": "Sum", "Metric": {"Namespace": "D", "MetricName": name},
        }})
    };
    let weekly = json!({
        "AlarmName": "weekly", "ComparisonOperator": "LessThanThreshold", "Threshold": 95, "EvaluationPeriods": 1,
        "TreatMissingData": "notBreaching", "Metrics": [
            metric("ok", "Succeeded"), metric("bad", "Failed"),
            {"Id": "rate", "Expression": "100*FILL(ok,0)/(FILL(ok,0)+FILL(bad,0))", "Label": "7-day success %"},
        ],
    });
    cloudwatch.put_alarm(&weekly, NOW).unwrap();
    cloudwatch.evaluate(NOW);
    assert_eq!(cloudwatch.alarm_state("weekly"), Some(Fine));
    let day = 24 * 60 * MINUTE;
    cloudwatch.put("D", "Failed", BTreeMap::new(), NOW - 8 * day, 9.0, "Count");
    cloudwatch.put("D", "Succeeded", BTreeMap::new(), NOW - 3 * day, 9.0, "Count");
    assert_eq!(cloudwatch.evaluate(NOW + 60 * MINUTE).len(), 0);
    cloudwatch.put("D", "Failed", BTreeMap::new(), NOW - 2 * day, 1.0, "Count");
    assert!(cloudwatch.evaluate(NOW + 120 * MINUTE)[0].current.reason.contains("[90.0 ("));
    assert_eq!(cloudwatch.evaluate(NOW + 6 * day)[0].current.value, Fine);
}

/// "When multi-day alarms are evaluated, CloudWatch takes into account only the metrics up to the current hour at the :00 minute": the user
/// guide's example has a job fail at two minutes past ten, which is seen after eleven.
#[test]
fn an_alarm_of_more_than_a_day_is_evaluated_once_an_hour() {
    let mut cloudwatch = CloudWatch::new();
    let hour = NOW - NOW % (60 * MINUTE);
    let more =
        json!({"Period": 86_400, "EvaluationPeriods": 2, "DatapointsToAlarm": 1, "TreatMissingData": "notBreaching"});
    cloudwatch.put_alarm(&properties("days", &more), hour).unwrap();
    cloudwatch
        .put_alarm(&properties("day", &json!({"Period": 86_400, "TreatMissingData": "notBreaching"})), hour)
        .unwrap();
    cloudwatch.evaluate(hour + MINUTE);
    cloudwatch.put("N", "m", BTreeMap::new(), hour + 2 * MINUTE, 9.0, "Count");
    let states = |cloudwatch: &CloudWatch| ["days", "day"].map(|name| cloudwatch.alarm_state(name).unwrap());
    for minute in 3..60 {
        cloudwatch.evaluate(hour + minute * MINUTE);
        assert_eq!(states(&cloudwatch), [Fine, Alarm], "a day is no more than a day; minute {minute}");
    }
    cloudwatch.evaluate(hour + 60 * MINUTE);
    assert_eq!(states(&cloudwatch), [Alarm, Alarm]);
}

#[test]
fn an_alarm_looks_back_as_far_as_aws_lets_it() {
    let mut cloudwatch = CloudWatch::new();
    for (period, periods, fits) in [
        (604_800, 1, true),
        (604_800, 2, false),
        (86_400, 7, true),
        (86_400, 8, false),
        (3600, 168, true),
        (3600, 169, false),
        (1800, 48, true),
        (1800, 49, false),
    ] {
        let properties = properties("a", &json!({"Period": period, "EvaluationPeriods": periods}));
        let outcome = cloudwatch.put_alarm(&properties, NOW);
        match outcome {
            Ok(_) => assert!(fits, "{periods} times {period} seconds"),
            Err(error) => assert!(!fits && error.message.contains("a day (86400), and a week (604800)"), "{error}"),
        }
    }
}

#[test]
fn a_percentile_alarm_reads_its_extended_statistic() {
    let mut cloudwatch = CloudWatch::new();
    for value in 1..=10 {
        sample(&mut cloudwatch, 1, f64::from(value));
    }
    let more = json!({"Statistic": null, "ExtendedStatistic": "p95", "Threshold": 9.5});
    cloudwatch.put_alarm(&properties("a", &more), NOW).unwrap();
    assert!(cloudwatch.evaluate(NOW)[0].alarms());
}

#[test]
fn of_an_alarm_on_a_whole_week_one_value_is_told_since_it_looks_at_no_other_week() {
    let mut cloudwatch = CloudWatch::new();
    let properties = json!({"AlarmName": "a week", "Namespace": "App", "MetricName": "Rollbacks", "Statistic": "Sum", "Period": 604_800,
        "EvaluationPeriods": 1, "Threshold": 2, "ComparisonOperator": "GreaterThanThreshold"});
    cloudwatch.put_alarm(&properties, 0).unwrap();
    for values in [None, Some(&[3.0][..]), Some(&[3.0, 4.0])] {
        let told = cloudwatch.imagine("a week", AlarmState::Alarm, values, 604_800_000).unwrap();
        assert!(told.reason.starts_with("Threshold Crossed: 1 out of the last 1 datapoints ["), "{}", told.reason);
    }
}
