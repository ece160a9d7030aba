//! Intrinsic functions, parameters and conditions, seen through the environment of a function.

use super::{hook, hook_with, read, read_with, refuses};

/// The variable `X` of a function, given this value in YAML.
#[track_caller]
fn value(sections: &str, yaml: &str) -> String {
    let hook = hook_with(&format!("      Environment: {{Variables: {{X: {yaml}}}}}\n"));
    let template = read(&format!("{sections}\n{hook}"));
    template.functions[0].environment["X"].clone()
}

const MAPS: &str = "
Parameters:
  Stage: {Type: String, Default: test}
  Zones: {Type: CommaDelimitedList, Default: 'a, b,c'}
  Count: {Type: Number, Default: 3}
Mappings:
  Sizes: {test: {memory: 512}, prod: {memory: 1024}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsTest: !Not [!Condition IsProd]
  Both: !And [!Condition IsProd, !Condition IsTest]
  Either: !Or [!Condition IsProd, !Condition IsTest]
  Three: !Equals [!Ref Count, 3]
";

#[test]
fn pseudo_parameters_have_fixed_values() {
    for (name, expected) in [
        ("AWS::Region", "eu-west-1"),
        ("AWS::AccountId", "123456789012"),
        ("AWS::Partition", "aws"),
        ("AWS::StackName", "greenlight"),
        ("AWS::URLSuffix", "amazonaws.com"),
    ] {
        assert_eq!(value("", &format!("!Ref {name}")), expected);
        assert_eq!(value("", &format!("{{Ref: '{name}'}}")), expected);
    }
}

#[test]
fn every_function_resolves_in_short_and_long_form() {
    for (yaml, expected) in [
        ("!Ref Stage", "test"),
        ("!Sub 'x-${Stage}-${AWS::Region}-${!Literal}'", "x-test-eu-west-1-${Literal}"),
        ("!Sub ['${A}/${Stage}', {A: !Ref Count}]", "3/test"),
        ("{'Fn::Sub': '${Stage}'}", "test"),
        ("!Join ['-', [a, !Ref Stage, 1, true]]", "a-test-1-true"),
        ("!Join ['', !Ref Zones]", "abc"),
        ("!Select [1, !Ref Zones]", "b"),
        ("!Select ['0', [only]]", "only"),
        ("!Select [2, !Split ['/', 'x/y/z']]", "z"),
        ("!FindInMap [Sizes, !Ref Stage, memory]", "512"),
        ("!If [IsProd, yes, no]", "no"),
        ("!If [IsTest, !If [Both, 1, 2], 3]", "2"),
        ("!If [Either, a, b]", "a"),
        ("!If [Three, a, b]", "a"),
        ("{'Fn::If': [IsTest, {'Fn::Join': ['', [a, b]]}, c]}", "ab"),
        ("!Base64 hello", "aGVsbG8="),
        ("{'Fn::Base64': !Sub '${Stage}'}", "dGVzdA=="),
        ("!GetAtt Hook.Arn", "arn:aws:lambda:eu-west-1:123456789012:function:HOOK"),
        ("!Sub '${Hook.Arn}'", "arn:aws:lambda:eu-west-1:123456789012:function:HOOK"),
        ("{'Fn::GetAtt': [Hook, Arn]}", "arn:aws:lambda:eu-west-1:123456789012:function:HOOK"),
    ] {
        let seen = value(MAPS, yaml);
        let expected = expected.replace("HOOK", &hook("").name);
        assert_eq!(seen, expected, "{yaml}");
    }
}

#[test]
fn scalars_of_yaml_become_text() {
    for (yaml, expected) in [("5", "5"), ("true", "true"), ("'007'", "007"), ("1.5", "1.5")] {
        assert_eq!(value("", yaml), expected);
    }
}

#[test]
fn no_value_removes_the_key_or_the_item() {
    let hook = hook(
        "      Timeout: !Ref AWS::NoValue
      ReservedConcurrentExecutions: !If [Never, 1, !Ref AWS::NoValue]
Conditions:
  Never: !Equals [a, b]
",
    );
    assert_eq!((hook.timeout_seconds, hook.reserved_concurrency), (3, None));
    assert_eq!(value("", "!Join ['-', [a, !Ref 'AWS::NoValue', b]]"), "a-b");
}

#[test]
fn references_follow_the_type_of_the_resource() {
    let resources = "
  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}
  T:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: t
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
  Simple: {Type: AWS::Serverless::SimpleTable, Properties: {TableName: simple}}
  L: {Type: AWS::Serverless::LayerVersion, Properties: {LayerName: l, ContentUri: x}}
  S: {Type: AWS::SecretsManager::Secret, Properties: {Name: s}}
  N: {Type: AWS::SNS::Topic, Properties: {TopicName: n}}
  G: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /g}}
  R: {Type: AWS::Events::Rule, Properties: {Name: r, ScheduleExpression: rate(1 day)}}
  A: {Type: AWS::CloudWatch::Alarm, Properties: {AlarmName: a}}
  I: {Type: AWS::IAM::Role, Properties: {RoleName: i}}
  App: {Type: AWS::CodeDeploy::Application, Properties: {ApplicationName: app}}
  Group: {Type: AWS::CodeDeploy::DeploymentGroup, Properties: {DeploymentGroupName: group}}
  Pace: {Type: AWS::CodeDeploy::DeploymentConfig, Properties: {DeploymentConfigName: pace}}
  Named: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub '${Q.QueueName}-named'}}
";
    for (yaml, expected) in [
        ("!Ref Q", "https://sqs.eu-west-1.amazonaws.com/123456789012/q"),
        ("!GetAtt Q.Arn", "arn:aws:sqs:eu-west-1:123456789012:q"),
        ("!GetAtt Named.Arn", "arn:aws:sqs:eu-west-1:123456789012:q-named"),
        ("!Ref T", "t"),
        ("!GetAtt T.Arn", "arn:aws:dynamodb:eu-west-1:123456789012:table/t"),
        ("!Ref Simple", "simple"),
        ("!Ref L", "arn:aws:lambda:eu-west-1:123456789012:layer:l:1"),
        ("!Ref N", "arn:aws:sns:eu-west-1:123456789012:n"),
        ("!GetAtt N.TopicName", "n"),
        ("!Ref G", "/g"),
        ("!GetAtt G.Arn", "arn:aws:logs:eu-west-1:123456789012:log-group:/g:*"),
        ("!Ref R", "r"),
        ("!GetAtt R.Arn", "arn:aws:events:eu-west-1:123456789012:rule/r"),
        ("!Ref A", "a"),
        ("!GetAtt A.Arn", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"),
        ("!Ref I", "i"),
        ("!GetAtt I.Arn", "arn:aws:iam::123456789012:role/i"),
        ("!Join ['/', [!Ref App, !Ref Group, !Ref Pace]]", "app/group/pace"),
    ] {
        let text = hook_with(&format!("      Environment: {{Variables: {{X: {yaml}}}}}\n"));
        let template = read(&format!("{text}{resources}"));
        assert_eq!(template.functions[0].environment["X"], expected, "{yaml}");
    }
}

#[test]
fn what_sam_adds_can_be_referred_to() {
    let properties = "      AutoPublishAlias: live
      DeploymentPreference: {Type: AllAtOnce}
      Environment:
        Variables:
          ALIAS: !Ref Hook.Alias
          VERSION: !Sub '${Hook.Version}'
          ROLE: !GetAtt HookRole.Arn
          GROUP: !Ref HookDeploymentGroup
          APP: !Ref ServerlessDeploymentApplication
          RULE: !Ref HookDaily
      Events:
        Daily: {Type: Schedule, Properties: {Name: daily, Schedule: rate(1 day)}}
";
    let hook = hook(properties);
    assert_eq!(hook.environment["ALIAS"], format!("{}:live", hook.arn));
    assert_eq!(hook.environment["VERSION"], format!("{}:1", hook.arn));
    assert_eq!(hook.environment["ROLE"], format!("arn:aws:iam::123456789012:role/{}", hook.role_name));
    assert!(hook.environment["GROUP"].starts_with("greenlight-HookDeploymentGroup-"));
    assert!(hook.environment["APP"].starts_with("greenlight-ServerlessDeploymentApplication-"));
    assert_eq!(hook.environment["RULE"], "daily");
}

#[test]
fn overrides_replace_defaults_and_fill_what_has_none() {
    let sections = format!(
        "Parameters:\n  Name: {{Type: String}}\n  Wait: {{Type: Number, Default: 5}}\n{}",
        hook_with("      FunctionName: !Ref Name\n      Timeout: !Ref Wait\n")
    );
    let template = read_with(&sections, &[("Name", "chosen"), ("Wait", "60")]).unwrap();
    assert_eq!((template.functions[0].name.as_str(), template.functions[0].timeout_seconds), ("chosen", 60));
    refuses(
        &sections,
        "template line 3, `Parameters.Name`: needs a value, because the parameter has no `Default`, saw `nothing`",
    );
    let error = read_with(&sections, &[("Nmae", "x")]).unwrap_err();
    assert_eq!(error.to_string(), "template line 2, `Parameters`: unknown parameter `Nmae`; known are `Name`, `Wait`");
}

#[test]
fn parameters_keep_their_constraints() {
    for (declaration, good, bad) in [
        ("{Type: String, AllowedValues: [a, b]}", "b", "c"),
        ("{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a,b", "a,c"),
        ("{Type: String, AllowedPattern: '[a-z]+'}", "abc", "abC"),
        ("{Type: String, MinLength: 2, MaxLength: 3}", "abc", "abcd"),
        ("{Type: Number, MinValue: 1, MaxValue: 10}", "10", "10.5"),
        ("{Type: Number}", "-1.5", "one"),
    ] {
        let sections = format!("Parameters:\n  P: {declaration}\n{}", hook_with(""));
        assert!(read_with(&sections, &[("P", good)]).is_ok(), "{declaration} should take {good}");
        let error = read_with(&sections, &[("P", bad)]).expect_err(declaration).to_string();
        assert!(error.starts_with("template line 3, `Parameters.P`: needs "), "{error}");
    }
}
