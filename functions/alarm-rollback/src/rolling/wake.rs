//! ECS's event that a deployment has ended. Knows nothing of what is pursued.

use domain::deployment::EcsServiceName;
use serde_json::Value;

/// A service whose deployment has ended, well or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Woken {
    /// The service.
    pub(crate) name: EcsServiceName,
    /// `SERVICE_DEPLOYMENT_COMPLETED` or `SERVICE_DEPLOYMENT_FAILED`.
    pub(crate) event: String,
}

/// Reads EventBridge's "ECS Deployment State Change" ("Amazon ECS service deployment state change events", ECS developer guide); `None` for any
/// other payload. The service's name is in the ARN only.
pub(crate) fn parse(payload: &Value) -> Option<Woken> {
    let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str);
    if text("/detail-type") != Some("ECS Deployment State Change") {
        return None;
    }
    let arn = text("/resources/0").unwrap_or_default();
    let mut parts = arn.rsplit(":service/").next().unwrap_or_default().split('/');
    let name = EcsServiceName {
        cluster: parts.next().unwrap_or_default().to_owned(),
        service: parts.next().unwrap_or_default().to_owned(),
    };
    Some(Woken { name, event: text("/detail/eventName").unwrap_or_default().to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn awss_sample_names_the_cluster_and_the_service() {
        // The sample of the ECS developer guide.
        let payload = json!({
            "version": "0", "id": "ddca6449-b258-46c0-8653-e0e3aEXAMPLE", "detail-type": "ECS Deployment State Change", "source": "aws.ecs",
            "account": "111122223333", "time": "2020-05-23T12:31:14Z", "region": "us-west-2",
            "resources": ["arn:aws:ecs:us-west-2:111122223333:service/default/servicetest"],
            "detail": {"eventType": "INFO", "eventName": "SERVICE_DEPLOYMENT_COMPLETED", "deploymentId": "ecs-svc/123",
                "updatedAt": "2020-05-23T11:11:11Z", "reason": "ECS deployment deploymentID completed."}
        });
        let woken = parse(&payload).unwrap();
        assert_eq!(woken.name, EcsServiceName { cluster: "default".to_owned(), service: "servicetest".to_owned() });
        assert_eq!(woken.event, "SERVICE_DEPLOYMENT_COMPLETED");
        assert_eq!(parse(&json!({"detail-type": "CloudWatch Alarm State Change"})), None);
    }
}
