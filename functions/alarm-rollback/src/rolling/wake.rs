//! ECS's event that a deployment has ended. Knows nothing of what is pursued.

use anyhow::Context;
use domain::deployment::EcsServiceName;
use serde_json::Value;

/// `detail-type` of ECS's event about a deployment of a service.
pub(crate) const STATE_CHANGE: &str = "ECS Deployment State Change";

/// The service that EventBridge's event is about ("Amazon ECS service deployment state change events", ECS developer guide). Its name is in
/// the ARN only.
///
/// # Errors
/// When there is no such ARN; the text says what was expected.
pub(crate) fn service(payload: &Value) -> anyhow::Result<EcsServiceName> {
    let arn = payload.pointer("/resources/0").and_then(Value::as_str).unwrap_or_default();
    let name = arn.split_once(":service/").and_then(|(_, name)| name.split_once('/'));
    let (cluster, service) = name.with_context(|| {
        format!(
            "the event `{STATE_CHANGE}` could not be read: `resources` has to begin with a service's ARN, not `{arn}`"
        )
    })?;
    Ok(EcsServiceName { cluster: cluster.to_owned(), service: service.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wake::WakeUp;

    #[test]
    fn awss_sample_names_the_cluster_and_the_service() {
        // The sample of the ECS developer guide.
        let mut payload = json!({
            "version": "0", "id": "ddca6449-b258-46c0-8653-e0e3aEXAMPLE", "detail-type": "ECS Deployment State Change", "source": "aws.ecs",
            "account": "111122223333", "time": "2020-05-23T12:31:14Z", "region": "us-west-2",
            "resources": ["arn:aws:ecs:us-west-2:111122223333:service/default/servicetest"],
            "detail": {"eventType": "INFO", "eventName": "SERVICE_DEPLOYMENT_COMPLETED", "deploymentId": "ecs-svc/123",
                "updatedAt": "2020-05-23T11:11:11Z", "reason": "ECS deployment deploymentID completed."}
        });
        let named = EcsServiceName { cluster: "default".to_owned(), service: "servicetest".to_owned() };
        assert_eq!(WakeUp::read(&payload).unwrap(), WakeUp::Rolling(named));
        payload["resources"] = json!(["arn:aws:ecs:us-west-2:111122223333:service/servicetest"]);
        let error = WakeUp::read(&payload).unwrap_err().to_string();
        assert!(error.contains("a service's ARN"), "{error}");
    }
}
