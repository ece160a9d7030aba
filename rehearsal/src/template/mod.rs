//! Reads an AWS SAM `template.yaml` into the fleet that it describes.
//!
//! Knows nothing of files, clocks or networks: text and parameter values come in, a [`Template`] comes out. What is
//! rehearsed is what is deployed, so nothing that matters is passed over: what is not understood inside something that
//! a rehearsal acts on is an error with logical id, property and line.

mod catalogue;
mod dashboard;
mod error;
mod events;
mod fleet;
mod function;
mod globals;
mod intrinsics;
mod metric_filter;
mod model;
mod names;
mod parameters;
mod permissions;
mod place;
mod schedule;
mod stores;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeMap;

pub use error::{Problem, TemplateError};
pub use model::{
    Alarm, AsyncInvoke, Dashboard, Destination, EventSource, Function, Layer, MetricFilter, Queue, Retry, Rule,
    Schedule, ScheduleService, Secret, Subscription, Table, Template, Topic, Tracing,
};
pub use names::{ACCOUNT, PARTITION, REGION, STACK, URL_SUFFIX};
pub use schedule::{Cron, ScheduleError, ScheduleExpression};
use serde_json::Value;

use catalogue::{Catalogue, FUNCTION};
use fleet::Resource;
use intrinsics::{Mode, Resolver};
use parameters::Parameter;
use place::Place;
use yaml::Node;

const SECTIONS: [&str; 10] = [
    "AWSTemplateFormatVersion",
    "Transform",
    "Description",
    "Metadata",
    "Parameters",
    "Mappings",
    "Conditions",
    "Globals",
    "Resources",
    "Outputs",
];
const SAM: &str = "AWS::Serverless-2016-10-31";

/// Types that would change what a function does or who invokes it, from outside of the function.
const BYPASSES: [&str; 10] = [
    "AWS::Events::Rule",
    "AWS::Scheduler::Schedule",
    "AWS::SNS::Topic",
    "AWS::SNS::Subscription",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::IAM::Policy",
    "AWS::IAM::RolePolicy",
    "AWS::IAM::ManagedPolicy",
    "AWS::Serverless::Connector",
];

impl Template {
    /// Reads a template with the given parameter values; those not given have their defaults.
    ///
    /// Problems of different resources are reported together.
    pub fn read(text: &str, overrides: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let document = Node::parse(text)?;
        let top = Place::new(&document, 1, "template");
        top.only("section", &SECTIONS)?;
        transform(&top)?;
        top.need("Resources")?;
        let globals = document.get("Globals");
        let parameters = parameters::read(document.get("Parameters"), overrides)?;
        let resources = match document.get("Resources") {
            Some(section) => catalogue::read(section, globals)?,
            None => Catalogue::new(),
        };
        let resolver = Resolver::new(&parameters, document.get("Mappings"), document.get("Conditions"), &resources);
        let template = fleet(&resolver)?;
        if let Some(outputs) = document.get("Outputs") {
            resolver.entry(outputs, "template", Mode::Kept)?;
        }
        Ok(template)
    }
}

fn transform(top: &Place<'_>) -> Result<(), TemplateError> {
    let transform = top.need("Transform")?;
    for name in transform.one_or_many()? {
        if name.text()? != SAM {
            return name
                .unsupported(format!("the transform `{}`", name.text()?), "use only `AWS::Serverless-2016-10-31`");
        }
    }
    Ok(())
}

fn fleet(resolver: &Resolver<'_>) -> Result<Template, TemplateError> {
    let mut template = Template {
        functions: Vec::new(),
        queues: Vec::new(),
        tables: Vec::new(),
        secrets: Vec::new(),
        alarms: Vec::new(),
        dashboards: Vec::new(),
        metric_filters: Vec::new(),
        layers: Vec::new(),
        topics: Vec::new(),
        resources: BTreeMap::new(),
        parameters: resolver.parameters.iter().map(|(name, value)| (name.clone(), Parameter::json(value))).collect(),
    };
    let mut problems = Vec::new();
    for (logical_id, declared) in resolver.resources.iter().filter(|(_, declared)| !declared.implicit) {
        let exists = match &declared.condition {
            Some(condition) => resolver.condition(condition, declared.line, logical_id),
            None => Ok(true),
        };
        let outcome = exists.and_then(|exists| {
            if exists { add(&mut template, &Resource { logical_id, declared, resolver }) } else { Ok(()) }
        });
        problems.extend(outcome.err());
    }
    if problems.is_empty() {
        problems.extend(bypasses(&template, resolver));
    }
    if problems.len() > 1 {
        return Err(TemplateError::Several(problems));
    }
    problems.pop().map_or(Ok(template), Err)
}

fn add(template: &mut Template, resource: &Resource<'_>) -> Result<(), TemplateError> {
    match resource.declared.kind.as_str() {
        FUNCTION => template.functions.push(function::read(resource)?),
        "AWS::SQS::Queue" => template.queues.push(stores::queue(resource)?),
        "AWS::DynamoDB::Table" => template.tables.push(stores::table(resource)?),
        "AWS::Serverless::SimpleTable" => template.tables.push(stores::simple_table(resource)?),
        "AWS::SecretsManager::Secret" => template.secrets.push(stores::secret(resource)?),
        "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm" => template.alarms.push(stores::alarm(resource)?),
        "AWS::CloudWatch::Dashboard" => template.dashboards.push(dashboard::read(resource)?),
        "AWS::Logs::MetricFilter" => template.metric_filters.push(metric_filter::read(resource)?),
        "AWS::Serverless::LayerVersion" => template.layers.push(stores::layer(resource)?),
        "AWS::SNS::Topic" => template.topics.push(stores::topic(resource)?),
        "AWS::Lambda::Function" => {
            let declared = resource.declared;
            return Place::new(&declared.whole, declared.line, resource.logical_id)
                .unsupported("an `AWS::Lambda::Function`", "declare it as `AWS::Serverless::Function`");
        }
        _ => {}
    }
    let raw = resource.resolver.resolve(&resource.declared.whole, resource.logical_id, Mode::Kept)?;
    let raw = raw.map_or(Value::Null, |node| node.json());
    template.resources.insert(resource.logical_id.to_owned(), raw);
    Ok(())
}

/// Resources that act on a function of the fleet behind its back: AWS would heed them and the rehearsal would not.
fn bypasses(template: &Template, resolver: &Resolver<'_>) -> Vec<TemplateError> {
    let mut problems = Vec::new();
    for (logical_id, declared) in resolver.resources {
        let Some(raw) = template.resources.get(logical_id).filter(|_| BYPASSES.contains(&declared.kind.as_str()))
        else {
            continue;
        };
        let touched = template.functions.iter().find(|function| {
            [&function.name, &function.arn, &function.role_name].into_iter().any(|name| mentions(raw, name))
        });
        if let Some(function) = touched {
            let place = Place::new(&declared.whole, declared.line, logical_id.as_str());
            let what = format!("a `{}` that names the function `{}`", declared.kind, function.logical_id);
            let outcome = place
                .unsupported::<()>(what, "write it into the function: `Events`, `EventInvokeConfig` or `Policies`");
            problems.extend(outcome.err());
        }
    }
    problems
}

fn mentions(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(items) => items.iter().any(|item| mentions(item, name)),
        Value::Object(entries) => entries.values().any(|item| mentions(item, name)),
        _ => false,
    }
}
