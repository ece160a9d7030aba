//! Tests of the decisions: tables of facts and what they mean.

mod alarms;
mod images;
mod lambda;
mod routed;

use domain::alarm::{AlarmReading, AlarmState, GroupAlarms};
use domain::config::Config;
use domain::deployment::{Target, TaskSetLabel};
use domain::ports::Container;
use testkit::build::{self, DEFINITION, container, leads_to, target_health, task};
use testkit::fakes::denied;

use super::*;
use crate::facts::{AlarmFacts, EcsFacts};

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
        app_spec: deployment.app_spec,
        is_first: deployment.is_first,
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
        containers: Ok(vec![container()]),
        health: Ok(vec![target_health("10.0.0.1", "healthy", None), target_health("10.0.0.2", "healthy", None)]),
    }
}

fn quiet(name: &str) -> AlarmReading {
    AlarmReading { name: name.to_owned(), state: AlarmState::Ok, reason: "fine".to_owned(), since: None }
}

fn facts(version: VersionFacts) -> Facts {
    let readings = Ok(vec![quiet("red"), quiet("latency"), quiet("chatty")]);
    Facts { version, routed: None, alarms: AlarmFacts { group: Ok(GroupAlarms::default()), readings } }
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
    let own = ["blue-tg".to_owned(), "green-tg".to_owned()];
    let routed = Some(routed(Ok(&build::task_set(TaskSetLabel::Green)), &own, Ok(&leads_to("green-tg"))));
    let facts = Facts { routed, ..facts(VersionFacts::Ecs(ecs())) };
    let findings: Vec<Finding> = decide(&case, &Wanted::of(&case), &facts).into_iter().map(Decided::finding).collect();
    let sentences: Vec<String> = findings.iter().map(Finding::sentence).collect();
    assert_eq!(
        sentences,
        [
            "`tasks_running` pass: expected 2 tasks running, none pending, none stopped, observed 2 of 2 tasks running, 0 pending \
             (task set ecs-svc/2)",
            "`targets_healthy` pass: expected at least 1 healthy target and no unhealthy one, observed 2 of 2 targets healthy \
             (target group green-tg)",
            "`image_matches_revision` pass: expected task definition `orchestrator:42` and its images, observed task definition \
             `orchestrator:42`, 2 tasks with its images (`web` sha256:9f86d081884c) (task set ecs-svc/2)",
            "`test_listener_routed` pass: expected to lead to the target group `green-tg`, and not to `blue-tg`, observed the default \
             action leads there (test listener)",
            "`alarms_quiet` pass: expected no alarm in ALARM, and data for each, observed 3 alarms quiet (CloudWatch alarms)",
        ]
    );
}

#[test]
fn tasks_that_are_missing_stopped_or_unhealthy_fail() {
    assert_eq!(told(|ecs| ecs.task_set.running = 1), ["tasks_running fail?: 1 of 2 tasks running, 0 pending"]);
    assert_eq!(told(|ecs| ecs.task_set.pending = 1), ["tasks_running fail?: 2 of 2 tasks running, 1 pending"]);
    assert_eq!(
        told(|ecs| drop(ecs.tasks.as_mut().unwrap().pop())),
        ["tasks_running fail?: 2 of 2 tasks running, 0 pending by CodeDeploy's count, 1 by ECS's"]
    );
    let nothing = told(|ecs| {
        ecs.task_set.desired = 0;
        ecs.task_set.running = 0;
    });
    assert!(nothing[0].starts_with("tasks_running inconclusive: no task is wanted"), "{nothing:?}");
}

/// What is told when these tasks have ended for this reason, each with this container.
fn ended(ids: &[&str], reason: &str, container: &Container) -> Vec<String> {
    told(|ecs| {
        for id in ids {
            let mut ended = task(id);
            ended.status = "DEPROVISIONING".to_owned();
            ended.stopped_reason = Some(reason.to_owned());
            ended.containers = vec![container.clone()];
            ecs.tasks.as_mut().unwrap().push(ended);
        }
    })
}

#[test]
fn a_task_that_ended_is_told_with_its_reason_its_exit_code_and_the_containers_own_reason() {
    let web = |exit_code, reason: Option<&str>| Container {
        name: "web".to_owned(),
        exit_code,
        reason: reason.map(str::to_owned),
        ..Container::default()
    };
    // The sentences of the ECS developer guide, "Amazon ECS stopped tasks error messages".
    let exited = "Essential container in task exited";
    assert_eq!(
        ended(&["c"], exited, &web(Some(137), Some("OutOfMemoryError: Container killed due to memory usage"))),
        [
            "tasks_running fail: 2 of 2 tasks running, 0 pending; task `c` stopped: Essential container in task exited, container `web` \
          exited with code 137: OutOfMemoryError: Container killed due to memory usage"
        ]
    );
    assert_eq!(
        ended(&["c", "d", "e"], exited, &web(Some(1), None)),
        [
            "tasks_running fail: 2 of 2 tasks running, 0 pending; 3 tasks, `c` among them, each stopped: Essential container in task exited, \
          container `web` exited with code 1"
        ]
    );
    let clean = ended(&["c"], exited, &web(Some(0), None));
    assert!(clean[0].ends_with("container `web` exited with code 0"), "{clean:?}");
    let pull = ended(&["c"], "CannotPullContainerError: manifest unknown", &web(None, None));
    assert!(pull[0].ends_with("stopped: CannotPullContainerError: manifest unknown"), "{pull:?}");
    assert!(ended(&["c"], "Scaling activity initiated by (deployment ecs-svc/2)", &web(Some(143), None)).is_empty());
}

#[test]
fn a_task_that_was_taken_away_says_nothing_against_the_version_and_its_replacement_is_waited_for() {
    let ended = |code: &str, reason: &str, running: i64| {
        let (code, reason) = (code.to_owned(), reason.to_owned());
        let mut facts_of = ecs();
        facts_of.task_set.running = running;
        facts_of.task_set.pending = 2 - running;
        let mut gone = task("c");
        (gone.status, gone.stop_code, gone.stopped_reason) = ("STOPPED".to_owned(), Some(code), Some(reason));
        gone.containers[0].exit_code = Some(143);
        facts_of.tasks.as_mut().unwrap().push(gone);
        let seen = super::ecs::tasks_running(&facts_of);
        (seen.outcome, seen.may_change, seen.observed)
    };
    let spot = |running| ended("SpotInterruption", "Your Spot Task was interrupted.", running);
    let remark = "task `c` was taken away: Your Spot Task was interrupted. (SpotInterruption)";
    assert_eq!(spot(1), (Outcome::Fail, true, format!("1 of 2 tasks running, 1 pending; {remark}")));
    assert_eq!(spot(2), (Outcome::Pass, false, format!("2 of 2 tasks running, 0 pending; {remark}")));
    for (code, reason) in [
        ("TerminationNotice", "Task is being stopped because its host is retired"),
        ("UserInitiated", "Task stopped by user"),
        ("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/2)"),
    ] {
        assert_eq!(ended(code, reason, 2).0, Outcome::Pass, "{code}");
    }
    // As ECS has told them of real tasks: the scheduler's code stands with these, too.
    for (code, reason) in [
        (
            "ServiceSchedulerInitiated",
            "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/green/1)",
        ),
        ("ServiceSchedulerInitiated", "Task failed container health checks"),
        ("TaskFailedToStart", "ResourceInitializationError: unable to pull secrets or registry auth"),
        ("EssentialContainerExited", "Essential container in task exited"),
    ] {
        let (outcome, may_change, told) = ended(code, reason, 2);
        assert_eq!((outcome, may_change), (Outcome::Fail, false), "{code}");
        assert!(told.contains(&format!("task `c` stopped: {reason}")), "{told}");
    }
}

#[test]
fn a_container_with_a_health_check_must_have_passed_it() {
    let with = |has_health_check, is_essential, health: &str| {
        let health = health.to_owned();
        told(move |ecs| {
            let defined = &mut ecs.containers.as_mut().unwrap()[0];
            (defined.has_health_check, defined.is_essential) = (has_health_check, is_essential);
            ecs.tasks.as_mut().unwrap()[1].containers[0].health.clone_from(&health);
            ecs.tasks.as_mut().unwrap()[0].containers[0].health = "HEALTHY".to_owned();
        })
    };
    assert!(with(false, true, "UNKNOWN").is_empty());
    assert!(with(true, true, "HEALTHY").is_empty());
    assert_eq!(
        with(true, true, "UNKNOWN"),
        [
            "tasks_running inconclusive?: 2 of 2 tasks running, 0 pending; task `b` has not passed the health check of its container `web` yet"
        ]
    );
    assert_eq!(
        with(true, true, "UNHEALTHY"),
        ["tasks_running fail: 2 of 2 tasks running, 0 pending; task `b` fails the health check of its container `web`"]
    );
    // "The task's health status is determined by its essential containers" (ECS developer guide, "Health checks").
    assert!(with(true, false, "UNHEALTHY").is_empty());
    assert_eq!(
        told(|ecs| ecs.tasks.as_mut().unwrap()[0].health = "UNHEALTHY".to_owned()),
        ["tasks_running fail: 2 of 2 tasks running, 0 pending; task `a` fails its container's health check"]
    );
}

#[test]
fn where_the_test_listener_leads_is_looked_at_where_there_is_one_and_it_has_been_moved() {
    let wants = |change: fn(&mut Case<'_>)| {
        let config = build::config(CONFIG);
        let mut case = case(&config);
        change(&mut case);
        Wanted::of(&case).test_listener_routed.is_some()
    };
    assert!(wants(|_| {}));
    assert!(wants(|case| case.lifecycle_event = None));
    assert!(!wants(|case| case.lifecycle_event = Some("AfterInstall".to_owned())));
    assert!(!wants(|case| case.lifecycle_event = Some("BeforeInstall".to_owned())));
    assert!(wants(|case| case.lifecycle_event = Some("AfterAllowTestTraffic".to_owned())));
    assert!(!wants(|case| case.routes.as_mut().unwrap().test_listener = None));
    assert!(!wants(|case| case.target = Ok(build::lambda_target("BeforeAllowTraffic"))));
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
        ["targets_healthy fail?: 1 of 2 targets healthy; `t1` is unhealthy (why)"],
        "an application that is slow to boot fails its first health checks"
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
    assert_eq!(with(&["draining"]), ["targets_healthy fail?: 0 of 1 target healthy"]);
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
fn a_fact_that_could_not_be_read_is_inconclusive_and_says_why() {
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
    let refused = || Err("`X` was refused".to_owned());
    let alarms = AlarmFacts { group: Ok(GroupAlarms::default()), readings: refused() };
    let unknown = Facts { version: VersionFacts::Unknown("no target".to_owned()), routed: None, alarms };
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
