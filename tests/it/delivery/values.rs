//! What the dashboard's widgets show of a week that is worked out by hand, asked of the rehearsal's CloudWatch with the widgets' own metrics and
//! expressions.

use std::collections::{BTreeMap, BTreeSet};

use dora::{Assessment, Labels};
use rehearsal::services::cloudwatch::CloudWatch;
use serde_json::{Value, json};

use super::dashboard::{Line, WEEK, body, hook, line, metrics, restored, title, widgets};
use super::taken_back;
use super::{DAY, HOUR, MINUTE, START, bad, ended, good, minutes, production, publish, recovery, rolled_back, staging};

/// What a widget shows of the week, by label: its own metrics and expressions, asked for as the console does.
fn shown(cloudwatch: &mut CloudWatch, body: &Value, named: &str) -> BTreeMap<String, Vec<f64>> {
    let widget = widgets(body).iter().find(|widget| title(widget) == named).expect("there is the widget");
    let period = widget.pointer("/properties/period").and_then(Value::as_i64).unwrap_or(WEEK / 1000);
    let queries: Vec<Value> = metrics(widget)
        .iter()
        .map(|entry| {
            let (line, options) = line(entry);
            let source = match line {
                Line::Math(text) => json!({"Expression": text}),
                Line::Search(text) => panic!("the rehearsal has no SEARCH: {text}"),
                Line::Metric { namespace, name, dimensions } => {
                    let dimensions: Vec<Value> =
                        dimensions.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
                    let metric = json!({"Namespace": namespace, "MetricName": name, "Dimensions": dimensions});
                    json!({"MetricStat": {"Metric": metric, "Period": period, "Stat": options["stat"]}})
                }
            };
            let mut query = json!({"Id": options["id"], "ReturnData": options.get("visible") != Some(&false.into()),
                "Label": options.get("label")});
            query.as_object_mut().expect("an object").extend(source.as_object().expect("an object").clone());
            query
        })
        .collect();
    let range = json!({"StartTime": START / 1000, "EndTime": (START + WEEK) / 1000, "ScanBy": "TimestampAscending",
        "MetricDataQueries": queries});
    let answer = cloudwatch.handle("GetMetricData", &range, START + WEEK).unwrap_or_else(|error| panic!("{error:?}"));
    let results = answer.get("MetricDataResults").and_then(Value::as_array).expect("results").iter();
    results
        .map(|result| {
            let list = |name: &str| result.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let label = result.get("Label").and_then(Value::as_str).unwrap_or_default();
            (label.to_owned(), list("Values").iter().filter_map(Value::as_f64).collect())
        })
        .collect()
}

/// A week of seven deployments:
///
/// | day | what | shift, whole (min) | lead time (h) | well again after (min) |
/// | --- | --- | --- | --- | --- |
/// | Monday | a change | 6, 11 | 2 | |
/// | Tuesday | a change, stopped by an alarm and rolled back within 48 s | 8, 8 | | 3, by the rollback |
/// | Tuesday | the change that mends it | 7, 12 | 4 | |
/// | Wednesday | the same revision again | 5, 10 | | |
/// | Thursday | a change that its first hook fails | 2, 2 | | |
/// | Thursday | the change that mends it | 10, 15 | 26 | 90 |
/// | Friday | a change | 9, 14 | 1 | |
/// | Friday | it is taken back within 100 s | | | 4, by the rollback |
fn week(cloudwatch: &mut CloudWatch, labels: &Labels) {
    let lasting = |shift, whole, of: Assessment| Assessment {
        duration: Some(minutes(shift)),
        total_duration: Some(minutes(whole)),
        ..of
    };
    let led = |hours: u64, of: Assessment| Assessment { lead_time: Some(minutes(60 * hours)), ..of };
    let mut put = |day: i64, hour: i64, of: Assessment| ended(cloudwatch, START + day * DAY + hour * HOUR, of, labels);
    let before = |seconds, well, day: i64| hook("BeforeAllowTraffic", seconds, well, START + day * DAY + HOUR);
    let after = hook("AfterAllowTraffic", 30, true, START + HOUR);
    let hooks = vec![before(20, true, 0), after];
    put(0, 10, Assessment { hooks, ..led(2, lasting(6, 11, good())) });
    put(1, 10, Assessment { hooks: vec![before(25, true, 1)], ..lasting(8, 8, rolled_back()) });
    put(1, 11, recovery(minutes(3)));
    put(1, 15, Assessment { is_rework: true, ..led(4, lasting(7, 12, good())) });
    put(2, 10, Assessment { is_change: false, decides_change: false, ..lasting(5, 10, good()) });
    put(3, 10, Assessment { hooks: vec![before(60, false, 3)], ..lasting(2, 2, bad()) });
    let mended = led(26, lasting(10, 15, good()));
    put(3, 12, Assessment { is_rework: true, recovery: Some(minutes(90)), ..mended });
    put(4, 10, led(1, lasting(9, 14, good())));
    put(4, 11, Assessment { takes_back: Some(taken_back(START + 4 * DAY + 11 * HOUR)), ..recovery(minutes(4)) });
    for (seconds, at) in [(48.0, START + DAY + 10 * HOUR + MINUTE), (100.0, START + 4 * DAY + 11 * HOUR)] {
        publish(cloudwatch, dora::of_traffic_restored(&restored(seconds, at), labels));
    }
}

#[track_caller]
fn expect(cloudwatch: &mut CloudWatch, body: &Value, named: &str, expected: &[(&str, &[f64])]) {
    let shown = shown(cloudwatch, body, named);
    let labels: BTreeSet<&str> = shown.keys().map(String::as_str).collect();
    assert_eq!(labels, expected.iter().map(|(label, _)| *label).collect(), "{named}");
    for (label, values) in expected {
        let seen = shown.get(*label).expect("its label was compared");
        let is_near = |(one, other): (&f64, &f64)| (one - other).abs() < 1e-9;
        assert!(
            seen.len() == values.len() && seen.iter().zip(*values).all(is_near),
            "{named}, {label}: {seen:?}, expected {values:?}"
        );
    }
}

#[test]
fn the_widgets_show_the_numbers_of_a_week_worked_out_by_hand() {
    let (mut cloudwatch, body) = (CloudWatch::new(), body(&[]));
    week(&mut cloudwatch, &production());
    let mut expect = |named, expected: &[(&str, &[f64])]| expect(&mut cloudwatch, &body, named, expected);
    // The five numbers. Of the lead times 1, 2, 4 and 26 h the median is the second; of the recoveries 3, 4 and 90 min, too. Six of the seven were
    // changes, of which two failed and one was taken back; two were made to mend a failure.
    expect("Deployments", &[("deployments", &[7.0])]);
    expect("Lead time (p50)", &[("hours from commit to production", &[2.0])]);
    expect("Change failure rate", &[("% of the changes", &[50.0])]);
    expect("Recovery (p50)", &[("minutes until well again", &[4.0])]);
    expect("Rework rate", &[("% of the deployments", &[200.0 / 7.0])]);
    // By day, Monday to Friday; the weekend has no points.
    expect(
        "Deployments and how they ended, by day",
        &[("succeeded", &[1.0, 1.0, 1.0, 1.0, 1.0]), ("failed or stopped", &[0.0, 1.0, 0.0, 1.0, 0.0])],
    );
    expect("Success rate, by week", &[("% of the deployments", &[500.0 / 7.0])]);
    // To the shift's end 2, 5, 6, 7, 8, 9, 10 min; to the very end 2, 8, 10, 11, 12, 14, 15.
    expect(
        "Duration, by week",
        &[
            ("p50 to the end of the shift", &[7.0]),
            ("p95 to the end of the shift", &[10.0]),
            ("p50 with the wait for termination", &[11.0]),
            ("p95 with the wait for termination", &[15.0]),
        ],
    );
    expect("Lead time from commit to production, by week", &[("p50", &[2.0])]);
    expect("Deployments, by week", &[("deployments", &[7.0])]);
    expect("Change failure rate, by week", &[("% of the changes", &[50.0])]);
    expect("Recovery from a failed deployment, by week", &[("p50", &[4.0]), ("slowest", &[90.0])]);
    expect("Rework rate, by week", &[("% of the deployments", &[200.0 / 7.0])]);
    expect("Rollbacks, by week", &[("rolled back", &[2.0])]);
    expect("From the alarm to all traffic back, by week", &[("p50", &[48.0]), ("slowest", &[100.0])]);
    expect(
        "Hook verdicts, by week",
        &[
            ("BeforeInstall passed", &[]),
            ("BeforeInstall failed", &[]),
            ("AfterInstall passed", &[]),
            ("AfterInstall failed", &[]),
            ("AfterAllowTestTraffic passed", &[]),
            ("AfterAllowTestTraffic failed", &[]),
            ("BeforeAllowTraffic passed", &[2.0]),
            ("BeforeAllowTraffic failed", &[1.0]),
            ("AfterAllowTraffic passed", &[1.0]),
            ("AfterAllowTraffic failed", &[0.0]),
        ],
    );
    expect(
        "Hook duration (p95), by week",
        &[
            ("BeforeInstall", &[]),
            ("AfterInstall", &[]),
            ("AfterAllowTestTraffic", &[]),
            ("BeforeAllowTraffic", &[60.0]),
            ("AfterAllowTraffic", &[30.0]),
        ],
    );
}

#[test]
fn a_week_without_deployments_or_without_changes_divides_by_nothing() {
    let (mut cloudwatch, body) = (CloudWatch::new(), body(&[]));
    for rate in ["Success rate, by week", "Rework rate, by week"] {
        expect(&mut cloudwatch, &body, rate, &[("% of the deployments", &[])]);
    }
    expect(&mut cloudwatch, &body, "Change failure rate", &[("% of the changes", &[])]);
    ended(
        &mut cloudwatch,
        START + HOUR,
        Assessment { is_change: false, decides_change: false, ..good() },
        &production(),
    );
    expect(&mut cloudwatch, &body, "Change failure rate", &[("% of the changes", &[0.0])]);
    // What was brought in a week before does harm in this one, which brings nothing.
    let back = Assessment { takes_back: Some(taken_back(START + 2 * HOUR)), ..recovery(minutes(2)) };
    ended(&mut cloudwatch, START + 3 * HOUR, back, &production());
    expect(&mut cloudwatch, &body, "Change failure rate", &[("% of the changes", &[100.0])]);
}

#[test]
fn the_whole_fleet_is_shown_or_one_environment() {
    let (mut cloudwatch, fleet) = (CloudWatch::new(), body(&[]));
    week(&mut cloudwatch, &production());
    ended(&mut cloudwatch, START + DAY, bad(), &staging());
    let production = body(&[("MetricsEnvironment", "production")]);
    expect(&mut cloudwatch, &fleet, "Success rate, by week", &[("% of the deployments", &[500.0 / 8.0])]);
    expect(&mut cloudwatch, &production, "Success rate, by week", &[("% of the deployments", &[500.0 / 7.0])]);
    let heading = |body: &Value| widgets(body)[0]["properties"]["markdown"].as_str().map(str::to_owned);
    assert!(heading(&production).is_some_and(|text| text.starts_with("# Delivery in production\n")));
    assert!(heading(&fleet).is_some_and(|text| text.starts_with("# Delivery of the whole fleet\n")));
}
