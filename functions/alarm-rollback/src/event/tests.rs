//! The shapes: AWS's published samples as they stand (`samples/`), and what AWS documents without a sample.
//!
//! Where the samples are from: CloudWatch user guide, "Alarm events and EventBridge" and "Alarms on Metrics Insights queries"; for the direct
//! action and SNS the fixtures of `aws-lambda-rust-runtime` and `aws-lambda-go`.

use serde_json::json;

use super::*;

macro_rules! sample {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("samples/", $name, ".json"))).unwrap()
    };
}

fn one(payload: &Value) -> Transition {
    let [transition] = parse(payload).unwrap().try_into().unwrap();
    transition
}

/// What a person is told of the alarm: its metric, its threshold and the data points that crossed it.
fn evidence(transition: &Transition) -> (&str, Option<f64>, &[f64]) {
    let alarm = &transition.alarm;
    (alarm.metric.as_deref().unwrap_or_default(), alarm.threshold, &alarm.datapoints)
}

/// EventBridge's form with this state, by a reason and a `reasonData`.
fn with(reason: &str, data: &Value) -> Transition {
    let mut event = sample!("metric");
    event["detail"]["state"]["reason"] = json!(reason);
    event["detail"]["state"]["reasonData"] = json!(data.to_string());
    one(&event)
}

/// SNS's notification.
fn sns(message: &Value) -> Value {
    json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": message.to_string(), "Timestamp": "2021-11-10T02:45:55.703Z"}}]})
}

#[test]
fn awss_sample_of_one_metric() {
    let transition = one(&sample!("metric"));
    assert!(transition.is_news);
    assert_eq!(transition.since, Some(Timestamp(1_570_035_880_989)));
    assert_eq!(evidence(&transition), ("CPUUtilization", Some(50.0), &[99.501_602_296_934_34][..]));
    let alarm = transition.alarm;
    assert_eq!((alarm.state, alarm.previous), (AlarmState::Alarm, Some(AlarmState::Ok)));
    assert_eq!(alarm.arn.unwrap(), "arn:aws:cloudwatch:us-east-1:123456789012:alarm:ServerCpuTooHigh");
}

#[test]
fn awss_sample_of_metric_math() {
    let transition = one(&sample!("metric-math"));
    assert_eq!(evidence(&transition), ("Total Network Traffic", Some(10_000.0), &[45_628.0][..]));
    assert_eq!(transition.alarm.previous, Some(AlarmState::InsufficientData));
}

#[test]
fn awss_sample_of_anomaly_detection_names_the_metric_and_the_side_of_the_band_that_was_crossed() {
    let transition = one(&sample!("anomaly-detection"));
    assert_eq!(evidence(&transition), ("CPUUtilization", Some(0.020_599_444_741_798_756), &[0.0][..]));
}

#[test]
fn awss_sample_of_a_suppressed_composite_alarm_names_the_alarms_behind_it() {
    let alarm = one(&sample!("composite-suppressed")).alarm;
    assert_eq!(alarm.suppressed_by.as_deref(), Some("WaitPeriod"));
    assert_eq!(alarm.metric.as_deref(), Some("ALARM(ServerCpuTooHigh) OR ALARM(TotalNetworkTrafficTooHigh)"));
    assert!(alarm.reason.starts_with("triggered by `ServerCpuTooHigh`: arn:aws:cloudwatch:"), "{}", alarm.reason);
    assert_eq!((alarm.threshold, alarm.datapoints.len()), (None, 0));
}

#[test]
fn awss_sample_of_a_query_with_partial_data() {
    let transition = one(&sample!("metrics-insights-partial-data"));
    let query = "SELECT SUM(PartialDataTestMetric) FROM partial_data_test";
    assert_eq!(evidence(&transition), (query, Some(0.0), &[20_000.0; 3][..]));
}

#[test]
fn awss_sample_of_the_direct_action_has_blanks_in_its_times_and_in_its_arn() {
    let transition = one(&sample!("direct-action-metric"));
    assert_eq!(transition.alarm.changed_at, Timestamp::parse("2023-08-04T12:36:15.490Z"));
    // `SetAlarmState` without data: there is nothing to show.
    assert_eq!(evidence(&transition), ("CallCount", None, &[][..]));
    let arn = "arn:aws:cloudwatch:us-east-1:444455556666:alarm:lambda-demo-metric-alarm";
    assert_eq!(transition.alarm.arn.as_deref(), Some(arn));
}

#[test]
fn the_end_of_a_suppression_is_news_and_the_alarm_is_as_old_as_before() {
    let payload = sample!("direct-action-composite");
    let transition = one(&payload);
    assert!(transition.is_news);
    assert_eq!(transition.alarm.changed_at.unwrap().0 - transition.since.unwrap().0, 120_000);
    assert!(transition.alarm.reason.starts_with("triggered by `CompositeDemo.FirstChild`: "));
    let mut repeated = payload;
    repeated["alarmData"]["previousState"]["actionsSuppressedBy"] = Value::Null;
    assert!(!one(&repeated).is_news, "the same state again is no news");
}

#[test]
fn awss_samples_of_sns_are_read_from_their_text_with_the_data_points_of_the_sentence() {
    let transition = one(&sample!("sns-metric"));
    assert_eq!(evidence(&transition), ("NetworkOut", Some(0.0), &[1234.0][..]));
    assert_eq!(transition.alarm.previous, Some(AlarmState::InsufficientData));
    assert_eq!(transition.alarm.changed_at, Some(Timestamp(1_433_353_407_123)));
    let both = parse(&sample!("sns-metric-math-twice")).unwrap();
    assert_eq!(both.len(), 2);
    assert!(both.iter().all(|it| evidence(it) == ("Expression1", Some(0.0), &[1234.0][..])));
}

#[test]
fn sns_tells_a_composite_alarm_without_a_trigger() {
    let message = json!({"AlarmName": "node-monitor", "NewStateValue": "ALARM", "OldStateValue": "OK",
        "NewStateReason": "arn:aws:cloudwatch:us-east-1:427809481713:alarm:node-failure transitioned to ALARM at Wednesday 10 November, 2021 02:45:55 UTC",
        "AlarmRule": "ALARM(node-failure) OR ALARM(long-execution)", "AlarmArn": "arn:aws:cloudwatch:us-east-1:427809481713:alarm:node-monitor",
        "TriggeringChildren": [{"Arn": "arn:aws:cloudwatch:us-east-1:427809481713:alarm:node-failure",
            "State": {"Value": "ALARM", "Timestamp": "2021-11-10T02:45:55.640+0000"}}]});
    let alarm = one(&sns(&message)).alarm;
    assert_eq!(alarm.metric.as_deref(), Some("ALARM(node-failure) OR ALARM(long-execution)"));
    assert!(alarm.reason.starts_with("triggered by `node-failure`: "), "{}", alarm.reason);
    // Without its own time it is as old as the notification.
    assert_eq!(alarm.changed_at, Timestamp::parse("2021-11-10T02:45:55.703Z"));
}

#[test]
fn sns_tells_an_anomaly_with_the_band_in_its_sentence() {
    let message = json!({"AlarmName": "cpu", "NewStateValue": "ALARM", "OldStateValue": "OK", "StateChangeTime": "2019-11-22T01:02:17.570+0000",
        "NewStateReason": "Thresholds Crossed: 2 out of the last 2 datapoints [7.5 (22/11/19 00:57:00), 2.0 (22/11/19 00:52:00)] were less than the lower thresholds [1.0, 0.5] or greater than the upper thresholds [4.0, 3.0] (minimum 2 datapoints for OK -> ALARM transition).",
        "Trigger": {"Period": 300, "ComparisonOperator": "LessThanLowerOrGreaterThanUpperThreshold", "ThresholdMetricId": "ad1",
            "Metrics": [{"Id": "ad1", "Expression": "ANOMALY_DETECTION_BAND(m1, 2)", "Label": "CPU (expected)", "ReturnData": true},
                {"Id": "m1", "MetricStat": {"Metric": {"MetricName": "CPUUtilization", "Namespace": "AWS/EC2"}, "Period": 300, "Stat": "Average"}, "ReturnData": true}]}});
    assert_eq!(evidence(&one(&sns(&message))), ("CPUUtilization", Some(4.0), &[7.5][..]));
}

#[test]
fn a_notification_without_its_envelope_and_one_by_way_of_a_queue_are_read_as_well() {
    let message =
        json!({"AlarmName": "web-5xx", "NewStateValue": "ALARM", "StateChangeTime": "2019-10-02T17:04:40.989+0000"});
    let wrapped = json!({"Type": "Notification", "Message": message.to_string(), "Timestamp": "2019-10-02T17:04:41Z"});
    let queue = |body: &Value| json!({"Records": [{"eventSource": "aws:sqs", "body": body.to_string()}]});
    for payload in [message.clone(), queue(&message), queue(&wrapped), sns(&message)] {
        let alarm = one(&payload).alarm;
        assert_eq!((alarm.name.as_str(), alarm.changed_at), ("web-5xx", Some(Timestamp(1_570_035_880_989))));
    }
}

#[test]
fn of_the_recent_data_points_those_count_that_crossed_the_threshold_newest_first() {
    let recent = json!({"recentDatapoints": [1.0, null, 5.0, 3.0, 9.0], "threshold": 5.0});
    let cases: [(&str, &[f64]); 5] = [
        ("2 datapoints were greater than the threshold (5.0)", &[9.0]),
        ("2 datapoints were greater than or equal to the threshold (5.0)", &[9.0, 5.0]),
        ("2 datapoints were less than the threshold (5.0)", &[3.0, 1.0]),
        ("2 datapoints were less than or equal to the threshold (5.0)", &[3.0, 5.0, 1.0]),
        ("said in words that are not known yet", &[9.0, 3.0, 5.0, 1.0]),
    ];
    for (reason, expected) in cases {
        assert_eq!(with(reason, &recent).alarm.datapoints, expected, "{reason}");
    }
}

#[test]
fn a_band_has_two_sides_and_each_data_point_its_own() {
    let recent = json!({"recentDatapoints": [9.0, 1.0, 4.0], "recentLowerThresholds": [2.0, 2.0, 5.0], "recentUpperThresholds": [8.0, 8.0, 8.0]});
    let cases: [(&str, Option<f64>, &[f64]); 3] = [
        (
            "was less than the lower thresholds [5.0] or greater than the upper thresholds [8.0]",
            Some(5.0),
            &[4.0, 1.0, 9.0],
        ),
        ("was less than the lower thresholds [5.0]", Some(5.0), &[4.0, 1.0]),
        ("was greater than the upper thresholds [8.0]", Some(8.0), &[9.0]),
    ];
    for (reason, threshold, expected) in cases {
        let alarm = with(reason, &recent).alarm;
        assert_eq!((alarm.threshold, alarm.datapoints.as_slice()), (threshold, expected), "{reason}");
    }
}

#[test]
fn evaluated_data_points_and_those_of_the_sentence_stand_in_for_recent_ones() {
    let evaluated = json!({"threshold": 5.0, "recentDatapoints": [], "evaluatedDatapoints": [
        {"timestamp": "2023-08-04T12:26:00.000+0000", "value": 8.0}, {"timestamp": "2023-08-04T12:28:00.000+0000", "value": 2.0},
        {"timestamp": "2023-08-04T12:27:00.000+0000", "value": 7.0}, {"timestamp": "2023-08-04T12:29:00.000+0000"}]});
    let reason = "1 datapoint [6.5 (04/08/23 12:29:00)] was greater than the threshold (5.0)";
    assert_eq!(with(reason, &evaluated).alarm.datapoints, [7.0, 8.0]);
    assert_eq!(with(reason, &json!({})).alarm.datapoints, [6.5]);
}

#[test]
fn a_field_of_an_unexpected_type_costs_only_itself() {
    let mut event = sample!("metric-math");
    event["detail"]["configuration"]["metrics"] = json!("gone");
    event["detail"]["state"]["timestamp"] = Value::Null;
    let transition = one(&event);
    assert_eq!((transition.alarm.metric, transition.since), (None, Some(Timestamp(1_570_036_848_000))));
    let message = json!({"AlarmName": "x", "NewStateValue": "ALARM", "Trigger": {"Threshold": "5.0", "Metrics": 1}});
    assert_eq!(one(&sns(&message)).alarm.threshold, Some(5.0));
}

#[test]
fn what_is_no_alarm_is_refused_with_what_was_expected() {
    let cases = [
        (json!({}), "expected EventBridge's `detail`"),
        (sample!("configuration-change"), "check the event pattern"),
        (
            json!({"detail-type": "CloudWatch Alarm State Change", "detail": {"alarmName": "x"}}),
            "missing field `state`",
        ),
        (json!({"Records": [{"Sns": {"Message": "hello"}}]}), "`Records[0]` is not an alarm's SNS notification"),
        (json!({"Records": [{"body": "{}"}]}), "`Records[0]` is not an alarm's SNS notification"),
    ];
    for (payload, expected) in cases {
        let error = format!("{:#}", parse(&payload).unwrap_err());
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_description_is_read_by_paragraphs_from_every_shape() {
    assert_eq!(one(&sample!("metric")).description, ["Goes into alarm when server CPU utilization is too high!"]);
    assert_eq!(one(&sample!("direct-action-metric")).description, ["Metric Alarm to test Lambda actions"]);
    let text = "Too slow.\r\n\r\n  \n Look at the\u{202e}\n dashboard.\n\nThen mend it.\n";
    let paragraphs = ["Too slow.", "Look at the dashboard.", "Then mend it."];
    let mut event = sample!("metric");
    event["detail"]["configuration"]["description"] = json!(text);
    assert_eq!(one(&event).description, paragraphs);
    let message = json!({"AlarmName": "a", "NewStateValue": "ALARM", "AlarmDescription": text});
    assert_eq!(one(&sns(&message)).description, paragraphs);
    // CloudWatch writes `null` where there is none.
    let message = json!({"AlarmName": "a", "NewStateValue": "ALARM", "AlarmDescription": null});
    assert!(one(&sns(&message)).description.is_empty());
}
