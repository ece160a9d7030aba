//! Tests of the whole hook with recording fakes and a local HTTP server.

use std::time::Duration;

use clock::Clock;
use domain::deployment::Target;
use domain::hook::Verdict;
use serde_json::json;
use testkit::build;
use testkit::fakes::{Balancer, Bus, CodeDeploy, Lambda, Script, Vault};
use testkit::http::{Reply, Server};

use super::*;

type Fakes = Function<CodeDeploy, Balancer, Lambda, Bus, Vault>;

fn function(url: &str, more: &str) -> Fakes {
    let yaml = format!(
        "version: 1\nservices:\n  - name: orchestrator\n    codedeploy: {{ application: mangaassist, deployment_group: orchestrator }}\n{more}"
    );
    Function {
        config: Ok(build::config(&yaml)),
        log: None,
        ports: Ports {
            codedeploy: CodeDeploy::with(build::deployment(), Target::Ecs(build::ecs_target("AfterAllowTraffic"))),
            balancer: Balancer { urls: Script::always(url.to_owned()), ..Balancer::default() },
            versions: Lambda::default(),
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
        deadline: arrived.plus(Duration::from_secs(5)),
    };
    handle(function, &invocation).await.unwrap()
}

const CHECKS: &str = "
    after_allow_traffic:
      checks:
        - { name: health, get: /health, expect: { status: 200 } }
        - { name: chat, post: /chat, json: { message: hi }, expect: { status: 200, latency: 3s } }
        - { name: intent, post: /classify, json: { message: back }, expect: { json: { $.intent: order_return } } }
";

#[test]
fn production_traffic_that_answers_as_expected_may_stay() {
    testkit::run(async {
        let server = Server::start(|_| Reply::new(200, r#"{"intent": "order_return"}"#)).await;
        let function = function(&server.url, CHECKS);
        let summary = answered(&function).await;
        assert_eq!((&summary["verdict"], &summary["reason"]), (&json!("Succeeded"), &json!("all 3 checks passed")));
        assert_eq!(summary["lifecycle_event"], json!("AfterAllowTraffic"));
        assert_eq!(*function.ports.balancer.listeners.borrow(), ["arn:production"]);
    });
}

#[test]
fn a_secret_is_read_when_a_check_refers_to_it_and_never_told() {
    testkit::run(async {
        let server = Server::start(|seen| Reply::new(401, seen.header("authorization").unwrap_or_default())).await;
        let with = |value: &str| {
            let check = format!("{{ name: chat, get: /chat, headers: {{ authorization: \"{value}\" }} }}");
            let mut function = function(&server.url, &format!("    after_allow_traffic: {{ checks: [{check}] }}\n"));
            function.ports.secrets.answers = Script::always("t0k3n-of-the-smoke-test".to_owned());
            function
        };
        let plain = with("none");
        answered(&plain).await;
        assert!(plain.ports.secrets.asked.borrow().is_empty());
        let function = with("Bearer {{ secret:greenlight#smoke_token }}");
        let summary = answered(&function).await;
        assert_eq!(*function.ports.secrets.asked.borrow(), ["secret:greenlight#smoke_token"]);
        assert_eq!(server.seen()[1].header("authorization"), Some("Bearer t0k3n-of-the-smoke-test"));
        assert_eq!(summary["verdict"], json!("Failed"));
        let told = format!("{summary} {:?}", function.ports.outbox.verdicts());
        assert!(told.contains("body `Bearer ***`") && !told.contains("t0k3n"), "{told}");
    });
}

#[test]
fn a_wrong_answer_is_named_with_what_was_seen() {
    testkit::run(async {
        let server = Server::start(|_| Reply::new(200, r#"{"intent": "other"}"#)).await;
        let function = function(&server.url, CHECKS);
        let summary = answered(&function).await;
        let reason = summary["reason"].as_str().unwrap();
        let peer = server.url.trim_start_matches("http://");
        let said = format!(
            "`intent` fail: expected $.intent = \"order_return\", observed $.intent is \"other\" (POST {}/classify at {peer}; took ",
            server.url
        );
        assert!(reason.starts_with(&said) && reason.ends_with(" ms)"), "{reason}");
        assert_eq!(function.ports.codedeploy.verdicts(), [Verdict::Failed]);
    });
}

#[test]
fn a_service_without_smoke_tests_passes_and_says_that_nothing_was_checked() {
    testkit::run(async {
        let function = function("http://unused", "");
        let summary = answered(&function).await;
        assert_eq!(summary["verdict"], json!("Succeeded"));
        assert!(
            summary["reason"].as_str().unwrap().starts_with("nothing was checked: `after_allow_traffic`"),
            "{summary}"
        );
        assert!(function.ports.balancer.listeners.borrow().is_empty());
    });
}

#[test]
fn a_missing_configuration_is_answered() {
    testkit::run(async {
        let mut function = function("http://unused", "");
        function.config =
            Err(SettingError::Unreadable { path: "/opt/greenlight.yaml".into(), error: "no such file".into() });
        let summary = answered(&function).await;
        assert_eq!(summary["verdict"], json!("Failed"));
        assert!(summary["reason"].as_str().unwrap().contains("attach the configuration layer"), "{summary}");
    });
}
