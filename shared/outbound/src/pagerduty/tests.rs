//! The PagerDuty sender against a vendor on this machine.

use std::time::Duration;

use domain::ports::{Pager, Unsent};
use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::http::Server;

use super::*;
use crate::vendor::{Answer, against, within};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const TAKEN: Answer = (202, None, r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#);

fn pager(vendor: &Server, http: HttpClient) -> PagerDuty {
    let until = within(&http, Duration::from_secs(9));
    let mut pager = PagerDuty::new(http, &vendor.url, &SecretString::from(KEY), until);
    pager.line.first_pause = Duration::from_millis(10);
    assert!(!format!("{pager:?}").contains(KEY));
    pager
}

fn sent(answers: &[Answer], check: impl FnOnce(Result<(), Unsent>, usize)) {
    against(answers, async |vendor, http| {
        let outcome =
            pager(vendor, http).send(&json!({"event_action": "resolve", "dedup_key": "greenlight/a/g"})).await;
        let received = vendor.seen();
        assert_eq!(vendor.asked()[0], "POST /v2/enqueue");
        assert_eq!(
            serde_json::from_str::<Value>(&received[0].body).unwrap(),
            json!({"event_action": "resolve", "dedup_key": "greenlight/a/g", "routing_key": KEY})
        );
        if let Err(unsent) = &outcome {
            assert!(!format!("{unsent} {unsent:?}").contains(KEY), "{unsent:?}");
        }
        check(outcome, received.len());
    });
}

fn changed(answers: &[Answer], check: impl FnOnce(Result<(), Unsent>, usize)) {
    against(answers, async |vendor, http| {
        let outcome = pager(vendor, http).change(&json!({"payload": {"summary": "deployed"}})).await;
        assert_eq!(vendor.asked()[0], "POST /v2/change/enqueue");
        assert_eq!(
            serde_json::from_str::<Value>(&vendor.seen()[0].body).unwrap(),
            json!({"payload": {"summary": "deployed"}, "routing_key": KEY})
        );
        check(outcome, vendor.seen().len());
    });
}

#[test]
fn an_accepted_event_carries_the_routing_key() {
    sent(&[TAKEN], |outcome, requests| {
        outcome.unwrap();
        assert_eq!(requests, 1);
    });
    changed(&[TAKEN], |outcome, requests| {
        outcome.unwrap();
        assert_eq!(requests, 1);
    });
}

#[test]
fn a_wrong_key_closes_the_door_and_a_wrong_event_only_itself() {
    let keys = [
        r#"{"status":"invalid event","message":"Event object is invalid","errors":["Invalid routing key"]}"#,
        r#"{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#,
        r#"{"status":"invalid event","message":"Event object is invalid","errors":["'routing_key' is missing or blank","'summary' is missing or blank"]}"#,
        r#"{"errors":["0123456789abcdef0123456789abcdef is no routing key"]}"#,
    ];
    for body in keys {
        sent(&[(400, None, body)], |outcome, requests| {
            let unsent = outcome.unwrap_err();
            assert!(matches!(unsent, Unsent::Closed(_)), "{unsent:?}");
            assert!(unsent.to_string().contains("`pagerduty.routing_key`"), "{unsent}");
            assert_eq!(requests, 1);
        });
    }
    let events = [
        r#"{"status":"invalid event","message":"Event object is invalid","errors":["'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"]}"#,
        "not even JSON",
    ];
    for body in events {
        sent(&[(400, None, body)], |outcome, requests| {
            assert!(matches!(outcome, Err(Unsent::Unfit(_))), "{outcome:?}");
            assert_eq!(requests, 1);
        });
    }
    for status in [401, 403, 404] {
        sent(&[(status, None, "")], |outcome, _| assert!(matches!(outcome, Err(Unsent::Closed(_))), "{outcome:?}"));
    }
}

#[test]
fn an_event_with_a_key_is_sent_again_whatever_became_of_it() {
    sent(&[(429, Some("0"), ""), (502, None, ""), TAKEN], |outcome, requests| {
        outcome.unwrap();
        assert_eq!(requests, 3);
    });
    sent(&[(500, None, "")], |outcome, requests| {
        assert!(matches!(outcome, Err(Unsent::Unanswered(_))), "{outcome:?}");
        assert_eq!(requests, 3);
    });
}

#[test]
fn a_change_is_sent_again_only_when_it_was_not_taken() {
    changed(&[(429, None, ""), TAKEN], |outcome, requests| {
        outcome.unwrap();
        assert_eq!(requests, 2);
    });
    changed(&[(500, None, ""), TAKEN], |outcome, requests| {
        assert!(matches!(outcome, Err(Unsent::Unanswered(_))), "{outcome:?}");
        assert_eq!(requests, 1);
    });
}

#[test]
fn an_event_without_a_key_would_page_twice() {
    against(&[(500, None, ""), TAKEN], async |vendor, http| {
        let outcome = pager(vendor, http).send(&json!({"event_action": "trigger"})).await;
        assert!(matches!(outcome, Err(Unsent::Unanswered(_))), "{outcome:?}");
        assert_eq!(vendor.seen().len(), 1);
    });
}

#[test]
fn each_region_has_its_host() {
    assert_eq!(url_of(PagerDutyRegion::Us), "https://events.pagerduty.com");
    assert_eq!(url_of(PagerDutyRegion::Eu), "https://events.eu.pagerduty.com");
}
