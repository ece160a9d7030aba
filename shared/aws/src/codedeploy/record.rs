//! CodeDeploy's records in the domain's words. Pure: knows nothing of how they were fetched.

use std::time::Duration;

use aws_sdk_codedeploy::primitives::DateTime;
use aws_sdk_codedeploy::types::{
    AlarmConfiguration, ComputePlatform, DeploymentCreator, DeploymentInfo, DeploymentStatus, DeploymentTarget,
    EcsTarget as WireEcs, EcsTaskSet, ErrorCode, InstanceAction, LambdaFunctionInfo, LambdaTarget as WireLambda,
    LifecycleEvent as WireEvent, LifecycleEventStatus, RevisionLocation, RevisionLocationType, TargetLabel,
    TrafficRoute,
};
use domain::alarm::GroupAlarms;
use domain::deployment::{
    AppSpec, Deployment, DeploymentError, DeploymentId, EcsTarget, GroupName, LambdaTarget, LifecycleEvent, Platform,
    ROLLS_BACK, Revision, Status, Target, TaskSet, TaskSetLabel, TrafficRoutes,
};
use domain::redeploy::{Source, app_spec_id};
use domain::time::{Span, Timestamp};

/// `deploymentInfo`, but for the revision, which takes another call.
pub(super) fn deployment(id: &DeploymentId, info: &DeploymentInfo) -> Deployment {
    let rollback = info.rollback_info();
    let linked = |id: Option<&str>| id.filter(|id| !id.is_empty()).map(|id| DeploymentId(id.to_owned()));
    let mut deployment = Deployment {
        id: id.clone(),
        group: GroupName {
            application: text(info.application_name()),
            deployment_group: text(info.deployment_group_name()),
        },
        platform: info.compute_platform().and_then(platform),
        status: Status::from_word(info.status().map(DeploymentStatus::as_str).unwrap_or_default()),
        creator: text(info.creator().map(DeploymentCreator::as_str)),
        configuration: text(info.deployment_config_name()),
        description: text(info.description()),
        created: info.create_time().and_then(timestamp),
        started: info.start_time().and_then(timestamp),
        completed: info.complete_time().and_then(timestamp),
        error: info.error_information().map(|error| DeploymentError {
            code: text(error.code().map(ErrorCode::as_str)),
            message: text(error.message()),
        }),
        rolled_back_by: rollback.and_then(|rollback| linked(rollback.rollback_deployment_id())),
        rolls_back: rollback.and_then(|rollback| linked(rollback.rollback_triggering_deployment_id())),
        routes: routes(info),
        revision: Revision::default(),
        app_spec: AppSpec::None,
        is_first: info.previous_revision().is_none(),
        revision_id: info.revision().and_then(revision_id),
        termination_wait: termination_wait(info),
    };
    // CodeDeploy links the rollbacks that it makes itself; Greenlight's own name what they roll back in their description.
    if deployment.rolls_back.is_none() {
        deployment.rolls_back = linked(deployment.described(ROLLS_BACK));
    }
    deployment
}

/// The AppSpec's text. Which of the two fields carries it differs between what is documented and what is seen in production.
pub(super) fn app_spec(location: &RevisionLocation) -> Option<&str> {
    let raw = location.string().and_then(|raw| raw.content());
    raw.or_else(|| location.app_spec_content().and_then(|spec| spec.content())).filter(|text| !text.is_empty())
}

/// What tells revisions apart.
fn revision_id(location: &RevisionLocation) -> Option<String> {
    let hash = location.app_spec_content().and_then(|spec| spec.sha256());
    match hash.or_else(|| location.string().and_then(|raw| raw.sha256())) {
        Some(hash) => Some(app_spec_id(hash)),
        None => source(location)?.revision_id(),
    }
}

/// How long the old version is kept after the shift, where it is ended then.
fn termination_wait(info: &DeploymentInfo) -> Option<Span> {
    let option = info.blue_green_deployment_configuration()?.terminate_blue_instances_on_deployment_success()?;
    let ends = option.action() == Some(&InstanceAction::Terminate);
    let minutes = u64::try_from(option.termination_wait_time_in_minutes()).ok().filter(|_| ends)?;
    Some(Span(Duration::from_mins(minutes)))
}

/// Where the AppSpec lies when that is S3 or GitHub: CodeDeploy's API does not show it then.
pub(super) fn elsewhere(location: &RevisionLocation) -> Option<&'static str> {
    match location.revision_type() {
        Some(RevisionLocationType::S3) => Some("S3"),
        Some(RevisionLocationType::GitHub) => Some("GitHub"),
        _ => None,
    }
}

/// A revision that lies in S3 or on GitHub.
pub(super) fn source(location: &RevisionLocation) -> Option<Source> {
    if let Some(place) = location.s3_location() {
        return Some(Source::S3 {
            bucket: text(place.bucket()),
            key: text(place.key()),
            bundle_type: place.bundle_type().map(|kind| kind.as_str().to_owned()),
            version: place.version().map(str::to_owned),
            e_tag: place.e_tag().map(str::to_owned),
        });
    }
    let place = location.git_hub_location()?;
    Some(Source::GitHub { repository: text(place.repository()), commit: text(place.commit_id()) })
}

/// `alarmConfiguration` of a deployment group.
pub(super) fn group_alarms(configuration: &AlarmConfiguration) -> GroupAlarms {
    GroupAlarms {
        names: configuration.alarms().iter().filter_map(|alarm| alarm.name()).map(str::to_owned).collect(),
        enabled: configuration.enabled(),
        ignores_poll_failure: configuration.ignore_poll_alarm_failure(),
    }
}

/// A deployment target; an error's text for one that is neither ECS nor Lambda.
pub(super) fn target(target: &DeploymentTarget) -> Result<Target, String> {
    if let Some(ecs) = target.ecs_target() {
        return self::ecs(ecs).map(Target::Ecs);
    }
    if let Some(lambda) = target.lambda_target() {
        return Ok(Target::Lambda(self::lambda(lambda)));
    }
    let kind = target.deployment_target_type().map_or("unknown", |kind| kind.as_str());
    Err(format!("the target is of type `{kind}`; only `ECSTarget` and `LambdaTarget` are understood"))
}

fn ecs(target: &WireEcs) -> Result<EcsTarget, String> {
    let id = target.target_id().unwrap_or_default();
    let (cluster, service) =
        id.split_once(':').ok_or_else(|| format!("the target's id `{id}` is not `<cluster>:<service>`"))?;
    Ok(EcsTarget {
        cluster: cluster.to_owned(),
        service: service.to_owned(),
        lifecycle_events: target.lifecycle_events().iter().map(lifecycle_event).collect(),
        task_sets: target.task_sets_info().iter().map(task_set).collect(),
    })
}

fn task_set(set: &EcsTaskSet) -> TaskSet {
    TaskSet {
        // The API's own spelling.
        id: text(set.identifer()),
        label: match set.task_set_label() {
            Some(TargetLabel::Blue) => Some(TaskSetLabel::Blue),
            Some(TargetLabel::Green) => Some(TaskSetLabel::Green),
            _ => None,
        },
        desired: set.desired_count(),
        pending: set.pending_count(),
        running: set.running_count(),
        status: text(set.status()),
        traffic_weight: set.traffic_weight(),
        target_group: set.target_group().and_then(|group| group.name()).map(str::to_owned),
    }
}

fn lambda(target: &WireLambda) -> LambdaTarget {
    let info = target.lambda_function_info();
    let function = info.and_then(|info| info.function_name()).or_else(|| target.target_id());
    LambdaTarget {
        function: text(function),
        alias: text(info.and_then(|info| info.function_alias())),
        current_version: text(info.and_then(|info| info.current_version())),
        target_version: text(info.and_then(|info| info.target_version())),
        target_version_weight: info.map(LambdaFunctionInfo::target_version_weight),
        lifecycle_events: target.lifecycle_events().iter().map(lifecycle_event).collect(),
    }
}

fn lifecycle_event(event: &WireEvent) -> LifecycleEvent {
    LifecycleEvent {
        name: text(event.lifecycle_event_name()),
        status: text(event.status().map(LifecycleEventStatus::as_str)),
        started: event.start_time().and_then(timestamp),
        ended: event.end_time().and_then(timestamp),
    }
}

fn platform(platform: &ComputePlatform) -> Option<Platform> {
    match platform {
        ComputePlatform::Ecs => Some(Platform::Ecs),
        ComputePlatform::Lambda => Some(Platform::Lambda),
        ComputePlatform::Server => Some(Platform::Server),
        _ => None,
    }
}

fn routes(info: &DeploymentInfo) -> Option<TrafficRoutes> {
    let pair = info.load_balancer_info()?.target_group_pair_info_list().first()?;
    let listener = |route: Option<&TrafficRoute>| route.and_then(|route| route.listener_arns().first()).cloned();
    Some(TrafficRoutes {
        production_listener: listener(pair.prod_traffic_route()),
        test_listener: listener(pair.test_traffic_route()),
        target_groups: pair.target_groups().iter().filter_map(|group| group.name()).map(str::to_owned).collect(),
    })
}

fn text(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

/// On the wire a time is a decimal number of seconds, which binary fractions miss by a little; cutting off would lose a millisecond.
fn timestamp(time: &DateTime) -> Option<Timestamp> {
    time.to_millis().ok().map(|_| Timestamp::from_seconds(time.as_secs_f64()))
}
