//! The names, references and ARNs that CloudFormation would give to resources, so that what is rehearsed looks like the
//! real thing.
//!
//! Knows nothing of templates: a type, a logical id and perhaps a chosen name go in, texts come out. Equal input gives
//! equal names, so runs can be compared.

/// The region of every rehearsal.
pub const REGION: &str = "eu-west-1";
/// The account of every rehearsal.
pub const ACCOUNT: &str = "123456789012";
/// The stack of every rehearsal.
pub const STACK: &str = "greenlight";
/// The partition of every rehearsal.
pub const PARTITION: &str = "aws";
/// The domain of the partition.
pub const URL_SUFFIX: &str = "amazonaws.com";

const FUNCTION: &str = "AWS::Serverless::Function";

/// How other parts of the template may call a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) name: String,
    /// What `Ref` gives.
    pub(super) reference: String,
    /// What `Fn::GetAtt` gives.
    pub(super) attributes: Vec<(&'static str, String)>,
}

impl Identity {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The ARN, for types that have one.
    pub(super) fn arn(&self) -> String {
        self.attribute("Arn").unwrap_or(&self.reference).to_owned()
    }
}

/// The property in which a template may choose the name of a resource of this type.
pub(super) fn name_property(kind: &str) -> Option<&'static str> {
    Some(match kind {
        FUNCTION => "FunctionName",
        "AWS::SQS::Queue" => "QueueName",
        "AWS::DynamoDB::Table" | "AWS::Serverless::SimpleTable" => "TableName",
        "AWS::Serverless::LayerVersion" => "LayerName",
        "AWS::SNS::Topic" => "TopicName",
        "AWS::Logs::LogGroup" => "LogGroupName",
        "AWS::Logs::MetricFilter" => "FilterName",
        "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm" => "AlarmName",
        "AWS::CloudWatch::Dashboard" => "DashboardName",
        "AWS::IAM::Role" => "RoleName",
        "AWS::CodeDeploy::Application" => "ApplicationName",
        "AWS::CodeDeploy::DeploymentGroup" => "DeploymentGroupName",
        "AWS::CodeDeploy::DeploymentConfig" => "DeploymentConfigName",
        "AWS::SecretsManager::Secret" | "AWS::Events::Rule" | "AWS::Events::EventBus" | "AWS::Scheduler::Schedule" => {
            "Name"
        }
        _ => return None,
    })
}

/// The identity of a resource, or nothing for a type whose names are not known here.
pub(super) fn identity(kind: &str, logical_id: &str, chosen: Option<String>) -> Option<Identity> {
    name_property(kind)?;
    let name = chosen.unwrap_or_else(|| generated(kind, logical_id));
    let arn = |service: &str, rest: String| format!("arn:{PARTITION}:{service}:{REGION}:{ACCOUNT}:{rest}");
    let (reference, attributes) = match kind {
        FUNCTION => (name.clone(), vec![("Arn", arn("lambda", format!("function:{name}")))]),
        "AWS::SQS::Queue" => {
            let url = format!("https://sqs.{REGION}.{URL_SUFFIX}/{ACCOUNT}/{name}");
            (url.clone(), vec![("Arn", arn("sqs", name.clone())), ("QueueName", name.clone()), ("QueueUrl", url)])
        }
        "AWS::DynamoDB::Table" | "AWS::Serverless::SimpleTable" => {
            (name.clone(), vec![("Arn", arn("dynamodb", format!("table/{name}")))])
        }
        "AWS::Serverless::LayerVersion" => {
            let version = arn("lambda", format!("layer:{name}:1"));
            (version.clone(), vec![("LayerVersionArn", version)])
        }
        "AWS::SecretsManager::Secret" => {
            // Secrets Manager always appends six characters, which is why policies have to end in `-??????`.
            let secret = arn("secretsmanager", format!("secret:{name}-{}", suffix(&name, 6)));
            (secret.clone(), vec![("Id", secret)])
        }
        "AWS::SNS::Topic" => {
            let topic = arn("sns", name.clone());
            (topic.clone(), vec![("TopicArn", topic), ("TopicName", name.clone())])
        }
        "AWS::Logs::LogGroup" => (name.clone(), vec![("Arn", arn("logs", format!("log-group:{name}:*")))]),
        "AWS::Events::Rule" => (name.clone(), vec![("Arn", arn("events", format!("rule/{name}")))]),
        "AWS::Events::EventBus" => {
            (name.clone(), vec![("Arn", arn("events", format!("event-bus/{name}"))), ("Name", name.clone())])
        }
        "AWS::Scheduler::Schedule" => {
            (name.clone(), vec![("Arn", arn("scheduler", format!("schedule/default/{name}")))])
        }
        "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm" => {
            (name.clone(), vec![("Arn", arn("cloudwatch", format!("alarm:{name}")))])
        }
        "AWS::IAM::Role" => (name.clone(), vec![("Arn", format!("arn:{PARTITION}:iam::{ACCOUNT}:role/{name}"))]),
        _ => (name.clone(), Vec::new()),
    };
    Some(Identity { name, reference, attributes })
}

/// The name that CloudFormation makes up: stack, logical id and twelve characters that nobody can guess.
fn generated(kind: &str, logical_id: &str) -> String {
    let unique = suffix(&format!("{kind}/{logical_id}"), 12);
    match kind {
        // SAM names a layer itself, and Secrets Manager gets no stack name.
        "AWS::Serverless::LayerVersion" => logical_id.to_owned(),
        "AWS::SecretsManager::Secret" => format!("{logical_id}-{unique}"),
        _ => format!("{STACK}-{logical_id}-{unique}"),
    }
}

/// Letters and digits that look random and depend only on the seed (FNV-1a, 64 bits).
fn suffix(seed: &str, length: usize) -> String {
    let hash = seed
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut remaining = hash;
    (0..length)
        .map(|_| {
            let digit = u32::try_from(remaining % 36).unwrap_or_default();
            remaining /= 36;
            char::from_digit(digit, 36).unwrap_or('0').to_ascii_uppercase()
        })
        .collect()
}
