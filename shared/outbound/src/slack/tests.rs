//! The Slack senders against a vendor on this machine.

use std::time::Duration;

use domain::ports::{Address, Chat, PortError, PostedMessage};
use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::http::{Seen, Server};

use super::{Bot, Webhook};
use crate::HttpClient;
use crate::vendor::{Answer, against, within};

const TOKEN: &str = "xoxb-very-secret";
const OK: Answer = (200, None, r#"{"ok":true,"channel":"C0DEPLOYS","ts":"1503435956.000247"}"#);

fn bot(vendor: &Server, http: HttpClient, budget: Duration) -> Bot {
    let until = within(&http, budget);
    let mut bot = Bot::new(http, &format!("{}/", vendor.url), &SecretString::from(TOKEN), until);
    bot.line.first_pause = Duration::from_millis(10);
    bot
}

fn body(received: &Seen) -> Value {
    serde_json::from_str(&received.body).unwrap()
}

fn to<'a>(channel: &'a str, thread: Option<&'a str>) -> Address<'a> {
    Address { channel, thread, broadcast: false }
}

fn message() -> Value {
    json!({"text": "hello", "blocks": []})
}

/// The error that a scripted answer leads to, and how many requests it took.
fn error_after(answers: &[Answer], budget: Duration, check: impl FnOnce(PortError, usize)) {
    against(answers, async |vendor, http| {
        let error = bot(vendor, http, budget).post(&to("C1", None), &message(), "k").await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
        check(error.into(), vendor.seen().len());
    });
}

#[test]
fn a_reply_names_its_thread_and_unfurls_nothing() {
    against(&[OK], async |vendor, http| {
        let posted =
            bot(vendor, http, Duration::from_secs(9)).post(&to("C1", Some("1.2")), &message(), "k").await.unwrap();
        assert_eq!(posted, PostedMessage { channel: "C0DEPLOYS".into(), ts: "1503435956.000247".into() });
        let received = &vendor.seen()[0];
        assert_eq!(format!("{} {}", received.method, received.path), "POST /chat.postMessage");
        assert_eq!(received.header("authorization"), Some("Bearer xoxb-very-secret"));
        assert_eq!(
            body(received),
            json!({
                "text": "hello", "blocks": [], "channel": "C1", "unfurl_links": false, "unfurl_media": false, "thread_ts": "1.2"
            })
        );
    });
}

#[test]
fn an_update_names_the_message_it_replaces() {
    against(&[OK], async |vendor, http| {
        let posted = PostedMessage { channel: "C1".into(), ts: "1.2".into() };
        bot(vendor, http, Duration::from_secs(9)).update(&posted, &message()).await.unwrap();
        let received = &vendor.seen()[0];
        assert_eq!(format!("{} {}", received.method, received.path), "POST /chat.update");
        assert_eq!(body(received), json!({"text": "hello", "blocks": [], "channel": "C1", "ts": "1.2"}));
    });
}

#[test]
fn a_server_error_is_tried_again_until_it_passes() {
    against(&[(500, None, "oops"), (503, None, ""), OK], async |vendor, http| {
        bot(vendor, http, Duration::from_secs(9)).post(&to("C1", None), &message(), "k").await.unwrap();
        assert_eq!(vendor.seen().len(), 3);
    });
    error_after(&[(500, None, "oops")], Duration::from_secs(9), |error, requests| {
        assert_eq!(error.to_string(), "posting to Slack failed for now: HTTP 500, body `oops`");
        assert_eq!((error.is_transient(), requests), (true, 3));
    });
}

#[test]
fn retry_after_is_honoured_when_it_fits_and_handed_on_when_it_does_not() {
    against(&[(429, Some("1"), ""), OK], async |vendor, http| {
        let started = http.clock().now();
        bot(vendor, http.clone(), Duration::from_secs(9)).post(&to("C1", None), &message(), "k").await.unwrap();
        assert!(http.clock().now().since(started) >= Duration::from_secs(1));
        assert_eq!(vendor.seen().len(), 2);
    });
    error_after(&[(429, Some("30"), "")], Duration::from_secs(9), |error, requests| {
        let PortError::Transient { retry_after, .. } = error else { panic!("{error}") };
        assert_eq!((retry_after, requests), (Some(Duration::from_secs(30)), 1));
    });
}

#[test]
fn what_slack_refuses_for_good_is_not_tried_again_and_says_what_to_do() {
    let cases = [
        (r#"{"ok":false,"error":"channel_not_found"}"#, "check `slack.channel`"),
        (r#"{"ok":false,"error":"not_in_channel"}"#, "invite the bot"),
        (r#"{"ok":false,"error":"invalid_auth"}"#, "`slack.token`"),
        (r#"{"ok":false,"error":"token_revoked"}"#, "install the Slack app again"),
        (r#"{"ok":false,"error":"is_archived"}"#, "unarchive"),
    ];
    for (body, remedy) in cases {
        error_after(&[(200, None, body)], Duration::from_secs(9), |error, requests| {
            assert!(error.to_string().contains(remedy), "{error}");
            assert_eq!((error.is_transient(), requests), (false, 1), "{error}");
        });
    }
}

#[test]
fn what_slack_refuses_for_now_is_tried_again() {
    for body in [r#"{"ok":false,"error":"ratelimited"}"#, r#"{"ok":false,"error":"internal_error"}"#] {
        error_after(&[(200, None, body)], Duration::from_secs(9), |error, requests| {
            assert_eq!((error.is_transient(), requests), (true, 3), "{error}");
        });
    }
}

#[test]
fn an_answer_that_is_none_of_slacks_is_named() {
    error_after(&[(200, None, "<html>xoxb-very-secret</html>")], Duration::from_secs(9), |error, _| {
        assert!(error.is_transient());
        assert!(error.to_string().contains("`<html>[secret]</html>`"), "{error}");
    });
}

#[test]
fn no_try_begins_without_time_left() {
    error_after(&[OK], Duration::ZERO, |error, requests| {
        assert!(error.to_string().contains("no time is left"), "{error}");
        assert_eq!((error.is_transient(), requests), (true, 0));
    });
}

#[test]
fn a_webhook_posts_without_a_thread_and_never_shows_its_url() {
    against(&[(200, None, "ok"), (404, None, "no_service")], async |vendor, http| {
        let until = within(&http, Duration::from_secs(9));
        let webhook = Webhook::new(http, &SecretString::from(format!("{}/services/T0/B0/hidden", vendor.url)), until);
        assert!(!format!("{webhook:?}").contains("hidden"));
        let posted = webhook.post(&to("", Some("1.2")), &message(), "k").await.unwrap();
        assert_eq!(posted.ts, "");
        webhook.update(&posted, &message()).await.unwrap();
        assert_eq!(vendor.seen().len(), 1);
        assert_eq!(body(&vendor.seen()[0]), message());
        let error = webhook.post(&to("", None), &message(), "k").await.unwrap_err();
        assert!(!error.error().is_transient() && !error.to_string().contains("hidden"), "{error}");
        assert!(error.to_string().contains("HTTP 404, body `no_service`; check the webhook"), "{error}");
    });
}

#[test]
fn a_webhook_that_nobody_answers_is_transient_and_stays_hidden() {
    against(&[OK], async |_, http| {
        let until = within(&http, Duration::from_secs(9));
        let mut webhook = Webhook::new(http, &SecretString::from("http://127.0.0.1:1/hidden"), until);
        webhook.line.first_pause = Duration::from_millis(1);
        let error = webhook.post(&to("", None), &message(), "k").await.unwrap_err();
        assert!(error.error().is_transient() && !error.to_string().contains("hidden"), "{error}");
    });
}
