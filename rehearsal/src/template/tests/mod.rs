//! Templates in, fleets out: small templates written for the case at hand, and one that looks like the real one.

mod dashboards;
mod functions;
mod intrinsics;
mod metric_filters;
mod refusals;
mod schedules;

use std::collections::BTreeMap;

use serde_json::json;

use super::{Destination, EventSource, Function, Retry, ScheduleService, Template, TemplateError, Tracing};
use crate::policy::{Decision, Request};

/// Reads a template that consists of the given sections, below the line that every SAM template needs.
fn read_with(sections: &str, overrides: &[(&str, &str)]) -> Result<Template, TemplateError> {
    let overrides: BTreeMap<_, _> = overrides.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Template::read(&format!("Transform: AWS::Serverless-2016-10-31\n{sections}"), &overrides)
}

#[track_caller]
fn read(sections: &str) -> Template {
    read_with(sections, &[]).unwrap_or_else(|error| panic!("{error}"))
}

/// A function `Hook` with these properties (each line indented by six spaces), on line 7 and following.
fn hook_with(properties: &str) -> String {
    format!(
        "Resources:\n  Hook:\n    Type: AWS::Serverless::Function\n    Metadata: {{BuildMethod: rust-cargolambda, \
         BuildProperties: {{Binary: hook}}}}\n    Properties:\n      Handler: bootstrap\n{properties}"
    )
}

#[track_caller]
fn hook(properties: &str) -> Function {
    let mut template = read(&hook_with(properties));
    template.functions.pop().expect("the template has one function")
}

#[track_caller]
fn refuses(sections: &str, message: &str) {
    let error = read_with(sections, &[]).expect_err("the template should be refused");
    assert_eq!(error.to_string(), message);
}

fn allows(function: &Function, action: &str, resource: &str) -> bool {
    let request = Request { action: action.into(), resource: resource.into(), ..Request::default() };
    matches!(function.policy.evaluate(&request), Decision::Allowed(_))
}

const FLEET: &str = r#"AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Description: A small fleet

Parameters:
  Namespace: {Type: String, Default: Greenlight}
  HookTimeout: {Type: Number, Default: 300}
  Stage: {Type: String, Default: prod, AllowedValues: [prod, test]}

Conditions:
  IsProd: !Equals [!Ref Stage, prod]

Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    Architectures: [arm64]
    MemorySize: 256
    Tracing: Active
    Layers: [!Ref ConfigLayer]
    Environment:
      Variables:
        TABLE_NAME: !Ref Memory
        METRICS_NAMESPACE: !Ref Namespace
        SECRET: !Ref Secrets

Resources:
  Memory:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}

  Secrets:
    Type: AWS::SecretsManager::Secret
    Properties: {Name: greenlight/keys}

  ConfigLayer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: config/}

  Undelivered:
    Type: AWS::SQS::Queue
    Properties: {MessageRetentionPeriod: 1209600}

  Alarms:
    Type: AWS::SNS::Topic

  HookFunction:
    Type: AWS::Serverless::Function
    Metadata:
      BuildMethod: rust-cargolambda
      BuildProperties: {Binary: before-allow-traffic}
    Properties:
      FunctionName: CodeDeployHook_before-allow-traffic
      CodeUri: .
      Timeout: !Ref HookTimeout
      ReservedConcurrentExecutions: 5
      AutoPublishAlias: live
      DeploymentPreference: {Enabled: false, Role: ""}
      Environment:
        Variables:
          GREENLIGHT_CONFIG: /opt/greenlight.yaml
          METRICS_NAMESPACE: Other
      EventInvokeConfig:
        MaximumRetryAttempts: 0
        DestinationConfig:
          OnFailure: {Type: Lambda, Destination: !GetAtt Watchdog.Arn}
      Policies:
        - Statement:
            - Sid: Answer
              Effect: Allow
              Action: codedeploy:PutLifecycleEventHookExecutionStatus
              Resource: !Sub "arn:${AWS::Partition}:codedeploy:${AWS::Region}:${AWS::AccountId}:deploymentgroup:*"
        - Statement: {Effect: Allow, Action: "dynamodb:PutItem", Resource: !GetAtt Memory.Arn}

  Watchdog:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: hook-watchdog}}
    Properties:
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Undelivered.Arn}
      Events:
        Deployment:
          Type: EventBridgeRule
          Properties:
            Pattern:
              source: [aws.codedeploy]
              detail: {state: [{anything-but: [START]}]}
            DeadLetterConfig: {Arn: !GetAtt Undelivered.Arn}
            RetryPolicy: {MaximumRetryAttempts: 20}
        Often:
          Type: ScheduleV2
          Properties: {ScheduleExpression: rate(5 minutes), Input: '{"task": "reconcile"}'}
        Alarmed:
          Type: SNS
          Properties: {Topic: !Ref Alarms}

  HookErrors:
    Type: AWS::CloudWatch::Alarm
    Condition: IsProd
    Properties:
      AlarmName: !Sub "${AWS::StackName}-hook-errors"
      Namespace: AWS/Lambda
      MetricName: Errors
      Dimensions: [{Name: FunctionName, Value: !Ref HookFunction}]
      AlarmActions: [!Ref Alarms]
      Threshold: 1
      Tags: [{Key: team, Value: platform}]

  TestOnly:
    Type: AWS::SQS::Queue
    Condition: IsTest

  Note:
    Type: AWS::SSM::Parameter
    Properties:
      Value: !Sub '{"widgets": ["${HookFunction}", "${Note2.Weird}"]}'

  Note2:
    Type: AWS::SSM::Parameter
    Properties: {Value: "{}"}

Outputs:
  Hook: {Value: !GetAtt HookFunction.Arn}
"#;

fn fleet() -> Template {
    let text = FLEET.replace("  IsProd: !Equals", "  IsTest: !Not [!Condition IsProd]\n  IsProd: !Equals");
    Template::read(&text, &BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_functions_have_their_settings_and_what_globals_give_them() {
    let template = fleet();
    let [hook, watchdog] = template.functions.as_slice() else { panic!("two functions") };
    assert_eq!(hook.logical_id, "HookFunction");
    assert_eq!(hook.name, "CodeDeployHook_before-allow-traffic");
    assert_eq!(hook.arn, "arn:aws:lambda:eu-west-1:123456789012:function:CodeDeployHook_before-allow-traffic");
    assert_eq!(hook.binary, "before-allow-traffic");
    assert_eq!((hook.timeout_seconds, hook.memory_mb, hook.reserved_concurrency), (300, 256, Some(5)));
    assert_eq!((hook.tracing, hook.architectures.as_slice()), (Some(Tracing::Active), ["arm64".to_owned()].as_slice()));
    assert_eq!(hook.layers, ["ConfigLayer"]);
    let environment: Vec<_> = hook.environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        environment,
        [
            ("GREENLIGHT_CONFIG", "/opt/greenlight.yaml"),
            ("METRICS_NAMESPACE", "Other"),
            ("SECRET", template.secrets[0].arn.as_str()),
            ("TABLE_NAME", template.tables[0].name.as_str()),
        ]
    );
    assert_eq!(hook.async_invoke.max_retries, 0);
    assert_eq!(hook.async_invoke.max_event_age_seconds, 21_600);
    assert_eq!(hook.async_invoke.on_failure, Some(Destination::Function(watchdog.arn.clone())));
    assert_eq!(watchdog.timeout_seconds, 3);
    assert_eq!(watchdog.dead_letter_queue.as_ref(), Some(&template.queues[0].arn));
    assert!(watchdog.name.starts_with("greenlight-Watchdog-"), "{}", watchdog.name);
}

#[test]
fn a_function_may_do_what_its_policies_say_and_what_sam_adds() {
    let template = fleet();
    let [hook, watchdog] = template.functions.as_slice() else { panic!("two functions") };
    assert_eq!(hook.own_statements, 2);
    let group = "arn:aws:codedeploy:eu-west-1:123456789012:deploymentgroup:shop/web";
    assert!(allows(hook, "codedeploy:PutLifecycleEventHookExecutionStatus", group));
    assert!(!allows(hook, "codedeploy:StopDeployment", group));
    assert!(allows(hook, "dynamodb:PutItem", &template.tables[0].arn));
    assert!(allows(hook, "lambda:InvokeFunction", &watchdog.arn));
    assert!(!allows(hook, "lambda:InvokeFunction", &hook.arn));
    assert!(allows(hook, "logs:PutLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:x"));
    assert!(allows(hook, "xray:PutTraceSegments", "*"));
    assert!(allows(watchdog, "sqs:SendMessage", &template.queues[0].arn));
    assert_eq!(watchdog.own_statements, 0);
}

#[test]
fn event_sources_are_rules_schedules_and_topics() {
    let template = fleet();
    let watchdog = &template.functions[1];
    let [EventSource::Rule(rule), EventSource::Schedule(often), EventSource::Sns(topic)] = watchdog.events.as_slice()
    else {
        panic!("three event sources in the order of the template, saw {:?}", watchdog.events);
    };
    assert_eq!(rule.logical_id, "WatchdogDeployment");
    assert!(rule.rule_arn.starts_with("arn:aws:events:eu-west-1:123456789012:rule/greenlight-WatchdogDeployment-"));
    assert!(rule.pattern.matches(&json!({"source": "aws.codedeploy", "detail": {"state": "SUCCESS"}})));
    assert!(!rule.pattern.matches(&json!({"source": "aws.codedeploy", "detail": {"state": "START"}})));
    assert_eq!(rule.pattern_json["source"], json!(["aws.codedeploy"]));
    assert_eq!(rule.dead_letter.as_ref(), Some(&template.queues[0].arn));
    assert_eq!(rule.retry, Retry { max_attempts: 20, max_age_seconds: 86_400 });
    assert!(rule.enabled);
    assert_eq!((often.service, often.retry), (ScheduleService::Scheduler, Retry::default()));
    assert_eq!(often.expression.next_after(0), Some(300_000));
    assert_eq!(often.input, Some(json!({"task": "reconcile"})));
    assert_eq!(topic.topic_arn, template.topics[0].arn);
}

#[test]
fn the_resources_around_the_functions_have_realistic_names() {
    let template = fleet();
    let queue = &template.queues[0];
    assert_eq!(template.queues.len(), 1, "the queue under a condition that does not hold is not there");
    assert_eq!(queue.arn, format!("arn:aws:sqs:eu-west-1:123456789012:{}", queue.name));
    assert_eq!(queue.url, format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{}", queue.name));
    let table = &template.tables[0];
    assert_eq!((table.key.as_str(), table.ttl_attribute.as_deref()), ("pk", Some("expires_at")));
    assert_eq!(table.arn, format!("arn:aws:dynamodb:eu-west-1:123456789012:table/{}", table.name));
    let secret = &template.secrets[0];
    let suffix = secret.arn.strip_prefix("arn:aws:secretsmanager:eu-west-1:123456789012:secret:greenlight/keys-");
    assert_eq!(suffix.map(str::len), Some(6), "{}", secret.arn);
    let layer = &template.layers[0];
    assert_eq!(
        (layer.arn.as_str(), layer.content_uri.as_str()),
        ("arn:aws:lambda:eu-west-1:123456789012:layer:ConfigLayer:1", "config/",)
    );
    let alarm = &template.alarms[0];
    assert_eq!(alarm.name, "greenlight-hook-errors");
    assert_eq!(alarm.arn, "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:greenlight-hook-errors");
    assert_eq!(alarm.properties["Dimensions"][0]["Value"], json!("CodeDeployHook_before-allow-traffic"));
    assert_eq!(alarm.properties["AlarmActions"], json!([template.topics[0].arn]));
    assert_eq!(alarm.tags["team"], "platform");
}

#[test]
fn every_resource_is_kept_raw_with_what_could_be_resolved() {
    let template = fleet();
    assert_eq!(template.resources["HookFunction"]["Properties"]["Runtime"], json!("provided.al2023"));
    assert_eq!(template.resources["HookFunction"]["Properties"]["Timeout"], json!("300"));
    let body = &template.resources["Note"]["Properties"]["Value"];
    assert_eq!(*body, json!({"Fn::Sub": "{\"widgets\": [\"${HookFunction}\", \"${Note2.Weird}\"]}"}));
    assert!(!template.resources.contains_key("TestOnly"));
    assert!(!template.resources.contains_key("HookFunctionRole"), "what SAM adds is not listed");
    assert_eq!(template.parameters["HookTimeout"], json!("300"));
}

#[test]
fn reading_twice_gives_the_same_names() {
    assert_eq!(fleet().queues, fleet().queues);
    assert_eq!(fleet().functions[1].name, fleet().functions[1].name);
}
