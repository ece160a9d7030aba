//! The event of a state change, against AWS's own samples.

use super::*;

#[test]
fn a_single_metric_alarm_makes_the_documented_event() {
    let mut cloudwatch = CloudWatch::new();
    let alarm = json!({
        "AlarmName": "ServerCpuTooHigh", "AlarmDescription": "Goes into alarm when server CPU utilization is too high!",
        "Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Statistic": "Average", "Period": 300,
        "EvaluationPeriods": 1, "Threshold": "50", "ComparisonOperator": "GreaterThanThreshold",
        "Dimensions": [{"Name": "InstanceId", "Value": "i-12345678901234567"}], "AlarmActions": ["arn:action"],
    });
    let pairs = dimensions(&[("InstanceId", "i-12345678901234567")]);
    let day = 24 * 60 * MINUTE;
    let before = NOW - day;
    cloudwatch.put_alarm(&alarm, before).unwrap();
    cloudwatch.put("AWS/EC2", "CPUUtilization", pairs.clone(), before - 2 * MINUTE, 0.066_685_190_330_647_2, "Percent");
    let first = cloudwatch.evaluate(before);
    assert_eq!(first[0].actions, Vec::<String>::new());
    cloudwatch.put("AWS/EC2", "CPUUtilization", pairs, NOW - 3 * MINUTE, 99.501_602_296_934_34, "Percent");
    let second = cloudwatch.evaluate(NOW);
    assert_eq!(second[0].actions, ["arn:action"]);
    let mut event = state_change_event(&second[0]);
    assert_eq!(event["id"].as_str().unwrap().len(), 36);
    assert_eq!(event, state_change_event(&second[0]));
    let metric_id = event["detail"]["configuration"]["metrics"][0]["id"].take();
    assert_eq!(metric_id.as_str().unwrap().len(), 36);
    event["id"] = Value::Null;
    let expected = json!({
        "version": "0",
        "id": null,
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": "123456789012",
        "time": "2019-10-02T17:04:40Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:cloudwatch:eu-west-1:123456789012:alarm:ServerCpuTooHigh"],
        "detail": {
            "alarmName": "ServerCpuTooHigh",
            "configuration": {
                "description": "Goes into alarm when server CPU utilization is too high!",
                "metrics": [{
                    "id": null,
                    "metricStat": {
                        "metric": {
                            "dimensions": {"InstanceId": "i-12345678901234567"},
                            "name": "CPUUtilization",
                            "namespace": "AWS/EC2",
                        },
                        "period": 300,
                        "stat": "Average",
                    },
                    "returnData": true,
                }],
            },
            "previousState": {
                "reason": "Threshold Crossed: 1 out of the last 1 datapoints [0.0666851903306472 (01/10/19 16:59:00)] was \
                           not greater than the threshold (50.0) (minimum 1 datapoint for ALARM -> OK transition).",
                "reasonData": concat!(
                    r#"{"version":"1.0","queryDate":"2019-10-01T17:04:40.985+0000","#,
                    r#""startDate":"2019-10-01T16:59:00.000+0000","statistic":"Average","period":300,"#,
                    r#""recentDatapoints":[0.0666851903306472],"threshold":50.0,"evaluatedDatapoints":"#,
                    r#"[{"timestamp":"2019-10-01T16:59:00.000+0000","sampleCount":1.0,"value":0.0666851903306472}]}"#
                ),
                "timestamp": "2019-10-01T17:04:40.985+0000",
                "value": "OK",
            },
            "state": {
                "reason": "Threshold Crossed: 1 out of the last 1 datapoints [99.50160229693434 (02/10/19 16:59:00)] was \
                           greater than the threshold (50.0) (minimum 1 datapoint for OK -> ALARM transition).",
                "reasonData": concat!(
                    r#"{"version":"1.0","queryDate":"2019-10-02T17:04:40.985+0000","#,
                    r#""startDate":"2019-10-02T16:59:00.000+0000","statistic":"Average","period":300,"#,
                    r#""recentDatapoints":[99.50160229693434],"threshold":50.0,"evaluatedDatapoints":"#,
                    r#"[{"timestamp":"2019-10-02T16:59:00.000+0000","sampleCount":1.0,"value":99.50160229693434}]}"#
                ),
                "timestamp": "2019-10-02T17:04:40.985+0000",
                "value": "ALARM",
            },
        },
    });
    assert_eq!(event, expected);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&event), keys(&expected));
}

#[test]
fn a_metric_math_alarm_shows_its_expression() {
    let mut cloudwatch = CloudWatch::new();
    let metric = |id: &str, name: &str| {
        json!({"Id": id, "ReturnData": "false", "MetricStat": {
            "Metric": {"Namespace": "AWS/EC2", "MetricName": name}, "Period": "300", "Stat": "Maximum", "Unit": "Bytes",
        }})
    };
    let alarm = json!({
        "AlarmName": "TotalNetworkTrafficTooHigh", "ComparisonOperator": "GreaterThanThreshold", "Threshold": 10_000,
        "EvaluationPeriods": 1, "Metrics": [
            {"Id": "e1", "Expression": "SUM(METRICS())", "Label": "Total Network Traffic"},
            metric("m1", "NetworkIn"), metric("m2", "NetworkOut"),
        ],
    });
    cloudwatch.put_alarm(&alarm, NOW).unwrap();
    for (name, value) in [("NetworkIn", 45_000.0), ("NetworkOut", 628.0)] {
        cloudwatch.put("AWS/EC2", name, BTreeMap::new(), NOW - 3 * MINUTE, value, "Bytes");
    }
    let event = state_change_event(&cloudwatch.evaluate(NOW)[0]);
    let detail = &event["detail"];
    assert_eq!(
        detail["configuration"]["metrics"],
        json!([
            {"expression": "SUM(METRICS())", "id": "e1", "label": "Total Network Traffic", "returnData": true},
            {"id": "m1", "returnData": false, "metricStat": {"period": 300, "stat": "Maximum", "unit": "Bytes",
                "metric": {"dimensions": {}, "name": "NetworkIn", "namespace": "AWS/EC2"}}},
            {"id": "m2", "returnData": false, "metricStat": {"period": 300, "stat": "Maximum", "unit": "Bytes",
                "metric": {"dimensions": {}, "name": "NetworkOut", "namespace": "AWS/EC2"}}},
        ])
    );
    assert_eq!(
        detail["previousState"],
        json!({
            "reason": "Unchecked: Initial alarm creation", "timestamp": "2019-10-02T17:04:40.985+0000",
            "value": "INSUFFICIENT_DATA",
        })
    );
    assert!(detail["state"]["reason"].as_str().unwrap().contains("[45628.0 (02/10/19 16:59:00)]"));
    let data: Value = serde_json::from_str(detail["state"]["reasonData"].as_str().unwrap()).unwrap();
    assert_eq!(data.get("statistic"), None);
    assert_eq!(data["evaluatedDatapoints"], json!([{"timestamp": "2019-10-02T16:59:00.000+0000", "value": 45628.0}]));
}

#[test]
fn the_reason_names_the_points_that_speak_for_the_state() {
    let reason = |missing: &str, values: &[(i64, f64)]| {
        let mut cloudwatch = CloudWatch::new();
        for (ago, value) in values {
            sample(&mut cloudwatch, *ago, *value);
        }
        let more = json!({"EvaluationPeriods": 3, "DatapointsToAlarm": 2, "TreatMissingData": missing});
        cloudwatch.put_alarm(&properties("a", &more), NOW).unwrap();
        let set = json!({"AlarmName": "a", "StateValue": "OK", "StateReason": "test"});
        ok(&mut cloudwatch, "SetAlarmState", set.clone());
        let change = cloudwatch.evaluate(NOW).pop();
        if change.as_ref().is_none_or(|change| change.current.reason == "test") {
            let mut set = set;
            set["StateValue"] = json!("ALARM");
            ok(&mut cloudwatch, "SetAlarmState", set);
            return cloudwatch.evaluate(NOW).pop().unwrap().current.reason;
        }
        change.unwrap().current.reason
    };
    assert_eq!(
        reason("missing", &[(1, 9.0), (2, 1.0), (3, 7.5)]),
        "Threshold Crossed: 2 out of the last 3 datapoints [9.0 (02/10/19 17:03:00), 7.5 (02/10/19 17:01:00)] were greater \
         than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition)."
    );
    assert_eq!(
        reason("missing", &[(1, 0.0), (2, 1.0), (3, 7.5)]),
        "Threshold Crossed: 2 out of the last 3 datapoints [0.0 (02/10/19 17:03:00), 1.0 (02/10/19 17:02:00)] were not \
         greater than the threshold (5.0) (minimum 2 datapoints for ALARM -> OK transition)."
    );
    assert_eq!(reason("missing", &[]), "Insufficient Data: 3 datapoints were unknown.");
    assert_eq!(
        reason("notBreaching", &[]),
        "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as \
         [NonBreaching]."
    );
    assert_eq!(
        reason("breaching", &[(1, 9.0), (2, 0.0)]),
        "Threshold Crossed: 1 out of the last 3 datapoints [9.0 (02/10/19 17:03:00)] was greater than the threshold (5.0) \
         and 1 missing datapoint was treated as [Breaching] (minimum 2 datapoints for OK -> ALARM transition)."
    );
}

#[test]
fn a_composite_alarm_tells_its_children_and_its_suppressor() {
    let mut cloudwatch = CloudWatch::new();
    for name in ["errors", "latency", "maintenance"] {
        cloudwatch
            .put_alarm(&properties(name, &json!({"MetricName": name, "TreatMissingData": "ignore"})), NOW)
            .unwrap();
    }
    let composite = json!({
        "AlarmName": "service", "AlarmRule": "ALARM(errors) OR ALARM(\"latency\")", "AlarmActions": ["arn:action"],
        "ActionsSuppressor": "maintenance", "ActionsSuppressorWaitPeriod": 120, "ActionsSuppressorExtensionPeriod": 180,
    });
    cloudwatch.put_alarm(&composite, NOW).unwrap();
    let created = &cloudwatch.evaluate(NOW)[0];
    assert_eq!(
        created.current.reason,
        "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:service was created and its alarm rule evaluates to OK"
    );
    cloudwatch.put("N", "errors", BTreeMap::new(), NOW, 9.0, "Count");
    let changes = cloudwatch.evaluate(NOW + MINUTE);
    assert_eq!(changes.iter().map(|change| change.alarm.as_str()).collect::<Vec<_>>(), ["errors", "service"]);
    assert_eq!((changes[1].suppressed_by, changes[1].actions.len()), (Some("WaitPeriod"), 0));
    let event = state_change_event(&changes[1]);
    assert_eq!(
        event["detail"],
        json!({
            "alarmName": "service",
            "configuration": {
                "alarmRule": "ALARM(errors) OR ALARM(\"latency\")", "actionsSuppressor": "maintenance",
                "actionsSuppressorWaitPeriod": 120, "actionsSuppressorExtensionPeriod": 180,
            },
            "previousState": {
                "reason": created.current.reason, "reasonData": created.current.reason_data,
                "timestamp": "2019-10-02T17:04:40.985+0000", "value": "OK",
            },
            "state": {
                "reason": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:errors transitioned to ALARM at Wednesday 02 \
                           October, 2019 17:05:40 UTC",
                "reasonData": "{\"triggeringAlarms\":[{\"arn\":\"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:errors\",\
                               \"state\":{\"value\":\"ALARM\",\"timestamp\":\"2019-10-02T17:05:40.985+0000\"}}]}",
                "timestamp": "2019-10-02T17:05:40.985+0000",
                "value": "ALARM",
                "actionsSuppressedBy": "WaitPeriod",
                "actionsSuppressedReason": "Actions suppressed by WaitPeriod",
            },
        })
    );
    let set = |name: &str, state: &str| json!({"AlarmName": name, "StateValue": state, "StateReason": "test"});
    ok(&mut cloudwatch, "SetAlarmState", set("maintenance", "ALARM"));
    ok(&mut cloudwatch, "SetAlarmState", set("service", "OK"));
    let again = cloudwatch.evaluate(NOW + 2 * MINUTE);
    assert_eq!(again.last().unwrap().suppressed_by, Some("Alarm"));
}
