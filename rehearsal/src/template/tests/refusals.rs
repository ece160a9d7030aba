//! What a template must not contain, and the line and property that the complaint names.

use super::{hook_with, read_with, refuses};

/// The message for a function `Hook` whose first own property, on line 8, is this.
#[track_caller]
fn refuses_property(properties: &str, message: &str) {
    refuses(&hook_with(properties), message);
}

#[track_caller]
fn refusal(sections: &str) -> String {
    read_with(sections, &[]).expect_err("the template should be refused").to_string()
}

#[test]
fn yaml_that_cannot_be_read_names_the_line() {
    assert!(refusal("Resources: [").starts_with("cannot read the template at line "));
    assert!(refusal("Resources:\n  A: 1\n  A: 2\n").contains("line 4"), "duplicate keys");
    assert_eq!(
        refusal("Resources:\n  A:\n    <<: {Type: x}\n"),
        "cannot read the template at line 4: merge keys (`<<`) are not taken by every tool that reads templates; write \
         the values out"
    );
    assert_eq!(
        refusal("Resources: !GetAtt Nothing\n"),
        "cannot read the template at line 2: `!GetAtt Nothing` names no attribute; write `!GetAtt Resource.Attribute`"
    );
}

#[test]
fn unknown_keys_are_refused_at_every_level() {
    assert!(
        refusal("Resuorces: {}\n").starts_with("template line 2, `template.Resuorces`: unknown section `Resuorces`")
    );
    assert!(
        refusal("Resources:\n  A: {Type: AWS::SQS::Queue, Propertys: {}}\n")
            .starts_with("template line 3, `A.Propertys`: unknown attribute `Propertys`; known are `Type`, ")
    );
    let message = refusal(&hook_with("      TimeOut: 5\n"));
    assert!(
        message.starts_with("template line 8, `Hook.Properties.TimeOut`: unknown property `TimeOut`; known are"),
        "{message}"
    );
    assert!(
        refusal("Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      FifoQueue: true\n")
            .starts_with("template line 6, `Q.Properties.FifoQueue`: unknown property `FifoQueue`")
    );
}

#[test]
fn the_transform_has_to_be_sam_and_nothing_else() {
    let read = |text: &str| super::Template::read(text, &std::collections::BTreeMap::new()).unwrap_err().to_string();
    assert_eq!(read("Resources: {}\n"), "template line 1, `template`: `Transform` is missing");
    assert_eq!(
        read("Transform: [AWS::Serverless-2016-10-31, AWS::LanguageExtensions]\nResources: {}\n"),
        "template line 1, `template.Transform[1]`: the transform `AWS::LanguageExtensions` cannot be rehearsed; use \
         only `AWS::Serverless-2016-10-31`"
    );
}

#[test]
fn references_to_nothing_are_refused_even_where_they_do_not_matter() {
    refuses_property(
        "      Environment: {Variables: {X: !Ref Tabel}}\n",
        "template line 8, `Hook.Properties.Environment.Variables.X`: `Tabel` is no parameter, pseudo parameter or \
         resource of this template",
    );
    refuses_property(
        "      Description: !Sub '${Typo}'\n",
        "template line 8, `Hook.Properties.Description`: `Typo` is no parameter, pseudo parameter or resource of this \
         template",
    );
    refuses(
        "Resources:
  Board:
    Type: AWS::CloudWatch::Dashboard
    Properties:
      DashboardBody: !GetAtt Typo.Arn
",
        "template line 6, `Board.Properties.DashboardBody`: `Typo` is no parameter, pseudo parameter or resource of \
         this template",
    );
    refuses(
        "Resources: {}\nOutputs:\n  X:\n    Value: !Ref Typo\n",
        "template line 5, `template.Outputs.X.Value`: `Typo` is no parameter, pseudo parameter or resource of this \
         template",
    );
    refuses_property(
        "      Environment: {Variables: {X: !If [Nope, a, b]}}\n",
        "template line 8, `Hook.Properties.Environment.Variables.X`: `Nope` is no condition of this template",
    );
    refuses_property(
        "      Environment: {Variables: {X: !FindInMap [A, b, c]}}\n",
        "template line 8, `Hook.Properties.Environment.Variables.X`: `A.b.c` is no mapping of this template",
    );
}

#[test]
fn a_reference_to_a_resource_that_is_switched_off_is_refused() {
    let sections = format!(
        "Conditions: {{Never: !Equals [a, b]}}\n{}  Q: {{Type: AWS::SQS::Queue, Condition: Never}}\n",
        hook_with("      Environment: {Variables: {X: !Ref Q}}\n")
    );
    refuses(
        &sections,
        "template line 9, `Hook.Properties.Environment.Variables.X`: `Q` does not exist with these parameters, because \
         its `Condition` does not hold",
    );
}

#[test]
fn circles_are_found() {
    assert!(
        refusal(
            "Conditions:
  A: !Not [!Condition B]
  B: !Not [!Condition A]
Resources:
  Q: {Type: AWS::SQS::Queue, Condition: A}
"
        )
        .contains("refers to itself, possibly through others")
    );
    assert!(
        refusal(
            "Resources:
  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !GetAtt B.QueueName}}
  B: {Type: AWS::SQS::Queue, Properties: {QueueName: !GetAtt A.QueueName}}
"
        )
        .contains("refers to itself, possibly through others")
    );
}

#[test]
fn what_cannot_be_resolved_is_refused_only_where_it_is_needed() {
    let note = "  Note: {Type: AWS::SSM::Parameter, Properties: {Value: !ImportValue other}}\n";
    assert!(read_with(&format!("{}{note}", hook_with("")), &[]).is_ok());
    refuses_property(
        "      Environment: {Variables: {X: !ImportValue other}}\n",
        "template line 8, `Hook.Properties.Environment.Variables.X`: a value of another stack (`Fn::ImportValue`) \
         cannot be rehearsed; make it a parameter",
    );
    refuses_property(
        "      Environment: {Variables: {X: !GetAtt Hook.Colour}}\n",
        "template line 8, `Hook.Properties.Environment.Variables.X`: `Hook` is a `AWS::Serverless::Function`, and the \
         rehearsal does not know its `Colour`",
    );
    refuses_property(
        "      Environment: {Variables: {X: !Cidr [a, 1, 2]}}\n",
        "template line 8, `Hook.Properties.Environment.Variables.X`: the function `Fn::Cidr` cannot be rehearsed; \
         write the value without it",
    );
    refuses_property(
        "      Environment: {Variables: {X: '{{resolve:ssm:name}}'}}\n",
        "template line 8, `Hook.Properties.Environment.Variables.X`: a dynamic reference (`{{resolve:...}}`) cannot be \
         rehearsed; let the function read the secret or parameter itself",
    );
    refuses_property(
        "      Environment: {Variables: {X: !Equals [a, b]}}\n",
        "template line 8, `Hook.Properties.Environment.Variables.X`: `Fn::Equals` outside of `Conditions` cannot be \
         rehearsed; name the condition and use `Fn::If`",
    );
}

#[test]
fn intrinsic_functions_with_wrong_arguments_are_refused() {
    for yaml in [
        "!Join [a]",
        "!Join [a, b]",
        "!Select [5, [a]]",
        "!Select [x, [a]]",
        "!Split [a]",
        "!Sub '${open'",
        "!Sub [a]",
        "!If [a, b]",
        "!GetAtt [Hook]",
        "!Ref [a]",
        "!Sub '${AWS::NoValue}'",
        "!Ref Hook.Alias",
    ] {
        let sections = hook_with(&format!("      Environment: {{Variables: {{X: {yaml}}}}}\n"));
        let message = refusal(&sections);
        assert!(message.starts_with("template line 8, `Hook.Properties.Environment.Variables.X"), "{yaml}: {message}");
    }
}

#[test]
fn a_value_of_the_wrong_kind_says_what_is_needed() {
    refuses_property(
        "      Timeout: 901\n",
        "template line 8, `Hook.Properties.Timeout`: needs a whole number from 1 to 900, saw `901`",
    );
    refuses_property(
        "      Timeout:\n        x: 1\n",
        "template line 8, `Hook.Properties.Timeout`: needs a whole number from 1 to 900, saw `{\"x\":1}`",
    );
    refuses_property(
        "      Environment:\n        Variables:\n          A: b\n          X: [a]\n",
        "template line 11, `Hook.Properties.Environment.Variables.X`: needs a text, saw `[\"a\"]`",
    );
    refuses_property(
        "      Architectures: [arm64, x86_64]\n",
        "template line 8, `Hook.Properties.Architectures`: needs `[x86_64]` or `[arm64]`, saw `[\"arm64\",\"x86_64\"]`",
    );
    refuses_property(
        "      Tracing: Sometimes\n",
        "template line 8, `Hook.Properties.Tracing`: needs `Active`, `PassThrough` or `Disabled`, saw `\"Sometimes\"`",
    );
}

#[test]
fn the_binary_has_to_be_named() {
    let with = |metadata: &str| {
        refusal(&format!("Resources:\n  Hook:\n    Type: AWS::Serverless::Function\n{metadata}    Properties: {{}}\n"))
    };
    assert_eq!(with(""), "template line 3, `Hook`: `Metadata.BuildProperties.Binary` is missing");
    assert_eq!(
        with("    Metadata: {BuildMethod: rust-cargolambda}\n"),
        "template line 5, `Hook.Metadata`: `BuildProperties.Binary` is missing"
    );
    assert_eq!(
        with("    Metadata: {BuildMethod: makefile}\n"),
        "template line 5, `Hook.Metadata.BuildMethod`: the build method `makefile` cannot be rehearsed; set \
         `BuildMethod: rust-cargolambda` and `BuildProperties: {Binary: <name>}`"
    );
}

#[test]
fn permissions_that_cannot_be_read_are_refused() {
    refuses_property(
        "      Policies:\n        - DynamoDBCrudPolicy: {TableName: x}\n",
        "template line 9, `Hook.Properties.Policies[0]`: the SAM policy template `DynamoDBCrudPolicy` cannot be \
         rehearsed; write its statements out",
    );
    refuses_property(
        "      Policies: AdministratorAccess\n",
        "template line 8, `Hook.Properties.Policies`: the managed policy `AdministratorAccess` cannot be rehearsed; \
         write the statements that are needed out",
    );
    refuses_property(
        "      Policies:
        - Statement:
            - {Effect: Allow, Action: 'a:B', Resource: '*'}
            - {Effect: Allow, Action: 'a:B', Resource: table}
",
        "template line 11, `Hook.Properties.Policies[0].Statement[1]`: `table` is no resource; write an ARN \
         (`arn:...`) or `*`",
    );
    refuses_property(
        "      PermissionsBoundary: arn:aws:iam::123456789012:policy/mine\n",
        "template line 8, `Hook.Properties.PermissionsBoundary`: a permissions boundary cannot be rehearsed; rehearse \
         without it, for example by a parameter",
    );
    refuses_property(
        "      Role: arn:aws:iam::123456789012:role/mine\n",
        "template line 8, `Hook.Properties.Role`: a role of its own cannot be rehearsed; write its statements into \
         `Policies`, so that the rehearsal can hold the function to them",
    );
}

#[test]
fn events_that_cannot_be_delivered_are_refused() {
    let event = |kind: &str, properties: &str| {
        refusal(&hook_with(&format!(
            "      Events:\n        E:\n          Type: {kind}\n          Properties: {properties}\n"
        )))
    };
    assert!(event("Api", "{}").starts_with(
        "template line 10, `Hook.Properties.Events.E.Type`: unknown event type `Api`; known are `EventBridgeRule`"
    ));
    assert_eq!(
        event("EventBridgeRule", "{Pattern: {source: [{contains: x}]}}"),
        "template line 11, `Hook.Properties.Events.E.Properties.Pattern`: cannot read the event pattern at `source`: \
         unknown operator `contains`; known are `prefix`, `suffix`, `equals-ignore-case`, `wildcard`, `anything-but`, \
         `numeric`, `exists`, `cidr`"
    );
    for key in ["Input: '{}'", "InputPath: $.detail", "InputTransformer: {InputTemplate: x}"] {
        let message = event("EventBridgeRule", &format!("{{Pattern: {{source: [x]}}, {key}}}"));
        assert!(message.ends_with("cannot be rehearsed; let the function receive the event as it is"), "{message}");
    }
    assert!(event("EventBridgeRule", "{}").ends_with("`Pattern` is missing"));
    assert!(
        event("EventBridgeRule", "{Pattern: {source: [x]}, EventBusName: mine}").contains("an event bus of its own")
    );
    assert!(
        event("EventBridgeRule", "{Pattern: {source: [x]}, DeadLetterConfig: {Type: SQS}}")
            .contains("SAM makes by itself")
    );
    assert!(
        event("EventBridgeRule", "{Pattern: {source: [x]}, RetryPolicy: {MaximumRetryAttempts: 186}}")
            .contains("0 to 185")
    );
    assert!(event("EventBridgeRule", "{Pattern: {source: [x]}, State: ENABLED, Enabled: true}").contains("not both"));
    assert_eq!(
        event("Schedule", "{Schedule: every day}"),
        "template line 11, `Hook.Properties.Events.E.Properties.Schedule`: cannot read the schedule `every day`: \
         expected `rate(...)` or `cron(...)`; one-time schedules cannot be rehearsed"
    );
    assert!(
        event("Schedule", "{Schedule: rate(1 day), Input: nonsense}")
            .ends_with("needs a text that is JSON, saw `\"nonsense\"`")
    );
    let zone = event("ScheduleV2", "{ScheduleExpression: rate(1 day), ScheduleExpressionTimezone: Europe/Paris}");
    assert!(zone.contains("a time zone cannot be rehearsed"), "{zone}");
    assert!(event("SNS", "{Topic: name}").ends_with("needs the ARN of a topic, saw `\"name\"`"));
    assert!(event("SNS", "{Topic: 'arn:aws:sns:x', FilterPolicy: {}}").contains("unknown property `FilterPolicy`"));
}

#[test]
fn destinations_outside_of_the_template_are_refused() {
    let arn = "arn:aws:sqs:eu-west-1:123456789012:elsewhere";
    for property in [
        format!("DeadLetterQueue: {{Type: SQS, TargetArn: '{arn}'}}"),
        format!("EventInvokeConfig: {{DestinationConfig: {{OnFailure: {{Type: SQS, Destination: '{arn}'}}}}}}"),
        format!("Layers: ['{arn}']"),
    ] {
        let message = refusal(&hook_with(&format!("      {property}\n")));
        assert!(message.contains(&format!("`{arn}` is not declared in this template")), "{message}");
    }
    let message = refusal(&hook_with("      EventInvokeConfig: {DestinationConfig: {OnFailure: {Type: SQS}}}\n"));
    assert!(message.contains("a destination that SAM makes by itself cannot be rehearsed"), "{message}");
}

#[test]
fn tables_need_one_key_of_type_text() {
    let table = |schema: &str, kind: &str| {
        refusal(&format!(
            "Resources:
  T:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{{AttributeName: pk, AttributeType: {kind}}}]
      KeySchema: {schema}
"
        ))
    };
    let sorted = "[{AttributeName: pk, KeyType: HASH}, {AttributeName: sk, KeyType: RANGE}]";
    assert!(table(sorted, "S").starts_with("template line 7, `T.Properties.KeySchema`: a table with a sort key"));
    assert!(table("[{AttributeName: pk, KeyType: HASH}]", "N").contains("the only type of key that is rehearsed"));
    assert!(table("[{AttributeName: other, KeyType: HASH}]", "S").ends_with("`AttributeDefinitions.other` is missing"));
}

#[test]
fn resources_that_act_on_a_function_behind_its_back_are_refused() {
    let rule = "  R:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [x]}
      Targets: [{Id: a, Arn: !GetAtt Hook.Arn}]
";
    assert_eq!(
        refusal(&format!("{}{rule}", hook_with(""))),
        "template line 8, `R`: a `AWS::Events::Rule` that names the function `Hook` cannot be rehearsed; write it into \
         the function: `Events`, `EventInvokeConfig` or `Policies`"
    );
    let policy =
        "  P: {Type: AWS::IAM::Policy, Properties: {Roles: [!Ref HookRole], PolicyName: p, PolicyDocument: {}}}\n";
    assert!(
        refusal(&format!("{}{policy}", hook_with(""))).contains("a `AWS::IAM::Policy` that names the function `Hook`")
    );
    assert!(
        refusal("Resources:\n  F: {Type: AWS::Lambda::Function}\n")
            .contains("declare it as `AWS::Serverless::Function`")
    );
    let harmless = "  R: {Type: AWS::Events::Rule, Properties: {EventPattern: {source: [x]}}}\n";
    assert!(read_with(&format!("{}{harmless}", hook_with("")), &[]).is_ok());
}

#[test]
fn globals_must_not_share_what_makes_a_function_itself() {
    refuses(
        &format!("Globals:\n  Function:\n    Policies: []\n{}", hook_with("")),
        "template line 4, `Globals.Function.Policies`: `Policies` in `Globals.Function` cannot be rehearsed; SAM \
         refuses it; write it in each function",
    );
}

#[test]
fn problems_of_different_resources_are_reported_together() {
    let queue = "  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}\n";
    let message = refusal(&format!("{}{queue}", hook_with("      Timeout: 0\n")));
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 2, "{message}");
    assert!(lines[0].starts_with("template line 8, `Hook.Properties.Timeout`"), "{message}");
    assert!(lines[1].starts_with("template line 9, `Q.Properties.FifoQueue`"), "{message}");
}

#[test]
fn a_parameter_of_the_parameter_store_is_refused() {
    refuses(
        &format!("Parameters:\n  P: {{Type: 'AWS::SSM::Parameter::Value<String>', Default: /x}}\n{}", hook_with("")),
        "template line 3, `Parameters.P.Type`: a parameter of type `AWS::SSM::Parameter::Value<String>` cannot be \
         rehearsed; use type `String` and read the parameter at run time, or pass its value",
    );
}
