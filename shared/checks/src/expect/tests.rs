//! Tests of the judgement: tables of an `expect` block, an answer and what is told of it.

use std::collections::BTreeMap;

use domain::time::Timestamp;
use http::HeaderMap;
use serde_json::json;

use super::*;
use crate::answer::Seal;
use crate::variables::{Given, Variables};

fn expectation(expect: Value, kind: Kind) -> Result<Expectation, Unable> {
    let expect: Expect = serde_json::from_value(expect).unwrap();
    let mut variables = Variables::from([("sha".to_owned(), Ok("abc".to_owned()))]);
    variables.insert("env:KEY", Given::Sensitive("k-12345".into()));
    let (captured, promised) = (BTreeMap::new(), BTreeMap::new());
    let scope = Scope { variables: &variables, captured: &captured, promised: &promised };
    Expectation::read(&expect, scope, kind)
}

fn answer(status: u16, body: &str) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("x-build", "abc".parse().unwrap());
    headers.insert("x-count", "12".parse().unwrap());
    headers.insert("location", "/login".parse().unwrap());
    Answer {
        status: Some(status),
        headers,
        body: body.as_bytes().to_vec(),
        length: body.len(),
        elapsed: Duration::from_millis(1500),
        ..Answer::default()
    }
}

/// What was unmet, as `expected | observed` lines.
fn told(expect: Value, answer: &Answer) -> Vec<String> {
    let kind = if answer.status.is_none() { Kind::Invocation } else { Kind::Http };
    told_of(kind, expect, answer)
}

fn told_of(kind: Kind, expect: Value, answer: &Answer) -> Vec<String> {
    let judgement = expectation(expect, kind).unwrap().judge(answer);
    judgement.unmet.into_iter().map(|unmet| format!("{} | {}", unmet.expected, unmet.observed)).collect()
}

#[test]
fn status_latency_headers_and_body_are_compared() {
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let other = "0cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let cases: Vec<(Value, u16, &[&str])> = vec![
        (json!({}), 204, &[]),
        (json!({}), 302, &["status 2xx | status 302 to `/login`"]),
        (json!({ "status": 302 }), 302, &[]),
        (json!({ "status": "3xx" }), 302, &[]),
        (json!({ "status": [200, "5xx"] }), 503, &[]),
        (json!({ "status": [200, "5xx"] }), 404, &["status 200 or 5xx | status 404"]),
        (json!({ "latency": "1500ms" }), 200, &[]),
        (json!({ "latency": "1s" }), 200, &["an answer within 1 s | 1.5 s"]),
        (
            json!({ "headers": { "X-Build": "{{ sha }}", "x-count": { "gte": 10 }, "x-no": { "exists": false } } }),
            200,
            &[],
        ),
        (json!({ "headers": { "x-count": 12 } }), 200, &[]),
        (
            json!({ "headers": { "x-build": "new", "x-no": { "exists": true } } }),
            200,
            &[
                "header `x-build` = \"new\" | header `x-build` is \"abc\"",
                "header `x-no` exists | header `x-no` is not there",
            ],
        ),
        (json!({ "body": { "contains": "ell", "matches": "^h.*o$", "sha256": hello } }), 200, &[]),
        (json!({ "body": { "contains": "x" } }), 200, &["a body that contains `x` | another body"]),
        (json!({ "body": { "matches": "^x" } }), 200, &["a body that matches /^x/ | another body"]),
        (
            json!({ "status": 201, "body": { "sha256": other } }),
            200,
            &[
                "status 201 | status 200",
                "a body with sha256 0cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 | a body of 5 bytes with \
                 sha256 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            ],
        ),
    ];
    for (expect, status, expected) in cases {
        assert_eq!(told(expect.clone(), &answer(status, "hello")), expected, "{expect}");
    }
}

#[test]
fn json_is_compared_by_path() {
    let body = r#"{"intent": "return", "n": 3, "items": [{"id": 1}, {"id": 2}], "none": [], "a.*b": {"x": 1}}"#;
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({ "$.intent": "return", "$.n": { "gt": 2, "lte": 3 }, "$.items": { "length": 2 } }), &[]),
        (json!({ "$.intent": "order" }), &["$.intent = \"order\" | $.intent is \"return\""]),
        (json!({ "$.no": 1 }), &["$.no = 1 | $.no is not there"]),
        (json!({ "$.no": { "exists": false }, "$.n": { "exists": true } }), &[]),
        (json!({ "$.n": { "exists": false } }), &["$.n does not exist | $.n is 3"]),
        (json!({ "$.items[*].id": { "gte": 1 } }), &[]),
        (json!({ "$.items[*].id": { "gte": 2 } }), &["$.items[*].id >= 2 | $.items[*].id is 1"]),
        (json!({ "$.items[?@.id > 1]": { "length": 1 } }), &[]),
        (json!({ "$..id": { "length": { "gt": 2 } } }), &["$..id has a length > 2 | $..id has a length of 2"]),
        (
            json!({ "$.none[*]": { "length": { "gte": 1 } } }),
            &["$.none[*] has a length >= 1 | $.none[*] has a length of 0"],
        ),
        (json!({ "$['a.*b']": { "length": 1 } }), &[]),
        (json!({ "$.n": { "length": 1 } }), &["$.n has a length = 1 | $.n is 3, which has no length"]),
    ];
    for (expect, expected) in cases {
        assert_eq!(told(json!({ "json": expect }), &answer(200, body)), expected, "{expect}");
    }
    let told = told(json!({ "json": { "$.a": 1 } }), &answer(200, "<html>"));
    assert!(told[0].starts_with("$.a = 1 | the body is not JSON ("), "{told:?}");
}

#[test]
fn an_invocation_is_judged_by_its_payload_and_its_own_failure() {
    let mut invoked = Answer { status: None, headers: HeaderMap::new(), ..answer(0, r#"{"statusCode": 200}"#) };
    assert!(told(json!({ "json": { "$.statusCode": 200 } }), &invoked).is_empty());
    assert!(told(json!({}), &invoked).is_empty());
    invoked.function_error = Some("Unhandled".to_owned());
    assert_eq!(told(json!({}), &invoked), ["an answer of the function | the function failed (Unhandled)"]);
    let Err(Unable::Wrong(why)) = expectation(json!({ "status": 200 }), Kind::Invocation) else { panic!("taken") };
    assert!(why.contains("`json: { $.statusCode: 200 }`"), "{why}");
}

#[test]
fn an_expectation_that_makes_no_sense_says_what_would() {
    let cases = [
        (
            json!({ "status": 99 }),
            "`99` is no status; write a number from 100 to 599, a class such as `2xx`, or a list of them",
        ),
        (
            json!({ "status": "2x" }),
            "`2x` is no status; write a number from 100 to 599, a class such as `2xx`, or a list of them",
        ),
        (json!({ "status": [] }), "an empty list of statuses allows none"),
        (json!({ "headers": { "x y": 1 } }), "`x y` is no header name"),
        (json!({ "body": { "sha256": "abc" } }), "`abc` is no SHA-256; write its 64 hexadecimal digits"),
        (
            json!({ "json": { "$.a": { "atleast": 1 } } }),
            "`atleast` is no matcher; valid are gte, gt, lte, lt, eq, ne, matches, contains, exists, length; write `{ eq: … }` for a literal map",
        ),
    ];
    for (expect, expected) in cases {
        assert_eq!(expectation(expect, Kind::Http).unwrap_err(), Unable::Wrong(expected.to_owned()));
    }
}

#[test]
fn a_certificate_is_held_against_the_time_that_it_is_still_valid_for() {
    let now = Timestamp::parse("2026-03-14T08:00:00Z").unwrap();
    let until = |text: &str| Seal::ValidUntil { end: Timestamp::parse(text).unwrap(), now };
    let expected = "a certificate that is valid for 14 d more";
    let cases = [
        (until("2026-03-28T08:00:00Z"), None),
        (until("2026-03-28T07:59:59Z"), Some("it expires 2026-03-28 07:59 UTC, in 13 d 23 h")),
        (until("2026-03-17T10:00:00Z"), Some("it expires 2026-03-17 10:00 UTC, in 3 d 2 h")),
        (Seal::Absent, Some("no certificate: it was asked over plain `http://`, without TLS")),
    ];
    let wanted = || json!({ "certificate": { "valid_for": "14d" } });
    for (seal, unmet) in cases {
        let told = told(wanted(), &Answer { seal, ..answer(200, "") });
        assert_eq!(told, unmet.map(|seen| format!("{expected} | {seen}")).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_certificate_that_cannot_be_seen_is_not_taken_for_a_good_one() {
    for seal in [Seal::Rehearsed, Seal::Unreadable("no".to_owned())] {
        let expectation = expectation(json!({ "certificate": { "valid_for": "14d" } }), Kind::Http).unwrap();
        let judgement = expectation.judge(&Answer { seal, ..answer(200, "") });
        assert!(judgement.unmet.is_empty());
        assert_eq!(judgement.untold.len(), 1);
    }
}

#[test]
fn a_websocket_that_was_not_opened_is_judged_by_its_status_alone() {
    let of = |expect: Value, status: u16| told_of(Kind::WebSocket, expect, &answer(status, r#"{"a": 1}"#));
    assert_eq!(of(json!({ "json": { "$.a": 2 } }), 403), ["an open WebSocket (status 101) | status 403"]);
    assert_eq!(of(json!({ "json": { "$.a": 2 } }), 101), ["$.a = 2 | $.a is 1"]);
    // That it is refused can be what is wanted.
    assert!(of(json!({ "status": 403, "json": { "$.a": 1 } }), 403).is_empty());
}

#[test]
fn a_grpc_server_is_to_serve_unless_something_else_is_expected() {
    let health = |status: &str| Answer {
        status: None,
        called: Some(status.to_owned()),
        ..answer(0, &json!({ "status": status }).to_string())
    };
    let of = |expect: Value, status: &str| told_of(Kind::GrpcHealth, expect, &health(status));
    assert!(of(json!({}), "SERVING").is_empty());
    assert_eq!(
        of(json!({}), "NOT_SERVING"),
        ["SERVING | NOT_SERVING: the server knows the service and says that it takes no requests"]
    );
    assert!(of(json!({ "json": { "$.status": "NOT_SERVING" } }), "NOT_SERVING").is_empty());
    assert_eq!(of(json!({ "body": { "contains": "NOT" } }), "SERVING"), ["a body that contains `NOT` | another body"]);
    assert!(matches!(expectation(json!({ "status": 200 }), Kind::GrpcHealth), Err(Unable::Wrong(_))));
}

#[test]
fn what_is_expected_and_seen_is_told_without_secrets() {
    let mut seen = answer(
        200,
        r#"{"key": "k-12345", "password": "p", "user": {"name": "ada", "api_key": "x"}, "total_tokens": 7}"#,
    );
    seen.headers.insert("set-cookie", "sid=1; Path=/".parse().unwrap());
    seen.headers.insert("x-key", "now k-12345".parse().unwrap());
    seen.headers.insert("location", "/next?token=abc&page=2".parse().unwrap());
    let cases: Vec<(Value, &str)> = vec![
        (json!({ "json": { "$.key": { "ne": "{{ env:KEY }}" } } }), "$.key not \"***\" | $.key is \"***\""),
        (json!({ "json": { "$.password": "q" } }), "$.password = *** | $.password is ***"),
        (json!({ "json": { "$.user": 1 } }), r#"$.user = 1 | $.user is {"name":"ada","api_key":"***"}"#),
        (json!({ "json": { "$.total_tokens": { "gt": 7 } } }), "$.total_tokens > 7 | $.total_tokens is 7"),
        (json!({ "headers": { "set-cookie": "x" } }), "header `set-cookie` = *** | header `set-cookie` is ***"),
        (json!({ "headers": { "x-key": "x" } }), "header `x-key` = \"x\" | header `x-key` is \"now ***\""),
        (json!({ "body": { "contains": "<{{ env:KEY }}>" } }), "a body that contains `<***>` | another body"),
        (json!({ "body": { "matches": "^{{ env:KEY }}" } }), "a body that matches /^***/ | another body"),
    ];
    for (expect, expected) in cases {
        assert_eq!(told(expect.clone(), &seen), [expected], "{expect}");
        assert!(!expectation(expect, Kind::Http).unwrap().spoken().contains("12345"));
    }
    seen.status = Some(302);
    assert_eq!(told(json!({}), &seen), ["status 2xx | status 302 to `/next?token=***&page=2`"]);
}

/// An `expect` block of captured values, as the application under test chooses them.
fn of_captured(expect: Value) -> Result<Expectation, Unable> {
    let expect: Expect = serde_json::from_value(expect).unwrap();
    let captured = [("none", json!("")), ("any", json!(".*")), ("n", json!(7)), ("map", json!({ "exists": true }))];
    let captured = captured.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let (variables, promised) = (Variables::new(), BTreeMap::new());
    Expectation::read(&expect, Scope { variables: &variables, captured: &captured, promised: &promised }, Kind::Http)
}

#[test]
fn nothing_is_found_in_the_name_of_an_empty_value() {
    for word in ["contains", "matches"] {
        for (text, is_wrong) in [
            ("{{ none }}", true),
            ("sha: {{ none }}{{none}}", true),
            ("", true),
            ("{{ none }}{{ n }}", false),
            ("x", false),
        ] {
            for expect in [
                json!({ "body": { word: text } }),
                json!({ "json": { "$.sha": { word: text } } }),
                json!({ "headers": { "x-build": { word: text } } }),
            ] {
                match of_captured(expect.clone()) {
                    Err(Unable::Wrong(why)) => {
                        assert!(is_wrong && why.contains("is empty, which everything contains"), "{why}");
                    }
                    other => assert!(!is_wrong && other.is_ok(), "{expect}: {other:?}"),
                }
            }
        }
    }
    assert_eq!(
        of_captured(json!({ "json": { "$.sha": "{{ none }}" } })).unwrap().judge(&answer(200, "{}")).unmet.len(),
        1
    );
}

#[test]
fn a_value_from_an_answer_is_neither_an_expression_nor_a_matcher() {
    let unmet = |expect: Value, body: &str| of_captured(expect).unwrap().judge(&answer(200, body)).unmet.len();
    assert_eq!(unmet(json!({ "body": { "matches": "^{{ any }}$" } }), "other"), 1);
    assert_eq!(unmet(json!({ "body": { "matches": "^{{ any }}$" } }), ".*"), 0);
    assert_eq!(unmet(json!({ "json": { "$.a": { "matches": "{{ any }}" } } }), r#"{"a": "other"}"#), 1);
    assert_eq!(unmet(json!({ "headers": { "x-build": { "matches": "{{ any }}" } } }), ""), 1);
    assert_eq!(unmet(json!({ "json": { "$.a": { "matches": "^{{ n }}$" } } }), r#"{"a": 7}"#), 0);
    for wanted in [json!("{{ map }}"), json!({ "length": "{{ map }}" })] {
        assert_eq!(unmet(json!({ "json": { "$.a": wanted } }), r#"{"a": "other"}"#), 1);
    }
    assert_eq!(unmet(json!({ "json": { "$.a": "{{ map }}" } }), r#"{"a": {"exists": true}}"#), 0);
}
