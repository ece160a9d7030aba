//! CodeDeploy's records many at a time, and deployments of Greenlight's own. Knows nothing of why.

use std::sync::PoisonError;

use aws_sdk_codedeploy::Config;
use aws_sdk_codedeploy::config::retry::RetryConfig;
use aws_sdk_codedeploy::error::ProvideErrorMetadata;
use aws_sdk_codedeploy::types::{
    AlarmConfiguration, AppSpecContent, BundleType, DeploymentInfo, GitHubLocation, RevisionLocation,
    RevisionLocationType, S3Location,
};
use domain::alarm::GroupAlarms;
use domain::deployment::{Deployment, DeploymentId, GroupName, Revision};
use domain::ports::{DeploymentRecords, PortError, Redeployed, Redeployer};
use domain::redeploy::{Change, Redeployment, Source};

use super::{CodeDeploy, Places, REMEMBERED_REVISIONS, about, record};
use crate::error::{Attempt, when_denied};

/// So many ids `BatchGetDeployments` takes: "the maximum number of deployment IDs you can specify is 25" (CodeDeploy API reference). The text of its error
/// speaks of 100, and so does the user guide; what is sent is within both.
const RECORDS: usize = 25;
/// So many names `BatchGetDeploymentGroups` takes ("Limits", CodeDeploy user guide).
const GROUPS: usize = 100;

impl DeploymentRecords for CodeDeploy {
    async fn records(&self, ids: &[DeploymentId]) -> Result<Vec<Deployment>, PortError> {
        let mut records = Vec::new();
        for chunk in ids.chunks(RECORDS) {
            let first = chunk.first().map(|id| id.0.as_str()).unwrap_or_default();
            let attempt = Attempt { operation: "BatchGetDeployments", noun: "deployment", name: first };
            let wanted = chunk.iter().map(|id| id.0.clone()).collect();
            let call = self.client.get(attempt)?.batch_get_deployments().set_deployment_ids(Some(wanted));
            let output = call.send().await.map_err(|error| attempt.failed(&error))?;
            records.extend(output.deployments_info().iter().filter_map(|info| {
                let id = DeploymentId(info.deployment_id()?.to_owned());
                let mut deployment = record::deployment(&id, info);
                if !deployment.status.is_terminal() {
                    self.note_places(&id, info);
                }
                deployment.revision.git_sha = deployment.described("git_sha").map(str::to_owned);
                Some(deployment)
            }));
        }
        Ok(records)
    }

    async fn change(&self, id: &DeploymentId) -> Result<Change, PortError> {
        let noted = self.places.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let places = if let Some(noted) = noted {
            noted
        } else {
            let attempt = about("GetDeployment", id);
            let call = self.client.get(attempt)?.get_deployment().deployment_id(&id.0);
            let output = call.send().await.map_err(|error| attempt.failed(&error))?;
            Places::of(output.deployment_info().ok_or_else(|| attempt.not_found("no `deploymentInfo`"))?)
        };
        let brings = async {
            match &places.brings {
                Some(location) => self.revision(id, &places.application, location).await.0,
                None => Revision::default(),
            }
        };
        let replaces = async {
            let Some(location) = places.replaces.as_ref().filter(|place| record::elsewhere(place).is_none()) else {
                return Ok(Revision::default());
            };
            let text = match record::app_spec(location) {
                Some(text) => text.to_owned(),
                None => self.app_spec_text(&places.application, location).await?,
            };
            Ok::<_, PortError>(Source::AppSpec(text).revision())
        };
        let (brings, replaces) = tokio::join!(brings, replaces);
        Ok(Change { brings, replaces: replaces? })
    }

    async fn alarms_of(
        &self,
        application: &str,
        groups: &[String],
    ) -> Result<Vec<(GroupName, GroupAlarms)>, PortError> {
        let attempt = Attempt { operation: "BatchGetDeploymentGroups", noun: "application", name: application };
        let mut found = Vec::new();
        for chunk in groups.chunks(GROUPS) {
            let call = self.client.get(attempt)?.batch_get_deployment_groups().application_name(application);
            let call = call.set_deployment_group_names(Some(chunk.to_vec()));
            let output = call.send().await.map_err(|error| attempt.failed(&error))?;
            found.extend(output.deployment_groups_info().iter().filter_map(|info| {
                let deployment_group = info.deployment_group_name()?.to_owned();
                let group = GroupName { application: application.to_owned(), deployment_group };
                Some((group, info.alarm_configuration().map(record::group_alarms).unwrap_or_default()))
            }));
        }
        Ok(found)
    }
}

impl CodeDeploy {
    fn note_places(&self, id: &DeploymentId, info: &DeploymentInfo) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= REMEMBERED_REVISIONS {
            places.clear();
        }
        places.insert(id.clone(), Places::of(info));
    }
}

impl Redeployer for CodeDeploy {
    async fn source(&self, id: &DeploymentId) -> Result<Source, PortError> {
        let attempt = about("GetDeployment", id);
        let call = self.client.get(attempt)?.get_deployment().deployment_id(&id.0);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let info = output.deployment_info().ok_or_else(|| attempt.not_found("no `deploymentInfo`"))?;
        let location = info.revision().ok_or_else(|| attempt.not_found("no `revision`"))?;
        if let Some(elsewhere) = record::source(location) {
            return Ok(elsewhere);
        }
        if let Some(text) = record::app_spec(location) {
            return Ok(Source::AppSpec(text.to_owned()));
        }
        let application = info.application_name().unwrap_or_default();
        self.app_spec_text(application, location).await.map(Source::AppSpec)
    }

    async fn redeploy(&self, what: &Redeployment) -> Result<Redeployed, PortError> {
        let name = what.group.to_string();
        let attempt = Attempt { operation: "CreateDeployment", noun: "deployment group", name: &name };
        let answer = self
            .client
            .get(attempt)?
            .create_deployment()
            .application_name(&what.group.application)
            .deployment_group_name(&what.group.deployment_group)
            .deployment_config_name(what.configuration)
            .description(&what.description)
            .revision(location(&what.source))
            // The alarm that is red would stop this deployment, too.
            .override_alarm_configuration(AlarmConfiguration::builder().enabled(false).build())
            .customize()
            // There is no token that makes a second request harmless; whoever asks looks first whether the first one took effect.
            .config_override(Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await;
        match answer {
            Ok(output) => match output.deployment_id() {
                Some(id) => Ok(Redeployed::Created(DeploymentId(id.to_owned()))),
                None => Err(attempt.transient("the answer names no deployment", None)),
            },
            // One deployment of a group at a time ("Limits", CodeDeploy user guide).
            Err(error) if error.code() == Some("DeploymentLimitExceededException") => {
                Ok(Redeployed::Busy(error.message().unwrap_or("DeploymentLimitExceededException").to_owned()))
            }
            Err(error) => {
                Err(when_denied(attempt.failed(&error), "the template's parameter `AllowLateRollback` has to be `yes`"))
            }
        }
    }
}

/// A revision as the API wants it.
fn location(source: &Source) -> RevisionLocation {
    let builder = RevisionLocation::builder();
    match source {
        Source::AppSpec(text) => builder
            .revision_type(RevisionLocationType::AppSpecContent)
            .app_spec_content(AppSpecContent::builder().content(text).build()),
        Source::S3 { bucket, key, bundle_type, version, e_tag } => {
            let place = S3Location::builder()
                .bucket(bucket)
                .key(key)
                .set_bundle_type(bundle_type.as_deref().map(BundleType::from))
                .set_version(version.clone())
                .set_e_tag(e_tag.clone());
            builder.revision_type(RevisionLocationType::S3).s3_location(place.build())
        }
        Source::GitHub { repository, commit } => builder
            .revision_type(RevisionLocationType::GitHub)
            .git_hub_location(GitHubLocation::builder().repository(repository).commit_id(commit).build()),
    }
    .build()
}

#[cfg(test)]
mod tests;
