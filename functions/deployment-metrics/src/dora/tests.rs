//! What each ending counts for.

use domain::config::Config;
use domain::deployment::{Deployment, DeploymentError, DeploymentId, Status};
use domain::ports::Measure;
use domain::time::Timestamp;
use insta::assert_snapshot;
use testkit::build;

use super::{Ended, Labels, of_deployment};

fn config() -> Config {
    build::config(
        "version: 1\nservices:\n  - name: orchestrator\n    environment: staging\n    codedeploy: { application: mangaassist, deployment_group: orchestrator }\n",
    )
}

fn labels() -> Labels {
    Labels::of(Some(&build::group()), &config(), None)
}

fn ended(status: Status) -> Ended {
    Ended { status, at: Timestamp(900_000), stopped_by_alarm: false }
}

/// Each measure of the group: `name=value`.
fn counted(deployment: &Deployment, ended: &Ended) -> String {
    let measures = of_deployment(deployment, ended, &labels());
    let of_group = measures.iter().filter(|measure| !measure.dimensions.is_empty());
    of_group.map(|measure| format!("{}={}", measure.name, measure.value)).collect::<Vec<_>>().join(" ")
}

fn with_error(status: &Status, code: &str) -> Deployment {
    let error = Some(DeploymentError { code: code.into(), message: String::new() });
    Deployment { status: status.clone(), error, ..build::deployment() }
}

#[test]
fn every_measure_is_published_for_the_group_and_for_the_fleet_and_names_no_deployment() {
    let deployment = Deployment {
        started: Some(Timestamp(60_000)),
        completed: Some(Timestamp(600_500)),
        status: Status::Succeeded,
        ..build::deployment()
    };
    let line = |measure: &Measure| {
        let dimensions: Vec<String> =
            measure.dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {} {} {} [{}]", measure.at, measure.name, measure.value, measure.unit, dimensions.join(" "))
    };
    let measures = of_deployment(&deployment, &ended(Status::Succeeded), &labels());
    assert_snapshot!(measures.iter().map(line).collect::<Vec<_>>().join("\n"), @"
    1970-01-01T00:10:00.500Z Deployments 1 Count [Application=mangaassist DeploymentGroup=orchestrator Environment=staging]
    1970-01-01T00:10:00.500Z Deployments 1 Count []
    1970-01-01T00:10:00.500Z DeploymentSucceeded 1 Count [Application=mangaassist DeploymentGroup=orchestrator Environment=staging]
    1970-01-01T00:10:00.500Z DeploymentSucceeded 1 Count []
    1970-01-01T00:10:00.500Z DeploymentFailed 0 Count [Application=mangaassist DeploymentGroup=orchestrator Environment=staging]
    1970-01-01T00:10:00.500Z DeploymentFailed 0 Count []
    1970-01-01T00:10:00.500Z RolledBack 0 Count [Application=mangaassist DeploymentGroup=orchestrator Environment=staging]
    1970-01-01T00:10:00.500Z RolledBack 0 Count []
    1970-01-01T00:10:00.500Z ChangeFailure 0 Count [Application=mangaassist DeploymentGroup=orchestrator Environment=staging]
    1970-01-01T00:10:00.500Z ChangeFailure 0 Count []
    1970-01-01T00:10:00.500Z DurationSeconds 540.5 Seconds [Application=mangaassist DeploymentGroup=orchestrator Environment=staging]
    1970-01-01T00:10:00.500Z DurationSeconds 540.5 Seconds []
    ");
}

#[test]
fn a_change_failure_is_what_did_harm() {
    let (failed, stopped) = (Status::Failed, Status::Stopped);
    let cases = [
        (with_error(&failed, "HOOK_EXECUTION_FAILURE"), &failed, false, 1),
        (with_error(&failed, "TIMEOUT"), &failed, false, 1),
        (with_error(&failed, "ECS_UPDATE_ERROR"), &failed, false, 1),
        (with_error(&stopped, "ALARM_ACTIVE"), &stopped, false, 1),
        (with_error(&stopped, "MANUAL_STOP"), &stopped, false, 0),
        (with_error(&stopped, "MANUAL_STOP"), &stopped, true, 1),
    ];
    for (deployment, status, stopped_by_alarm, expected) in cases {
        let text = counted(&deployment, &Ended { stopped_by_alarm, ..ended(status.clone()) });
        assert!(text.contains("DeploymentSucceeded=0 DeploymentFailed=1"), "{text}");
        assert!(text.contains(&format!("ChangeFailure={expected}")), "{:?}: {text}", deployment.error);
    }
}

#[test]
fn a_persons_stop_that_was_rolled_back_is_a_change_failure() {
    let mut deployment = with_error(&Status::Stopped, "MANUAL_STOP");
    deployment.rolled_back_by = Some(DeploymentId("d-2".into()));
    assert!(counted(&deployment, &ended(Status::Stopped)).contains("RolledBack=1 ChangeFailure=1"));
}

#[test]
fn a_duration_is_never_negative_and_not_invented() {
    let backwards = Deployment { created: Some(Timestamp(9)), completed: Some(Timestamp(5)), ..build::deployment() };
    assert!(counted(&backwards, &ended(Status::Succeeded)).ends_with("DurationSeconds=0"));
    assert!(!counted(&build::deployment(), &ended(Status::Succeeded)).contains("DurationSeconds"));
}

#[test]
fn without_an_end_in_the_record_the_events_time_counts() {
    let deployment = Deployment { started: Some(Timestamp(0)), ..build::deployment() };
    let measures = of_deployment(&deployment, &ended(Status::Succeeded), &labels());
    assert!(measures.iter().all(|measure| measure.at == Timestamp(900_000)));
    assert!(counted(&deployment, &ended(Status::Succeeded)).ends_with("DurationSeconds=900"));
}

#[test]
fn a_dimension_is_what_cloudwatch_takes() {
    let mut group = build::group();
    group.deployment_group = "größe ".into();
    group.application = " ".into();
    let expected = [("Application", "unknown"), ("DeploymentGroup", "gr__e"), ("Environment", "unknown")];
    assert_eq!(Labels::of(Some(&group), &config(), None).0, expected.map(|(name, value)| (name, value.to_owned())));
    assert_eq!(Labels::of(None, &config(), Some("qa")).0[2].1, "qa");
}
