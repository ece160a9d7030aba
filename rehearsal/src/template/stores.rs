//! Reads the resources around the functions: queues, tables, secrets, alarms, layers and topics.
//!
//! Knows nothing of how they behave.

use std::collections::BTreeMap;

use super::error::{Problem, TemplateError};
use super::fleet::Resource;
use super::model::{Alarm, Layer, Queue, Secret, Table, Topic};
use super::place::Place;

/// Reads an `AWS::SQS::Queue`.
pub(super) fn queue(resource: &Resource<'_>) -> Result<Queue, TemplateError> {
    const KEPT: [&str; 11] = [
        "MessageRetentionPeriod",
        "VisibilityTimeout",
        "ReceiveMessageWaitTimeSeconds",
        "DelaySeconds",
        "MaximumMessageSize",
        "RedrivePolicy",
        "RedriveAllowPolicy",
        "KmsMasterKeyId",
        "KmsDataKeyReusePeriodSeconds",
        "SqsManagedSseEnabled",
        "Tags",
    ];
    resource.properties(&["QueueName"], &KEPT)?;
    let identity = resource.identity()?;
    Ok(Queue {
        logical_id: resource.logical_id.to_owned(),
        arn: identity.arn(),
        url: identity.reference,
        name: identity.name,
    })
}

/// Reads an `AWS::DynamoDB::Table`.
pub(super) fn table(resource: &Resource<'_>) -> Result<Table, TemplateError> {
    const READ: [&str; 4] = ["TableName", "AttributeDefinitions", "KeySchema", "TimeToLiveSpecification"];
    const KEPT: [&str; 10] = [
        "BillingMode",
        "ProvisionedThroughput",
        "OnDemandThroughput",
        "PointInTimeRecoverySpecification",
        "SSESpecification",
        "DeletionProtectionEnabled",
        "ContributorInsightsSpecification",
        "TableClass",
        "ResourcePolicy",
        "Tags",
    ];
    let properties = resource.properties(&READ, &KEPT)?;
    let place = resource.place(&properties);
    let schema = place.need("KeySchema")?;
    let keys = schema.items()?;
    let [key] = keys.as_slice() else {
        return schema.unsupported("a table with a sort key", "use one partition key");
    };
    let name = key.need("AttributeName")?.text()?;
    let mut kind = None;
    for definition in place.need("AttributeDefinitions")?.items()? {
        if definition.need("AttributeName")?.text()? == name {
            kind = Some(definition.need("AttributeType")?);
        }
    }
    let Some(kind) = kind else {
        return place.fail(Problem::Missing { property: format!("AttributeDefinitions.{name}") });
    };
    if kind.text()? != "S" {
        return kind.wrong("`S`, the only type of key that is rehearsed");
    }
    let ttl_attribute = match place.get("TimeToLiveSpecification")? {
        Some(ttl) if ttl.need("Enabled")?.boolean()? => Some(ttl.need("AttributeName")?.text()?),
        _ => None,
    };
    finish_table(resource, name, ttl_attribute)
}

/// Reads an `AWS::Serverless::SimpleTable`, whose key is `id` unless it says otherwise.
pub(super) fn simple_table(resource: &Resource<'_>) -> Result<Table, TemplateError> {
    const KEPT: [&str; 4] = ["PointInTimeRecoverySpecification", "ProvisionedThroughput", "SSESpecification", "Tags"];
    let properties = resource.properties(&["TableName", "PrimaryKey"], &KEPT)?;
    let key = match resource.place(&properties).get("PrimaryKey")? {
        Some(key) => {
            let kind = key.need("Type")?;
            if kind.text()? != "String" {
                return kind.wrong("`String`, the only type of key that is rehearsed");
            }
            key.need("Name")?.text()?
        }
        None => "id".to_owned(),
    };
    finish_table(resource, key, None)
}

fn finish_table(resource: &Resource<'_>, key: String, ttl_attribute: Option<String>) -> Result<Table, TemplateError> {
    let identity = resource.identity()?;
    let logical_id = resource.logical_id.to_owned();
    Ok(Table { logical_id, arn: identity.arn(), name: identity.name, key, ttl_attribute })
}

/// Reads an `AWS::SecretsManager::Secret`.
pub(super) fn secret(resource: &Resource<'_>) -> Result<Secret, TemplateError> {
    const KEPT: [&str; 6] =
        ["Description", "GenerateSecretString", "SecretString", "KmsKeyId", "ReplicaRegions", "Tags"];
    resource.properties(&["Name"], &KEPT)?;
    let identity = resource.identity()?;
    Ok(Secret { logical_id: resource.logical_id.to_owned(), arn: identity.arn(), name: identity.name })
}

/// Reads an `AWS::CloudWatch::Alarm` or `CompositeAlarm`. Every property is needed, because alarms are really evaluated.
pub(super) fn alarm(resource: &Resource<'_>) -> Result<Alarm, TemplateError> {
    let entries = resource.declared.properties.entries().unwrap_or_default();
    let all: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    let properties = resource.properties(&all, &[])?;
    let place = resource.place(&properties);
    let mut tags = BTreeMap::new();
    for tag in place.get("Tags")?.as_ref().map(Place::items).transpose()?.unwrap_or_default() {
        tags.insert(tag.need("Key")?.text()?, tag.need("Value")?.text()?);
    }
    let identity = resource.identity()?;
    Ok(Alarm {
        logical_id: resource.logical_id.to_owned(),
        arn: identity.arn(),
        name: identity.name,
        properties: place.json(),
        tags,
    })
}

/// Reads an `AWS::Serverless::LayerVersion`.
pub(super) fn layer(resource: &Resource<'_>) -> Result<Layer, TemplateError> {
    const KEPT: [&str; 6] = [
        "Description",
        "CompatibleRuntimes",
        "CompatibleArchitectures",
        "LicenseInfo",
        "RetentionPolicy",
        "PublishLambdaVersion",
    ];
    let properties = resource.properties(&["LayerName", "ContentUri"], &KEPT)?;
    let content_uri = resource.place(&properties).need("ContentUri")?.text()?;
    Ok(Layer { logical_id: resource.logical_id.to_owned(), arn: resource.identity()?.arn(), content_uri })
}

/// Reads an `AWS::SNS::Topic`.
pub(super) fn topic(resource: &Resource<'_>) -> Result<Topic, TemplateError> {
    const KEPT: [&str; 6] =
        ["DisplayName", "KmsMasterKeyId", "Subscription", "Tags", "SignatureVersion", "TracingConfig"];
    resource.properties(&["TopicName"], &KEPT)?;
    let identity = resource.identity()?;
    Ok(Topic { logical_id: resource.logical_id.to_owned(), arn: identity.arn(), name: identity.name })
}
