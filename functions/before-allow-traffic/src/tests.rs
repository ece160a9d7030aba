//! Tests of the whole hook with recording fakes and a local HTTP server.

use std::time::Duration;

use clock::Clock;
use domain::deployment::{AppSpec, Deployment, Target, TaskSetLabel};
use domain::hook::Verdict;
use domain::ports::{Invoked, VersionState};
use serde_json::json;
use testkit::build::{self, DEFINITION, container, leads_to, target_health, task};
use testkit::fakes::{Balancer, Bus, CloudWatch, CodeDeploy, Ecs, Lambda, Script, Vault, denied};
use testkit::http::{Reply, Server};

use super::*;
use crate::settle::{LOOK_AGAIN, ONE_LOOK};

mod settling;

type Fakes = Function<CodeDeploy, Ecs, Balancer, Lambda, CloudWatch, Bus, Vault>;

const CHECKS: &str = "
    before_allow_traffic:
      checks:
        - { name: health, get: /health, expect: { status: 200 } }
        - { name: build, get: /version, expect: { json: { $.sha: '{{ revision.git_sha }}' } } }
";

fn function(url: &str, more: &str) -> Fakes {
    let yaml = format!(
        "version: 1\nservices:\n  - name: orchestrator\n    codedeploy: {{ application: mangaassist, deployment_group: orchestrator }}\n{more}"
    );
    let target = Target::Ecs(build::ecs_target("BeforeAllowTraffic"));
    Function {
        config: Ok(build::config(&yaml)),
        log: None,
        ports: Ports {
            codedeploy: CodeDeploy::with(build::deployment(), target),
            tasks: Ecs {
                tasks: Script::always(vec![task("a"), task("b")]),
                containers: Script::always(vec![container()]),
                definitions: Script::always(DEFINITION.to_owned()),
            },
            balancer: Balancer {
                urls: Script::always(url.to_owned()),
                health: Script::always(vec![target_health("10.0.0.1", "healthy", None)]),
                actions: Script::always(leads_to("green-tg")),
                ..Balancer::default()
            },
            versions: Lambda::default(),
            alarms: CloudWatch::default(),
            outbox: Bus::default(),
            secrets: Vault::default(),
            http: HttpClient::new(Clock::system()),
        },
    }
}

async fn answered(function: &Fakes) -> Value {
    let arrived = function.ports.http.clock().now();
    let invocation = Invocation {
        payload: build::hook_payload(),
        request_id: "r".to_owned(),
        function_arn: String::new(),
        arrived,
        deadline: arrived.plus(Duration::from_secs(4)),
    };
    handle(function, &invocation).await.unwrap()
}

fn found(function: &Fakes) -> Vec<(String, Outcome)> {
    let verdicts = function.ports.outbox.verdicts();
    verdicts[0].findings.iter().map(|finding| (finding.name.clone(), finding.outcome)).collect()
}

async fn healthy() -> Server {
    Server::start(|seen| match seen.path.as_str() {
        "/version" => Reply::new(200, r#"{"sha": "0123456789abcdef"}"#),
        _ => Reply::new(200, "ok"),
    })
    .await
}

#[test]
fn a_healthy_new_version_may_have_the_traffic() {
    testkit::run(async {
        let server = healthy().await;
        let function = function(&server.url, CHECKS);
        let summary = answered(&function).await;
        assert_eq!((&summary["verdict"], &summary["reason"]), (&json!("Succeeded"), &json!("all 6 checks passed")));
        assert_eq!(function.ports.codedeploy.verdicts(), [Verdict::Succeeded]);
        assert_eq!(*function.ports.balancer.listeners.borrow(), ["arn:test"]);
        let names: Vec<String> = found(&function).into_iter().map(|(name, _)| name).collect();
        let facts = ["tasks_running", "targets_healthy", "image_matches_revision", "test_listener_routed"];
        assert_eq!(names, [&facts[..], &["health", "build"]].concat());
    });
}

#[test]
fn every_fact_and_every_check_is_told_although_the_first_failed() {
    testkit::run(async {
        let server = Server::start(|_| Reply::new(500, "boom")).await;
        let mut function = function(&server.url, CHECKS);
        function.ports.balancer.health = Script::failing(denied("`DescribeTargetHealth`"));
        let summary = answered(&function).await;
        assert_eq!(summary["verdict"], json!("Failed"));
        let reason = summary["reason"].as_str().unwrap();
        assert!(reason.starts_with("2 of 6 checks failed, 1 could not be told; the first: `"), "{reason}");
        let outcomes: Vec<Outcome> = found(&function).into_iter().map(|(_, outcome)| outcome).collect();
        let (pass, fail) = (Outcome::Pass, Outcome::Fail);
        assert_eq!(outcomes, [pass, Outcome::Inconclusive, pass, pass, fail, fail]);
    });
}

#[test]
fn without_a_test_listener_the_facts_are_told_and_the_checks_say_what_to_do() {
    testkit::run(async {
        let mut function = function("http://unused", CHECKS);
        let mut deployment = build::deployment();
        deployment.routes.as_mut().unwrap().test_listener = None;
        function.ports.codedeploy.deployments = Script::always(deployment);
        answered(&function).await;
        let verdict = &function.ports.outbox.verdicts()[0];
        assert_eq!((verdict.verdict, verdict.findings.len()), (Verdict::Failed, 5));
        assert!(verdict.findings[3].observed.contains("set `endpoints.test`"), "{}", verdict.findings[3].observed);
    });
}

#[test]
fn at_after_install_the_old_version_is_not_asked_in_the_new_ones_name() {
    testkit::run(async {
        let server = healthy().await;
        let mut function = function(&server.url, CHECKS);
        function.ports.codedeploy.targets = Script::always(Target::Ecs(build::ecs_target("AfterInstall")));
        let summary = answered(&function).await;
        assert_eq!(summary["verdict"], json!("Succeeded"));
        assert!(server.seen().is_empty());
        assert_eq!(found(&function).last(), Some(&("checks".to_owned(), Outcome::Degraded)));
        let verdict = &function.ports.outbox.verdicts()[0];
        let told = &verdict.findings.last().unwrap().observed;
        assert!(told.ends_with("; they belong to the later hook"), "{told}");
    });
}

#[test]
fn at_before_install_there_is_nothing_to_look_at_so_the_answer_is_no() {
    // With and without an endpoint of the configuration, with and without checks: whatever answers is the old version.
    testkit::run(async {
        let server = healthy().await;
        for more in [CHECKS.to_owned(), format!("    endpoints: {{ test: '{}' }}{CHECKS}", server.url), String::new()] {
            let mut function = function(&server.url, &more);
            function.ports.codedeploy.targets = Script::always(Target::Ecs(build::ecs_target("BeforeInstall")));
            let summary = answered(&function).await;
            assert_eq!(summary["verdict"], json!("Failed"));
            assert_eq!(
                summary["reason"],
                json!(
                    "this hook cannot be used at BeforeInstall: there is no new version yet; make it the hook of AfterAllowTestTraffic or \
                     BeforeAllowTraffic"
                )
            );
        }
        assert!(server.seen().is_empty());
    });
}

#[test]
fn without_a_proven_or_a_configured_way_nothing_is_sent() {
    testkit::run(async {
        let server = healthy().await;
        let mut function = function(&server.url, CHECKS);
        // Neither the target nor the platform is known.
        function.ports.codedeploy.targets = Script::failing(denied("`BatchGetDeploymentTargets`"));
        function.ports.codedeploy.deployments = Script::always(Deployment { platform: None, ..build::deployment() });
        assert_eq!(answered(&function).await["verdict"], json!("Failed"));
        assert!(server.seen().is_empty());
        let verdict = &function.ports.outbox.verdicts()[0];
        assert!(verdict.findings.last().unwrap().observed.starts_with("not sent: "), "{:?}", verdict.findings);
    });
}

#[test]
fn checks_that_no_hook_would_ever_send_are_told_as_such() {
    testkit::run(async {
        let mut function = function("http://unused", CHECKS);
        function.ports.codedeploy.targets = Script::always(Target::Ecs(build::ecs_target("AfterInstall")));
        let hooks = vec![("AfterInstall".to_owned(), "hook".to_owned())];
        let deployment = Deployment { app_spec: AppSpec::Read { hooks }, ..build::deployment() };
        function.ports.codedeploy.deployments = Script::always(deployment);
        answered(&function).await;
        let verdict = &function.ports.outbox.verdicts()[0];
        let told = &verdict.findings.last().unwrap().observed;
        assert!(told.contains("no later hook is in the AppSpec, so they are never sent"), "{told}");
    });
}

#[test]
fn a_test_listener_that_leads_to_the_old_version_is_never_asked_in_the_new_ones_name() {
    testkit::run(async {
        let server = healthy().await;
        let mut function = function(&server.url, CHECKS);
        function.ports.balancer.actions = Script::always(leads_to("blue-tg"));
        let summary = answered(&function).await;
        assert_eq!(summary["verdict"], json!("Failed"));
        assert!(server.seen().is_empty());
        let verdict = &function.ports.outbox.verdicts()[0];
        let routed = &verdict.findings[3];
        assert_eq!((routed.name.as_str(), routed.outcome), ("test_listener_routed", Outcome::Fail));
        assert!(routed.observed.contains("leads to `blue-tg`"), "{}", routed.observed);
        for check in &verdict.findings[4..] {
            assert_eq!(check.outcome, Outcome::Inconclusive);
            assert!(
                check.observed.starts_with("not sent: that the test listener leads to the new version is not proven")
            );
        }
    });
}

#[test]
fn an_endpoint_of_the_configuration_or_a_mere_warning_lets_the_checks_be_sent() {
    for more in ["require: { test_listener_routed: warn },", "require: { test_listener_routed: false },"] {
        testkit::run(async {
            let server = healthy().await;
            let checks = CHECKS.replace(
                "before_allow_traffic:\n",
                &format!("before_allow_traffic:\n      {}\n", more.trim_end_matches(',')),
            );
            let mut function = function(&server.url, &checks);
            function.ports.balancer.actions = Script::always(leads_to("blue-tg"));
            assert_eq!(answered(&function).await["verdict"], json!("Succeeded"), "{more}");
            assert_eq!(server.seen().len(), 2);
        });
    }
    testkit::run(async {
        let server = healthy().await;
        let mut function = function("http://unused", &format!("    endpoints: {{ test: '{}' }}{CHECKS}", server.url));
        function.ports.balancer.actions = Script::always(leads_to("blue-tg"));
        assert_eq!(answered(&function).await["verdict"], json!("Failed"));
        assert_eq!(server.seen().len(), 2, "whether it is the listener cannot be told, so it is asked");
    });
}

#[test]
fn a_revision_in_s3_is_taken_from_ecs_and_shown() {
    testkit::run(async {
        let server = healthy().await;
        let mut function = function(&server.url, CHECKS);
        let mut deployment = Deployment { app_spec: AppSpec::Elsewhere("S3".to_owned()), ..build::deployment() };
        deployment.revision.task_definition = None;
        function.ports.codedeploy.deployments = Script::always(deployment);
        assert_eq!(answered(&function).await["verdict"], json!("Succeeded"));
        let verdict = &function.ports.outbox.verdicts()[0];
        assert_eq!(verdict.revision.task_definition.as_deref(), Some(DEFINITION));
        assert!(verdict.findings[2].observed.ends_with("as the AppSpec lies in S3, which is not read"));
    });
}

#[test]
fn a_lambda_version_is_invoked_itself_and_only_rollback_alarms_are_read() {
    testkit::run(async {
        let more = "
    alarms: [{ name: errors, action: rollback }, { name: chatty, action: alert }]
    before_allow_traffic:
      checks:
        - { name: answers, invoke: { payload: { smoke: true } }, expect: { json: { $.statusCode: 200 } } }
";
        let mut function = function("http://unused", more);
        function.ports.codedeploy =
            CodeDeploy::with(build::lambda_deployment(), build::lambda_target("BeforeAllowTraffic"));
        let active = VersionState { state: "Active".into(), last_update: "Successful".into(), reason: None };
        function.ports.versions = Lambda {
            states: Script::always(active),
            aliases: Script::always(build::alias()),
            provisioned: Script::always(None),
            answers: Script::always(Invoked { payload: r#"{"statusCode": 200}"#.into(), function_error: None }),
            ..Lambda::default()
        };
        function.ports.alarms.readings = Script::always(Vec::new());
        let summary = answered(&function).await;
        assert_eq!(summary["verdict"], json!("Failed"));
        assert!(summary["reason"].as_str().unwrap().contains("`errors` does not exist in CloudWatch"), "{summary}");
        assert_eq!(*function.ports.alarms.asked.borrow(), [["errors", "chatty"]]);
        assert_eq!(
            *function.ports.versions.invoked.borrow(),
            [("overflow".into(), "2".into(), r#"{"smoke":true}"#.into())]
        );
        assert_eq!(
            found(&function),
            [
                ("tasks_running".to_owned(), Outcome::Pass),
                ("alias_not_shifting".to_owned(), Outcome::Pass),
                ("alarms_quiet".to_owned(), Outcome::Inconclusive),
                ("answers".to_owned(), Outcome::Pass)
            ]
        );
    });
}

#[test]
fn a_check_that_hangs_leaves_the_other_findings_and_the_answer_intact() {
    testkit::run(async {
        let server = Server::start(|_| Reply::new(200, "").after(Duration::from_mins(1))).await;
        let function = function(&server.url, CHECKS);
        let summary = answered(&function).await;
        assert_eq!(summary["reported"], json!(true));
        let verdict = &function.ports.outbox.verdicts()[0];
        assert_eq!(verdict.findings.len(), 6);
        assert!(
            verdict.findings[4].observed.starts_with("not finished within the budget of "),
            "{:?}",
            verdict.findings[4]
        );
    });
}

#[test]
fn nothing_to_look_at_is_said_and_is_no_failure() {
    testkit::run(async {
        let off = "    before_allow_traffic: { require: { tasks_running: false, targets_healthy: false, image_matches_revision: false, test_listener_routed: false } }\n";
        let function = function("http://unused", off);
        let summary = answered(&function).await;
        assert_eq!(summary["verdict"], json!("Succeeded"));
        assert!(
            summary["reason"].as_str().unwrap().starts_with("nothing was checked: `before_allow_traffic`"),
            "{summary}"
        );
    });
}
