//! AWS JSON 1.0 and 1.1: the operation is in `x-amz-target`, input and output are plain JSON, timestamps are numbers.
//! Knows nothing of the operations: any name passes, and the service refuses what it does not have.

use super::{AwsError, ProtocolError, Response, Service};
use serde_json::{Map, Value};

/// Target prefix and service.
const TARGETS: [(&str, Service); 5] = [
    ("CodeDeploy_20141006", Service::CodeDeploy),
    ("AmazonEC2ContainerServiceV20141113", Service::Ecs),
    ("AWSEvents", Service::EventBridge),
    ("DynamoDB_20120810", Service::DynamoDb),
    ("secretsmanager", Service::SecretsManager),
];

/// Reads target and body; an empty body is an empty input.
pub(super) fn decode(target: &str, body: &[u8]) -> Result<(Service, String, Value), ProtocolError> {
    let unknown = || ProtocolError::UnknownService { target: target.to_owned() };
    let (prefix, operation) = target.split_once('.').ok_or_else(unknown)?;
    let (_, service) = TARGETS.iter().find(|(known, _)| *known == prefix).ok_or_else(unknown)?;
    let input = object(*service, operation, body)?;
    Ok((*service, operation.to_owned(), input))
}

/// Reads a JSON object; an empty body is an empty object.
pub(super) fn object(service: Service, operation: &str, body: &[u8]) -> Result<Value, ProtocolError> {
    let unreadable =
        |problem: String| ProtocolError::Body { service, operation: operation.to_owned(), format: "JSON", problem };
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let input: Value = serde_json::from_slice(body).map_err(|error| unreadable(error.to_string()))?;
    if input.is_object() { Ok(input) } else { Err(unreadable("the input has to be an object".to_owned())) }
}

/// An output; `null` counts as an empty one.
pub(super) fn success(service: Service, output: &Value) -> Response {
    let body = if output.is_null() { "{}".to_owned() } else { output.to_string() };
    Response { status: 200, headers: vec![content_type(service)], body: body.into_bytes() }
}

/// An error, with its code in the body and in the header as the services send it.
pub(super) fn failure(service: Service, error: &AwsError) -> Response {
    let prefix = match service {
        Service::DynamoDb => "com.amazonaws.dynamodb.v20120810#",
        _ => "",
    };
    let mut body = Map::new();
    body.insert("__type".to_owned(), format!("{prefix}{}", error.code).into());
    body.insert("message".to_owned(), error.message.clone().into());
    body.extend(error.members.iter().cloned());
    Response {
        status: error.status,
        headers: vec![content_type(service), ("x-amzn-errortype", error.code.clone())],
        body: Value::Object(body).to_string().into_bytes(),
    }
}

fn content_type(service: Service) -> (&'static str, String) {
    let kind = if service == Service::DynamoDb { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" };
    ("content-type", kind.to_owned())
}
