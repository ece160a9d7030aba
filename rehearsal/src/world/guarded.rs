//! Lambda's API for the guarded functions: versions, aliases, invocations of one version. Knows nothing of the fleet's own functions,
//! which run as processes.

use domain::time::Timestamp;
use serde_json::{Value, json};

use super::World;
use super::aws::{not_implemented, text};
use super::landscape::{Guarded, Version};
use crate::protocol::AwsError;

impl World {
    pub(crate) fn guarded_lambda(&self, operation: &str, input: &Value) -> Result<Value, AwsError> {
        let name = text(input, "FunctionName");
        let plain = name.rsplit(":function:").next().unwrap_or(name);
        let not_found = || AwsError {
            status: 404,
            ..AwsError::client("ResourceNotFoundException", format!("Function not found: {}", World::lambda_arn(name)))
        };
        let service = self.land.services.get(plain).ok_or_else(not_found)?;
        let serving = service.serving();
        let version = match text(input, "Qualifier") {
            _ if operation == "GetAlias" => service.versions.get(serving),
            "" | "$LATEST" => service.versions.last(),
            "live" => service.versions.get(serving),
            number => service.versions.iter().find(|version| version.number.to_string() == number),
        }
        .ok_or_else(not_found)?;
        match operation {
            "GetFunctionConfiguration" => Ok(configuration(service, version, self.now)),
            "GetFunction" => Ok(json!({ "Configuration": configuration(service, version, self.now) })),
            "GetAlias" => {
                let shifting: Vec<&Version> = service
                    .versions
                    .iter()
                    .filter(|other| other.weight > 0.0 && other.number != version.number)
                    .collect();
                let mut weights: serde_json::Map<String, Value> =
                    shifting.iter().map(|other| (other.number.to_string(), json!(other.weight / 100.0))).collect();
                if service.stray_share > 0.0 {
                    weights.insert((version.number - 1).to_string(), json!(service.stray_share / 100.0));
                }
                Ok(json!({
                    "Name": text(input, "Name"), "FunctionVersion": version.number.to_string(),
                    "AliasArn": format!("{}:{}", World::lambda_arn(&service.name), text(input, "Name")),
                    "RoutingConfig": { "AdditionalVersionWeights": weights },
                }))
            }
            "GetProvisionedConcurrencyConfig" => {
                let Some(provisioned) = &version.behaviour.provisioned else {
                    return Err(AwsError {
                        status: 404,
                        ..AwsError::client(
                            "ProvisionedConcurrencyConfigNotFoundException",
                            "No Provisioned Concurrency Config found for this function",
                        )
                    });
                };
                let lived = self.now.since(version.created);
                let is_ready = provisioned.ready_after.is_some_and(|after| lived >= after.0);
                let status = if is_ready { "READY" } else { provisioned.status.as_str() };
                let available = if status == "READY" { 5 } else { 0 };
                Ok(json!({
                    "RequestedProvisionedConcurrentExecutions": 5, "AvailableProvisionedConcurrentExecutions": available,
                    "AllocatedProvisionedConcurrentExecutions": available, "Status": status, "StatusReason": provisioned.reason,
                    "LastModified": "2026-01-05T09:00:00+0000",
                }))
            }
            "Invoke" if state(version, self.now) != "Active" => {
                let state = state(version, self.now);
                let message = format!(
                    "The operation cannot be performed at this time. The function is currently in the following state: {state}"
                );
                Err(AwsError { status: 409, ..AwsError::client("ResourceConflictException", message) })
            }
            "Invoke" => {
                let scripted = version.behaviour.invoke.clone();
                let usual = || json!({ "statusCode": 200, "body": "{\"ok\":true}" });
                let (payload, error) = match scripted {
                    Some(answer) if answer.payload.is_null() => (usual(), answer.function_error),
                    Some(answer) => (answer.payload, answer.function_error),
                    None => (usual(), None),
                };
                let mut answer =
                    json!({ "StatusCode": 200, "ExecutedVersion": version.number.to_string(), "Payload": payload });
                if let (Some(error), Some(map)) = (error, answer.as_object_mut()) {
                    map.insert("FunctionError".to_owned(), json!(error));
                }
                Ok(answer)
            }
            _ => Err(not_implemented("lambda", operation)),
        }
    }
}

/// The version's state now.
fn state(version: &Version, now: Timestamp) -> &str {
    let lived = now.since(version.created);
    let scripted = version.behaviour.state.as_ref();
    let still = scripted.filter(|scripted| scripted.active_after.is_none_or(|after| lived < after.0));
    still.map_or("Active", |scripted| scripted.state.as_str())
}

fn configuration(service: &Guarded, version: &Version, now: Timestamp) -> Value {
    let state = state(version, now);
    let reason = version.behaviour.state.as_ref().and_then(|scripted| scripted.reason.as_ref());
    json!({
        "FunctionName": service.name,
        "FunctionArn": format!("{}:{}", World::lambda_arn(&service.name), version.number),
        "Version": version.number.to_string(),
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Role": "arn:aws:iam::123456789012:role/guarded",
        "State": state,
        "StateReason": reason.filter(|_| state != "Active"),
        "LastUpdateStatus": "Successful",
        "MemorySize": 256,
        "Timeout": 30,
        "CodeSha256": version.git_sha,
        "PackageType": "Zip",
    })
}
