//! The PagerDuty sender against a vendor on this machine.

use std::time::Duration;

use domain::ports::{Pager, PortError};
use secrecy::SecretString;
use serde_json::json;

use super::PagerDuty;
use crate::vendor::{Answer, against, within};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn sent(answers: &[Answer], check: impl FnOnce(Result<(), PortError>, usize)) {
    against(answers, async |vendor, http| {
        let until = within(&http, Duration::from_secs(9));
        let mut pager = PagerDuty::new(http, &vendor.url, &SecretString::from(KEY), until);
        pager.line.first_pause = Duration::from_millis(10);
        assert!(!format!("{pager:?}").contains(KEY));
        let outcome = pager.send(&json!({"event_action": "resolve", "dedup_key": "greenlight/a/g"})).await;
        let received = vendor.seen();
        assert_eq!(vendor.asked()[0], "POST /v2/enqueue");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&received[0].body).unwrap(),
            json!({"event_action": "resolve", "dedup_key": "greenlight/a/g", "routing_key": KEY})
        );
        check(outcome.map_err(PortError::from), received.len());
    });
}

#[test]
fn an_accepted_event_carries_the_routing_key() {
    sent(&[(202, None, r#"{"status":"success"}"#)], |outcome, requests| {
        outcome.unwrap();
        assert_eq!(requests, 1);
    });
}

#[test]
fn a_refused_event_is_not_sent_again_and_does_not_show_the_key() {
    sent(&[(400, None, r#"{"errors":["0123456789abcdef0123456789abcdef is no key"]}"#)], |outcome, requests| {
        let error = outcome.unwrap_err();
        assert!(!error.is_transient() && !error.to_string().contains(KEY), "{error}");
        assert!(error.to_string().contains("`pagerduty.routing_key`"), "{error}");
        assert_eq!(requests, 1);
    });
}

#[test]
fn a_busy_or_broken_pagerduty_is_tried_again() {
    sent(&[(429, Some("0"), ""), (502, None, ""), (202, None, "")], |outcome, requests| {
        outcome.unwrap();
        assert_eq!(requests, 3);
    });
    sent(&[(500, None, "")], |outcome, requests| {
        assert!(outcome.unwrap_err().is_transient());
        assert_eq!(requests, 3);
    });
}
