//! What the AWS CLI prints of CodeDeploy's deployments and their targets, and what of it becomes the domain's record. Pure: knows nothing of
//! files. Keys that are not known are passed over.

use std::fmt;
use std::time::Duration;

use domain::appspec;
use domain::deployment::{
    AppSpec, Deployment, DeploymentError, DeploymentId, GroupName, LifecycleEvent, Platform, ROLLS_BACK, Revision,
    Status,
};
use domain::redeploy::{Source, app_spec_id};
use domain::time::{Span, Timestamp};
use serde::de::{self, IgnoredAny};
use serde::{Deserialize, Deserializer};

/// 2014-01-01, in the year in which CodeDeploy came, and 2100-01-01. Outside of them a number is no time in seconds.
const POSSIBLE: std::ops::Range<i64> = 1_388_534_400_000..4_102_444_800_000;

/// A point in time as the AWS CLI writes it: version 2 in ISO 8601, version 1 (and `--cli-timestamp-format wire`) in seconds since the epoch.
#[derive(Clone, Copy)]
struct Time(Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Written {
            fn possible<E: de::Error>(time: Option<Timestamp>, written: &dyn fmt::Display) -> Result<Time, E> {
                time.filter(|time| POSSIBLE.contains(&time.0)).map(Time).ok_or_else(|| {
                    E::custom(format!(
                        "`{written}` is not a time; expected `2026-03-03T11:07:08.912000+01:00` or seconds since 1970, `1772532428.912`"
                    ))
                })
            }
        }
        impl de::Visitor<'_> for Written {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time: `2026-03-03T11:07:08.912000+01:00` or seconds since 1970, `1772532428.912`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                Self::possible(Timestamp::parse(text), &text)
            }
            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Time, E> {
                Self::possible(Some(Timestamp::from_seconds(seconds)), &seconds)
            }
            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Time, E> {
                Self::possible(Some(Timestamp::from_seconds(seconds as f64)), &seconds)
            }
            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Time, E> {
                Self::possible(Some(Timestamp::from_seconds(seconds as f64)), &seconds)
            }
        }
        deserializer.deserialize_any(Written)
    }
}

/// `deploymentInfo`.
#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "these are CodeDeploy's")]
#[serde(rename_all = "camelCase")]
pub(super) struct Info {
    deployment_id: Option<String>,
    application_name: Option<String>,
    deployment_group_name: Option<String>,
    deployment_config_name: Option<String>,
    compute_platform: Option<String>,
    status: Option<String>,
    creator: Option<String>,
    description: Option<String>,
    create_time: Option<Time>,
    start_time: Option<Time>,
    complete_time: Option<Time>,
    error_information: Option<Error>,
    rollback_info: Option<Rollback>,
    revision: Option<Place>,
    previous_revision: Option<IgnoredAny>,
    blue_green_deployment_configuration: Option<BlueGreen>,
}

#[derive(Deserialize)]
struct Error {
    code: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rollback {
    rollback_deployment_id: Option<String>,
    rollback_triggering_deployment_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    string: Option<Text>,
    app_spec_content: Option<Text>,
    s3_location: Option<S3>,
    git_hub_location: Option<GitHub>,
}

#[derive(Deserialize)]
struct Text {
    content: Option<String>,
    sha256: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3 {
    bucket: Option<String>,
    key: Option<String>,
    version: Option<String>,
    e_tag: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GitHub {
    repository: Option<String>,
    commit_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlueGreen {
    terminate_blue_instances_on_deployment_success: Option<Terminate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Terminate {
    action: Option<String>,
    termination_wait_time_in_minutes: Option<i64>,
}

/// `deploymentTarget`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Target {
    ecs_target: Option<Course>,
    lambda_target: Option<Course>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Course {
    deployment_id: Option<String>,
    #[serde(default)]
    lifecycle_events: Option<Vec<Event>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    lifecycle_event_name: Option<String>,
    status: Option<String>,
    start_time: Option<Time>,
    end_time: Option<Time>,
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

impl Info {
    /// In the domain's words; what is missing without which nothing can be counted is said in the error.
    pub(super) fn deployment(self) -> Result<Deployment, String> {
        let needed = |text: Option<String>, key: &str| {
            given(text).ok_or_else(|| {
                format!("the deployment has no `{key}`; expected a whole `deploymentInfo` of CodeDeploy")
            })
        };
        let rollback = self
            .rollback_info
            .unwrap_or(Rollback { rollback_deployment_id: None, rollback_triggering_deployment_id: None });
        let revision = self.revision.as_ref();
        let mut deployment = Deployment {
            id: DeploymentId(needed(self.deployment_id, "deploymentId")?),
            group: GroupName {
                application: needed(self.application_name, "applicationName")?,
                deployment_group: needed(self.deployment_group_name, "deploymentGroupName")?,
            },
            platform: match self.compute_platform.as_deref() {
                Some("ECS") => Some(Platform::Ecs),
                Some("Lambda") => Some(Platform::Lambda),
                Some("Server") => Some(Platform::Server),
                _ => None,
            },
            status: Status::from_word(&needed(self.status, "status")?),
            creator: self.creator.unwrap_or_default(),
            configuration: self.deployment_config_name.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
            created: self.create_time.map(|time| time.0),
            started: self.start_time.map(|time| time.0),
            completed: self.complete_time.map(|time| time.0),
            error: self.error_information.map(|error| DeploymentError {
                code: error.code.unwrap_or_default(),
                message: error.message.unwrap_or_default(),
            }),
            rolled_back_by: given(rollback.rollback_deployment_id).map(DeploymentId),
            rolls_back: given(rollback.rollback_triggering_deployment_id).map(DeploymentId),
            routes: None,
            revision: Revision::default(),
            app_spec: revision.map(app_spec).unwrap_or_default(),
            is_first: self.previous_revision.is_none(),
            revision_id: revision.and_then(revision_id),
            termination_wait: self.blue_green_deployment_configuration.and_then(termination_wait),
        };
        if deployment.rolls_back.is_none() {
            deployment.rolls_back = deployment.described(ROLLS_BACK).map(|id| DeploymentId(id.to_owned()));
        }
        Ok(deployment)
    }
}

/// The AppSpec, where the AWS CLI was told it: `batch-get-deployments` leaves it out for ECS.
fn app_spec(location: &Place) -> AppSpec {
    let texts = [location.string.as_ref(), location.app_spec_content.as_ref()];
    match texts.into_iter().flatten().find_map(|text| text.content.as_deref().filter(|text| !text.is_empty())) {
        Some(text) => match appspec::read(text) {
            Ok(contents) => AppSpec::Read { hooks: contents.hooks },
            Err(error) => AppSpec::Unreadable(error.to_string()),
        },
        None => AppSpec::None,
    }
}

/// What tells revisions apart.
fn revision_id(location: &Place) -> Option<String> {
    let hash = |text: Option<&Text>| text.and_then(|text| text.sha256.clone());
    if let Some(hash) = hash(location.app_spec_content.as_ref()).or_else(|| hash(location.string.as_ref())) {
        return Some(app_spec_id(&hash));
    }
    let source = match (&location.s3_location, &location.git_hub_location) {
        (Some(S3 { bucket, key, version, e_tag }), _) => Source::S3 {
            bucket: bucket.clone()?,
            key: key.clone()?,
            bundle_type: None,
            version: version.clone(),
            e_tag: e_tag.clone(),
        },
        (None, Some(place)) => {
            Source::GitHub { repository: place.repository.clone()?, commit: place.commit_id.clone()? }
        }
        (None, None) => return None,
    };
    source.revision_id()
}

fn termination_wait(configuration: BlueGreen) -> Option<Span> {
    let option = configuration.terminate_blue_instances_on_deployment_success?;
    let minutes = option.termination_wait_time_in_minutes.filter(|_| option.action.as_deref() == Some("TERMINATE"))?;
    // CodeDeploy waits two days at most; whatever is longer is no number of its.
    Some(Span(Duration::from_mins(u64::try_from(minutes).ok()?.min(2 * 24 * 60))))
}

impl Target {
    /// The deployment and its lifecycle events; `None` for a target that is neither an ECS service nor a Lambda function.
    pub(super) fn course(self) -> Result<Option<(DeploymentId, Vec<LifecycleEvent>)>, String> {
        let Some(course) = self.ecs_target.or(self.lambda_target) else { return Ok(None) };
        let id = given(course.deployment_id).ok_or("the deployment target has no `deploymentId`")?;
        let events = course.lifecycle_events.unwrap_or_default().into_iter().map(|event| LifecycleEvent {
            name: event.lifecycle_event_name.unwrap_or_default(),
            status: event.status.unwrap_or_default(),
            started: event.start_time.map(|time| time.0),
            ended: event.end_time.map(|time| time.0),
        });
        Ok(Some((DeploymentId(id), events.collect())))
    }
}
