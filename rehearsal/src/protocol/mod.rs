//! The wire protocols that the AWS SDKs speak, turned into one neutral form and back.
//!
//! A request becomes a [`Call`]: a service, an operation and its input as JSON with the member names of the service
//! model. The answer goes the other way. In the neutral form a timestamp is a number of epoch seconds and may have a
//! fraction; each encoder writes it as its protocol wants it.
//!
//! Knows nothing of what an operation does, of who may call it, of sockets and of the time.

mod aws_json;
mod error;
mod gzip;
mod query;
mod rest_json;
mod rpc_cbor;
#[cfg(test)]
mod tests;

pub use error::{AwsError, ProtocolError};

use http::{HeaderMap, Method};
use serde_json::Value;

/// An AWS service that the rehearsal answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// AWS CodeDeploy.
    CodeDeploy,
    /// Amazon Elastic Container Service.
    Ecs,
    /// Elastic Load Balancing, version 2.
    Elb,
    /// Amazon CloudWatch: metrics and alarms.
    CloudWatch,
    /// Amazon EventBridge.
    EventBridge,
    /// Amazon DynamoDB.
    DynamoDb,
    /// AWS Secrets Manager.
    SecretsManager,
    /// AWS Lambda.
    Lambda,
}

impl Service {
    /// Every service, in the order of the enum.
    pub const ALL: [Self; 8] = [
        Self::CodeDeploy,
        Self::Ecs,
        Self::Elb,
        Self::CloudWatch,
        Self::EventBridge,
        Self::DynamoDb,
        Self::SecretsManager,
        Self::Lambda,
    ];

    /// The part before the colon in an IAM action of this service.
    pub const fn iam_prefix(self) -> &'static str {
        match self {
            Self::CodeDeploy => "codedeploy",
            Self::Ecs => "ecs",
            Self::Elb => "elasticloadbalancing",
            Self::CloudWatch => "cloudwatch",
            Self::EventBridge => "events",
            Self::DynamoDb => "dynamodb",
            Self::SecretsManager => "secretsmanager",
            Self::Lambda => "lambda",
        }
    }
}

/// One request of an SDK, in the neutral form.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Whom it is for.
    pub service: Service,
    /// The operation, as the service model names it: `GetDeployment`.
    pub operation: String,
    /// The input, an object with the member names of the service model.
    pub input: Value,
    /// The access key id of the SigV4 signature; `None` for an unsigned request. Nobody checks the signature itself.
    pub access_key: Option<String>,
}

/// What goes back over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers, lower case; no content length.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Turns an HTTP request into a [`Call`].
///
/// The protocol is found as the services find it: by the path of CloudWatch and Lambda, by `x-amz-target` for the
/// JSON services, by `Version` in a form for Elastic Load Balancing.
pub fn decode(method: &Method, path_and_query: &str, headers: &HeaderMap, body: &[u8]) -> Result<Call, ProtocolError> {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let unpacked = gzip::unpack(headers, body)?;
    let body = unpacked.as_ref();
    let (service, operation, input) = if let Some(rest) = path.strip_prefix("/service/") {
        rpc_cbor::decode(rest, headers, body)?
    } else if let Some(target) = text(headers, "x-amz-target") {
        aws_json::decode(target, body)?
    } else if let Some(route) = rest_json::route(path) {
        rest_json::decode(method, &route, query, headers, body)?
    } else if text(headers, "content-type").is_some_and(|kind| kind.starts_with(query::CONTENT_TYPE)) {
        query::decode(body)?
    } else {
        return Err(ProtocolError::UnknownRequest { method: method.to_string(), path: path.to_owned() });
    };
    Ok(Call { service, operation, input, access_key: access_key(headers) })
}

/// Turns the answer to `call` into HTTP, in the protocol that the call came in.
pub fn encode(call: &Call, answer: Result<&Value, &AwsError>) -> Response {
    match (call.service, answer) {
        (Service::CloudWatch, Ok(output)) => rpc_cbor::success(output),
        (Service::CloudWatch, Err(error)) => rpc_cbor::failure(error),
        (Service::Elb, Ok(output)) => query::success(&call.operation, output),
        (Service::Elb, Err(error)) => query::failure(error),
        (Service::Lambda, Ok(output)) => rest_json::success(&call.operation, output),
        (Service::Lambda, Err(error)) => rest_json::failure(error),
        (service, Ok(output)) => aws_json::success(service, output),
        (service, Err(error)) => aws_json::failure(service, error),
    }
}

/// The answer to a request that could not be decoded, in the protocol it seems to be in.
pub fn refuse(error: &ProtocolError) -> Response {
    let answer = AwsError::client(error.code(), error.to_string());
    match error.service() {
        Some(Service::CloudWatch) => rpc_cbor::failure(&answer),
        Some(Service::Elb) => query::failure(&answer),
        Some(Service::Lambda) => rest_json::failure(&answer),
        Some(service) => aws_json::failure(service, &answer),
        None => aws_json::failure(Service::CodeDeploy, &answer),
    }
}

/// The access key id out of `Authorization: AWS4-HMAC-SHA256 Credential=AKID/date/region/service/aws4_request, …`.
fn access_key(headers: &HeaderMap) -> Option<String> {
    let (_, credential) = text(headers, "authorization")?.split_once("Credential=")?;
    let (key, _) = credential.split_once('/')?;
    (!key.is_empty()).then(|| key.to_owned())
}

/// A header as text; one that is not ASCII counts as absent.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
