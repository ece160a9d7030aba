//! The Slack senders against a vendor on this machine.

mod find;

use std::time::Duration;

use domain::ports::{Address, Chat, PortError, PostedMessage, Unsent};
use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::http::{Reply, Seen, Server};

use super::{Bot, Webhook};
use crate::HttpClient;
use crate::vendor::{Answer, IsMeant, against, within};

const TOKEN: &str = "xoxb-very-secret";
const OK: Answer = (200, None, r#"{"ok":true,"channel":"C0DEPLOYS","ts":"1503435956.000247"}"#);
const BUDGET: Duration = Duration::from_secs(9);

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

/// What scripted answers make of a post, and how many requests it took.
fn post_after(answers: &[Answer], budget: Duration, check: impl FnOnce(Unsent, usize)) {
    against(answers, async |vendor, http| {
        let unsent = bot(vendor, http, budget).post(&to("C1", None), &message(), "k").await.unwrap_err();
        assert!(!format!("{unsent} {unsent:?}").contains(TOKEN), "{unsent:?}");
        check(unsent, vendor.seen().len());
    });
}

/// The same of an update.
fn update_after(answers: &[Answer], check: impl FnOnce(Result<(), Unsent>, usize)) {
    against(answers, async |vendor, http| {
        let posted = PostedMessage { channel: "C1".into(), ts: "1.2".into() };
        let outcome = bot(vendor, http, BUDGET).update(&posted, &message()).await;
        check(outcome, vendor.seen().len());
    });
}

#[test]
fn a_reply_names_its_thread_carries_its_mark_and_unfurls_nothing() {
    against(&[OK], async |vendor, http| {
        let address = Address { broadcast: true, ..to("C1", Some("1.2")) };
        let posted = bot(vendor, http, BUDGET).post(&address, &message(), "slack/d-1/end/STOP").await.unwrap();
        assert_eq!(posted, PostedMessage { channel: "C0DEPLOYS".into(), ts: "1503435956.000247".into() });
        let received = &vendor.seen()[0];
        assert_eq!(format!("{} {}", received.method, received.path), "POST /chat.postMessage");
        assert_eq!(received.header("authorization"), Some("Bearer xoxb-very-secret"));
        assert_eq!(received.header("content-type"), Some("application/json; charset=utf-8"));
        assert_eq!(
            body(received),
            json!({
                "text": "hello", "blocks": [], "channel": "C1", "unfurl_links": false, "unfurl_media": false, "thread_ts": "1.2",
                "reply_broadcast": true, "metadata": {"event_type": "greenlight", "event_payload": {"key": "slack/d-1/end/STOP"}}
            })
        );
    });
}

#[test]
fn a_message_of_its_own_is_no_reply_and_is_not_broadcast() {
    against(&[OK], async |vendor, http| {
        bot(vendor, http, BUDGET).post(&Address { broadcast: true, ..to("C1", None) }, &message(), "k").await.unwrap();
        let body = body(&vendor.seen()[0]);
        assert!(body.get("thread_ts").is_none() && body.get("reply_broadcast").is_none(), "{body}");
    });
}

#[test]
fn an_update_names_the_message_it_replaces_and_leaves_its_mark() {
    against(&[OK], async |vendor, http| {
        let posted = PostedMessage { channel: "C1".into(), ts: "1.2".into() };
        bot(vendor, http, BUDGET).update(&posted, &message()).await.unwrap();
        let received = &vendor.seen()[0];
        assert_eq!(format!("{} {}", received.method, received.path), "POST /chat.update");
        // Metadata that is not given is kept (Slack's page on `chat.update`).
        assert_eq!(
            body(received),
            json!({"text": "hello", "blocks": [], "channel": "C1", "ts": "1.2", "parse": "none"})
        );
    });
}

#[test]
fn a_post_that_may_be_there_is_not_posted_again() {
    let cases: [Answer; 6] = [
        (500, None, "oops"),
        (503, Some("1"), ""),
        (200, None, r#"{"ok":false,"error":"internal_error"}"#),
        (200, None, r#"{"ok":false,"error":"fatal_error"}"#),
        (200, None, r#"{"ok":true,"channel":"C1"}"#),
        (200, None, "[1]"),
    ];
    for answer in cases {
        post_after(&[answer, OK], BUDGET, |unsent, requests| {
            assert!(matches!(unsent, Unsent::Unanswered(_)), "{unsent:?}");
            assert_eq!(requests, 1, "{unsent}");
        });
    }
    post_after(&[(500, None, "oops")], BUDGET, |unsent, _| {
        assert_eq!(unsent.to_string(), "posting to Slack failed for now: HTTP 500, body `oops`");
    });
}

#[test]
fn an_answer_that_comes_too_late_leaves_it_open_whether_the_message_is_there() {
    testkit::run(async {
        let vendor = Server::start(|_| Reply::new(200, OK.2).after(Duration::from_secs(3))).await;
        let mut bot = bot(&vendor, HttpClient::new(clock::Clock::system()), BUDGET);
        bot.line.request_limit = Duration::from_millis(200);
        let unsent = bot.post(&to("C1", None), &message(), "k").await.unwrap_err();
        assert!(matches!(unsent, Unsent::Unanswered(_)), "{unsent:?}");
        assert_eq!(unsent.to_string(), "posting to Slack failed for now: no answer within 200 ms");
        assert_eq!(vendor.seen().len(), 1);
    });
}

#[test]
fn nobody_at_the_other_end_has_taken_nothing() {
    testkit::run(async {
        let http = HttpClient::new(clock::Clock::system());
        // RFC 6761: a name below `invalid` never resolves.
        for base in ["http://127.0.0.1:1", "http://slack.invalid"] {
            let until = within(&http, BUDGET);
            let mut bot = Bot::new(http.clone(), base, &SecretString::from(TOKEN), until);
            bot.line.first_pause = Duration::from_millis(1);
            let unsent = bot.post(&to("C1", None), &message(), "k").await.unwrap_err();
            assert!(matches!(unsent, Unsent::NotTaken(_)), "{unsent:?}");
            assert!(unsent.to_string().contains("no connection"), "{unsent}");
        }
    });
}

#[test]
fn an_update_may_be_sent_again_since_it_changes_nothing_then() {
    update_after(&[(500, None, ""), (200, None, "garbage"), OK], |outcome, requests| {
        outcome.unwrap();
        assert_eq!(requests, 3);
    });
    update_after(&[(500, None, "")], |outcome, requests| {
        assert!(matches!(outcome, Err(Unsent::Unanswered(_))), "{outcome:?}");
        assert_eq!(requests, 3);
    });
    update_after(&[(200, None, r#"{"ok":false,"error":"message_not_found"}"#)], |outcome, requests| {
        assert!(matches!(outcome, Err(Unsent::Gone(_))), "{outcome:?}");
        assert_eq!(requests, 1);
    });
}

#[test]
fn retry_after_is_honoured_when_it_fits_and_handed_on_when_it_does_not() {
    against(&[(429, Some("1"), ""), OK], async |vendor, http| {
        let started = http.clock().now();
        bot(vendor, http.clone(), BUDGET).post(&to("C1", None), &message(), "k").await.unwrap();
        let took = http.clock().now().since(started);
        assert!((Duration::from_secs(1)..Duration::from_secs(4)).contains(&took), "{took:?}");
        assert_eq!(vendor.seen().len(), 2);
    });
    post_after(&[(429, Some("30"), "")], BUDGET, |unsent, requests| {
        let Unsent::NotTaken(PortError::Transient { retry_after, .. }) = unsent else { panic!("{unsent:?}") };
        assert_eq!((retry_after, requests), (Some(Duration::from_secs(30)), 1));
    });
}

#[test]
fn what_slack_has_not_taken_is_tried_again_and_no_more_often_than_three_times() {
    post_after(&[(200, None, r#"{"ok":false,"error":"ratelimited"}"#)], BUDGET, |unsent, requests| {
        assert!(matches!(unsent, Unsent::NotTaken(_)), "{unsent:?}");
        assert_eq!(requests, 3);
    });
    post_after(&[(429, Some("not a number"), "")], BUDGET, |unsent, requests| {
        assert!(matches!(unsent, Unsent::NotTaken(_)), "{unsent:?}");
        assert_eq!(requests, 3);
    });
}

#[test]
fn what_slack_refuses_for_good_is_not_tried_again_and_says_what_to_do() {
    let cases = [
        ("channel_not_found", "check the channel's id (`C…`) in `slack.channel`"),
        ("not_in_channel", "invite the bot"),
        ("invalid_auth", "`slack.token`"),
        ("token_revoked", "install the Slack app again"),
        ("is_archived", "unarchive"),
    ];
    for (code, remedy) in cases {
        let body = format!(r#"{{"ok":false,"error":"{code}"}}"#);
        post_after(&[(200, None, body.leak())], BUDGET, |unsent, requests| {
            assert!(matches!(unsent, Unsent::Closed(_)) && unsent.to_string().contains(remedy), "{unsent:?}");
            assert_eq!(requests, 1, "{unsent}");
        });
    }
}

#[test]
fn an_unfit_message_says_which_block_is_wrong() {
    let answer = r#"{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] must be less than 3001 characters [json-pointer:/blocks/1/text/text] xoxb-very-secret"]}}"#;
    post_after(&[(200, None, answer)], BUDGET, |unsent, requests| {
        assert!(matches!(unsent, Unsent::Unfit(_)), "{unsent:?}");
        assert_eq!(
            unsent.to_string(),
            "posting to Slack failed: Slack answered `invalid_blocks` ([ERROR] must be less than 3001 characters \
             [json-pointer:/blocks/1/text/text] [secret]); this one message is not taken as it is"
        );
        assert_eq!(requests, 1);
    });
}

#[test]
fn an_answer_that_is_none_of_slacks_is_named_and_bounded() {
    post_after(&[(200, None, "<html>xoxb-very-secret</html>")], BUDGET, |unsent, _| {
        assert!(unsent.to_string().contains("`<html>[secret]</html>`"), "{unsent}");
    });
    let endless = "x".repeat(9 << 20).leak();
    for status in [200, 500] {
        post_after(&[(status, None, endless)], BUDGET, |unsent, requests| {
            assert!(unsent.to_string().len() < 400 && requests == 1, "{unsent}");
            assert!(matches!(unsent, Unsent::Unanswered(_)), "{unsent:?}");
        });
    }
    post_after(&[(302, None, "")], BUDGET, |unsent, _| {
        assert!(matches!(unsent, Unsent::Closed(_)) && unsent.to_string().contains("`SLACK_API_URL`"), "{unsent:?}");
    });
}

#[test]
fn no_try_begins_without_time_left() {
    post_after(&[OK], Duration::ZERO, |unsent, requests| {
        assert!(matches!(unsent, Unsent::NotTaken(_)) && unsent.to_string().contains("no time is left"), "{unsent:?}");
        assert_eq!(requests, 0);
    });
}

#[test]
fn a_webhook_posts_without_a_thread_and_never_shows_its_url() {
    against(&[(200, None, "ok"), (404, None, "no_service")], async |vendor, http| {
        let until = within(&http, BUDGET);
        let webhook = Webhook::new(http, &SecretString::from(format!("{}/services/T0/B0/hidden", vendor.url)), until);
        assert!(!format!("{webhook:?}").contains("hidden"));
        let posted = webhook.post(&to("", Some("1.2")), &message(), "k").await.unwrap();
        assert_eq!(posted.ts, "");
        webhook.update(&posted, &message()).await.unwrap();
        assert_eq!(vendor.seen().len(), 1);
        assert_eq!(body(&vendor.seen()[0]), message());
        let unsent = webhook.post(&to("", None), &message(), "k").await.unwrap_err();
        assert!(matches!(unsent, Unsent::Closed(_)) && !unsent.to_string().contains("hidden"), "{unsent:?}");
        assert!(unsent.to_string().contains("`no_service`; make a new incoming webhook"), "{unsent}");
        assert!(webhook.find(&to("", None), "k", within(&webhook.line.http, BUDGET)).await.is_err());
    });
}

#[test]
fn what_a_webhook_answers_means_what_slack_says_of_it() {
    // Slack, "Sending messages using incoming webhooks", "Handling errors", and the changelog of 2016-05-17 on them.
    let cases: [(Answer, IsMeant); 12] = [
        ((400, None, "invalid_payload"), |unsent| matches!(unsent, Unsent::Unfit(_))),
        ((400, None, "invalid_blocks"), |unsent| matches!(unsent, Unsent::Unfit(_))),
        ((400, None, "user_not_found"), |unsent| matches!(unsent, Unsent::Closed(_))),
        ((400, None, "<html>Bad Request</html>"), |unsent| matches!(unsent, Unsent::Unfit(_))),
        ((403, None, "action_prohibited"), |unsent| matches!(unsent, Unsent::Closed(_))),
        ((403, None, "invalid_token"), |unsent| matches!(unsent, Unsent::Closed(_))),
        ((404, None, "channel_not_found"), |unsent| matches!(unsent, Unsent::Closed(_))),
        ((410, None, "channel_is_archived"), |unsent| matches!(unsent, Unsent::Closed(_))),
        ((404, None, "something else"), |unsent| matches!(unsent, Unsent::Closed(_))),
        ((429, Some("60"), "rate_limited"), |unsent| matches!(unsent, Unsent::NotTaken(_))),
        ((500, None, "rollup_error"), |unsent| matches!(unsent, Unsent::Unanswered(_))),
        ((200, None, "<html>a login page</html>"), |unsent| matches!(unsent, Unsent::Unanswered(_))),
    ];
    for (answer, is_meant) in cases {
        against(&[answer], async |vendor, http| {
            let until = within(&http, BUDGET);
            let webhook = Webhook::new(http, &SecretString::from(format!("{}/hidden", vendor.url)), until);
            let unsent = webhook.post(&to("", None), &message(), "k").await.unwrap_err();
            assert!(is_meant(&unsent), "{answer:?}: {unsent:?}");
            assert_eq!(vendor.seen().len(), 1);
        });
    }
}

#[test]
fn a_webhook_that_nobody_answers_stays_hidden() {
    against(&[OK], async |_, http| {
        let until = within(&http, BUDGET);
        let mut webhook = Webhook::new(http, &SecretString::from("http://127.0.0.1:1/hidden"), until);
        webhook.line.first_pause = Duration::from_millis(1);
        let unsent = webhook.post(&to("", None), &message(), "k").await.unwrap_err();
        assert!(matches!(unsent, Unsent::NotTaken(_)) && !unsent.to_string().contains("hidden"), "{unsent:?}");
    });
}
