//! What a rehearsal needs to know of a fleet: plain data, with every reference resolved and every default filled in.
//!
//! Knows nothing of YAML, CloudFormation or SAM.

use std::collections::BTreeMap;

use serde_json::Value;

use super::schedule::ScheduleExpression;
use crate::pattern::Pattern;
use crate::policy::Policy;
use crate::services::log_pattern::LogPattern;

/// A template with given parameters, as it would be deployed.
#[derive(Debug, Clone)]
pub struct Template {
    /// `AWS::Serverless::Function`, by logical id.
    pub functions: Vec<Function>,
    /// `AWS::SQS::Queue`.
    pub queues: Vec<Queue>,
    /// `AWS::DynamoDB::Table` and `AWS::Serverless::SimpleTable`.
    pub tables: Vec<Table>,
    /// `AWS::SecretsManager::Secret`.
    pub secrets: Vec<Secret>,
    /// `AWS::CloudWatch::Alarm` and `AWS::CloudWatch::CompositeAlarm`.
    pub alarms: Vec<Alarm>,
    /// `AWS::CloudWatch::Dashboard`.
    pub dashboards: Vec<Dashboard>,
    /// `AWS::Logs::MetricFilter`.
    pub metric_filters: Vec<MetricFilter>,
    /// `AWS::Serverless::LayerVersion`.
    pub layers: Vec<Layer>,
    /// `AWS::SNS::Topic`.
    pub topics: Vec<Topic>,
    /// Every resource whose condition holds, with `Globals` merged in and what can be resolved resolved. In types that
    /// are not listed above, an intrinsic function that cannot be resolved stays in its long form.
    pub resources: BTreeMap<String, Value>,
    /// The value of every parameter: a text, or a list of texts.
    pub parameters: BTreeMap<String, Value>,
}

/// One Lambda function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its key in the template.
    pub logical_id: String,
    /// `FunctionName`, or the name that CloudFormation makes up.
    pub name: String,
    /// Unqualified ARN.
    pub arn: String,
    /// Name of the role that SAM makes for it.
    pub role_name: String,
    /// Name of the binary that cargo builds, from `Metadata.BuildProperties.Binary`.
    pub binary: String,
    /// After this Lambda kills an invocation. Default 3.
    pub timeout_seconds: u32,
    /// Default 128.
    pub memory_mb: u32,
    /// `Environment.Variables`, without what Lambda itself adds.
    pub environment: BTreeMap<String, String>,
    /// How many invocations may run at once; 0 throttles all of them.
    pub reserved_concurrency: Option<u32>,
    /// Logical ids of the layers, in order.
    pub layers: Vec<String>,
    /// What its role may do: first the statements of the template, then those that SAM adds.
    pub policy: Policy,
    /// How many statements of `policy` the template itself writes. A grant at or after this index is nobody's choice.
    pub own_statements: usize,
    /// Settings of asynchronous invocation.
    pub async_invoke: AsyncInvoke,
    /// ARN of the queue or topic that gets events which asynchronous invocation gave up on.
    pub dead_letter_queue: Option<String>,
    /// What invokes it.
    pub events: Vec<EventSource>,
    /// `Tracing`, if given.
    pub tracing: Option<Tracing>,
    /// Default `x86_64`.
    pub architectures: Vec<String>,
}

/// How Lambda treats asynchronous invocations of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsyncInvoke {
    /// Further attempts after a function error. Default 2.
    pub max_retries: u32,
    /// After this an event is given up. Default 6 hours.
    pub max_event_age_seconds: u32,
    /// Gets a record of every event that was given up.
    pub on_failure: Option<Destination>,
    /// Gets a record of every event that was handled.
    pub on_success: Option<Destination>,
}

impl Default for AsyncInvoke {
    fn default() -> Self {
        Self { max_retries: 2, max_event_age_seconds: 21_600, on_failure: None, on_success: None }
    }
}

/// Where Lambda sends the record of an asynchronous invocation. Each holds an ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// An SQS queue.
    Queue(String),
    /// Another function, invoked asynchronously.
    Function(String),
    /// An SNS topic.
    Topic(String),
    /// An EventBridge bus.
    EventBus(String),
}

/// Mode of X-Ray tracing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracing {
    /// Lambda samples.
    Active,
    /// Only what the caller already samples.
    PassThrough,
}

/// What invokes a function.
#[derive(Debug, Clone, PartialEq)]
pub enum EventSource {
    /// Events of the default bus that fit a pattern.
    Rule(Rule),
    /// The clock.
    Schedule(Schedule),
    /// Messages of a topic.
    Sns(Subscription),
}

/// An EventBridge rule whose only target is the function.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Logical id that SAM gives it: the function's, followed by the event's.
    pub logical_id: String,
    /// `RuleName`, or the name that CloudFormation makes up.
    pub rule_name: String,
    /// ARN of the rule.
    pub rule_arn: String,
    /// Which events it lets through.
    pub pattern: Pattern,
    /// The pattern as JSON, for reports.
    pub pattern_json: Value,
    /// ARN of the queue that gets events which could not be handed to the function.
    pub dead_letter: Option<String>,
    /// How often handing over is tried.
    pub retry: Retry,
    /// Whether the rule is switched on.
    pub enabled: bool,
}

/// A scheduled rule, or a schedule of EventBridge Scheduler.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Logical id that SAM gives it: the function's, followed by the event's.
    pub logical_id: String,
    /// `Name`, or the name that CloudFormation makes up.
    pub name: String,
    /// ARN of the rule or schedule.
    pub arn: String,
    /// Which service fires it, which decides what the function receives.
    pub service: ScheduleService,
    /// When it fires.
    pub expression: ScheduleExpression,
    /// `Input`: what the function receives instead of the service's own event.
    pub input: Option<Value>,
    /// ARN of the queue that gets events which could not be handed to the function.
    pub dead_letter: Option<String>,
    /// How often handing over is tried.
    pub retry: Retry,
    /// Whether it is switched on.
    pub enabled: bool,
}

/// The two services of AWS that invoke functions on a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleService {
    /// `Type: Schedule`, an EventBridge rule; its event has `source: aws.events`.
    Rules,
    /// `Type: ScheduleV2`, EventBridge Scheduler; its event has `source: aws.scheduler`.
    Scheduler,
}

/// A function's subscription to an SNS topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Logical id that SAM gives it: the function's, followed by the event's.
    pub logical_id: String,
    /// ARN of the topic.
    pub topic_arn: String,
}

/// How long a service tries to hand an event to a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Further attempts after the first. Default 185.
    pub max_attempts: u32,
    /// Default one day.
    pub max_age_seconds: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 185, max_age_seconds: 86_400 }
    }
}

/// An SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its key in the template.
    pub logical_id: String,
    /// `QueueName`, or the name that CloudFormation makes up.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// What the SQS API calls it by.
    pub url: String,
}

/// A DynamoDB table with a partition key of type text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its key in the template.
    pub logical_id: String,
    /// `TableName`, or the name that CloudFormation makes up.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// Name of the partition key.
    pub key: String,
    /// Attribute after whose time (in seconds since 1970) an item disappears.
    pub ttl_attribute: Option<String>,
}

/// A Secrets Manager secret. Its content is not read: a template has none worth having.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its key in the template.
    pub logical_id: String,
    /// `Name`, or the name that CloudFormation makes up.
    pub name: String,
    /// ARN with the six characters that Secrets Manager appends.
    pub arn: String,
}

/// A CloudWatch alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// Its key in the template.
    pub logical_id: String,
    /// `AlarmName`, or the name that CloudFormation makes up.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// All properties, resolved.
    pub properties: Value,
    /// `Tags`.
    pub tags: BTreeMap<String, String>,
}

/// A CloudWatch dashboard.
#[derive(Debug, Clone, PartialEq)]
pub struct Dashboard {
    /// Its key in the template.
    pub logical_id: String,
    /// `DashboardName`, or the name that CloudFormation makes up.
    pub name: String,
    /// `DashboardBody` with every reference resolved, read as JSON: an object with the list `widgets`.
    pub body: Value,
}

/// A metric filter on a log group: it turns the lines that fit into values of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricFilter {
    /// Its key in the template.
    pub logical_id: String,
    /// The log group that it reads.
    pub log_group: String,
    /// Which lines fit.
    pub pattern: LogPattern,
    /// The metric's namespace.
    pub namespace: String,
    /// The metric's name.
    pub metric: String,
    /// What every line that fits adds.
    pub value: f64,
    /// What is published for a minute with lines of which none fits; nothing when not given.
    pub default_value: Option<f64>,
    /// `None` when not given.
    pub unit: String,
    /// Dimension to the field of a JSON line that has its value, as a JSON pointer. A line without one of them is not counted.
    pub dimensions: BTreeMap<String, String>,
}

/// A Lambda layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its key in the template.
    pub logical_id: String,
    /// ARN of its only version.
    pub arn: String,
    /// Folder with its content, relative to the template.
    pub content_uri: String,
}

/// An SNS topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its key in the template.
    pub logical_id: String,
    /// `TopicName`, or the name that CloudFormation makes up.
    pub name: String,
    /// ARN.
    pub arn: String,
}
