//! What comes of alarms that are told of: the payloads that the function gets, and what CloudWatch's API says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::scenario::Scenario;
use crate::template::Template;
use crate::world::{Happening, World};

const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  One:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: rust-cargolambda, BuildProperties: { Binary: alarm-rollback } }
    Properties:
      FunctionName: greenlight-alarm-rollback
      Handler: bootstrap
      Runtime: provided.al2023
      CodeUri: ./
      Events:
        Alarm: { Type: EventBridgeRule, Properties: { Pattern: { source: [aws.cloudwatch], detail-type: [CloudWatch Alarm State Change] } } }
  May:
    Type: AWS::Lambda::Permission
    Properties: { FunctionName: !Ref One, Action: lambda:InvokeFunction, Principal: lambda.alarms.cloudwatch.amazonaws.com }
  Red:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: red
      Namespace: N
      MetricName: errors
      Statistic: Maximum
      Period: 60
      EvaluationPeriods: 1
      ComparisonOperator: GreaterThanThreshold
      Threshold: 7
      TreatMissingData: notBreaching
      Tags: [{ Key: team, Value: shop }, { Key: size, Value: small }]
";
const CONFIG: &str = "version: 1\nservices: [{ name: shop, codedeploy: { application: a, deployment_group: shop } }]\n";

fn world(keys: &str) -> World {
    let text = format!("name: x\ntitle: t\nexpect: []\ndeployments: [{{ service: shop, hooks: {{}} }}]\n{keys}\n");
    let scenario = Scenario::parse("x.yaml", &text).unwrap();
    let template = Template::read(TEMPLATE, &BTreeMap::new()).unwrap();
    let config = domain::config::load("greenlight.yaml", CONFIG).unwrap();
    scenario.check(&template, &config).unwrap();
    World::new(Arc::new(template), config, scenario)
}

/// Lets so many seconds pass, and gives the payloads of the invocations that were asked for.
fn payloads(world: &mut World, seconds: u64) -> Vec<Value> {
    let until = world.started.plus(std::time::Duration::from_secs(seconds));
    let (mut seen, mut payloads) = (BTreeSet::new(), Vec::new());
    while world.next_at().is_some_and(|at| at <= until) {
        world.step();
        for (key, happening) in &world.queue {
            if let Happening::Deliver(invocation) = happening
                && invocation.throttled == 0
                && seen.insert(*key)
            {
                payloads.push(invocation.payload.clone());
            }
        }
    }
    payloads
}

fn described(world: &mut World, name: &str) -> Value {
    let input = json!({ "AlarmNames": [name], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"] });
    let answer = world.cloudwatch.handle("DescribeAlarms", &input, world.now.0).unwrap();
    let of = |kind: &str| answer[kind].get(0).cloned();
    of("MetricAlarms").or(of("CompositeAlarms")).unwrap_or(Value::Null)
}

#[test]
fn a_transition_is_told_in_all_three_forms_by_what_the_template_knows_of_the_alarm() {
    let mut world = world(
        "alarms: [{ at: 65s, name: red }, { at: 65s, name: red, form: action }, { at: 65s, name: red, form: sns }]",
    );
    assert_eq!(described(&mut world, "red")["StateValue"], "OK");
    let payloads = payloads(&mut world, 70);
    let reason = "Threshold Crossed: 2 out of the last 2 datapoints [11.2 (05/01/26 09:00:00), 11.2 (05/01/26 08:59:00)] were \
                  greater than the threshold (7.0) (minimum 2 datapoints for OK -> ALARM transition).";
    let arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:red";
    let [event, action, sns] = [
        payloads.iter().find(|payload| payload.get("detail").is_some()).unwrap(),
        payloads.iter().find(|payload| payload.get("alarmData").is_some()).unwrap(),
        payloads.iter().find(|payload| payload.get("Records").is_some()).unwrap(),
    ];
    assert_eq!(payloads.len(), 3, "{payloads:?}");
    assert_eq!((&event["account"], &event["resources"][0]), (&json!("123456789012"), &json!(arn)));
    assert_eq!(event["time"], "2026-01-05T09:01:05Z");
    assert_eq!(event["detail"]["state"]["reason"], reason);
    assert_eq!(event["detail"]["state"]["timestamp"], "2026-01-05T09:01:05.000+0000");
    assert_eq!(event["detail"]["previousState"]["value"], "OK");
    assert_eq!(event["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"]["name"], "errors");
    let data: Value = serde_json::from_str(event["detail"]["state"]["reasonData"].as_str().unwrap()).unwrap();
    assert_eq!((&data["threshold"], &data["recentDatapoints"]), (&json!(7.0), &json!([11.2, 11.2])));
    assert_eq!(action["alarmData"], event["detail"]);
    assert_eq!((&action["alarmArn"], &action["accountId"]), (&json!(arn), &json!("123456789012")));
    // The sample of the CloudWatch user guide ("Notify users on alarm changes") has these members.
    let message: Value = serde_json::from_str(sns["Records"][0]["Sns"]["Message"].as_str().unwrap()).unwrap();
    assert_eq!(message["NewStateReason"], reason);
    assert_eq!(message["StateChangeTime"], "2026-01-05T09:01:05.000+0000");
    assert_eq!(
        message["Trigger"],
        json!({
            "MetricName": "errors", "Namespace": "N", "StatisticType": "Statistic", "Statistic": "MAXIMUM", "Unit": null,
            "Dimensions": [], "Period": 60, "EvaluationPeriods": 1, "DatapointsToAlarm": 1,
            "ComparisonOperator": "GreaterThanThreshold", "Threshold": 7.0, "TreatMissingData": "notBreaching",
            "EvaluateLowSampleCountPercentile": "",
        })
    );
    // The metric has no data, so that an evaluation would take it back to OK.
    payloads_until(&mut world, 200);
    assert_eq!(described(&mut world, "red")["StateValue"], "ALARM");
}

fn payloads_until(world: &mut World, seconds: u64) {
    payloads(world, seconds);
}

#[test]
fn an_alarm_may_be_red_before_it_is_told_of() {
    let mut world =
        world("alarms: [{ at: 3m, name: other, since: 10m, datapoints: [9.5], threshold: 2, metric: Depth }]");
    assert!(payloads(&mut world, 1).is_empty());
    let other = described(&mut world, "other");
    // Ten minutes before nine hours and three minutes.
    assert_eq!((&other["StateValue"], &other["StateUpdatedTimestamp"]), (&json!("ALARM"), &json!(1_767_603_180.0)));
    let told = payloads(&mut world, 200);
    let told = told.iter().find(|event| event["detail"]["alarmName"] == "other").unwrap();
    assert_eq!(told["detail"]["state"]["timestamp"], "2026-01-05T08:53:00.000+0000");
    assert_eq!(told["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"]["name"], "Depth");
    assert!(told["detail"]["state"]["reason"].as_str().unwrap().contains("[9.5 (05/01/26 08:52:00)] was greater"));
}

#[test]
fn what_is_suppressed_or_of_another_account_says_so() {
    let mut world = world(
        "alarms: [{ at: 1s, name: all, suppressed_by: WaitPeriod, rule: ALARM(one) OR ALARM(two) }, { at: 2s, name: red, account: '999999999999' }]",
    );
    let told = payloads(&mut world, 5);
    let (all, red) = (&told[0], &told[1]);
    assert_eq!(all["detail"]["state"]["actionsSuppressedBy"], "WaitPeriod");
    assert_eq!(all["detail"]["configuration"]["alarmRule"], "ALARM(one) OR ALARM(two)");
    assert_eq!(all["detail"]["configuration"]["actionsSuppressorWaitPeriod"], 120);
    let reason = all["detail"]["state"]["reason"].as_str().unwrap();
    assert!(reason.ends_with("alarm:one transitioned to ALARM at Monday 05 January, 2026 09:00:01 UTC"), "{reason}");
    assert_eq!(
        (&red["account"], &red["resources"][0]),
        (&json!("999999999999"), &json!("arn:aws:cloudwatch:eu-west-1:999999999999:alarm:red"))
    );
    // This account's alarm of the same name is another one.
    assert_ne!(described(&mut world, "red")["StateValue"], "ALARM");
    assert_eq!(described(&mut world, "all")["StateValue"], "ALARM");
}

#[test]
fn the_same_event_comes_as_often_as_the_scenario_says_and_codedeploy_hears_of_it() {
    let mut world = world("alarms: [{ at: 2m, name: red, times: 3 }]");
    world.scenario.deployments[0].group_alarms = vec!["red".to_owned()];
    let told = payloads(&mut world, 140);
    let ids: BTreeSet<&str> = told.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!((told.len(), ids.len()), (3, 1));
    let stopped = world.record().deployments().next().unwrap();
    assert_eq!(stopped.error.as_ref().map(|(code, _)| code.as_str()), Some("ALARM_ACTIVE"));
}

#[test]
fn a_storm_has_everything_in_it_and_takes_the_same_course_every_time() {
    let keys = "storm: { at: 3m, events: 300, alarms: [red, other], within: 2s }";
    let told = payloads(&mut world(keys), 190);
    assert_eq!(told.len(), 300);
    let of = |pointer: &str| told.iter().filter(|payload| payload.pointer(pointer).is_some()).count();
    let (events, actions, notices) = (of("/detail"), of("/alarmData"), of("/Records"));
    assert!(events > 100 && actions > 20 && notices > 10 && events + actions + notices == 300);
    let red = told.iter().filter(|event| {
        event.pointer("/detail/alarmName") == Some(&json!("red"))
            && event.pointer("/detail/state/value") == Some(&json!("ALARM"))
    });
    let times: Vec<&str> = red.map(|event| event["detail"]["state"]["timestamp"].as_str().unwrap()).collect();
    let new = times.iter().filter(|at| **at == "2026-01-05T09:03:00.000+0000").count();
    assert!(new > 10 && times.len() - new > 5, "duplicates of the new one, and older ones: {times:?}");
    let well = told.iter().filter(|event| event.pointer("/detail/state/value") == Some(&json!("OK"))).count();
    assert!(well > 5, "{well}");
    assert!(times.windows(2).any(|pair| pair[0] > pair[1]), "in no order");
    assert_eq!(told, payloads(&mut world(keys), 190));
}

#[test]
fn tags_come_from_the_template_and_from_the_scenario() {
    let mut world = world(
        "alarm_tags: { red: { size: large, 'greenlight:action': alert }, late: { a: b } }\nalarms: [{ at: 1h, name: late }]",
    );
    let mut tags = |arn: &str| world.cloudwatch.handle("ListTagsForResource", &json!({ "ResourceARN": arn }), 0);
    let prefix = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:";
    let listed = |key: &str, value: &str| json!({ "Key": key, "Value": value });
    assert_eq!(
        tags(&format!("{prefix}red")).unwrap(),
        json!({ "Tags": [listed("greenlight:action", "alert"), listed("size", "large"), listed("team", "shop")] })
    );
    assert_eq!(tags(&format!("{prefix}late")).unwrap(), json!({ "Tags": [listed("a", "b")] }));
    assert_eq!(tags(&format!("{prefix}nobody")).unwrap_err().code, "ResourceNotFoundException");
    assert_eq!(
        tags("arn:aws:cloudwatch:eu-west-1:999999999999:alarm:red").unwrap_err().code,
        "ResourceNotFoundException"
    );
}
