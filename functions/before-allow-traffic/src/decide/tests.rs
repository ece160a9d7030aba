//! Tests of the decisions: tables of facts and what they mean.

use domain::config::Config;
use domain::deployment::{Target, TaskSetLabel};
use domain::time::Timestamp;
use testkit::build::{self, DEFINITION, IMAGE, target_health, task};

use super::*;

const CONFIG: &str = "version: 1
services:
  - name: orchestrator
    codedeploy: { application: mangaassist, deployment_group: orchestrator }
    alarms: [{ name: red, action: rollback }, { name: latency, action: rollback }, { name: chatty, action: alert }]
";

fn case(config: &Config) -> Case<'_> {
    let deployment = build::deployment();
    Case {
        deployment: deployment.id,
        group: deployment.group,
        platform: deployment.platform,
        revision: deployment.revision,
        routes: deployment.routes,
        target: Ok(Target::Ecs(build::ecs_target("BeforeAllowTraffic"))),
        lifecycle_event: Some("BeforeAllowTraffic".to_owned()),
        service: &config.services[0],
    }
}

fn ecs() -> EcsFacts {
    EcsFacts {
        task_set: build::task_set(TaskSetLabel::Green),
        tasks: Ok(vec![task("a"), task("b")]),
        definition: Ok(DEFINITION.to_owned()),
        images: Ok(vec![IMAGE.to_owned()]),
        health: Ok(vec![target_health("10.0.0.1", "healthy", None), target_health("10.0.0.2", "healthy", None)]),
    }
}

fn quiet(name: &str) -> AlarmReading {
    AlarmReading { name: name.to_owned(), state: AlarmState::Ok, reason: "fine".to_owned(), since: None }
}

fn facts(version: VersionFacts) -> Facts {
    Facts { version, alarms: Ok(vec![quiet("red"), quiet("latency")]) }
}

/// One line for each finding that is not a pass: its name, its outcome, whether it may change, and what was seen.
fn told_with(change_case: impl Fn(&mut Case<'_>), facts: &Facts) -> Vec<String> {
    let config = build::config(CONFIG);
    let mut case = case(&config);
    change_case(&mut case);
    decide(&case, &Wanted::of(&case), facts)
        .into_iter()
        .filter(|decided| decided.finding.outcome != Outcome::Pass)
        .map(|Decided { finding, may_change }| {
            format!(
                "{} {}{}: {}",
                finding.name,
                finding.outcome.word(),
                if may_change { "?" } else { "" },
                finding.observed
            )
        })
        .collect()
}

fn told(change: impl Fn(&mut EcsFacts)) -> Vec<String> {
    let mut ecs = ecs();
    change(&mut ecs);
    told_with(|_| {}, &facts(VersionFacts::Ecs(ecs)))
}

#[test]
fn a_healthy_new_version_passes_everything_in_the_configurations_order() {
    let config = build::config(CONFIG);
    let case = case(&config);
    let findings: Vec<Finding> =
        decide(&case, &Wanted::of(&case), &facts(VersionFacts::Ecs(ecs()))).into_iter().map(Decided::finding).collect();
    let sentences: Vec<String> = findings.iter().map(Finding::sentence).collect();
    assert_eq!(
        sentences,
        [
            "`tasks_running` pass: expected 2 tasks running, none pending, none stopped, observed 2 of 2 tasks running, 0 pending \
             (task set ecs-svc/2)",
            "`targets_healthy` pass: expected at least 1 healthy target and no unhealthy one, observed 2 of 2 targets healthy \
             (target group green-tg)",
            "`image_matches_revision` pass: expected task definition `orchestrator:42` and its images, observed task definition \
             `orchestrator:42`, 2 tasks with its images (task set ecs-svc/2)",
            "`alarms_quiet` pass: expected no alarm in ALARM, observed 2 alarms quiet (CloudWatch alarms)",
        ]
    );
}

#[test]
fn tasks_that_are_missing_stopped_or_unhealthy_fail() {
    assert_eq!(told(|ecs| ecs.task_set.running = 1), ["tasks_running fail?: 1 of 2 tasks running, 0 pending"]);
    assert_eq!(told(|ecs| ecs.task_set.pending = 1), ["tasks_running fail?: 2 of 2 tasks running, 1 pending"]);
    let stopped = |reason: &str| {
        let reason = reason.to_owned();
        told(move |ecs| {
            let mut ended = task("c");
            ended.status = "STOPPED".to_owned();
            ended.stopped_reason = Some(reason.clone());
            ecs.tasks.as_mut().unwrap().push(ended);
        })
    };
    assert_eq!(
        stopped("Essential container in task exited"),
        ["tasks_running fail: 2 of 2 tasks running, 0 pending; task `c` stopped: Essential container in task exited"]
    );
    assert!(stopped("Scaling activity initiated by (deployment ecs-svc/2)").is_empty());
    assert_eq!(
        told(|ecs| ecs.tasks.as_mut().unwrap()[0].health = "UNHEALTHY".to_owned()),
        ["tasks_running fail: 2 of 2 tasks running, 0 pending; task `a` fails its container's health check"]
    );
    let nothing = told(|ecs| {
        ecs.task_set.desired = 0;
        ecs.task_set.running = 0;
    });
    assert!(nothing[0].starts_with("tasks_running inconclusive: no task is wanted"), "{nothing:?}");
}

#[test]
fn targets_must_be_healthy_where_the_load_balancer_looks_at_them() {
    let with = |states: &[&str]| {
        let targets =
            states.iter().enumerate().map(|(n, state)| target_health(&format!("t{n}"), state, Some("why"))).collect();
        told(move |ecs| ecs.health = Ok(Vec::clone(&targets)))
    };
    assert!(with(&["healthy", "initial", "draining"]).is_empty());
    assert_eq!(
        with(&["healthy", "unhealthy"]),
        ["targets_healthy fail: 1 of 2 targets healthy; `t1` is unhealthy (why)"]
    );
    assert_eq!(
        with(&["initial", "initial"]),
        ["targets_healthy inconclusive?: 0 of 2 targets healthy, 2 still being registered"]
    );
    assert_eq!(
        with(&["unused"]),
        ["targets_healthy inconclusive?: 0 of 1 target healthy: the load balancer does not use the target group yet"]
    );
    assert_eq!(with(&[]), ["targets_healthy fail?: the target group is empty"]);
    assert_eq!(with(&["draining"]), ["targets_healthy fail: 0 of 1 target healthy"]);
    let four = with(&["unhealthy"; 5]);
    assert!(four[0].ends_with("`t2` is unhealthy (why); and 2 more"), "{four:?}");
}

#[test]
fn without_a_listener_unused_targets_are_no_failure() {
    let mut ecs = ecs();
    ecs.health = Ok(vec![target_health("a", "unused", Some("Target.NotInUse"))]);
    let facts = facts(VersionFacts::Ecs(ecs));
    let early = told_with(|case| case.lifecycle_event = Some("AfterInstall".to_owned()), &facts);
    assert!(early[0].starts_with("targets_healthy degraded: 0 of 1 target healthy: no listener leads to"), "{early:?}");
    let without = told_with(|case| case.routes = None, &facts);
    assert_eq!(without, early);
}

#[test]
fn what_runs_must_be_what_the_revision_names() {
    let arn = DEFINITION.replace(":42", ":41");
    assert_eq!(
        told(|ecs| ecs.definition = Ok(arn.clone())),
        ["image_matches_revision fail: it runs the task definition `orchestrator:41`"]
    );
    assert_eq!(
        told(|ecs| ecs.tasks.as_mut().unwrap()[1].images = vec!["repo:old".to_owned()]),
        ["image_matches_revision fail: task `b` runs the image `repo:old`, which the task definition does not name"]
    );
    assert!(
        told(|ecs| ecs.tasks.as_mut().unwrap()[0].images.push("x/aws-guardduty-agent-fargate:v1".to_owned()))
            .is_empty()
    );
    assert!(told(|ecs| ecs.tasks.as_mut().unwrap()[0].images = vec![format!("{IMAGE}@sha256:abc")]).is_empty());
    assert_eq!(
        told(|ecs| ecs.tasks.as_mut().unwrap().iter_mut().for_each(|task| task.images.clear())),
        ["image_matches_revision inconclusive?: no running task tells its images"]
    );
}

#[test]
fn a_definition_is_recognised_in_every_form_that_an_appspec_may_have() {
    let cases = [
        (DEFINITION, true),
        ("orchestrator:42", true),
        ("orchestrator", true),
        ("orchestrator:41", false),
        ("chestrator:42", false),
        ("arn:aws:ecs:us-east-1:999999999999:task-definition/orchestrator:42", false),
    ];
    for (wanted, expected) in cases {
        assert_eq!(is_same_definition(wanted, DEFINITION), expected, "{wanted}");
    }
}

#[test]
fn a_fact_that_could_not_be_read_is_inconclusive_and_says_why() {
    let denied = || Err("`X` was refused".to_owned());
    let told = told(|ecs| {
        ecs.tasks = Err("`X` was refused".to_owned());
        ecs.health = Err("`X` was refused".to_owned());
    });
    assert_eq!(
        told,
        [
            "tasks_running inconclusive: 2 of 2 tasks running, 0 pending; the tasks could not be read: `X` was refused",
            "targets_healthy inconclusive: the health of the targets could not be read: `X` was refused",
            "image_matches_revision inconclusive: the tasks could not be read: `X` was refused",
        ]
    );
    let unknown = Facts { version: VersionFacts::Unknown("no target".to_owned()), alarms: denied() };
    assert_eq!(
        told_with(|_| {}, &unknown),
        [
            "tasks_running inconclusive: no target",
            "targets_healthy inconclusive: no target",
            "image_matches_revision inconclusive: no target",
            "alarms_quiet inconclusive: the alarms could not be read: `X` was refused",
        ]
    );
}

#[test]
fn a_red_alarm_is_named_with_its_reason_and_a_missing_one_is_not_taken_for_quiet() {
    let red =
        |alarms: Vec<AlarmReading>| told_with(|_| {}, &Facts { version: VersionFacts::Ecs(ecs()), alarms: Ok(alarms) });
    let in_alarm = AlarmReading {
        state: AlarmState::Alarm,
        reason: "Threshold Crossed: 3 datapoints".to_owned(),
        since: Some(Timestamp(1_767_603_600_000)),
        ..quiet("red")
    };
    assert_eq!(
        red(vec![in_alarm]),
        ["alarms_quiet fail: `red` is in ALARM since 2026-01-05T09:00:00.000Z: Threshold Crossed: 3 datapoints"]
    );
    assert_eq!(
        red(vec![quiet("red")]),
        [
            "alarms_quiet inconclusive: `latency` does not exist in CloudWatch; create it, or correct its name under `alarms` in \
          config/greenlight.yaml"
        ]
    );
    let starting = AlarmReading { state: AlarmState::InsufficientData, ..quiet("red") };
    assert!(red(vec![starting, quiet("latency")]).is_empty());
}

#[test]
fn a_lambda_version_must_be_active_and_has_no_targets_or_images() {
    let with = |state: &str, last_update: &str| {
        let state = VersionState {
            state: state.to_owned(),
            last_update: last_update.to_owned(),
            reason: Some("why".to_owned()),
        };
        let lambda = LambdaFacts { name: "overflow:2".to_owned(), state: Ok(state) };
        told_with(
            |case| case.target = Ok(build::lambda_target("BeforeAllowTraffic")),
            &facts(VersionFacts::Lambda(lambda)),
        )
    };
    assert!(with("Active", "Successful").is_empty());
    assert_eq!(with("Pending", "InProgress"), ["tasks_running fail?: state Pending, last update InProgress: why"]);
    assert_eq!(with("Failed", "Successful"), ["tasks_running fail: state Failed, last update Successful: why"]);
    assert_eq!(with("Active", "Failed"), ["tasks_running fail: state Active, last update Failed: why"]);
}

#[test]
fn a_requirement_that_is_off_is_not_looked_at_and_one_that_warns_only_degrades() {
    let text = CONFIG.to_owned()
        + "    before_allow_traffic: { require: { targets_healthy: false, tasks_running: warn, alarms_quiet: false } }\n";
    let config = build::config(&text);
    let case = case(&config);
    let mut ecs = ecs();
    ecs.task_set.running = 0;
    let findings: Vec<Finding> =
        decide(&case, &Wanted::of(&case), &facts(VersionFacts::Ecs(ecs))).into_iter().map(Decided::finding).collect();
    let seen: Vec<_> = findings.iter().map(|finding| (finding.name.as_str(), finding.outcome)).collect();
    assert_eq!(seen, [("tasks_running", Outcome::Degraded), ("image_matches_revision", Outcome::Pass)]);
    assert!(findings[0].observed.ends_with("(a warning: fail, but not decisive)"));
}
