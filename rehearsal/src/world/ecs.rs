//! ECS's API on the landscape: task sets, tasks and task definitions. Knows nothing of deployments, and of how tasks fare only what
//! `tasks` tells.

use serde_json::{Value, json};

use super::World;
use super::aws::{arn, not_implemented, text, texts};
use super::landscape::{DESIRED, Guarded, Version};
use super::tasks::{played, task};
use crate::protocol::AwsError;

impl World {
    fn ecs_service(&self, name: &str) -> Result<&Guarded, AwsError> {
        let plain = name.rsplit('/').next().unwrap_or(name);
        self.land
            .services
            .get(plain)
            .ok_or_else(|| AwsError::client("ServiceNotFoundException", format!("Service {plain} not found.")))
    }

    pub(crate) fn ecs(&self, operation: &str, input: &Value) -> Result<Value, AwsError> {
        match operation {
            "DescribeTaskSets" => {
                let service = self.ecs_service(text(input, "service"))?;
                let wanted = texts(input, "taskSets");
                let sets: Vec<Value> = service
                    .versions
                    .iter()
                    .filter(|version| version.alive)
                    .filter(|version| {
                        wanted.is_empty() || wanted.iter().any(|id| id.ends_with(&Guarded::task_set_id(version)))
                    })
                    .map(|version| self.task_set(service, version))
                    .collect();
                Ok(json!({ "taskSets": sets, "failures": [] }))
            }
            "ListTasks" => Ok(json!({ "taskArns": self.list_tasks(input)? })),
            "DescribeTasks" => {
                let wanted = texts(input, "tasks");
                let mut tasks = Vec::new();
                for service in self.land.services.values() {
                    for version in &service.versions {
                        let played = played(version, self.now).into_iter();
                        let asked = played.filter(|one| wanted.contains(&service.task_arn(version, one.index)));
                        tasks.extend(asked.map(|one| task(service, version, &one, self.now)));
                    }
                }
                Ok(json!({ "tasks": tasks, "failures": [] }))
            }
            "DescribeTaskDefinition" => {
                let wanted = text(input, "taskDefinition");
                for service in self.land.services.values() {
                    for version in &service.versions {
                        let definition = service.task_definition(version);
                        if definition == wanted || definition.ends_with(&format!("/{wanted}")) {
                            let mut answer = json!({ "taskDefinition": {
                                "taskDefinitionArn": definition, "family": service.name, "revision": version.number,
                                "status": "ACTIVE", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
                                "containerDefinitions": [service.container(version)],
                            } });
                            // "Tags aren't included in the response" unless asked for (ECS API reference).
                            if texts(input, "include").iter().any(|what| what == "TAGS") {
                                let sha = std::iter::once(("git_sha", version.git_sha.as_str()));
                                let more = version.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
                                let tags: Vec<Value> =
                                    sha.chain(more).map(|(key, value)| json!({ "key": key, "value": value })).collect();
                                answer.as_object_mut().map(|answer| answer.insert("tags".to_owned(), json!(tags)));
                            }
                            return Ok(answer);
                        }
                    }
                }
                Err(AwsError::client("ClientException", "Unable to describe task definition."))
            }
            "DescribeServices" => {
                let (mut services, mut failures) = (Vec::new(), Vec::new());
                for name in texts(input, "services") {
                    if let Some(rolling) = self.rolling_description(text(input, "cluster"), &name) {
                        services.push(rolling);
                        continue;
                    }
                    let Ok(service) = self.ecs_service(&name) else {
                        failures.push(json!({ "arn": name, "reason": "MISSING" }));
                        continue;
                    };
                    let sets: Vec<Value> = service
                        .versions
                        .iter()
                        .filter(|version| version.alive)
                        .map(|version| self.task_set(service, version))
                        .collect();
                    services.push(json!({
                        "serviceName": service.name, "serviceArn": service.service_arn(), "status": "ACTIVE",
                        "desiredCount": DESIRED, "deploymentController": { "type": "CODE_DEPLOY" }, "taskSets": sets,
                    }));
                }
                Ok(json!({ "services": services, "failures": failures }))
            }
            "ListServiceDeployments" => self.list_service_deployments(input),
            "DescribeServiceRevisions" => Ok(self.describe_service_revisions(input)),
            _ => Err(not_implemented("ecs", operation)),
        }
    }

    fn task_set(&self, service: &Guarded, version: &Version) -> Value {
        let counts = Guarded::counts(version, self.now);
        json!({
            "id": Guarded::task_set_id(version),
            "taskSetArn": arn("ecs", &format!("task-set/{}/{}/{}", service.cluster(), service.name, Guarded::task_set_id(version))),
            "serviceArn": service.service_arn(),
            "clusterArn": arn("ecs", &format!("cluster/{}", service.cluster())),
            // A task set that CodeDeploy made has the deployment's id here (seen by a third party; AWS does not document it).
            "externalId": version.deployment,
            "startedBy": "CODE_DEPLOY",
            "status": if version.weight >= 100.0 { "PRIMARY" } else { "ACTIVE" },
            "taskDefinition": service.task_definition(version),
            "computedDesiredCount": counts.desired,
            "pendingCount": counts.pending,
            "runningCount": counts.running,
            "launchType": "FARGATE",
            "stabilityStatus": if counts.pending == 0 { "STEADY_STATE" } else { "STABILIZING" },
            "createdAt": version.created.seconds(),
            "scale": { "value": 100.0, "unit": "PERCENT" },
        })
    }

    fn list_tasks(&self, input: &Value) -> Result<Vec<String>, AwsError> {
        let service = match text(input, "serviceName") {
            "" => None,
            name => Some(self.ecs_service(name)?.name.clone()),
        };
        let started_by = text(input, "startedBy");
        let stopped = text(input, "desiredStatus") == "STOPPED";
        let mut found = Vec::new();
        for guarded in self.land.services.values() {
            if service.as_ref().is_some_and(|name| *name != guarded.name) {
                continue;
            }
            for version in guarded.versions.iter().filter(|version| version.alive) {
                if !started_by.is_empty() && started_by != Guarded::task_set_id(version) {
                    continue;
                }
                let played = played(version, self.now).into_iter().filter(|one| one.is_stopped() == stopped);
                found.extend(played.map(|one| guarded.task_arn(version, one.index)));
            }
        }
        Ok(found)
    }
}
