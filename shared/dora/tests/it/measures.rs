//! What is published, against what PutMetricData takes (CloudWatch API reference, `MetricDatum` and `Dimension`).

use std::collections::BTreeSet;
use std::time::Duration;

use domain::config::Config;
use domain::deployment::{DeploymentId, GroupName, Status};
use domain::events::TrafficRestored;
use domain::ports::Measure;
use domain::time::Timestamp;
use dora::{Assessment, HookRun, Labels, Record, TakenBack, assess, measures, of_traffic_restored};
use insta::assert_snapshot;
use testkit::build;

use crate::reading::golden;
use crate::rules::{back, broken, claim, ok};

fn config() -> Config {
    build::config(
        "version: 1\nservices:\n  - name: orchestrator\n    environment: staging\n    codedeploy: { application: mangaassist, deployment_group: orchestrator }\n",
    )
}

fn labels() -> Labels {
    Labels::of(Some(&build::group()), &config(), None)
}

fn last(records: &[Record]) -> Assessment {
    assess(records).pop().unwrap()
}

fn line(measure: &Measure) -> String {
    let dimensions: Vec<String> = measure.dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{} {} {} {} [{}]", measure.at, measure.name, measure.value, measure.unit, dimensions.join(" "))
}

/// Those of the group, without its dimensions.
fn of_group(of: &Assessment) -> String {
    let own =
        measures(of, &labels()).into_iter().filter(|one| one.dimensions.iter().any(|(name, _)| *name == "Application"));
    own.map(|one| format!("{}={}", one.name, one.value)).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_value_is_published_for_the_group_the_environment_and_the_fleet_and_names_no_deployment() {
    let mut record = ok("d-1", 1, "a");
    record.committed = Some(Timestamp(0));
    record.shifted = Some(Timestamp(100_500));
    let assessment = last(&[record]);
    let all = measures(&assessment, &labels());
    let lines: Vec<String> = all.iter().map(line).collect();
    assert_snapshot!(lines[..4].join("\n"), @"
    1970-01-01T00:03:00.000Z Deployments 1 Count [Application=mangaassist DeploymentGroup=orchestrator Environment=staging]
    1970-01-01T00:03:00.000Z Deployments 1 Count [Environment=staging]
    1970-01-01T00:03:00.000Z Deployments 1 Count []
    1970-01-01T00:03:00.000Z DeploymentSucceeded 1 Count [Application=mangaassist DeploymentGroup=orchestrator Environment=staging]
    ");
    assert_eq!(
        of_group(&assessment),
        "Deployments=1 DeploymentSucceeded=1 DeploymentFailed=0 RolledBack=0 Changes=1 ChangeFailure=0 Rework=0 DurationSeconds=40.5 \
         TotalDurationSeconds=120 LeadTimeSeconds=100.5"
    );
    assert!(lines.iter().all(|line| !line.contains("d-1")), "{lines:?}");
    let seconds = all.iter().filter(|one| one.unit == "Seconds");
    assert!(seconds.clone().count() > 0 && seconds.into_iter().all(|one| one.name.ends_with("Seconds")));
}

#[test]
fn what_is_not_known_is_not_published() {
    let mut record = broken("d-1", 0, "a", Status::Failed, "TIMEOUT");
    record.deployment.completed = None;
    assert_eq!(
        of_group(&last(&[record])),
        "Deployments=1 DeploymentSucceeded=0 DeploymentFailed=1 RolledBack=0 Changes=1 ChangeFailure=1 Rework=0"
    );
}

#[test]
fn the_same_change_failing_again_is_no_change_failure() {
    let history = [broken("d-1", 0, "a", Status::Failed, "TIMEOUT"), broken("d-2", 9, "a", Status::Failed, "TIMEOUT")];
    assert!(of_group(&last(&history)).contains("DeploymentFailed=1 RolledBack=0 Changes=0 ChangeFailure=0 Rework=1"));
}

#[test]
fn a_rollback_publishes_what_it_mends_and_what_it_takes_back_and_nothing_else() {
    let failed = broken("d-2", 10, "b", Status::Failed, "TIMEOUT");
    let (good, bad) = (ok("d-1", 0, "a"), ok("d-2", 10, "b"));
    assert_eq!(
        of_group(&last(&[good.clone(), failed, back("d-3", 13, "d-2", "a")])),
        "FailedDeploymentRecoverySeconds=180"
    );
    let taken = last(&[good.clone(), bad.clone(), claim("d-3", 20, "d-2", "a")]);
    assert_eq!(of_group(&taken), "FailedDeploymentRecoverySeconds=120 RolledBack=1 ChangeFailure=1");
    // At the time when that was asked for, and when it was well again.
    let times: BTreeSet<(&str, i64)> =
        measures(&taken, &labels()).iter().map(|one| (one.name, one.at.0 / 60_000)).collect();
    assert_eq!(times, [("ChangeFailure", 20), ("FailedDeploymentRecoverySeconds", 22), ("RolledBack", 20)].into());
    let mut unmended = claim("d-3", 20, "d-2", "a");
    unmended.deployment.status = Status::Failed;
    assert_eq!(of_group(&last(&[good.clone(), bad, unmended])), "RolledBack=1 ChangeFailure=1");
    // No change was taken back: the same revision, deployed twice.
    let again = last(&[good, ok("d-2", 10, "a"), claim("d-3", 20, "d-2", "a")]);
    assert_eq!(of_group(&again), "FailedDeploymentRecoverySeconds=120 RolledBack=1");
    assert_eq!(measures(&last(&[back("d-3", 10, "d-2", "a")]), &labels()), []);
}

fn runs(count: usize) -> Vec<HookRun> {
    let run = HookRun {
        lifecycle_event: "AfterAllowTraffic".to_owned(),
        started: Timestamp(10_000),
        ended: Timestamp(12_500),
        succeeded: false,
    };
    vec![run; count]
}

#[test]
fn a_hook_is_measured_at_its_own_end_under_its_lifecycle_event() {
    let mut record = ok("d-1", 0, "a");
    record.hooks = runs(1);
    record.deployment.description = String::from("[greenlight skip: INC-7]");
    let all = measures(&last(&[record]), &labels());
    let hooks: Vec<String> = all.iter().filter(|one| one.name.starts_with("Hook")).map(line).collect();
    assert_snapshot!(hooks.join("\n"), @"
    1970-01-01T00:00:12.500Z HookVerdict 0 Count [Application=mangaassist DeploymentGroup=orchestrator Environment=staging LifecycleEvent=AfterAllowTraffic]
    1970-01-01T00:00:12.500Z HookVerdict 0 Count [Environment=staging LifecycleEvent=AfterAllowTraffic]
    1970-01-01T00:00:12.500Z HookVerdict 0 Count [LifecycleEvent=AfterAllowTraffic]
    1970-01-01T00:00:12.500Z HookSeconds 2.5 Seconds [Application=mangaassist DeploymentGroup=orchestrator Environment=staging LifecycleEvent=AfterAllowTraffic]
    1970-01-01T00:00:12.500Z HookSeconds 2.5 Seconds [Environment=staging LifecycleEvent=AfterAllowTraffic]
    1970-01-01T00:00:12.500Z HookSeconds 2.5 Seconds [LifecycleEvent=AfterAllowTraffic]
    1970-01-01T00:00:12.500Z HookSkipped 1 Count [Application=mangaassist DeploymentGroup=orchestrator Environment=staging LifecycleEvent=AfterAllowTraffic]
    1970-01-01T00:00:12.500Z HookSkipped 1 Count [Environment=staging LifecycleEvent=AfterAllowTraffic]
    1970-01-01T00:00:12.500Z HookSkipped 1 Count [LifecycleEvent=AfterAllowTraffic]
    ");
}

#[test]
fn every_hook_that_a_platform_has_is_measured_and_what_is_more_than_any_has_is_not() {
    // ECS has five lifecycle events with hooks ("AppSpec 'hooks' section", CodeDeploy user guide).
    for (ran, measured) in [(5, 5), (50, 50), (51, 50)] {
        let mut record = ok("d-1", 0, "a");
        record.hooks = runs(ran);
        let all = measures(&last(&[record]), &labels());
        assert_eq!(all.iter().filter(|one| one.name == "HookVerdict").count(), 3 * measured, "{ran}");
    }
}

/// Everything that may be set, with the most that may be in it.
fn largest() -> (Assessment, Labels) {
    let mut record = ok("d-1", 0, "a");
    record.hooks = runs(400);
    record.deployment.description = String::from("[greenlight skip: INC-7]");
    let mut assessment = last(&[record]);
    let longest = Some(Duration::MAX);
    (assessment.duration, assessment.total_duration, assessment.lead_time, assessment.recovery) =
        (longest, longest, longest, longest);
    assessment.takes_back = Some(TakenBack { id: DeploymentId("d-0".to_owned()), at: Timestamp(0), is_change: true });
    let group = GroupName { application: "ä".repeat(2000), deployment_group: "\u{7}\n\"\\".repeat(500) };
    (assessment, Labels::of(Some(&group), &config(), Some(&"x".repeat(3000))))
}

#[test]
fn whatever_comes_one_request_takes_it() {
    let config = config();
    let of_golden = assess(&golden()).into_iter().map(|one| {
        let labels = Labels::of(Some(&one.group), &config, None);
        (one, labels)
    });
    for (assessment, labels) in of_golden.chain([largest()]) {
        let all = measures(&assessment, &labels);
        assert!(all.len() <= 1000, "{}", all.len());
        let mut bytes = 0;
        for measure in &all {
            assert!(measure.value.is_finite() && measure.value.abs() <= 2_f64.powi(360), "{measure:?}");
            assert!(measure.dimensions.len() <= 30);
            for (name, value) in &measure.dimensions {
                assert!((1..=1024).contains(&value.len()) && value.trim().len() == value.len(), "{value:?}");
                assert!(value.chars().all(|c| (' '..='~').contains(&c)), "{value:?}");
                assert!(!name.starts_with(':') && !name.contains("Id"), "{name}");
                bytes += name.len() + 2 * value.len();
            }
            bytes += 200;
        }
        assert!(bytes <= 1_000_000, "{bytes} before any compression");
    }
}

#[test]
fn the_first_value_is_the_groups_own_so_that_a_look_at_it_tells_whether_all_were_taken() {
    let config = config();
    let mut told = 0;
    for assessment in assess(&golden()) {
        let all = measures(&assessment, &Labels::of(Some(&assessment.group), &config, None));
        let Some(first) = all.first() else { continue };
        let names: Vec<&str> = first.dimensions.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["Application", "DeploymentGroup", "Environment"], "{}", assessment.id);
        let mended = if assessment.recovery.is_some() { "FailedDeploymentRecoverySeconds" } else { "RolledBack" };
        assert_eq!(first.name, if assessment.is_rollback { mended } else { "Deployments" }, "{}", assessment.id);
        // A value that is published once for a deployment, or the look could find another's.
        assert_eq!(all.iter().filter(|one| one.name == first.name && one.dimensions == first.dimensions).count(), 1);
        told += 1;
    }
    // The 42 deployments and the rollbacks but for orchestrator's 11 and storefront's 10.
    assert_eq!(told, 42 + 13 - 2);
}

#[test]
fn a_dimension_is_what_cloudwatch_takes() {
    let mut group = build::group();
    group.deployment_group = "größe ".into();
    group.application = " ".into();
    let of = |labels: &Labels| line(&measures(&last(&[ok("d-1", 0, "a")]), labels)[0]);
    let odd = of(&Labels::of(Some(&group), &config(), None));
    assert!(odd.ends_with("[Application=unknown DeploymentGroup=gr__e Environment=unknown]"), "{odd}");
    assert!(of(&Labels::of(None, &config(), Some("qa"))).ends_with("Environment=qa]"));
    assert!(of(&Labels::of(Some(&build::group()), &config(), Some("qa"))).ends_with("Environment=staging]"));
}

fn restored(since_alarm: Option<f64>, since_event: f64) -> Vec<String> {
    let event = TrafficRestored {
        deployment_id: DeploymentId("d-1".to_owned()),
        rollback_deployment_id: None,
        group: Some(build::group()),
        ecs: None,
        service: None,
        environment: None,
        alarm: "web-5xx".to_owned(),
        restored: true,
        observed: String::new(),
        seconds_since_alarm: since_alarm,
        seconds_since_event: since_event,
        at: Timestamp(60_000),
    };
    let not_yet = TrafficRestored { restored: false, ..event.clone() };
    assert_eq!(of_traffic_restored(&not_yet, &labels()), [], "it is not back");
    of_traffic_restored(&event, &labels()).iter().map(line).collect()
}

#[test]
fn restored_traffic_counts_from_the_alarm_and_else_from_when_it_was_heard_of() {
    let own = "[Application=mangaassist DeploymentGroup=orchestrator Environment=staging]";
    let expected = |seconds: &str| format!("1970-01-01T00:01:00.000Z RollbackSeconds {seconds} Seconds {own}");
    assert_eq!(restored(Some(85.5), 60.0)[0], expected("85.5"));
    assert_eq!(restored(None, 60.0)[0], expected("60"));
    assert_eq!(restored(Some(-3.0), 60.0)[0], expected("0"), "clocks differ");
    assert_eq!(restored(None, 60.0).len(), 3);
    assert_eq!(restored(None, f64::NAN), Vec::<String>::new(), "one such value and all in the request are refused");
    assert_eq!(restored(None, f64::INFINITY), Vec::<String>::new());
}

#[test]
fn the_page_lists_every_metric_and_no_other() {
    let page = include_str!("../../../../docs/metrics.md");
    let (_, listed) = page.split_once("## The metrics").unwrap();
    let (listed, _) = listed.split_once("\n## ").unwrap();
    let rows = listed.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<(&str, &str)> = rows
        .filter_map(|row| {
            row.split_once("` | ")?.1.split_once(' ').map(|(unit, _)| (row.split('`').next().unwrap(), unit))
        })
        .collect();
    let (assessment, labels) = largest();
    let mut published: Vec<Measure> = measures(&assessment, &labels);
    published.push(Measure { name: "RollbackSeconds", unit: "Seconds", ..published[0].clone() });
    let published: BTreeSet<(&str, &str)> = published.iter().map(|measure| (measure.name, measure.unit)).collect();
    assert_eq!(listed, published);
}
