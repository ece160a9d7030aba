//! Creating, describing and setting alarms.

use super::*;

/// Three metric alarms and a composite one; `b` is in ALARM.
fn some() -> CloudWatch {
    let mut cloudwatch = CloudWatch::new();
    for name in ["a", "b", "c"] {
        let more = json!({"Tags": [{"Key": "app", "Value": name}], "TreatMissingData": "ignore"});
        cloudwatch.put_alarm(&properties(name, &more), NOW).unwrap();
    }
    let composite = json!({"AlarmName": "all", "AlarmRule": "ALARM(a) AND NOT (OK('b') OR INSUFFICIENT_DATA(c))"});
    cloudwatch.put_alarm(&composite, NOW).unwrap();
    let set =
        json!({"AlarmName": "b", "StateValue": "ALARM", "StateReason": "by hand", "StateReasonData": "{\"x\":1}"});
    ok(&mut cloudwatch, "SetAlarmState", set);
    cloudwatch
}

fn names(found: &Value, kind: &str) -> Vec<String> {
    let names = found[kind].as_array().unwrap().iter();
    names.map(|alarm| alarm["AlarmName"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn alarms_are_found_by_name_prefix_state_and_type() {
    let mut cloudwatch = some();
    let mut found = |input: Value| {
        let found = ok(&mut cloudwatch, "DescribeAlarms", input);
        [names(&found, "MetricAlarms"), names(&found, "CompositeAlarms")].concat().join(" ")
    };
    assert_eq!(found(json!({})), "a b c", "without AlarmTypes there are no composite alarms");
    assert_eq!(found(json!({"AlarmTypes": ["CompositeAlarm"]})), "all");
    assert_eq!(found(json!({"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]})), "a b c all");
    assert_eq!(found(json!({"AlarmNames": ["c", "a", "z"]})), "a c");
    assert_eq!(found(json!({"AlarmNamePrefix": "a", "AlarmTypes": ["CompositeAlarm", "MetricAlarm"]})), "a all");
    assert_eq!(found(json!({"StateValue": "ALARM"})), "b");
}

#[test]
fn pages_of_alarms_join_up() {
    let mut cloudwatch = some();
    let mut input = json!({"AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 3});
    let first = ok(&mut cloudwatch, "DescribeAlarms", input.clone());
    assert_eq!((names(&first, "MetricAlarms").len(), names(&first, "CompositeAlarms").len()), (3, 0));
    input["NextToken"] = first["NextToken"].clone();
    let second = ok(&mut cloudwatch, "DescribeAlarms", input.clone());
    assert_eq!((names(&second, "CompositeAlarms").len(), &second["NextToken"]), (1, &Value::Null));
    input["NextToken"] = json!("nonsense");
    fails(&mut cloudwatch, "DescribeAlarms", input, "InvalidNextToken", "`nonsense`");
    let huge = json!({"MaxRecords": 101});
    fails(&mut cloudwatch, "DescribeAlarms", huge, "InvalidParameterValue", "one page has at most 100");
}

#[test]
fn an_alarm_is_described_in_the_shape_of_the_api() {
    let mut cloudwatch = some();
    let found = ok(&mut cloudwatch, "DescribeAlarms", json!({"AlarmNames": ["b"]}));
    let at = when::seconds(NOW);
    assert_eq!(
        found["MetricAlarms"][0],
        json!({
            "AlarmName": "b", "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:b", "AlarmDescription": null,
            "AlarmConfigurationUpdatedTimestamp": at, "ActionsEnabled": true, "OKActions": [], "AlarmActions": [],
            "InsufficientDataActions": [], "StateValue": "ALARM", "StateReason": "by hand",
            "StateReasonData": "{\"x\":1}", "StateUpdatedTimestamp": at, "StateTransitionedTimestamp": at,
            "EvaluationPeriods": 1, "DatapointsToAlarm": 1, "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "ignore", "Namespace": "N",
            "MetricName": "m", "Dimensions": [], "Period": 60, "Statistic": "Sum", "Unit": null,
        })
    );
    let composite = ok(&mut cloudwatch, "DescribeAlarms", json!({"AlarmTypes": ["CompositeAlarm"]}));
    assert_eq!(
        composite["CompositeAlarms"][0]["AlarmRule"],
        json!("ALARM(a) AND NOT (OK('b') OR INSUFFICIENT_DATA(c))")
    );
}

#[test]
fn a_metric_math_alarm_is_described_with_numbers() {
    let mut cloudwatch = CloudWatch::new();
    let alarm = json!({
        "AlarmName": "math", "Threshold": "1", "EvaluationPeriods": "2", "ComparisonOperator": "LessThanThreshold",
        "Metrics": [
            {"Id": "m", "ReturnData": "false", "MetricStat": {
                "Metric": {"Namespace": "N", "MetricName": "m"}, "Period": "60", "Stat": "p99"}},
            {"Id": "e", "Expression": "m * 2"},
        ],
    });
    cloudwatch.put_alarm(&alarm, NOW).unwrap();
    let found = ok(&mut cloudwatch, "DescribeAlarms", json!({}));
    assert_eq!(
        found["MetricAlarms"][0]["Metrics"],
        json!([
            {"Id": "m", "Label": null, "ReturnData": false, "MetricStat": {
                "Metric": {"Namespace": "N", "MetricName": "m", "Dimensions": []}, "Period": 60, "Stat": "p99",
                "Unit": null}},
            {"Id": "e", "Label": null, "ReturnData": true, "Expression": "m * 2"},
        ])
    );
}

#[test]
fn a_state_set_by_hand_is_told_and_lasts_until_the_next_evaluation() {
    let mut cloudwatch = CloudWatch::new();
    cloudwatch.put_alarm(&properties("a", &json!({"AlarmActions": ["arn:x"]})), NOW).unwrap();
    let set = json!({"AlarmName": "a", "StateValue": "ALARM", "StateReason": "drill"});
    ok(&mut cloudwatch, "SetAlarmState", set.clone());
    ok(&mut cloudwatch, "SetAlarmState", set);
    let changes = cloudwatch.evaluate(NOW);
    let states: Vec<_> = changes.iter().map(|change| (change.current.value.as_str(), change.actions.len())).collect();
    assert_eq!(states, [("ALARM", 1), ("INSUFFICIENT_DATA", 0)]);
    let unknown = json!({"AlarmName": "z", "StateValue": "OK", "StateReason": "x"});
    fails(&mut cloudwatch, "SetAlarmState", unknown, "ResourceNotFound", "`z` does not exist");
    let wrong = json!({"AlarmName": "a", "StateValue": "RED", "StateReason": "x"});
    fails(&mut cloudwatch, "SetAlarmState", wrong, "InvalidParameterValue", "`RED` is no state");
}

#[test]
fn composite_rules_follow_their_children() {
    let mut cloudwatch = some();
    cloudwatch.evaluate(NOW);
    assert_eq!(cloudwatch.alarm_state("all"), Some(AlarmState::Ok));
    for (name, state) in [("a", "ALARM"), ("c", "OK")] {
        ok(&mut cloudwatch, "SetAlarmState", json!({"AlarmName": name, "StateValue": state, "StateReason": "x"}));
    }
    cloudwatch.evaluate(NOW);
    assert_eq!(cloudwatch.alarm_state("all"), Some(AlarmState::Alarm));
    let above = json!({"AlarmName": "above", "AlarmRule": "(TRUE AND ALARM(all)) OR FALSE"});
    ok(&mut cloudwatch, "PutCompositeAlarm", above);
    let arn =
        json!({"AlarmName": "0", "AlarmRule": "ALARM(\"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:above\")"});
    ok(&mut cloudwatch, "PutCompositeAlarm", arn);
    cloudwatch.evaluate(NOW);
    assert_eq!(cloudwatch.alarm_state("above"), Some(AlarmState::Alarm));
    assert_eq!(cloudwatch.alarm_state("0"), Some(AlarmState::Alarm));
}

#[test]
fn an_alarm_that_cannot_be_is_refused() {
    let mut cloudwatch = some();
    let metric = json!({"Id": "m", "MetricStat": {
        "Metric": {"Namespace": "N", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}});
    let math = |metrics: Value| json!({"Metrics": metrics, "Namespace": null, "MetricName": null, "Statistic": null, "Period": null});
    let two = math(json!([metric, {"Id": "e", "Expression": "m"}]));
    let hidden = math(json!([{"Id": "m", "ReturnData": false, "MetricStat": metric["MetricStat"]},
        {"Id": "e", "Expression": "SUM(m)"}]));
    let value = "InvalidParameterValue";
    for (more, code, message) in [
        (json!({"Treshold": 1}), value, "`Treshold` of `the alarm's properties` is not implemented"),
        (json!({"ThresholdMetricId": "ad1"}), value, "anomaly detection, which cannot be rehearsed"),
        (json!({"AlarmName": null}), "MissingParameter", "AlarmName"),
        (json!({"Threshold": null}), "MissingParameter", "Threshold"),
        (json!({"Period": null}), "MissingParameter", "Period"),
        (json!({"EvaluationPeriods": 0}), value, "at least 1"),
        (json!({"DatapointsToAlarm": 2}), value, "more than the 1 of `EvaluationPeriods`"),
        (json!({"ComparisonOperator": "GreaterThanUpperThreshold"}), value, "`GreaterThanUpperThreshold` is not"),
        (json!({"TreatMissingData": "nope"}), value, "`TreatMissingData` is `nope`"),
        (json!({"EvaluateLowSampleCountPercentile": "ignore"}), value, "`ignore` is not implemented"),
        (json!({"Statistic": "Median"}), value, "the statistic `Median` is not implemented"),
        (json!({"ExtendedStatistic": "p95"}), "InvalidParameterCombination", "either a `Statistic`"),
        (json!({"Period": 60, "EvaluationPeriods": 1441}), value, "86460 seconds; CloudWatch takes at most a day"),
        (json!({"Period": 3600, "EvaluationPeriods": 169}), value, "608400 seconds"),
        (json!({"Metrics": [metric]}), "InvalidParameterCombination", "`MetricName` and `Metrics`"),
        (two, value, "exactly one of the Metrics of `x` has to have ReturnData true, but 2 have"),
        (hidden, value, "`e` is not one time series"),
    ] {
        let input = properties("x", &more);
        fails(&mut cloudwatch, "PutMetricAlarm", input, code, message);
    }
    for (rule, message) in [
        ("ALARM(z)", "names the alarm `z`, which does not exist yet"),
        ("ALARM(a", "the name of the alarm does not end"),
        ("ALARM()", "the name of an alarm is missing"),
        ("ALARM(a) XOR OK(b)", "nothing may follow at `XOR OK(b)`"),
        ("a", "ALARM, OK, INSUFFICIENT_DATA, NOT, TRUE, FALSE or `(` has to stand at `a`"),
        ("AT_LEAST(1, ALARM, (a))", "has to stand at `AT_LEAST(1, ALARM, (`"),
        ("(ALARM(a)", "a `)` is missing at `the end`"),
    ] {
        let input = json!({"AlarmName": "x", "AlarmRule": rule});
        fails(&mut cloudwatch, "PutCompositeAlarm", input, value, message);
    }
    let deep = json!({"AlarmName": "x", "AlarmRule": format!("{}TRUE", "NOT ".repeat(300))});
    fails(&mut cloudwatch, "PutCompositeAlarm", deep, value, "nests too deeply");
    let itself = json!({"AlarmName": "x", "AlarmRule": "ALARM(x)"});
    fails(&mut cloudwatch, "PutCompositeAlarm", itself, value, "names the alarm `x`");
    assert_eq!(cloudwatch.alarm_names().collect::<Vec<_>>(), ["a", "all", "b", "c"]);
}

#[test]
fn an_alarm_that_is_put_again_keeps_its_state() {
    let mut cloudwatch = some();
    cloudwatch.put_alarm(&properties("b", &json!({"Threshold": 7})), NOW).unwrap();
    assert_eq!(cloudwatch.alarm_state("b"), Some(AlarmState::Alarm));
}

#[test]
fn the_history_tells_what_happened() {
    let mut cloudwatch = some();
    let input = json!({"AlarmName": "b"});
    let found = ok(&mut cloudwatch, "DescribeAlarmHistory", input);
    let items = found["AlarmHistoryItems"].as_array().unwrap();
    let summaries: Vec<_> = items.iter().map(|item| item["HistorySummary"].as_str().unwrap()).collect();
    assert_eq!(summaries, ["Alarm updated from INSUFFICIENT_DATA to ALARM", "Alarm \"b\" created"]);
    let data: Value = serde_json::from_str(items[0]["HistoryData"].as_str().unwrap()).unwrap();
    assert_eq!(data["newState"], json!({"stateValue": "ALARM", "stateReason": "by hand", "stateReasonData": {"x": 1}}));
    let updates = json!({"HistoryItemType": "StateUpdate", "StartDate": when::seconds(NOW)});
    assert_eq!(ok(&mut cloudwatch, "DescribeAlarmHistory", updates)["AlarmHistoryItems"].as_array().unwrap().len(), 1);
}

#[test]
fn tags_belong_to_the_arn() {
    let mut cloudwatch = some();
    let arn = json!({"ResourceARN": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:b"});
    assert_eq!(ok(&mut cloudwatch, "ListTagsForResource", arn), json!({"Tags": [{"Key": "app", "Value": "b"}]}));
    let other = json!({"ResourceARN": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:b"});
    fails(&mut cloudwatch, "ListTagsForResource", other, "ResourceNotFoundException", "does not exist");
}

#[test]
fn a_deleted_alarm_is_gone() {
    let mut cloudwatch = some();
    ok(&mut cloudwatch, "DeleteAlarms", json!({"AlarmNames": ["a", "all"]}));
    assert_eq!(cloudwatch.alarm_names().collect::<Vec<_>>(), ["b", "c"]);
}
