//! The ticket desk against a vendor on this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use testkit::http::Server;

use super::*;
use crate::vendor::{Answer, IsMeant, against, within};

const SECRET: &str = "Bearer ghp_very_secret";
const OPENED: Answer = (201, None, r#"{"html_url":"https://github.com/acme/shop/issues/7","number":7}"#);

fn desk(vendor: &Server, http: HttpClient) -> Desk {
    let headers = BTreeMap::from([("X-GitHub-Api-Version".to_owned(), "2022-11-28".to_owned())]);
    let until = within(&http, Duration::from_secs(9));
    let url = format!("{}/repos/acme/shop/issues", vendor.url);
    let mut desk = Desk::new(http, &url, &headers, Some(&SecretString::from(SECRET)), until).unwrap();
    desk.line.first_pause = Duration::from_millis(10);
    assert!(!format!("{desk:?}").contains("secret"), "{desk:?}");
    desk
}

fn opened(answers: &[Answer], check: impl FnOnce(Result<Value, Unsent>, usize)) {
    against(answers, async |vendor, http| {
        let outcome = desk(vendor, http).open(&json!({"title": "x"})).await;
        if let Err(unsent) = &outcome {
            assert!(!format!("{unsent} {unsent:?}").contains("very_secret"), "{unsent:?}");
        }
        check(outcome, vendor.seen().len());
    });
}

#[test]
fn a_ticket_is_posted_with_its_headers_and_the_answer_is_handed_on() {
    against(&[OPENED], async |vendor, http| {
        let answer = desk(vendor, http).open(&json!({"title": "x"})).await.unwrap();
        assert_eq!(answer["number"], 7);
        let seen = &vendor.seen()[0];
        assert_eq!(
            (seen.method.as_str(), seen.path.as_str(), seen.body.as_str()),
            ("POST", "/repos/acme/shop/issues", r#"{"title":"x"}"#)
        );
        assert_eq!(seen.header("authorization"), Some(SECRET));
        assert_eq!(seen.header("x-github-api-version"), Some("2022-11-28"));
        assert_eq!(seen.header("accept"), Some("application/json"));
        // GitHub takes no request without one.
        assert!(seen.header("user-agent").is_some_and(|agent| agent.starts_with("greenlight/")));
    });
}

#[test]
fn a_success_needs_no_json() {
    for body in ["", "created", "<html></html>"] {
        opened(&[(200, None, body)], |outcome, _| assert_eq!(outcome.unwrap(), Value::Null));
    }
    let long = format!("[{}1]", "1,".repeat(300_000)).leak();
    opened(&[(201, None, long)], |outcome, requests| assert_eq!((outcome.unwrap(), requests), (Value::Null, 1)));
}

#[test]
fn each_refusal_means_what_it_does_to_the_ticket() {
    let cases: [(Answer, IsMeant, &str); 14] = [
        (
            (400, None, r#"{"errorMessages":["bad"]}"#),
            |unsent| matches!(unsent, Unsent::Unfit(_)),
            "`{\"errorMessages\":[\"bad\"]}`",
        ),
        ((422, None, "Validation Failed"), |unsent| matches!(unsent, Unsent::Unfit(_)), "check `ticket.body`"),
        ((413, None, ""), |unsent| matches!(unsent, Unsent::Unfit(_)), "HTTP 413"),
        ((401, None, "ghp_very_secret"), |unsent| matches!(unsent, Unsent::Closed(_)), "`[secret]`"),
        ((403, None, ""), |unsent| matches!(unsent, Unsent::Closed(_)), "`ticket.authorization`"),
        ((403, Some("60"), "secondary rate limit"), |unsent| matches!(unsent, Unsent::NotTaken(_)), "HTTP 403"),
        ((404, None, ""), |unsent| matches!(unsent, Unsent::Closed(_)), "check the address"),
        ((410, None, "Issues are disabled"), |unsent| matches!(unsent, Unsent::Closed(_)), "HTTP 410"),
        ((405, None, ""), |unsent| matches!(unsent, Unsent::Closed(_)), "HTTP 405"),
        ((302, None, ""), |unsent| matches!(unsent, Unsent::Closed(_)), "leads to `nowhere`"),
        ((408, None, ""), |unsent| matches!(unsent, Unsent::Unanswered(_)), "HTTP 408"),
        ((429, Some("60"), ""), |unsent| matches!(unsent, Unsent::NotTaken(_)), "HTTP 429"),
        ((500, None, ""), |unsent| matches!(unsent, Unsent::Unanswered(_)), "HTTP 500"),
        ((503, None, ""), |unsent| matches!(unsent, Unsent::Unanswered(_)), "HTTP 503"),
    ];
    for (answer, is_meant, part) in cases {
        opened(&[answer, OPENED], |outcome, requests| {
            let unsent = outcome.unwrap_err();
            assert!(is_meant(&unsent) && unsent.to_string().contains(part), "{answer:?}: {unsent:?}");
            assert_eq!(requests, 1, "{answer:?}");
        });
    }
}

#[test]
fn what_was_not_taken_is_tried_again() {
    opened(&[(429, None, ""), OPENED], |outcome, requests| {
        outcome.unwrap();
        assert_eq!(requests, 2);
    });
}

#[test]
fn looking_is_harmless_and_tried_again() {
    against(&[(500, None, ""), (200, None, r#"{"items":[]}"#)], async |vendor, http| {
        let desk = desk(vendor, http);
        let answer = desk.ask(&format!("{}/search/issues?q=d-1", vendor.url)).await.unwrap();
        assert_eq!(answer, json!({"items": []}));
        assert_eq!(vendor.asked(), ["GET /search/issues?q=d-1", "GET /search/issues?q=d-1"]);
        assert_eq!(vendor.seen()[0].header("authorization"), Some(SECRET));
    });
}

#[test]
fn credentials_go_over_tls_alone() {
    against(&[OPENED], async |vendor, http| {
        let desk = desk(vendor, http);
        for url in
            ["http://tickets.example/x", "http://127.0.0.1.example/x", "http://127.0.0.1@tickets.example/", "ftp://x"]
        {
            let error = desk.ask(url).await.unwrap_err();
            assert!(error.to_string().contains("does not begin with `https://`"), "{url}: {error}");
        }
        assert!(vendor.seen().is_empty());
    });
}

#[test]
fn a_header_that_can_be_none_is_named_without_its_value() {
    let http = HttpClient::new(clock::Clock::system());
    let until = within(&http, Duration::from_secs(9));
    let new = |headers: &BTreeMap<String, String>, secret: &str| {
        Desk::new(http.clone(), "https://a.example", headers, Some(&SecretString::from(secret)), until)
    };
    let wrong = BTreeMap::from([("x".to_owned(), "a\nb".to_owned())]);
    let error = new(&wrong, SECRET).unwrap_err().to_string();
    assert!(error.contains("the value of the header `x`"), "{error}");
    let error = new(&BTreeMap::new(), "Bearer very\nsecret").unwrap_err().to_string();
    assert!(error.contains("`ticket.authorization`") && !error.contains("very"), "{error}");
}
