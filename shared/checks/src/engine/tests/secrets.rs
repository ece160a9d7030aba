//! Tests of secrets in a run: read when a check refers to them and not otherwise, sent, and never told.

use std::cell::RefCell;

use domain::config::SecretRef;
use domain::ports::{PortError, Secrets};
use testkit::fakes::{denied, throttled};

use super::*;
use crate::block::revealed;

/// Knows two secrets, and remembers what it was asked for.
#[derive(Default)]
struct Vault {
    asked: RefCell<Vec<String>>,
}

const TOKEN: &str = "t0p/s3cr3t \"quoted\"";

impl Secrets for Vault {
    async fn reveal(&self, reference: &SecretRef) -> Result<String, PortError> {
        self.asked.borrow_mut().push(reference.to_string());
        match reference.to_string().as_str() {
            "secret:app#token" => Ok(TOKEN.to_owned()),
            "env:USER_NAME" => Ok("smoke-user".to_owned()),
            "secret:slow#k" => std::future::pending().await,
            "secret:throttled#k" => Err(throttled()),
            "secret:denied#k" => Err(denied("GetSecretValue of `denied`")),
            other => Err(PortError::Permanent { what: other.to_owned(), detail: "there is no such key".to_owned() }),
        }
    }
}

async fn run_with(vault: &Vault, url: &str, list: Value) -> Vec<Finding> {
    let (checks, http) = (checks(list), HttpClient::new(Clock::system()));
    let variables = revealed(&checks, vault, http.clock(), Duration::from_millis(200)).await;
    let suite = Suite { checks: &checks, base: Ok(url.to_owned()), variables };
    run(&suite, &http, &no_version(), BUDGET).await
}

#[test]
fn a_secret_is_sent_and_stands_in_no_finding_however_it_is_echoed() {
    testkit::run(async {
        // Echoes the request: its path and query, its headers and its body.
        let server = Server::start(|seen| {
            let headers: Vec<String> = seen.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            let echo = json!({ "path": seen.path, "headers": headers, "body": seen.body }).to_string();
            Reply::new(500, &format!("{echo} {}", seen.body)).header("location", &seen.path)
        })
        .await;
        let base = server.url.replace("http://", "http://ada:hunter2222@");
        let own = format!("{}/own?api_key=k-12345", server.url.replace("http://", "http://bob:hunter3333@"));
        let list = json!([
            { "name": "path", "get": "/x/{{ secret:app#token }}?q={{ secret:app#token }}&n=1" },
            { "name": "header", "get": "/", "headers": { "x-run": "as {{ env:USER_NAME }} with {{ secret:app#token }}" } },
            { "name": "json", "post": "/", "json": { "t": "{{ secret:app#token }}" } },
            { "name": "form", "post": "/", "form": { "t": "{{ secret:app#token }}", "password": "plain-1" } },
            { "name": "expects", "get": "/", "expect": { "status": 500, "body": { "contains": "no {{ secret:app#token }}" } } },
            { "name": "own", "get": own },
            { "name": "retries", "post": "/", "body": "{{ secret:app#token }}", "retries": { "times": 1, "backoff": "1ms" } }
        ]);
        let findings = run_with(&Vault::default(), &base, list).await;
        assert!(findings.iter().all(|finding| finding.outcome == Outcome::Fail), "{findings:?}");
        let seen = server.seen();
        assert!(
            seen.iter().any(|seen| seen.path == "/x/t0p%2Fs3cr3t%20%22quoted%22?q=t0p%2Fs3cr3t%20%22quoted%22&n=1")
        );
        assert!(seen.iter().any(|seen| seen.header("x-run") == Some(&format!("as smoke-user with {TOKEN}"))));
        let body = json!({ "t": TOKEN }).to_string();
        assert!(seen.iter().any(|seen| seen.body == body));
        // printf 'ada:hunter2222' | base64
        assert!(seen.iter().any(|seen| seen.header("authorization") == Some("Basic YWRhOmh1bnRlcjIyMjI=")));
        let told = serde_json::to_string(&findings).unwrap();
        for secret in ["s3cr3t", "quoted", "smoke-user", "hunter", "YWRhOmh1", "k-12345", "plain-1"] {
            assert!(!told.contains(secret), "{secret}: {told}");
        }
        assert_eq!(findings[0].target, format!("GET {}/x/***?q={{{{ secret:app#token }}}}&n=1", server.url));
        assert_eq!(findings[4].expected, "a body that contains `no ***`");
        assert_eq!(findings[5].target, format!("GET {}/own?api_key=***", server.url));
    });
}

#[test]
fn only_what_a_check_refers_to_is_read_and_once() {
    testkit::run(async {
        let server = Server::start(|_| Reply::new(200, "")).await;
        let vault = Vault::default();
        let plainly = json!([{ "name": "a", "get": "/", "headers": { "x": "secret:app#token" } }]);
        run_with(&vault, &server.url, plainly).await;
        assert!(vault.asked.borrow().is_empty());
        assert_eq!(server.seen()[0].header("x"), Some("secret:app#token"));
        let list = json!([
            { "name": "a", "get": "/{{ secret:app#token }}", "headers": { "x": "{{secret:app#token}}" } },
            { "name": "b", "post": "/", "body": "{{ secret:app#token }}" }
        ]);
        run_with(&vault, &server.url, list).await;
        assert_eq!(*vault.asked.borrow(), ["secret:app#token"]);
    });
}

#[test]
fn a_secret_that_cannot_be_read_is_told_to_the_checks_that_want_it_alone() {
    testkit::run(async {
        let server = Server::start(|_| Reply::new(200, "")).await;
        let get = |name: &str, secret: &str| json!({ "name": name, "get": "/", "headers": { "x": secret } });
        let list = json!([
            get("fine", "no secret"),
            get("wrong key", "{{ secret:app#tken }}"),
            get("malformed", "{{ secret:app }}"),
            get("throttled", "{{ secret:throttled#k }}"),
            get("denied", "{{ secret:denied#k }}"),
            get("slow", "{{ secret:slow#k }}")
        ]);
        let findings = run_with(&Vault::default(), &server.url, list).await;
        assert_eq!(
            outcomes(&findings),
            [
                ("fine", Outcome::Pass),
                ("wrong key", Outcome::Fail),
                ("malformed", Outcome::Fail),
                ("throttled", Outcome::Inconclusive),
                ("denied", Outcome::Inconclusive),
                ("slow", Outcome::Inconclusive)
            ]
        );
        assert!(findings[1].observed.ends_with("there is no such key"), "{}", findings[1].observed);
        assert!(findings[5].observed.ends_with("it could not be read in time"), "{}", findings[5].observed);
        assert_eq!(server.seen().len(), 1);
    });
}

#[test]
fn who_answered_is_told_and_who_refused() {
    testkit::run(async {
        let server = Server::start(|_| Reply::new(200, "")).await;
        let address = server.url.trim_start_matches("http://").to_owned();
        let findings = run_at(&server.url, json!([{ "name": "a", "get": "/" }]), &no_version(), BUDGET).await;
        assert_eq!(findings[0].peer, Some(address));
        let findings = run_at("http://127.0.0.1:1", json!([{ "name": "a", "get": "/" }]), &no_version(), BUDGET).await;
        assert_eq!(findings[0].peer, None);
        assert!(findings[0].observed.ends_with(" at 127.0.0.1:1"), "{}", findings[0].observed);
    });
}
