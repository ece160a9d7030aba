//! ECS services that ECS itself deploys: reads them and their history, and has them deploy a task definition. Knows nothing of why.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::primitives::DateTime;
use aws_sdk_ecs::types::{
    Deployment as WireDeployment, DeploymentControllerType, DeploymentRolloutState, DeploymentStrategy, Service,
    ServiceDeploymentBrief, ServiceDeploymentStatus,
};
use domain::deployment::{DeploymentId, EcsServiceName};
use domain::ports::{PortError, RollingServices};
use domain::rolling::{Controller, Part, Past, Rolling, RollingService, Rollout};
use domain::time::Timestamp;

use crate::error::{Attempt, when_denied};
use crate::settings::{Lazy, Settings};

/// So many deployments `ListServiceDeployments` gives at once, at the most (ECS API reference).
const DEPLOYMENTS_PER_PAGE: i32 = 100;
/// ECS keeps a service's deployments for 90 days and does not say in which order it lists them. More pages than these are not read: what counts
/// is the newest, and a service with more than this has been deployed five times a day.
const MOST_PAGES: usize = 5;
/// So many of the newest are looked at more closely. `DescribeServiceRevisions` takes 20 at a time.
const NEWEST: usize = 10;
/// How a deployment ends, apart from ending well (`ServiceDeploymentStatus`, ECS API reference).
const ENDED_OTHERWISE: [ServiceDeploymentStatus; 3] = [
    ServiceDeploymentStatus::Stopped,
    ServiceDeploymentStatus::RollbackSuccessful,
    ServiceDeploymentStatus::RollbackFailed,
];

/// ECS services on rolling deployments.
#[derive(Clone)]
pub struct EcsServices {
    client: Lazy<Client>,
}

impl EcsServices {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self { client: Lazy::new(settings, "ECS", Client::new) }
    }

    /// The service's deployments that have ended, the newest first.
    async fn ended(
        &self,
        name: &EcsServiceName,
        attempt: Attempt<'_>,
    ) -> Result<Vec<ServiceDeploymentBrief>, PortError> {
        let client = self.client.get(attempt)?;
        let statuses: Vec<_> = std::iter::once(ServiceDeploymentStatus::Successful).chain(ENDED_OTHERWISE).collect();
        let (mut ended, mut next) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let call = client
                .list_service_deployments()
                .cluster(&name.cluster)
                .service(&name.service)
                .set_status(Some(statuses.clone()))
                .max_results(DEPLOYMENTS_PER_PAGE)
                .set_next_token(next);
            let page = call.send().await.map_err(|error| attempt.failed(&error))?;
            ended.extend(page.service_deployments().iter().cloned());
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        ended.sort_by_key(|one| std::cmp::Reverse(one.created_at().and_then(timestamp)));
        ended.truncate(NEWEST);
        Ok(ended)
    }
}

impl RollingServices for EcsServices {
    async fn service(&self, name: &EcsServiceName) -> Result<RollingService, PortError> {
        let spoken = name.to_string();
        let attempt = Attempt { operation: "DescribeServices", noun: "ECS service", name: &spoken };
        let call = self.client.get(attempt)?.describe_services().cluster(&name.cluster).services(&name.service);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        // A service that does not exist is no error to ECS: it is among the failures, with the reason `MISSING`.
        let found = output.services().first().ok_or_else(|| {
            let reason = output.failures().first().and_then(|failure| failure.reason());
            attempt.not_found(format!("`{}`", reason.unwrap_or("no service and no reason")))
        })?;
        Ok(service(name, found))
    }

    async fn history(&self, name: &EcsServiceName) -> Result<Vec<Past>, PortError> {
        let spoken = name.to_string();
        let attempt = Attempt { operation: "ListServiceDeployments", noun: "ECS service", name: &spoken };
        let ended = self.ended(name, attempt).await?;
        let mut revisions: Vec<String> =
            ended.iter().filter_map(|one| one.target_service_revision_arn().map(str::to_owned)).collect();
        revisions.sort();
        revisions.dedup();
        let mut definitions = BTreeMap::new();
        if !revisions.is_empty() {
            let attempt = Attempt { operation: "DescribeServiceRevisions", ..attempt };
            let call =
                self.client.get(attempt)?.describe_service_revisions().set_service_revision_arns(Some(revisions));
            let output = call.send().await.map_err(|error| attempt.failed(&error))?;
            for revision in output.service_revisions() {
                if let (Some(arn), Some(definition)) = (revision.service_revision_arn(), revision.task_definition()) {
                    definitions.insert(arn.to_owned(), definition.to_owned());
                }
            }
        }
        let past = |one: &ServiceDeploymentBrief| Past {
            task_definition: one.target_service_revision_arn().and_then(|arn| definitions.get(arn).cloned()),
            created: one.created_at().and_then(timestamp),
            finished: one.finished_at().and_then(timestamp),
            is_successful: one.status() == Some(&ServiceDeploymentStatus::Successful),
        };
        Ok(ended.iter().map(past).collect())
    }

    async fn deploy(&self, name: &EcsServiceName, task_definition: &str) -> Result<RollingService, PortError> {
        let spoken = name.to_string();
        let attempt = Attempt { operation: "UpdateService", noun: "ECS service", name: &spoken };
        // Nothing else is given, so that nothing else changes: "if no value is specified, the existing" one is kept (ECS API reference).
        let call = self.client.get(attempt)?.update_service().cluster(&name.cluster).service(&name.service);
        let output = call.task_definition(task_definition).send().await.map_err(|error| {
            let hint = "the template's `EcsCluster` has to name the cluster, and `EcsTaskRoles` the roles of the task definition";
            when_denied(attempt.failed(&error), hint)
        })?;
        let updated = output.service().ok_or_else(|| attempt.permanent("the answer tells of no service"))?;
        Ok(service(name, updated))
    }
}

fn service(name: &EcsServiceName, service: &Service) -> RollingService {
    let controller = service.deployment_controller().map(|controller| controller.r#type().as_str());
    let strategy = service.deployment_configuration().and_then(|configuration| configuration.strategy());
    RollingService {
        name: name.clone(),
        status: service.status().unwrap_or_default().to_owned(),
        controller: Controller::from_word(controller.unwrap_or(DeploymentControllerType::Ecs.as_str())),
        strategy: strategy.unwrap_or(&DeploymentStrategy::Rolling).as_str().to_owned(),
        desired: count(service.desired_count()),
        deployments: service.deployments().iter().map(deployment).collect(),
    }
}

fn deployment(one: &WireDeployment) -> Rolling {
    Rolling {
        id: DeploymentId(one.id().unwrap_or_default().to_owned()),
        part: Part::from_word(one.status().unwrap_or_default()),
        rollout: Rollout::from_word(one.rollout_state().map(DeploymentRolloutState::as_str).unwrap_or_default()),
        reason: one.rollout_state_reason().unwrap_or_default().to_owned(),
        task_definition: one.task_definition().unwrap_or_default().to_owned(),
        created: one.created_at().and_then(timestamp),
        updated: one.updated_at().and_then(timestamp),
        desired: count(one.desired_count()),
        running: count(one.running_count()),
        pending: count(one.pending_count()),
        failed: count(one.failed_tasks()),
    }
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

fn timestamp(at: &DateTime) -> Option<Timestamp> {
    at.to_millis().ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Canned, serve};

    fn name() -> EcsServiceName {
        EcsServiceName { cluster: "main".to_owned(), service: "shop".to_owned() }
    }

    const FAMILY: &str = "arn:aws:ecs:us-east-1:1:task-definition/shop";

    /// A service in the middle of a deployment, with the keys of the ECS API reference's samples.
    fn under_way() -> String {
        format!(
            r#"{{"serviceArn":"arn:aws:ecs:us-east-1:1:service/main/shop","serviceName":"shop","status":"ACTIVE","desiredCount":2,"runningCount":3,
            "deploymentConfiguration":{{"maximumPercent":200,"minimumHealthyPercent":100}},"events":[],"deployments":[
            {{"id":"ecs-svc/9223370526043414679","status":"PRIMARY","taskDefinition":"{FAMILY}:42","desiredCount":2,"pendingCount":1,"runningCount":1,
              "failedTasks":3,"createdAt":1790000000.5,"updatedAt":1790000060,"rolloutState":"IN_PROGRESS","rolloutStateReason":"ECS deployment ecs-svc/9223370526043414679 in progress."}},
            {{"id":"ecs-svc/1","status":"ACTIVE","taskDefinition":"{FAMILY}:41","desiredCount":2,"pendingCount":0,"runningCount":2,"createdAt":1780000000,
              "rolloutState":"COMPLETED"}}]}}"#
        )
    }

    #[tokio::test]
    async fn a_service_is_read_and_one_without_a_controller_is_ecss_own() {
        let answer = format!(r#"{{"services":[{}],"failures":[]}}"#, under_way());
        let (aws, server) = serve(vec![Canned::ok(answer)]);
        let service = aws.ecs_services().service(&name()).await.unwrap();
        assert_eq!((&service.controller, service.strategy.as_str(), service.desired), (&Controller::Ecs, "ROLLING", 2));
        let primary = service.in_flight().unwrap();
        assert_eq!(primary.id.0, "ecs-svc/9223370526043414679");
        assert_eq!((primary.running, primary.pending, primary.failed), (1, 1, 3));
        assert_eq!(primary.created, Some(Timestamp(1_790_000_000_500)));
        assert_eq!(primary.reason, "ECS deployment ecs-svc/9223370526043414679 in progress.");
        assert_eq!(service.previous(), Some(format!("{FAMILY}:41").as_str()));
        assert_eq!(server.json(0), serde_json::json!({"cluster": "main", "services": ["shop"]}));
    }

    #[tokio::test]
    async fn another_controller_and_another_strategy_are_told() {
        let answer = r#"{"services":[{"status":"ACTIVE","deploymentController":{"type":"CODE_DEPLOY"},"deploymentConfiguration":{"strategy":"BLUE_GREEN"}}]}"#;
        let (aws, _) = serve(vec![Canned::ok(answer)]);
        let service = aws.ecs_services().service(&name()).await.unwrap();
        assert_eq!((service.controller, service.strategy.as_str()), (Controller::CodeDeploy, "BLUE_GREEN"));
    }

    #[tokio::test]
    async fn a_service_or_a_cluster_that_does_not_exist_is_not_found() {
        let missing =
            r#"{"services":[],"failures":[{"arn":"arn:aws:ecs:us-east-1:1:service/main/shop","reason":"MISSING"}]}"#;
        let no_cluster = r#"{"__type":"ClusterNotFoundException","message":"Cluster not found."}"#;
        let (aws, _) = serve(vec![Canned::ok(missing), Canned::status(400, no_cluster)]);
        for word in ["`MISSING`", "ClusterNotFoundException"] {
            let error = aws.ecs_services().service(&name()).await.unwrap_err();
            assert!(matches!(&error, PortError::NotFound { .. }), "{error:?}");
            assert!(error.to_string().starts_with("the ECS service `main/shop` does not exist"), "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[tokio::test]
    async fn the_service_is_told_its_task_definition_and_nothing_else() {
        let (aws, server) = serve(vec![Canned::ok(format!(r#"{{"service":{}}}"#, under_way()))]);
        let definition = format!("{FAMILY}:42");
        let updated = aws.ecs_services().deploy(&name(), &definition).await.unwrap();
        assert_eq!(updated.primary().unwrap().task_definition, definition);
        let expected = serde_json::json!({"cluster": "main", "service": "shop", "taskDefinition": definition});
        assert_eq!(server.json(0), expected);
        assert!(server.request(0).headers.contains("x-amz-target: amazonec2containerservicev20141113.updateservice"));
    }

    #[tokio::test]
    async fn a_task_definition_that_was_deregistered_is_refused_for_good_and_the_right_to_pass_its_roles_may_be_missing()
     {
        let inactive = r#"{"__type":"ClientException","message":"TaskDefinition is inactive"}"#;
        let pass_role = r#"{"__type":"AccessDeniedException","message":"User: x is not authorized to perform: iam:PassRole on resource: y"}"#;
        let (aws, _) = serve(vec![Canned::status(400, inactive), Canned::status(400, pass_role)]);
        let error = aws.ecs_services().deploy(&name(), "shop:1").await.unwrap_err();
        assert!(matches!(&error, PortError::Permanent { .. }), "{error:?}");
        assert!(error.to_string().contains("TaskDefinition is inactive"), "{error}");
        let error = aws.ecs_services().deploy(&name(), "shop:1").await.unwrap_err();
        assert!(matches!(&error, PortError::Denied { .. }), "{error:?}");
        assert!(error.to_string().contains("`EcsTaskRoles` the roles"), "{error}");
    }

    #[tokio::test]
    async fn the_history_is_read_over_its_pages_and_told_newest_first() {
        let brief = |number: u32, status: &str| {
            format!(
                r#"{{"serviceDeploymentArn":"arn:aws:ecs:us-east-1:1:service-deployment/main/shop/d{number}","status":"{status}",
                "targetServiceRevisionArn":"arn:aws:ecs:us-east-1:1:service-revision/main/shop/{number}",
                "createdAt":{},"startedAt":{},"finishedAt":{}}}"#,
                1000 * number,
                1000 * number,
                1000 * number + 500
            )
        };
        let revision = |number: u32| {
            format!(
                r#"{{"serviceRevisionArn":"arn:aws:ecs:us-east-1:1:service-revision/main/shop/{number}","taskDefinition":"{FAMILY}:{number}"}}"#
            )
        };
        let (aws, server) = serve(vec![
            Canned::ok(format!(r#"{{"serviceDeployments":[{}],"nextToken":"more"}}"#, brief(41, "SUCCESSFUL"))),
            Canned::ok(format!(
                r#"{{"serviceDeployments":[{},{}]}}"#,
                brief(43, "SUCCESSFUL"),
                brief(42, "ROLLBACK_SUCCESSFUL")
            )),
            // The revision of the middle one is older than ECS remembers.
            Canned::ok(format!(r#"{{"serviceRevisions":[{},{}],"failures":[]}}"#, revision(41), revision(43))),
        ]);
        let history = aws.ecs_services().history(&name()).await.unwrap();
        let told: Vec<_> = history.iter().map(|one| (one.task_definition.as_deref(), one.is_successful)).collect();
        let (newest, oldest) = (format!("{FAMILY}:43"), format!("{FAMILY}:41"));
        assert_eq!(told, [(Some(newest.as_str()), true), (None, false), (Some(oldest.as_str()), true)]);
        assert_eq!(history[0].finished, Some(Timestamp(43_500_000)));
        assert_eq!(server.json(1)["nextToken"], "more");
        assert_eq!(server.json(2)["serviceRevisionArns"].as_array().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_service_without_a_history_costs_one_call() {
        let (aws, server) = serve(vec![Canned::ok(r#"{"serviceDeployments":[]}"#)]);
        assert!(aws.ecs_services().history(&name()).await.unwrap().is_empty());
        assert_eq!(server.count(), 1);
    }
}
