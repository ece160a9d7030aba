//! ECS's API on services that it deploys itself. Knows nothing of how their deployments go on.

use serde_json::{Value, json};

use super::{Deploying, Past, Rolling};
use crate::protocol::AwsError;
use crate::world::World;
use crate::world::aws::{arn, text, texts};
use crate::world::landscape::{DESIRED, Guarded};

fn not_found(name: &str) -> AwsError {
    AwsError::client("ServiceNotFoundException", format!("Service {name} not found."))
}

/// The last part of a name or an ARN.
fn plain(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn revision_arn(ecs: &domain::deployment::EcsServiceName, number: u32) -> String {
    arn("ecs", &format!("service-revision/{}/{}/{number:019}", ecs.cluster, ecs.service))
}

impl World {
    /// The name in the configuration, and the service, that a call is about.
    fn rolling_asked(&self, cluster: &str, name: &str) -> Option<(&String, &Guarded, &Rolling)> {
        self.land.services.iter().find_map(|(key, service)| {
            let rolling = service.rolling.as_ref()?;
            let is_asked = rolling.ecs.cluster == plain(cluster) && rolling.ecs.service == plain(name);
            is_asked.then_some((key, service, rolling))
        })
    }

    /// A service as `DescribeServices` tells it, where ECS itself deploys it.
    pub(crate) fn rolling_description(&self, cluster: &str, name: &str) -> Option<Value> {
        let (_, service, rolling) = self.rolling_asked(cluster, name)?;
        let deployments: Vec<Value> =
            rolling.deployments.iter().enumerate().map(|(index, one)| deployment(service, one, index == 0)).collect();
        let primary = rolling.deployments.first().and_then(|primary| service.versions.get(primary.version));
        Some(json!({
            "serviceName": rolling.ecs.service, "serviceArn": service.service_arn(), "status": "ACTIVE",
            "clusterArn": arn("ecs", &format!("cluster/{}", rolling.ecs.cluster)),
            "desiredCount": DESIRED, "launchType": "FARGATE",
            "runningCount": rolling.deployments.iter().map(|one| one.running - one.draining).sum::<u32>(),
            "pendingCount": rolling.deployments.iter().map(|one| one.pending).sum::<u32>(),
            "taskDefinition": primary.map(|version| service.task_definition(version)),
            "deploymentConfiguration": {
                "minimumHealthyPercent": 100, "maximumPercent": 200, "strategy": "ROLLING",
                "deploymentCircuitBreaker": { "enable": false, "rollback": false },
            },
            "deploymentController": { "type": "ECS" }, "deployments": deployments, "events": [],
        }))
    }

    pub(crate) fn update_service(&mut self, input: &Value, caller: &str) -> Result<Value, AwsError> {
        let (cluster, name) = (text(input, "cluster").to_owned(), text(input, "service").to_owned());
        let Some((key, service, _)) = self.rolling_asked(&cluster, &name) else {
            // CodeDeploy's own, or nobody's (`InvalidParameterException` and `ServiceNotFoundException`, ECS API reference).
            let is_codedeploys = self.land.services.contains_key(plain(&name));
            return Err(if is_codedeploys {
                let message = "Unable to update task definition on services with a CODE_DEPLOY deployment controller.";
                AwsError::client("InvalidParameterException", message)
            } else {
                not_found(&name)
            });
        };
        let (key, wanted) = (key.clone(), text(input, "taskDefinition"));
        let version = service.versions.iter().position(|version| {
            let definition = service.task_definition(version);
            definition == wanted || plain(&definition) == wanted
        });
        let unknown = || AwsError::client("ClientException", "Unable to describe task definition.");
        self.roll_to(&key, version.ok_or_else(unknown)?, caller);
        let described = self.rolling_description(&cluster, &name).ok_or_else(|| not_found(&name))?;
        Ok(json!({ "service": described }))
    }

    pub(crate) fn list_service_deployments(&self, input: &Value) -> Result<Value, AwsError> {
        let name = text(input, "service");
        let (_, service, rolling) = self.rolling_asked(text(input, "cluster"), name).ok_or_else(|| not_found(name))?;
        let statuses = texts(input, "status");
        let is_asked = |past: &&Past| statuses.is_empty() || statuses.iter().any(|status| status == past.status);
        let told: Vec<Value> =
            rolling.history.iter().filter(is_asked).map(|past| brief(service, rolling, past)).collect();
        Ok(json!({ "serviceDeployments": told }))
    }

    pub(crate) fn describe_service_revisions(&self, input: &Value) -> Value {
        let (mut revisions, mut failures) = (Vec::new(), Vec::new());
        for wanted in texts(input, "serviceRevisionArns") {
            let found = self.land.services.values().find_map(|service| {
                let ecs = service.rolling_name()?;
                let version = service.versions.iter().find(|version| revision_arn(ecs, version.number) == wanted)?;
                Some(json!({
                    "serviceRevisionArn": wanted, "serviceArn": service.service_arn(),
                    "taskDefinition": service.task_definition(version), "createdAt": version.created.seconds(),
                }))
            });
            match found {
                Some(revision) => revisions.push(revision),
                None => failures.push(json!({ "arn": wanted, "reason": "MISSING" })),
            }
        }
        json!({ "serviceRevisions": revisions, "failures": failures })
    }
}

fn deployment(service: &Guarded, one: &Deploying, is_primary: bool) -> Value {
    let (state, word) = if one.is_completed { ("COMPLETED", "completed") } else { ("IN_PROGRESS", "in progress") };
    json!({
        "id": one.id, "status": if is_primary { "PRIMARY" } else { "ACTIVE" },
        "taskDefinition": service.versions.get(one.version).map(|version| service.task_definition(version)),
        "desiredCount": if is_primary { DESIRED } else { one.running - one.draining },
        "runningCount": one.running - one.draining, "pendingCount": one.pending, "failedTasks": one.failed,
        "createdAt": one.created.seconds(), "updatedAt": one.updated.seconds(), "launchType": "FARGATE",
        "rolloutState": state, "rolloutStateReason": format!("ECS deployment {} {word}.", one.id),
    })
}

fn brief(service: &Guarded, rolling: &Rolling, past: &Past) -> Value {
    let ecs = &rolling.ecs;
    // The id in this ARN is another one than that of `DescribeServices`.
    let own = past.id.trim_start_matches("ecs-svc/").trim_start_matches('4');
    let mut told = json!({
        "serviceDeploymentArn": arn("ecs", &format!("service-deployment/{}/{}/r{own}", ecs.cluster, ecs.service)),
        "serviceArn": service.service_arn(), "clusterArn": arn("ecs", &format!("cluster/{}", ecs.cluster)),
        "targetServiceRevisionArn": service.versions.get(past.version).map(|version| revision_arn(ecs, version.number)),
        "createdAt": past.created.seconds(), "startedAt": past.created.seconds(), "status": past.status,
    });
    if let (Some(finished), Some(map)) = (past.finished, told.as_object_mut()) {
        map.insert("finishedAt".to_owned(), json!(finished.seconds()));
    }
    told
}
