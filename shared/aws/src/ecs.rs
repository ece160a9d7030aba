//! ECS: the tasks of a task set, their containers and the images that they run. Knows nothing of what they should be.

use std::sync::Arc;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{
    Container as WireContainer, DesiredStatus, Failure, HealthStatus, Task as WireTask, TaskDefinitionField,
    TaskStopCode,
};
use domain::ports::{Container, DefinedContainer, PortError, Task, TaskDefinitionTags, Tasks};

use crate::error::Attempt;
use crate::settings::{Lazy, Settings};

/// `DescribeTasks` takes so many tasks at a time (ECS API reference).
const TASKS_PER_CALL: usize = 100;

/// The tasks that ECS runs.
#[derive(Clone)]
pub struct EcsTasks {
    client: Lazy<Client>,
}

impl EcsTasks {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self { client: Lazy::new(settings, "ECS", Client::new) }
    }

    /// The ARNs of a service's tasks that ECS wants in this status.
    async fn list(&self, cluster: &str, service: &str, wanted: &DesiredStatus) -> Result<Vec<String>, PortError> {
        let attempt = Attempt { operation: "ListTasks", noun: "service", name: service };
        let client = self.client.get(attempt)?;
        let mut arns = Vec::new();
        let mut next = None;
        loop {
            let call = client.list_tasks().cluster(cluster).service_name(service).desired_status(wanted.clone());
            let page = call.set_next_token(next).send().await.map_err(|error| attempt.failed(&error))?;
            arns.extend(page.task_arns().iter().cloned());
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(arns);
            }
        }
    }
}

impl TaskDefinitionTags for EcsTasks {
    async fn tags(&self, task_definition: &str) -> Result<Vec<(String, String)>, PortError> {
        let attempt = Attempt { operation: "DescribeTaskDefinition", noun: "task definition", name: task_definition };
        let call = self.client.get(attempt)?.describe_task_definition().task_definition(task_definition);
        let output = call.include(TaskDefinitionField::Tags).send().await.map_err(|error| attempt.failed(&error))?;
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Ok(output.tags().iter().map(|tag| (text(tag.key()), text(tag.value()))).collect())
    }
}

impl Tasks for EcsTasks {
    /// Tasks of a task set carry its id in `startedBy`. `ListTasks` could filter by it, but "it must be the only filter that you
    /// use" (ECS API reference), which leaves open whether stopped tasks can be asked for so; the service's tasks certainly can.
    async fn of_task_set(&self, cluster: &str, service: &str, task_set: &str) -> Result<Vec<Task>, PortError> {
        let mut arns = self.list(cluster, service, &DesiredStatus::Running).await?;
        arns.extend(self.list(cluster, service, &DesiredStatus::Stopped).await?);
        let attempt = Attempt { operation: "DescribeTasks", noun: "service", name: service };
        let client = self.client.get(attempt)?;
        let mut tasks = Vec::new();
        for chunk in arns.chunks(TASKS_PER_CALL) {
            let call = client.describe_tasks().cluster(cluster).set_tasks(Some(chunk.to_vec()));
            let output = call.send().await.map_err(|error| attempt.failed(&error))?;
            // A task that ended between the two calls is reported as a failure `MISSING`: it is no task any more.
            tasks.extend(output.tasks().iter().filter(|task| task.started_by() == Some(task_set)).map(task_of));
        }
        Ok(tasks)
    }

    async fn containers_of_definition(&self, task_definition: &str) -> Result<Vec<DefinedContainer>, PortError> {
        let attempt = Attempt { operation: "DescribeTaskDefinition", noun: "task definition", name: task_definition };
        let call = self.client.get(attempt)?.describe_task_definition().task_definition(task_definition);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let definition = output.task_definition().ok_or_else(|| attempt.not_found("no `taskDefinition`"))?;
        let containers = definition.container_definitions().iter().map(|container| DefinedContainer {
            name: container.name().unwrap_or_default().to_owned(),
            image: container.image().unwrap_or_default().to_owned(),
            // "If the `essential` parameter is omitted, the container is assumed to be essential" (ECS API reference).
            is_essential: container.essential().unwrap_or(true),
            has_health_check: container.health_check().is_some(),
        });
        Ok(containers.collect())
    }

    async fn definition_of_task_set(&self, cluster: &str, service: &str, task_set: &str) -> Result<String, PortError> {
        let attempt = Attempt { operation: "DescribeTaskSets", noun: "task set", name: task_set };
        let call = self.client.get(attempt)?.describe_task_sets().cluster(cluster).service(service).task_sets(task_set);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let set = output.task_sets().first().ok_or_else(|| attempt.not_found(reasons(output.failures())))?;
        let definition =
            set.task_definition().ok_or_else(|| attempt.permanent("the task set names no task definition"))?;
        Ok(definition.to_owned())
    }
}

fn reasons(failures: &[Failure]) -> String {
    match failures.first() {
        Some(failure) => format!("`{}`", failure.reason().unwrap_or("a failure without a reason")),
        None => "no task sets".to_owned(),
    }
}

fn task_of(task: &WireTask) -> Task {
    let arn = task.task_arn().unwrap_or_default();
    Task {
        id: arn.rsplit('/').next().unwrap_or(arn).to_owned(),
        status: task.last_status().unwrap_or_default().to_owned(),
        health: health_of(task.health_status()),
        stopped_reason: told(task.stopped_reason()),
        stop_code: told(task.stop_code().map(TaskStopCode::as_str)),
        containers: task.containers().iter().map(container_of).collect(),
    }
}

fn container_of(container: &WireContainer) -> Container {
    Container {
        name: container.name().unwrap_or_default().to_owned(),
        image: container.image().unwrap_or_default().to_owned(),
        digest: told(container.image_digest()),
        health: health_of(container.health_status()),
        exit_code: container.exit_code(),
        reason: told(container.reason()),
    }
}

fn health_of(status: Option<&HealthStatus>) -> String {
    status.map_or("UNKNOWN", HealthStatus::as_str).to_owned()
}

fn told(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Canned, serve};

    #[tokio::test]
    async fn the_tasks_of_the_other_task_set_are_left_out() {
        let describe = r#"{"tasks":[
            {"taskArn":"arn:aws:ecs:us-east-1:1:task/shop/aaa","startedBy":"ecs-svc/2","lastStatus":"STOPPED","healthStatus":"UNKNOWN",
             "stoppedReason":"Essential container in task exited","stopCode":"EssentialContainerExited","containers":[
                {"name":"web","image":"repo/shop:2","imageDigest":"sha256:abc","exitCode":137,"healthStatus":"UNHEALTHY",
                 "reason":"OutOfMemoryError: Container killed due to memory usage"},{"name":"proxy"}]},
            {"taskArn":"arn:aws:ecs:us-east-1:1:task/shop/bbb","startedBy":"ecs-svc/1","lastStatus":"RUNNING"}],"failures":[]}"#;
        let (aws, server) = serve(vec![
            Canned::ok(r#"{"taskArns":["arn:aws:ecs:us-east-1:1:task/shop/aaa"],"nextToken":"more"}"#),
            Canned::ok(r#"{"taskArns":["arn:aws:ecs:us-east-1:1:task/shop/bbb"]}"#),
            Canned::ok(r#"{"taskArns":[]}"#),
            Canned::ok(describe),
        ]);
        let tasks = aws.ecs().of_task_set("shop", "web", "ecs-svc/2").await.unwrap();
        let expected = Task {
            id: "aaa".to_owned(),
            status: "STOPPED".to_owned(),
            health: "UNKNOWN".to_owned(),
            stopped_reason: Some("Essential container in task exited".to_owned()),
            stop_code: Some("EssentialContainerExited".to_owned()),
            containers: vec![
                Container {
                    name: "web".to_owned(),
                    image: "repo/shop:2".to_owned(),
                    digest: Some("sha256:abc".to_owned()),
                    health: "UNHEALTHY".to_owned(),
                    exit_code: Some(137),
                    reason: Some("OutOfMemoryError: Container killed due to memory usage".to_owned()),
                },
                Container { name: "proxy".to_owned(), health: "UNKNOWN".to_owned(), ..Container::default() },
            ],
        };
        assert_eq!(tasks, [expected]);
        assert!(server.request(2).body.contains(r#""desiredStatus":"STOPPED""#));
    }

    #[tokio::test]
    async fn a_definitions_containers_are_essential_unless_it_says_otherwise() {
        let definition = r#"{"taskDefinition":{"containerDefinitions":[
            {"name":"web","image":"repo/shop@sha256:abc","healthCheck":{"command":["CMD-SHELL","true"]}},
            {"name":"logs","image":"fluent-bit:2","essential":false}]}}"#;
        let (aws, _) = serve(vec![Canned::ok(definition)]);
        let containers = aws.ecs().containers_of_definition("shop:2").await.unwrap();
        let seen: Vec<_> =
            containers.iter().map(|one| (one.image.as_str(), one.is_essential, one.has_health_check)).collect();
        assert_eq!(seen, [("repo/shop@sha256:abc", true, true), ("fluent-bit:2", false, false)]);
    }

    #[tokio::test]
    async fn a_task_definitions_tags_are_asked_for_and_read() {
        // The form of the ECS API reference's example of `DescribeTaskDefinition` with `include`.
        let answer = r#"{"taskDefinition":{"family":"shop"},"tags":[{"key":"greenlight:commit-time","value":"1767603600"},{"key":"bare"}]}"#;
        let (aws, server) = serve(vec![Canned::ok(answer), Canned::ok(r#"{"taskDefinition":{"family":"shop"}}"#)]);
        let tags = aws.ecs().tags("shop:2").await.unwrap();
        let text = str::to_owned;
        assert_eq!(tags, [(text("greenlight:commit-time"), text("1767603600")), (text("bare"), String::new())]);
        assert_eq!(server.json(0), serde_json::json!({"taskDefinition": "shop:2", "include": ["TAGS"]}));
        assert!(aws.ecs().tags("shop:2").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_task_set_that_is_gone_is_not_found() {
        let (aws, _) = serve(vec![Canned::ok(r#"{"taskSets":[],"failures":[{"arn":"x","reason":"MISSING"}]}"#)]);
        let error = aws.ecs().definition_of_task_set("shop", "web", "ecs-svc/2").await.unwrap_err();
        assert!(matches!(&error, PortError::NotFound { .. }) && error.to_string().contains("`MISSING`"), "{error}");
    }
}
