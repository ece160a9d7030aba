//! What a function's role may do: the statements of `Policies`, and those that SAM adds on its own.
//!
//! Knows nothing of requests; see `policy` for what statements mean.

use serde_json::{Value, json};

use super::error::{Problem, TemplateError};
use super::model::Destination;
use super::place::Place;
use super::yaml::Data;
use crate::policy::Policy;

const BASIC: &str = "AWSLambdaBasicExecutionRole";
const XRAY: &str = "AWSXRayDaemonWriteAccess";
const VPC: &str = "AWSLambdaVPCAccessExecutionRole";

/// Settings of a function for which SAM adds statements.
pub(super) struct Extras<'a> {
    pub(super) tracing: bool,
    pub(super) vpc: bool,
    pub(super) dead_letter_queue: Option<&'a str>,
    pub(super) destinations: Vec<&'a Destination>,
}

/// The policy, and how many of its statements the template writes itself.
pub(super) struct Permissions {
    pub(super) policy: Policy,
    pub(super) own: usize,
}

/// Reads `Policies`, if there is one.
pub(super) fn read(policies: Option<&Place<'_>>, extras: &Extras<'_>) -> Result<Permissions, TemplateError> {
    let mut statements = Vec::new();
    let mut managed = vec![BASIC];
    if extras.tracing {
        managed.push(XRAY);
    }
    if extras.vpc {
        managed.push(VPC);
    }
    for policy in policies.map(Place::one_or_many).transpose()?.unwrap_or_default() {
        if policy.node().entries().is_none() {
            let name = managed_policy(&policy)?;
            if !managed.contains(&name) {
                managed.push(name);
            }
            continue;
        }
        for statement in inline_policy(&policy)? {
            let json = statement.json();
            // One by one, so that a refusal names the line of the statement.
            if let Err(error) = Policy::parse(std::slice::from_ref(&json)) {
                return statement.fail(Problem::Policy(error.problem));
            }
            statements.push(json);
        }
    }
    let own = statements.len();
    statements.extend(managed.into_iter().map(managed_statement));
    if let Some(arn) = extras.dead_letter_queue {
        let action = if arn.contains(":sqs:") { "sqs:SendMessage" } else { "sns:Publish" };
        statements.push(json!({"Sid": "DeadLetterQueue", "Effect": "Allow", "Action": action, "Resource": arn}));
    }
    for destination in &extras.destinations {
        let (action, arn) = match destination {
            Destination::Queue(arn) => ("sqs:SendMessage", arn),
            Destination::Topic(arn) => ("sns:Publish", arn),
            Destination::Function(arn) => ("lambda:InvokeFunction", arn),
            Destination::EventBus(arn) => ("events:PutEvents", arn),
        };
        statements.push(json!({"Sid": "Destination", "Effect": "Allow", "Action": action, "Resource": arn}));
    }
    match Policy::parse(&statements) {
        Ok(policy) => Ok(Permissions { policy, own }),
        Err(error) => Err(TemplateError::at(
            policies.map_or(1, Place::line),
            policies.map_or("Policies", Place::at),
            Problem::Policy(error.problem),
        )),
    }
}

fn inline_policy<'a>(policy: &Place<'a>) -> Result<Vec<Place<'a>>, TemplateError> {
    if let Some(statement) = policy.get("Statement")? {
        policy.only("element", &["Version", "Id", "Statement"])?;
        return statement.one_or_many();
    }
    let names: Vec<&str> = policy.entries()?.into_iter().map(|(name, _)| name).collect();
    policy.unsupported(format!("the SAM policy template `{}`", names.join("`, `")), "write its statements out")
}

fn managed_policy(policy: &Place<'_>) -> Result<&'static str, TemplateError> {
    if matches!(policy.node().data, Data::List(_) | Data::Null) {
        return policy.wrong("a policy document");
    }
    let name = policy.text()?;
    let short = name.rsplit('/').next().unwrap_or(&name);
    match [BASIC, XRAY, VPC].into_iter().find(|known| *known == short) {
        Some(known) => Ok(known),
        None => policy.unsupported(format!("the managed policy `{name}`"), "write the statements that are needed out"),
    }
}

fn managed_statement(name: &str) -> Value {
    const LOGS: [&str; 3] = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"];
    const TRACES: [&str; 5] = [
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:GetSamplingStatisticSummaries",
    ];
    const INTERFACES: [&str; 6] = [
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    ];
    let actions: Vec<&str> = match name {
        XRAY => TRACES.to_vec(),
        VPC => LOGS.iter().chain(&INTERFACES).copied().collect(),
        _ => LOGS.to_vec(),
    };
    json!({"Sid": name, "Effect": "Allow", "Action": actions, "Resource": "*"})
}
