//! Tests of the engine against a local HTTP server.

use clock::Clock;
use domain::hook::Outcome;
use domain::ports::{Invoked, Versions};
use serde_json::json;
use testkit::fakes::{Lambda, Script, throttled};
use testkit::http::{Reply, Server};

use super::*;
use crate::invoke::{NoVersion, Version};

mod hostile;
mod running;
mod secrets;

const BUDGET: Duration = Duration::from_secs(20);

fn checks(list: Value) -> Vec<Check> {
    serde_json::from_value(list).unwrap()
}

fn no_version() -> NoVersion {
    NoVersion("there is no Lambda version here".to_owned())
}

async fn run_at(url: &str, list: Value, invoker: &impl Invoke, budget: Duration) -> Vec<Finding> {
    let checks = checks(list);
    let variables = Variables::from([("revision.git_sha".to_owned(), Ok("abc".to_owned()))]);
    let suite = Suite { checks: &checks, base: Ok(url.to_owned()), variables };
    run(&suite, &HttpClient::new(Clock::system()), invoker, budget).await
}

fn outcomes(findings: &[Finding]) -> Vec<(&str, Outcome)> {
    findings.iter().map(|finding| (finding.name.as_str(), finding.outcome)).collect()
}

#[test]
fn checks_are_told_in_the_configurations_order_with_what_was_expected_and_seen() {
    testkit::run(async {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/slow" => Reply::new(200, "ok").after(Duration::from_millis(150)),
            "/version" => Reply::new(200, r#"{"sha": "abc"}"#),
            "/moved" => Reply::new(302, "").header("location", "/login"),
            _ => Reply::new(500, &"e".repeat(2000)),
        })
        .await;
        let list = json!([
            { "name": "slow", "get": "/slow", "expect": { "status": 200 } },
            { "name": "build", "get": "/version", "expect": { "json": { "$.sha": "{{ revision.git_sha }}" } } },
            { "name": "broken", "post": "/chat", "json": {}, "expect": { "status": 200 } },
            { "name": "moved", "head": "/moved" }
        ]);
        let findings = run_at(&server.url, list, &no_version(), BUDGET).await;
        assert_eq!(
            outcomes(&findings),
            [("slow", Outcome::Pass), ("build", Outcome::Pass), ("broken", Outcome::Fail), ("moved", Outcome::Fail)]
        );
        assert_eq!(findings[1].expected, "status 2xx, $.sha = \"abc\"");
        assert_eq!(findings[1].target, format!("GET {}/version", server.url));
        assert_eq!(findings[2].expected, "status 200");
        assert!(findings[2].observed.starts_with("status 500, body `eee"), "{}", findings[2].observed);
        assert!(findings[2].observed.chars().count() < 330);
        assert_eq!((findings[2].tries, findings[2].duration_ms.is_some()), (1, true));
        assert_eq!(findings[3].observed, "status 302 to `/login`, an empty body");
    });
}

#[test]
fn captured_values_flow_and_the_clean_up_runs_after_a_failure() {
    testkit::run(async {
        let server = Server::start(|seen| match (seen.method.as_str(), seen.path.as_str()) {
            ("POST", _) => Reply::new(201, r#"{"id": 7}"#).header("x-token", "t-1"),
            ("DELETE", _) => Reply::new(204, ""),
            _ => Reply::new(404, "no"),
        })
        .await;
        let list = json!([
            { "name": "remove", "delete": "/orders/{{ id }}", "always": true },
            { "name": "create", "post": "/orders", "json": {}, "capture": { "id": "$.id", "token": { "header": "x-token" } } },
            { "name": "read", "get": "/orders/{{ id }}", "headers": { "authorization": "Bearer {{ token }}" } },
            { "name": "after", "get": "/orders/{{ id }}/lines", "needs": ["read"] }
        ]);
        let findings = run_at(&server.url, list, &no_version(), BUDGET).await;
        assert_eq!(server.asked(), ["POST /orders", "GET /orders/7", "DELETE /orders/7"]);
        assert_eq!(server.seen()[1].header("authorization"), Some("Bearer t-1"));
        assert_eq!(
            outcomes(&findings),
            [
                ("remove", Outcome::Pass),
                ("create", Outcome::Pass),
                ("read", Outcome::Fail),
                ("after", Outcome::Inconclusive)
            ]
        );
        assert_eq!(findings[3].observed, "not run: it needs `read`, which did not pass");
    });
}

#[test]
fn what_passes_after_a_retry_is_degraded_and_says_what_came_before() {
    testkit::run(async {
        let server = Server::start(|seen| Reply::new(if seen.number < 2 { 503 } else { 200 }, "x")).await;
        let list = json!([{ "name": "a", "get": "/", "retries": { "times": 3, "backoff": "10ms" } }]);
        let findings = run_at(&server.url, list, &no_version(), BUDGET).await;
        assert_eq!((findings[0].outcome, findings[0].tries), (Outcome::Degraded, 3));
        assert!(
            findings[0].observed.ends_with("at try 3; the try before: status 503, body `x`"),
            "{}",
            findings[0].observed
        );
    });
}

#[test]
fn when_the_budget_runs_out_the_rest_is_cancelled_and_the_clean_up_still_runs() {
    testkit::run(async {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/hangs" => Reply::new(200, "").after(Duration::from_mins(1)),
            "/fails" => Reply::new(503, "busy"),
            _ => Reply::new(200, ""),
        })
        .await;
        let list = json!([
            { "name": "hangs", "get": "/hangs" },
            { "name": "quick", "get": "/quick" },
            { "name": "waits", "get": "/", "needs": ["hangs"] },
            { "name": "retries", "get": "/fails", "retries": 5 },
            { "name": "remove", "delete": "/", "always": true, "needs": ["hangs"] }
        ]);
        let findings = run_at(&server.url, list, &no_version(), Duration::from_millis(800)).await;
        let late = "not finished within the budget of 800 ms";
        assert_eq!(findings[0].observed, format!("{late}; cancelled during try 1"));
        assert_eq!(findings[1].outcome, Outcome::Pass);
        assert_eq!(findings[2].observed, format!("{late}; not begun"));
        assert_eq!(
            findings[3].observed,
            format!("{late}; cancelled at try 1, the last answer was: status 503, body `busy`")
        );
        assert_eq!(findings[3].outcome, Outcome::Inconclusive);
        assert_eq!(findings[4].outcome, Outcome::Pass);
    });
}

#[test]
fn warnings_and_dry_runs_are_told_and_never_decide() {
    testkit::run(async {
        let server = Server::start(|_| Reply::new(500, "")).await;
        let list = json!([
            { "name": "warns", "get": "/", "severity": "warn" },
            { "name": "dry", "get": "/", "dry_run": true },
            { "name": "needs it", "get": "/", "needs": ["warns"], "severity": "warn" }
        ]);
        let findings = run_at(&server.url, list, &no_version(), BUDGET).await;
        assert!(findings.iter().all(|finding| finding.outcome == Outcome::Degraded), "{findings:?}");
        assert_eq!(findings[0].observed, "status 500, an empty body (a warning: fail, but not decisive)");
        assert!(findings[1].observed.ends_with("(a dry run: fail, but not decisive)"));
        assert!(findings[2].observed.starts_with("not run: it needs `warns`"));
    });
}

#[test]
fn a_check_that_makes_no_sense_fails_and_says_why_and_the_others_run() {
    testkit::run(async {
        let server = Server::start(|_| Reply::new(200, "{}")).await;
        let list = json!([
            { "name": "typo", "get": "/{{ revison.git_sha }}" },
            { "name": "word", "get": "/", "expect": { "json": { "$.n": { "atleast": 1 } } } },
            { "name": "a", "get": "/{{ y }}", "capture": { "x": "$.x" } },
            { "name": "b", "get": "/{{ x }}", "capture": { "y": "$.y" } },
            { "name": "invoke", "invoke": {} },
            { "name": "fine", "get": "/" }
        ]);
        let findings = run_at(&server.url, list, &no_version(), BUDGET).await;
        assert_eq!(
            outcomes(&findings),
            [
                ("typo", Outcome::Fail),
                ("word", Outcome::Fail),
                ("a", Outcome::Fail),
                ("b", Outcome::Fail),
                ("invoke", Outcome::Inconclusive),
                ("fine", Outcome::Pass)
            ]
        );
        assert_eq!(findings[0].observed, "`{{ revison.git_sha }}` refers to nothing; did you mean `revision.git_sha`?");
        assert!(findings[1].observed.contains("`atleast` is no matcher; valid are gte"));
        assert_eq!(findings[2].observed, WAITS_FOR_ITSELF);
        assert_eq!(findings[4].observed, "there is no Lambda version here");
    });
}

#[test]
fn without_a_base_url_only_what_needs_one_is_inconclusive() {
    testkit::run(async {
        let server = Server::start(|_| Reply::new(200, "")).await;
        let list = checks(json!([{ "name": "below", "get": "/x" }, { "name": "own", "get": server.url }]));
        let suite = Suite { checks: &list, base: Err("no test listener".to_owned()), variables: Variables::new() };
        let findings = run(&suite, &HttpClient::new(Clock::system()), &no_version(), BUDGET).await;
        assert_eq!(outcomes(&findings), [("below", Outcome::Inconclusive), ("own", Outcome::Pass)]);
        assert_eq!((findings[0].observed.as_str(), findings[0].target.as_str()), ("no test listener", "GET /x"));
    });
}

#[test]
fn nobody_listening_is_a_failure_with_its_cause() {
    testkit::run(async {
        let list = json!([{ "name": "a", "get": "/", "expect": { "status": 200 } }]);
        let findings = run_at("http://127.0.0.1:1", list, &no_version(), BUDGET).await;
        assert_eq!(findings[0].outcome, Outcome::Fail);
        assert!(findings[0].observed.starts_with("no connection: "), "{}", findings[0].observed);
        assert_eq!(findings[0].expected, "status 200");
    });
}

#[test]
fn an_invocation_asks_the_version_itself() {
    testkit::run(async {
        let answer = |payload: &str, error: Option<&str>| {
            Ok(Invoked { payload: payload.to_owned(), function_error: error.map(str::to_owned) })
        };
        let lambda = Lambda {
            answers: Script::of([
                answer(r#"{"statusCode": 200}"#, None),
                answer(r#"{"errorMessage": "boom"}"#, Some("Unhandled")),
                Err(throttled()),
            ]),
            ..Lambda::default()
        };
        async fn one(lambda: &impl Versions) -> Finding {
            let version = Version { versions: lambda, of: Ok(("overflow".to_owned(), "2".to_owned())) };
            let list = json!([{
                "name": "answers", "invoke": { "payload": { "sha": "{{ revision.git_sha }}" } },
                "expect": { "json": { "$.statusCode": 200 } }
            }]);
            run_at("http://nowhere", list, &version, BUDGET).await.remove(0)
        }
        let passed = one(&lambda).await;
        assert_eq!((passed.outcome, passed.target.as_str()), (Outcome::Pass, "invoke overflow:2"));
        assert_eq!(lambda.invoked.borrow()[0], ("overflow".into(), "2".into(), r#"{"sha":"abc"}"#.into()));
        let failed = one(&lambda).await;
        assert_eq!(failed.observed, "the function failed (Unhandled), body `{\"errorMessage\": \"boom\"}`");
        assert_eq!(one(&lambda).await.outcome, Outcome::Inconclusive);
    });
}

#[test]
fn a_flood_from_an_answer_does_not_swell_what_is_told() {
    testkit::run(async {
        let flood = "f".repeat(10_000);
        let server = Server::start(move |_| Reply::new(200, &json!({ "id": flood }).to_string())).await;
        let list = json!([
            { "name": "make", "post": "/orders", "capture": { "id": "$.id" } },
            { "name": "read", "get": "/orders/{{ id }}", "expect": { "json": { "$.id": "short" } } }
        ]);
        let findings = run_at(&server.url, list, &no_version(), BUDGET).await;
        assert_eq!(outcomes(&findings), [("make", Outcome::Pass), ("read", Outcome::Fail)]);
        for text in [&findings[1].target, &findings[1].observed, &findings[1].expected] {
            assert!(text.chars().count() <= 700, "{text}");
        }
    });
}

#[test]
fn a_captured_token_is_hidden_from_every_later_finding_and_no_answer_reaches_the_terminal() {
    testkit::run(async {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/login" => Reply::new(200, r#"{"access_token": "zx81-spectrum", "next": "/a\u001b[2Jb"}"#),
            _ => Reply::new(500, "no zx81-spectrum \u{9b}31m here\u{202e}").header("x-told", "zx81-spectrum\u{9b}"),
        })
        .await;
        let list = json!([
            { "name": "login", "post": "/login", "capture": { "t": "$.access_token", "next": "$.next" } },
            { "name": "use", "get": "/x/{{ t }}", "expect": { "headers": { "x-told": "{{ next }}{{ t }}" } } },
            { "name": "follow", "get": "{{ next }}" }
        ]);
        let findings = run_at(&server.url, list, &no_version(), BUDGET).await;
        let told = serde_json::to_string(&findings).unwrap();
        assert!(!told.contains("zx81") && told.contains("no *** 31m here"), "{told}");
        assert!(findings[1].target.ends_with("/x/***"), "{told}");
        let unseen = |c: char| c.is_control() || c == '\u{202e}';
        assert!(
            findings
                .iter()
                .all(|one| [&one.expected, &one.observed, &one.target].iter().all(|text| !text.contains(unseen)))
        );
    });
}
