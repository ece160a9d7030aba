//! ECS's API on the landscape: task sets, tasks and task definitions. Knows nothing of deployments.

use serde_json::{Value, json};

use super::World;
use super::aws::{arn, not_implemented, text, texts};
use super::landscape::{DESIRED, Guarded, Version};
use crate::protocol::AwsError;

/// How many tasks a version wants, has and waits for.
pub(crate) struct Counts {
    pub(crate) desired: u32,
    pub(crate) running: u32,
    pub(crate) pending: u32,
}

impl Guarded {
    pub(crate) fn counts(version: &Version) -> Counts {
        if !version.alive {
            return Counts { desired: 0, running: 0, pending: 0 };
        }
        let running = version.behaviour.tasks.running.unwrap_or(DESIRED).min(DESIRED);
        Counts { desired: DESIRED, running, pending: DESIRED - running }
    }

    fn task_arn(&self, version: &Version, index: u32) -> String {
        arn("ecs", &format!("task/{}/{:08x}{:024x}", self.cluster(), version.number, index + 1))
    }
}

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
                    .map(|version| Self::task_set(service, version))
                    .collect();
                Ok(json!({ "taskSets": sets, "failures": [] }))
            }
            "ListTasks" => Ok(json!({ "taskArns": self.list_tasks(input)? })),
            "DescribeTasks" => {
                let wanted = texts(input, "tasks");
                let mut tasks = Vec::new();
                for service in self.land.services.values() {
                    for version in &service.versions {
                        for index in 0..DESIRED {
                            if wanted.contains(&service.task_arn(version, index)) {
                                tasks.push(Self::task(service, version, index));
                            }
                        }
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
                            return Ok(json!({ "taskDefinition": {
                                "taskDefinitionArn": definition, "family": service.name, "revision": version.number,
                                "status": "ACTIVE", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
                                "containerDefinitions": [{
                                    "name": service.name, "image": service.image(version), "essential": true,
                                    "portMappings": [{ "containerPort": 8080, "protocol": "tcp" }],
                                }],
                            }, "tags": [{ "key": "git_sha", "value": version.git_sha }] }));
                        }
                    }
                }
                Err(AwsError::client("ClientException", "Unable to describe task definition."))
            }
            "DescribeServices" => {
                let mut services = Vec::new();
                for name in texts(input, "services") {
                    let service = self.ecs_service(&name)?;
                    let sets: Vec<Value> = service
                        .versions
                        .iter()
                        .filter(|version| version.alive)
                        .map(|version| Self::task_set(service, version))
                        .collect();
                    services.push(json!({
                        "serviceName": service.name, "serviceArn": service.service_arn(), "status": "ACTIVE",
                        "desiredCount": DESIRED, "deploymentController": { "type": "CODE_DEPLOY" }, "taskSets": sets,
                    }));
                }
                Ok(json!({ "services": services, "failures": [] }))
            }
            _ => Err(not_implemented("ecs", operation)),
        }
    }

    fn task_set(service: &Guarded, version: &Version) -> Value {
        let counts = Guarded::counts(version);
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
                let running = Guarded::counts(version).running;
                for index in 0..DESIRED {
                    if (index >= running) == stopped {
                        found.push(guarded.task_arn(version, index));
                    }
                }
            }
        }
        Ok(found)
    }

    fn task(service: &Guarded, version: &Version, index: u32) -> Value {
        let runs = index < Guarded::counts(version).running;
        let tasks = &version.behaviour.tasks;
        let image = tasks.image.clone().unwrap_or_else(|| service.image(version));
        let mut task = json!({
            "taskArn": service.task_arn(version, index),
            "clusterArn": arn("ecs", &format!("cluster/{}", service.cluster())),
            "taskDefinitionArn": service.task_definition(version),
            "lastStatus": if runs { "RUNNING" } else { "STOPPED" },
            "desiredStatus": if runs { "RUNNING" } else { "STOPPED" },
            "healthStatus": "UNKNOWN",
            "startedBy": Guarded::task_set_id(version),
            "group": format!("service:{}", service.name),
            "launchType": "FARGATE",
            "containers": [{ "name": service.name, "image": image, "lastStatus": if runs { "RUNNING" } else { "STOPPED" } }],
        });
        if let (false, Some(map)) = (runs, task.as_object_mut()) {
            let reason =
                tasks.stopped_reason.clone().unwrap_or_else(|| "Essential container in task exited".to_owned());
            map.insert("stoppedReason".to_owned(), json!(reason));
        }
        task
    }
}
