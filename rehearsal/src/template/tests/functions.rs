//! What a function inherits, defaults to, may do and is invoked by.

use serde_json::json;

use super::super::{Destination, EventSource, ScheduleService, Tracing};
use super::{allows, hook, hook_with, read};

#[test]
fn what_is_not_said_is_as_in_aws() {
    let hook = hook("");
    assert_eq!((hook.timeout_seconds, hook.memory_mb, hook.reserved_concurrency), (3, 128, None));
    assert_eq!((hook.async_invoke.max_retries, hook.async_invoke.max_event_age_seconds), (2, 21_600));
    assert_eq!((hook.async_invoke.on_failure, hook.async_invoke.on_success), (None, None));
    assert_eq!((hook.architectures.as_slice(), hook.tracing), (["x86_64".to_owned()].as_slice(), None));
    assert!(hook.environment.is_empty() && hook.layers.is_empty() && hook.events.is_empty());
    assert_eq!(hook.dead_letter_queue, None);
}

#[test]
fn globals_merge_maps_join_lists_and_yield_to_local_values() {
    let globals = "
Globals:
  Function:
    Timeout: 10
    Layers: [!Ref One]
    Tracing: PassThrough
    Environment: {Variables: {A: global, B: global}}
    Tags: {team: platform}
";
    let layers = "
  One: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: one}}
  Two: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: two}}
";
    let properties =
        "      Timeout: 20\n      Layers: [!Ref Two]\n      Environment: {Variables: {B: local, C: local}}\n";
    let template = read(&format!("{globals}{}{layers}", hook_with(properties)));
    let function = &template.functions[0];
    assert_eq!((function.timeout_seconds, function.tracing), (20, Some(Tracing::PassThrough)));
    assert_eq!(function.layers, ["One", "Two"]);
    assert_eq!(json!(function.environment), json!({"A": "global", "B": "local", "C": "local"}));
    assert_eq!(template.resources["Hook"]["Properties"]["Tags"], json!({"team": "platform"}));
}

#[test]
fn an_intrinsic_function_replaces_a_global_map_instead_of_merging_with_it() {
    let sections = format!(
        "Conditions: {{Yes: !Equals [a, a]}}\nGlobals: {{Function: {{Environment: {{Variables: {{A: global}}}}}}}}\n{}",
        hook_with("      Environment: !If [Yes, {Variables: {B: local}}, !Ref AWS::NoValue]\n")
    );
    assert_eq!(json!(read(&sections).functions[0].environment), json!({"B": "local"}));
}

#[test]
fn a_number_written_as_text_is_a_number() {
    assert_eq!(hook("      Timeout: '900'\n").timeout_seconds, 900);
    assert_eq!(hook("      ReservedConcurrentExecutions: 0\n").reserved_concurrency, Some(0));
}

#[test]
fn each_destination_needs_a_permission_which_sam_adds() {
    let resources = "
  Q: {Type: AWS::SQS::Queue}
  N: {Type: AWS::SNS::Topic}
";
    let bus = "arn:aws:events:eu-west-1:123456789012:event-bus/default";
    for (kind, target, action) in [
        ("SQS", "!GetAtt Q.Arn", "sqs:SendMessage"),
        ("SNS", "!Ref N", "sns:Publish"),
        ("Lambda", "!GetAtt Hook.Arn", "lambda:InvokeFunction"),
        ("EventBridge", bus, "events:PutEvents"),
    ] {
        let config = format!(
            "      EventInvokeConfig:
        MaximumEventAgeInSeconds: 60
        DestinationConfig:
          OnSuccess: {{Type: {kind}, Destination: {target}}}
"
        );
        let template = read(&format!("{}{resources}", hook_with(&config)));
        let function = &template.functions[0];
        assert_eq!(function.async_invoke.max_event_age_seconds, 60);
        let arn = match function.async_invoke.on_success.as_ref().unwrap() {
            Destination::Queue(arn)
            | Destination::Topic(arn)
            | Destination::Function(arn)
            | Destination::EventBus(arn) => arn,
        };
        assert!(allows(function, action, arn), "{kind} needs {action} on {arn}");
        assert!(!allows(function, action, "*"), "{kind}");
    }
}

#[test]
fn a_topic_can_take_dead_letters() {
    let template = read(&format!(
        "{}  N: {{Type: AWS::SNS::Topic}}\n",
        hook_with("      DeadLetterQueue: {Type: SNS, TargetArn: !Ref N}\n")
    ));
    let function = &template.functions[0];
    assert_eq!(function.dead_letter_queue.as_ref(), Some(&template.topics[0].arn));
    assert!(allows(function, "sns:Publish", &template.topics[0].arn));
}

#[test]
fn known_managed_policies_become_their_statements_once() {
    let hook = hook(
        "      Policies:
        - AWSLambdaBasicExecutionRole
        - arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess
        - AWSLambdaVPCAccessExecutionRole
",
    );
    assert_eq!(hook.own_statements, 0);
    assert!(allows(&hook, "xray:PutTraceSegments", "*"));
    assert!(allows(&hook, "ec2:CreateNetworkInterface", "*"));
    assert!(!allows(&hook, "s3:GetObject", "*"));
    let sids: Vec<_> = hook.policy.grants().into_iter().filter_map(|grant| grant.sid).collect();
    assert_eq!(sids.iter().filter(|sid| *sid == "AWSLambdaBasicExecutionRole").count(), 3);
}

#[test]
fn a_function_in_a_network_may_manage_its_interfaces() {
    let hook = hook("      VpcConfig: {SubnetIds: [subnet-1], SecurityGroupIds: [sg-1]}\n");
    assert!(allows(&hook, "ec2:CreateNetworkInterface", "*"));
}

#[test]
fn a_statement_behind_a_condition_counts_only_when_it_holds() {
    let policies = "      Policies:
        - Statement:
            - !If [Never, {Effect: Allow, Action: 's3:GetObject', Resource: '*'}, !Ref 'AWS::NoValue']
            - {Effect: Allow, Action: 'sqs:ListQueues', Resource: '*'}
";
    let hook = hook(&format!("{policies}Conditions: {{Never: !Equals [a, b]}}\n"));
    assert_eq!(hook.own_statements, 1);
    assert!(allows(&hook, "sqs:ListQueues", "*") && !allows(&hook, "s3:GetObject", "*"));
}

#[test]
fn rules_can_be_named_disabled_and_bounded() {
    let hook = hook(
        "      Events:
        Alarm:
          Type: CloudWatchEvent
          Properties:
            RuleName: alarms
            State: DISABLED
            EventBusName: default
            Pattern: {source: [aws.cloudwatch]}
            RetryPolicy: {MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60}
",
    );
    let [EventSource::Rule(rule)] = hook.events.as_slice() else { panic!("one rule") };
    assert_eq!((rule.rule_name.as_str(), rule.enabled), ("alarms", false));
    assert_eq!((rule.retry.max_attempts, rule.retry.max_age_seconds), (0, 60));
    assert_eq!(rule.dead_letter, None);
}

#[test]
fn both_kinds_of_schedule_are_read() {
    let hook = hook(
        "      Events:
        A: {Type: Schedule, Properties: {Schedule: 'cron(0 8 ? * MON-FRI *)', Enabled: false}}
        B:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: rate(1 hour)
            ScheduleExpressionTimezone: UTC
            FlexibleTimeWindow: {Mode: 'OFF'}
",
    );
    let [EventSource::Schedule(a), EventSource::Schedule(b)] = hook.events.as_slice() else { panic!("two schedules") };
    assert_eq!((a.service, a.enabled, a.logical_id.as_str()), (ScheduleService::Rules, false, "HookA"));
    assert_eq!((b.service, b.enabled, b.input.clone()), (ScheduleService::Scheduler, true, None));
    assert!(b.arn.starts_with("arn:aws:scheduler:eu-west-1:123456789012:schedule/default/"), "{}", b.arn);
}

#[test]
fn a_simple_table_has_the_key_id_unless_it_says_otherwise() {
    let resources = "Resources:
  A: {Type: AWS::Serverless::SimpleTable}
  B: {Type: AWS::Serverless::SimpleTable, Properties: {PrimaryKey: {Name: pk, Type: String}}}
";
    let keys: Vec<_> = read(resources).tables.into_iter().map(|table| table.key).collect();
    assert_eq!(keys, ["id", "pk"]);
}
