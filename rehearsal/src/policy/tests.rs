//! Policies against IAM's documented evaluation rules.

use serde_json::{Value, json};

use super::{Decision, Matched, Policy, Request, access_denied, assumed_role};

fn request(action: &str, resource: &str) -> Request {
    Request { action: action.into(), resource: resource.into(), ..Request::default() }
}

fn with(mut request: Request, key: &str, value: &str) -> Request {
    request.context.insert(key.into(), value.into());
    request
}

#[track_caller]
fn check(statement: &Value, allowed: &[Request], denied: &[Request]) {
    let policy = Policy::parse(std::slice::from_ref(statement)).unwrap();
    for request in allowed {
        assert!(matches!(policy.evaluate(request), Decision::Allowed(_)), "{statement} should allow {request:?}");
    }
    for request in denied {
        assert_eq!(policy.evaluate(request), Decision::ImplicitDeny, "{statement} should not allow {request:?}");
    }
}

#[track_caller]
fn refuses(statement: &Value, message: &str) {
    let error = Policy::parse(std::slice::from_ref(statement)).expect_err("the statement should be refused");
    assert_eq!(error.to_string(), message);
}

const GROUP: &str = "arn:aws:codedeploy:eu-west-1:123456789012:deploymentgroup:shop/blue-green";
const TABLE: &str = "arn:aws:dynamodb:eu-west-1:123456789012:table/greenlight";

#[test]
fn nothing_is_allowed_without_a_statement() {
    assert_eq!(Policy::default().evaluate(&request("dynamodb:GetItem", TABLE)), Decision::ImplicitDeny);
}

#[test]
fn an_action_and_a_resource_have_to_match_together() {
    check(
        &json!({"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"], "Resource": TABLE}),
        &[request("dynamodb:GetItem", TABLE), request("dynamodb:PutItem", TABLE)],
        &[
            request("dynamodb:DeleteItem", TABLE),
            request("dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:123456789012:table/other"),
            request("dynamodb:GetItem", "*"),
        ],
    );
}

#[test]
fn actions_ignore_case_and_resources_do_not() {
    check(
        &json!({"Effect": "Allow", "Action": "DynamoDB:getitem", "Resource": TABLE}),
        &[request("dynamodb:GetItem", TABLE)],
        &[request("dynamodb:GetItem", &TABLE.to_uppercase())],
    );
}

#[test]
fn wildcards_stand_for_runs_and_single_characters() {
    check(
        &json!({"Effect": "Allow", "Action": "codedeploy:*Deployment",
                "Resource": "arn:aws:codedeploy:*:*:deploymentgroup:sh?p/*"}),
        &[request("codedeploy:StopDeployment", GROUP), request("codedeploy:GetDeployment", GROUP)],
        &[
            request("codedeploy:ListDeployments", GROUP),
            request("codedeploy:StopDeployment", "arn:aws:codedeploy:eu-west-1:123456789012:deploymentgroup:shoop/x"),
        ],
    );
    check(
        &json!({"Effect": "Allow", "Action": "*", "Resource": "*"}),
        &[request("a:B", "*"), request("a:B", TABLE)],
        &[],
    );
}

#[test]
fn an_asterisk_does_not_cross_a_colon_before_the_last_part() {
    check(
        &json!({"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "arn:aws:logs:*:log-group:x"}),
        &[],
        &[request("logs:PutLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:x")],
    );
    check(
        &json!({"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "arn:aws:logs:*:*:log-group:*"}),
        &[request("logs:PutLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:x:log-stream:y")],
        &[],
    );
    check(
        &json!({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs"}),
        &[request("sqs:SendMessage", "arn:aws:sqs:eu-west-1:123456789012:queue")],
        &[request("sqs:SendMessage", "*")],
    );
}

#[test]
fn negated_elements_cover_everything_else() {
    check(
        &json!({"Effect": "Allow", "NotAction": ["iam:*"], "NotResource": [TABLE]}),
        &[request("codedeploy:StopDeployment", GROUP)],
        &[request("IAM:CreateUser", GROUP), request("dynamodb:GetItem", TABLE)],
    );
}

#[test]
fn a_deny_beats_any_allow_and_names_its_statement() {
    let policy = Policy::parse(&[
        json!({"Effect": "Allow", "Action": "*", "Resource": "*"}),
        json!({"Sid": "NoStops", "Effect": "Deny", "Action": ["codedeploy:Get*", "codedeploy:Stop*"], "Resource": "*"}),
    ])
    .unwrap();
    let matched = Matched { statement: 1, sid: Some("NoStops".into()), action: "codedeploy:Stop*".into() };
    assert_eq!(policy.evaluate(&request("codedeploy:StopDeployment", GROUP)), Decision::ExplicitDeny(matched));
    let matched = Matched { statement: 0, sid: None, action: "*".into() };
    assert_eq!(policy.evaluate(&request("dynamodb:GetItem", TABLE)), Decision::Allowed(matched));
}

#[test]
fn grants_that_no_request_used_can_be_found() {
    let policy = Policy::parse(&[
        json!({"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"], "Resource": TABLE}),
        json!({"Effect": "Deny", "Action": "iam:*", "Resource": "*"}),
        json!({"Sid": "Rest", "Effect": "Allow", "NotAction": "sqs:*", "Resource": GROUP}),
    ])
    .unwrap();
    let mut unused = policy.grants();
    for request in [request("dynamodb:GetItem", TABLE), request("codedeploy:StopDeployment", GROUP)] {
        if let Decision::Allowed(matched) = policy.evaluate(&request) {
            unused.retain(|grant| *grant != matched);
        }
    }
    assert_eq!(unused, [Matched { statement: 0, sid: None, action: "dynamodb:PutItem".into() }]);
}

fn conditional(condition: &Value) -> Value {
    json!({"Effect": "Allow", "Action": "a:B", "Resource": "*", "Condition": condition})
}

#[test]
fn string_conditions_need_the_key_unless_they_are_negated() {
    let plain = request("a:B", "*");
    check(
        &conditional(&json!({"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-west-2"]}})),
        &[with(plain.clone(), "AWS:requestedregion", "eu-west-2")],
        &[plain.clone(), with(plain.clone(), "aws:RequestedRegion", "EU-WEST-1")],
    );
    check(
        &conditional(&json!({"StringLike": {"cloudwatch:namespace": "Green*"}})),
        &[with(plain.clone(), "cloudwatch:namespace", "Greenlight")],
        &[plain.clone(), with(plain.clone(), "cloudwatch:namespace", "Other")],
    );
    check(
        &conditional(&json!({"StringNotEquals": {"k": ["x", "y"]}})),
        &[plain.clone(), with(plain.clone(), "k", "z")],
        &[with(plain.clone(), "k", "y")],
    );
}

#[test]
fn set_conditions_differ_in_what_an_absent_key_means() {
    let plain = request("a:B", "*");
    check(
        &conditional(&json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "hook#*"}})),
        &[plain.clone(), with(plain.clone(), "dynamodb:LeadingKeys", "hook#1")],
        &[with(plain.clone(), "dynamodb:LeadingKeys", "other")],
    );
    check(
        &conditional(&json!({"ForAnyValue:StringEquals": {"k": "x"}})),
        &[with(plain.clone(), "k", "x")],
        &[plain.clone(), with(plain, "k", "y")],
    );
}

#[test]
fn bool_and_arn_conditions_and_several_at_once() {
    let plain = request("a:B", "*");
    let rule = "arn:aws:events:eu-west-1:123456789012:rule/x";
    let condition =
        json!({"Bool": {"aws:SecureTransport": true}, "ArnLike": {"aws:SourceArn": "arn:aws:events:*:*:rule/*"}});
    let both = with(with(plain.clone(), "aws:SecureTransport", "True"), "aws:SourceArn", rule);
    check(
        &conditional(&condition),
        &[both],
        &[with(plain.clone(), "aws:SecureTransport", "true"), with(plain.clone(), "aws:SourceArn", rule)],
    );
    check(
        &conditional(&json!({"ArnEquals": {"aws:SourceArn": rule}})),
        &[with(plain.clone(), "aws:SourceArn", rule)],
        &[with(plain, "aws:SourceArn", TABLE)],
    );
}

#[test]
fn the_refusal_reads_as_in_aws() {
    let principal = assumed_role("123456789012", "ROLE", "FUNCTION");
    let request = request("codedeploy:StopDeployment", GROUP);
    assert_eq!(
        access_denied(&principal, &request, &Decision::ImplicitDeny).unwrap(),
        format!(
            "User: arn:aws:sts::123456789012:assumed-role/ROLE/FUNCTION is not authorized to perform: \
             codedeploy:StopDeployment on resource: {GROUP} because no identity-based policy allows the \
             codedeploy:StopDeployment action"
        )
    );
    let matched = Matched { statement: 0, sid: None, action: "*".into() };
    let denied = access_denied(&principal, &request, &Decision::ExplicitDeny(matched.clone())).unwrap();
    assert!(denied.ends_with(&format!("{GROUP} with an explicit deny in an identity-based policy")), "{denied}");
    assert_eq!(access_denied(&principal, &request, &Decision::Allowed(matched)), None);
}

#[test]
fn statements_that_cannot_be_evaluated_are_refused() {
    let start = "cannot read policy statement 0: ";
    refuses(&json!("x"), &format!("{start}expected an object, saw `\"x\"`"));
    refuses(
        &json!({"Effect": "Allow", "Principal": "*", "Action": "a:B", "Resource": "*"}),
        &format!(
            "{start}unknown element `Principal`; known are `Sid`, `Effect`, `Action`, `NotAction`, `Resource`, \
             `NotResource`, `Condition`"
        ),
    );
    refuses(
        &json!({"Action": "a:B", "Resource": "*"}),
        &format!("{start}`Effect` must be `Allow` or `Deny`, saw `nothing`"),
    );
    refuses(
        &json!({"Sid": 1, "Effect": "Allow", "Action": "a:B", "Resource": "*"}),
        &format!("{start}`Sid` must be a text or a list of at least one text, saw `1`"),
    );
    refuses(
        &json!({"Effect": "Allow", "Action": "a:B"}),
        &format!("{start}needs exactly one of `Resource` and `NotResource`"),
    );
    refuses(
        &json!({"Effect": "Allow", "Action": "a:B", "NotAction": "a:C", "Resource": "*"}),
        &format!("{start}needs exactly one of `Action` and `NotAction`"),
    );
    refuses(
        &json!({"Effect": "Allow", "Action": [], "Resource": "*"}),
        &format!("{start}`Action` must be a text or a list of at least one text, saw `[]`"),
    );
    refuses(
        &json!({"Effect": "Allow", "Action": "GetItem", "Resource": "*"}),
        &format!("{start}`GetItem` is no action; write `service:Action` or `*`"),
    );
    refuses(
        &json!({"Effect": "Allow", "Action": "a:B", "Resource": "my-table"}),
        &format!("{start}`my-table` is no resource; write an ARN (`arn:...`) or `*`"),
    );
    refuses(
        &json!({"Effect": "Allow", "Action": "a:B", "Resource": "arn:aws:s3:::${aws:username}"}),
        &format!(
            "{start}policy variables are not supported, saw `arn:aws:s3:::${{aws:username}}`; write the value out or \
             use a wildcard"
        ),
    );
}

#[test]
fn unknown_condition_operators_are_refused_by_name() {
    for operator in ["IpAddress", "StringEqualsIfExists", "ForAnyValue:ArnLike", "ForSomeValues:StringLike", "Null"] {
        let error = Policy::parse(&[conditional(&json!({operator: {"k": "v"}}))]).expect_err(operator);
        assert!(error.to_string().contains(&format!("condition operator `{operator}` is not supported")), "{error}");
    }
    refuses(
        &conditional(&json!({"StringEquals": "x"})),
        "cannot read policy statement 0: `StringEquals` must be an object, saw `\"x\"`",
    );
}

#[test]
fn the_refused_statement_is_numbered() {
    let good = json!({"Effect": "Allow", "Action": "a:B", "Resource": "*"});
    let error = Policy::parse(&[good, json!({"Effect": "Maybe"})]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read policy statement 1: `Effect` must be `Allow` or `Deny`, saw `\"Maybe\"`"
    );
}
