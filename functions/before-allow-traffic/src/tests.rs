//! Tests of the whole hook with recording fakes and a local HTTP server.

use clock::Clock;
use domain::deployment::Target;
use domain::hook::Verdict;
use domain::ports::{Invoked, VersionState};
use serde_json::json;
use testkit::build::{self, DEFINITION, IMAGE, target_health, task};
use testkit::fakes::{Balancer, Bus, CloudWatch, CodeDeploy, Ecs, Lambda, Script, Vault, denied};
use testkit::http::{Reply, Server};

use super::*;

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
        ports: Ports {
            codedeploy: CodeDeploy::with(build::deployment(), target),
            tasks: Ecs {
                tasks: Script::always(vec![task("a"), task("b")]),
                images: Script::always(vec![IMAGE.to_owned()]),
                definitions: Script::always(DEFINITION.to_owned()),
            },
            balancer: Balancer {
                urls: Script::always(url.to_owned()),
                health: Script::always(vec![target_health("10.0.0.1", "healthy", None)]),
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
        assert_eq!((&summary["verdict"], &summary["reason"]), (&json!("Succeeded"), &json!("all 5 checks passed")));
        assert_eq!(function.ports.codedeploy.verdicts(), [Verdict::Succeeded]);
        assert_eq!(*function.ports.balancer.listeners.borrow(), ["arn:test"]);
        let names: Vec<String> = found(&function).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["tasks_running", "targets_healthy", "image_matches_revision", "health", "build"]);
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
        assert!(reason.starts_with("3 of 5 checks failed; the first: `targets_healthy` inconclusive: "), "{reason}");
        let outcomes: Vec<Outcome> = found(&function).into_iter().map(|(_, outcome)| outcome).collect();
        assert_eq!(outcomes, [Outcome::Pass, Outcome::Inconclusive, Outcome::Pass, Outcome::Fail, Outcome::Fail]);
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
            answers: Script::always(Invoked { payload: r#"{"statusCode": 200}"#.into(), function_error: None }),
            ..Lambda::default()
        };
        function.ports.alarms.readings = Script::always(Vec::new());
        let summary = answered(&function).await;
        assert_eq!(summary["verdict"], json!("Failed"));
        assert!(summary["reason"].as_str().unwrap().contains("`errors` does not exist in CloudWatch"), "{summary}");
        assert_eq!(*function.ports.alarms.asked.borrow(), [["errors"]]);
        assert_eq!(
            *function.ports.versions.invoked.borrow(),
            [("overflow".into(), "2".into(), r#"{"smoke":true}"#.into())]
        );
        assert_eq!(
            found(&function),
            [
                ("tasks_running".to_owned(), Outcome::Pass),
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
        assert_eq!(verdict.findings.len(), 5);
        assert!(
            verdict.findings[3].observed.starts_with("not finished within the budget of "),
            "{:?}",
            verdict.findings[3]
        );
    });
}

#[test]
fn nothing_to_look_at_is_said_and_is_no_failure() {
    testkit::run(async {
        let off = "    before_allow_traffic: { require: { tasks_running: false, targets_healthy: false, image_matches_revision: false } }\n";
        let function = function("http://unused", off);
        let summary = answered(&function).await;
        assert_eq!(summary["verdict"], json!("Succeeded"));
        assert!(
            summary["reason"].as_str().unwrap().starts_with("nothing was checked: `before_allow_traffic`"),
            "{summary}"
        );
    });
}
