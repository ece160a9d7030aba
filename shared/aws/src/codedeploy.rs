//! CodeDeploy: reports how hooks ended, reads deployments and their targets, stops deployments and deploys again. Knows nothing of why.

mod record;
mod redeploy;
mod weight;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::error::ProvideErrorMetadata;
use aws_sdk_codedeploy::operation::list_deployments::builders::ListDeploymentsFluentBuilder;
use aws_sdk_codedeploy::primitives::DateTime;
use aws_sdk_codedeploy::types::{DeploymentInfo, DeploymentStatus, LifecycleEventStatus, RevisionLocation, TimeRange};
use aws_smithy_types::retry::RetryConfig;
use domain::alarm::GroupAlarms;
use domain::deployment::{AppSpec, Deployment, DeploymentId, GroupName, Revision, Status, Target};
use domain::hook::{HookEvent, Verdict};
use domain::ports::{DeploymentGroups, DeploymentStopper, Deployments, HookReporter, PortError, Reported, Stopped};
use domain::time::Timestamp;

use crate::error::Attempt;
use crate::settings::{Lazy, Settings, time_limits};

/// One attempt to report. A hook keeps 5 s free for the report, so one that hangs must leave time for another; reporting twice does
/// no harm.
const REPORT_ATTEMPT: Duration = Duration::from_secs(2);
/// All attempts to report.
const REPORT_LIMIT: Duration = Duration::from_secs(8);
/// All attempts to stop a deployment. Nothing else this fleet does is as urgent, so it is tried more often and with shorter waits than other
/// calls: the next try would be Lambda's, a minute later.
const STOP_ATTEMPTS: u32 = 10;
const STOP_PAUSE: Duration = Duration::from_secs(3);
const STOP_ATTEMPT: Duration = Duration::from_secs(5);
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// One attempt and all attempts to read an AppSpec. It mostly serves messages, and a stop or a hook waits for it.
const REVISION_ATTEMPT: Duration = Duration::from_secs(2);
const REVISION_LIMIT: Duration = Duration::from_secs(4);
/// How many deployments' revisions are remembered: enough for everything that one process looks at in a row.
const REMEMBERED_REVISIONS: usize = 64;

/// CodeDeploy, as hook reporter, record of deployments and stopper.
#[derive(Clone)]
pub struct CodeDeploy {
    client: Lazy<Client>,
    /// What a deployment deploys never changes, so a deployment that is polled costs one call each time.
    revisions: Arc<Mutex<BTreeMap<DeploymentId, Spoken>>>,
    /// Where the AppSpecs of deployments in flight lie, and those of what they replace: what a batch of records tells need not be asked for
    /// again.
    places: Arc<Mutex<BTreeMap<DeploymentId, Places>>>,
}

/// Where a deployment's AppSpec lies, and that of what it replaces.
#[derive(Clone, Debug)]
struct Places {
    application: String,
    brings: Option<RevisionLocation>,
    replaces: Option<RevisionLocation>,
}

impl Places {
    fn of(info: &DeploymentInfo) -> Self {
        Self {
            application: info.application_name().unwrap_or_default().to_owned(),
            brings: info.revision().cloned(),
            replaces: info.previous_revision().cloned(),
        }
    }
}

/// What an AppSpec says is deployed, and what became of reading it.
type Spoken = (Revision, AppSpec);

fn about<'a>(operation: &'static str, id: &'a DeploymentId) -> Attempt<'a> {
    Attempt { operation, noun: "deployment", name: &id.0 }
}

impl CodeDeploy {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self {
            client: Lazy::new(settings, "CODEDEPLOY", Client::new),
            revisions: Arc::default(),
            places: Arc::default(),
        }
    }

    /// What the AppSpec says is deployed. `GetDeployment` leaves its text out ("`appSpecContent.content` is always null", API
    /// reference), so it takes another call; where that does not help, the deployment's target and ECS tell the rest.
    async fn revision(&self, id: &DeploymentId, application: &str, location: &RevisionLocation) -> Spoken {
        if let Some(known) = self.lock().get(id) {
            return known.clone();
        }
        if let Some(place) = record::elsewhere(location) {
            tracing::info!(deployment.id = %id, place, "the AppSpec is not read: the deployment's target and ECS tell what is deployed");
            return (Revision::default(), AppSpec::Elsewhere(place.to_owned()));
        }
        let text = match record::app_spec(location) {
            Some(text) => Ok(text.to_owned()),
            None => self.app_spec_text(application, location).await.map_err(|error| error.to_string()),
        };
        match text.and_then(|text| domain::appspec::read(&text).map_err(|error| error.to_string())) {
            Ok(contents) => {
                let spoken = (contents.revision, AppSpec::Read { hooks: contents.hooks });
                let mut revisions = self.lock();
                if revisions.len() >= REMEMBERED_REVISIONS {
                    revisions.clear();
                }
                revisions.insert(id.clone(), spoken.clone());
                spoken
            }
            Err(error) => {
                tracing::warn!(deployment.id = %id, error, "what is deployed could not be told from the AppSpec");
                (Revision::default(), AppSpec::Unreadable(error))
            }
        }
    }

    async fn app_spec_text(&self, application: &str, location: &RevisionLocation) -> Result<String, PortError> {
        let attempt = Attempt { operation: "GetApplicationRevision", noun: "application", name: application };
        let limits = time_limits(REVISION_ATTEMPT, REVISION_LIMIT);
        let output = self
            .client
            .get(attempt)?
            .get_application_revision()
            .application_name(application)
            .revision(location.clone())
            .customize()
            .config_override(aws_sdk_codedeploy::Config::builder().timeout_config(limits))
            .send()
            .await
            .map_err(|error| attempt.failed(&error))?;
        let text = output.revision().and_then(record::app_spec);
        text.map(str::to_owned).ok_or_else(|| attempt.permanent("the revision has no AppSpec text"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<DeploymentId, Spoken>> {
        self.revisions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HookReporter for CodeDeploy {
    async fn report(&self, hook: &HookEvent, verdict: Verdict) -> Result<Reported, PortError> {
        let attempt = about("PutLifecycleEventHookExecutionStatus", &hook.deployment);
        let status = match verdict {
            Verdict::Succeeded => LifecycleEventStatus::Succeeded,
            Verdict::Failed => LifecycleEventStatus::Failed,
        };
        let limits = time_limits(REPORT_ATTEMPT, REPORT_LIMIT);
        let answer = self
            .client
            .get(attempt)?
            .put_lifecycle_event_hook_execution_status()
            .deployment_id(&hook.deployment.0)
            .lifecycle_event_hook_execution_id(&hook.execution)
            .status(status)
            .customize()
            .config_override(aws_sdk_codedeploy::Config::builder().timeout_config(limits))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Reported::Accepted),
            Err(error) if error.code() == Some("LifecycleEventAlreadyCompletedException") => {
                Ok(Reported::AlreadyCompleted)
            }
            Err(error) => Err(attempt.failed(&error)),
        }
    }
}

impl DeploymentStopper for CodeDeploy {
    async fn stop_and_roll_back(&self, id: &DeploymentId) -> Result<Stopped, PortError> {
        let attempt = about("StopDeployment", id);
        let call = self.client.get(attempt)?.stop_deployment().deployment_id(&id.0);
        // Without automatic rollback an alias can be left between two versions, and later deployments fail (CodeDeploy
        // user guide, "troubleshooting Lambda deployments").
        let retries = RetryConfig::standard().with_max_attempts(STOP_ATTEMPTS).with_max_backoff(STOP_PAUSE);
        let settings = aws_sdk_codedeploy::Config::builder()
            .retry_config(retries)
            .timeout_config(time_limits(STOP_ATTEMPT, STOP_LIMIT));
        let call = call.auto_rollback_enabled(true).customize().config_override(settings);
        match call.send().await {
            Ok(_) => Ok(Stopped::Accepted),
            Err(error) if error.code() == Some("DeploymentAlreadyCompletedException") => Ok(Stopped::AlreadyCompleted),
            Err(error) => Err(attempt.failed(&error)),
        }
    }
}

impl Deployments for CodeDeploy {
    async fn deployment(&self, id: &DeploymentId) -> Result<Deployment, PortError> {
        let attempt = about("GetDeployment", id);
        let call = self.client.get(attempt)?.get_deployment().deployment_id(&id.0);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let info = output.deployment_info().ok_or_else(|| attempt.not_found("no `deploymentInfo`"))?;
        let mut deployment = record::deployment(id, info);
        if let Some(location) = info.revision() {
            (deployment.revision, deployment.app_spec) =
                self.revision(id, &deployment.group.application, location).await;
        }
        deployment.revision.git_sha = deployment.described("git_sha").map(str::to_owned);
        Ok(deployment)
    }

    async fn target(&self, id: &DeploymentId) -> Result<Target, PortError> {
        let attempt = about("ListDeploymentTargets", id);
        let client = self.client.get(attempt)?;
        let call = client.list_deployment_targets().deployment_id(&id.0);
        let listed = call.send().await.map_err(|error| attempt.failed(&error))?;
        // ECS and Lambda deployments have exactly one target; its id is the API's business, so it is not put together here.
        let [target_id, ..] = listed.target_ids() else {
            let none = Attempt { noun: "target of the deployment", ..attempt };
            return Err(none.not_found("no target ids"));
        };
        let attempt = about("BatchGetDeploymentTargets", id);
        let weight = weight::Told::default();
        let call = client.batch_get_deployment_targets().deployment_id(&id.0).target_ids(target_id);
        let call = call.customize().interceptor(weight.clone());
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let target = output.deployment_targets().first().ok_or_else(|| attempt.not_found("no targets"))?;
        let mut target = record::target(target).map_err(|detail| attempt.permanent(detail))?;
        if let (Target::Lambda(lambda), false) = (&mut target, weight.is_told()) {
            lambda.target_version_weight = None;
        }
        Ok(target)
    }

    async fn list(
        &self,
        group: Option<&GroupName>,
        statuses: &[Status],
        created_since: Option<Timestamp>,
    ) -> Result<Vec<DeploymentId>, PortError> {
        let name = group.map_or_else(|| "all deployment groups".to_owned(), ToString::to_string);
        let attempt = Attempt { operation: "ListDeployments", noun: "deployment group", name: &name };
        let client = self.client.get(attempt)?;
        let mut ids = Vec::new();
        let mut next = None;
        loop {
            let call = list_call(client, group, statuses, created_since).set_next_token(next);
            let page = call.send().await.map_err(|error| attempt.failed(&error))?;
            ids.extend(page.deployments().iter().cloned().map(DeploymentId));
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(ids);
            }
        }
    }
}

impl DeploymentGroups for CodeDeploy {
    async fn alarms(&self, group: &GroupName) -> Result<GroupAlarms, PortError> {
        let name = group.to_string();
        let attempt = Attempt { operation: "GetDeploymentGroup", noun: "deployment group", name: &name };
        let call = self.client.get(attempt)?.get_deployment_group();
        let call = call.application_name(&group.application).deployment_group_name(&group.deployment_group);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let info = output.deployment_group_info().ok_or_else(|| attempt.not_found("no `deploymentGroupInfo`"))?;
        Ok(info.alarm_configuration().map(record::group_alarms).unwrap_or_default())
    }
}

fn list_call(
    client: &Client,
    group: Option<&GroupName>,
    statuses: &[Status],
    created_since: Option<Timestamp>,
) -> ListDeploymentsFluentBuilder {
    let mut call = client.list_deployments();
    if let Some(group) = group {
        call = call.application_name(&group.application).deployment_group_name(&group.deployment_group);
    }
    for status in statuses {
        call = call.include_only_statuses(DeploymentStatus::from(status.as_str()));
    }
    if let Some(since) = created_since {
        call = call.create_time_range(TimeRange::builder().start(DateTime::from_millis(since.0)).build());
    }
    call
}

#[cfg(test)]
mod tests;
