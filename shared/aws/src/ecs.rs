//! ECS: the tasks of a task set and the images that they run. Knows nothing of what they should be.

use std::sync::Arc;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{DesiredStatus, Failure, Task as WireTask};
use domain::ports::{PortError, Task, Tasks};

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

    async fn images_of_definition(&self, task_definition: &str) -> Result<Vec<String>, PortError> {
        let attempt = Attempt { operation: "DescribeTaskDefinition", noun: "task definition", name: task_definition };
        let call = self.client.get(attempt)?.describe_task_definition().task_definition(task_definition);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let definition = output.task_definition().ok_or_else(|| attempt.not_found("no `taskDefinition`"))?;
        let images = definition.container_definitions().iter().filter_map(|container| container.image());
        Ok(images.map(str::to_owned).collect())
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
        health: task.health_status().map_or("UNKNOWN", |health| health.as_str()).to_owned(),
        stopped_reason: task.stopped_reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
        images: task.containers().iter().filter_map(|container| container.image()).map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Canned, serve};

    #[tokio::test]
    async fn the_tasks_of_the_other_task_set_are_left_out() {
        let describe = r#"{"tasks":[
            {"taskArn":"arn:aws:ecs:us-east-1:1:task/shop/aaa","startedBy":"ecs-svc/2","lastStatus":"RUNNING","healthStatus":"HEALTHY","containers":[{"image":"repo/shop:2"}]},
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
            status: "RUNNING".to_owned(),
            health: "HEALTHY".to_owned(),
            stopped_reason: None,
            images: vec!["repo/shop:2".to_owned()],
        };
        assert_eq!(tasks, [expected]);
        assert!(server.request(2).body.contains(r#""desiredStatus":"STOPPED""#));
    }

    #[tokio::test]
    async fn a_task_set_that_is_gone_is_not_found() {
        let (aws, _) = serve(vec![Canned::ok(r#"{"taskSets":[],"failures":[{"arn":"x","reason":"MISSING"}]}"#)]);
        let error = aws.ecs().definition_of_task_set("shop", "web", "ecs-svc/2").await.unwrap_err();
        assert!(matches!(&error, PortError::NotFound { .. }) && error.to_string().contains("`MISSING`"), "{error}");
    }
}
