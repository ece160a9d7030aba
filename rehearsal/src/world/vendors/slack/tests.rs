//! What Slack takes, refuses, keeps and gives back, held against its reference.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::tests::Asked;

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// A message with these blocks is refused with this code and this reason.
#[track_caller]
fn check_refused(message: &Value, code: &str, reason: &str) {
    let mut asked = Asked::new("");
    let mut message = message.clone();
    message["channel"] = json!("C1");
    let answer = asked.slack("chat.postMessage", &message);
    assert_eq!(answer["error"], code, "{answer}");
    assert!(answer["response_metadata"]["messages"].to_string().contains(reason), "{answer}");
    assert_eq!(asked.world.record().slack(), []);
}

#[test]
fn a_message_beyond_the_limits_is_refused_with_the_reason() {
    let blocks = |blocks: Value| json!({ "text": "t", "blocks": blocks });
    let header = |text: &str| json!([{ "type": "header", "text": { "type": "plain_text", "text": text } }]);
    let fields = |count: usize, text: &str| {
        let fields: Vec<Value> = (0..count).map(|_| json!({ "type": "mrkdwn", "text": text })).collect();
        json!([{ "type": "section", "fields": fields }])
    };
    let invalid = "invalid_blocks";
    let pointer = "must be less than 3001 characters [json-pointer:/blocks/0/text/text]";
    check_refused(&blocks(json!([section(&"x".repeat(3001))])), invalid, pointer);
    check_refused(
        &blocks(json!(vec![section("x"); 51])),
        invalid,
        "no more than 50 items allowed [json-pointer:/blocks]",
    );
    check_refused(&blocks(header(&"x".repeat(151))), invalid, "must be less than 151 characters");
    check_refused(&blocks(header("")), invalid, "must be more than 0 characters");
    check_refused(&blocks(fields(11, "x")), invalid, "no more than 10 items allowed [json-pointer:/blocks/0/fields]");
    check_refused(&blocks(fields(10, &"x".repeat(2001))), invalid, "/blocks/0/fields/9/text]");
    check_refused(&blocks(json!([{ "type": "context", "elements": [] }])), invalid, "no less than 1 item");
    check_refused(&blocks(json!([{ "type": "sektion" }])), invalid, "unsupported type: sektion");
    check_refused(&blocks(json!([{ "type": "section" }])), invalid, "missing required field: text or fields");
    let mrkdwn = json!([{ "type": "header", "text": { "type": "mrkdwn", "text": "x" } }]);
    check_refused(&blocks(mrkdwn), invalid, "unsupported type: mrkdwn");
    let attached = json!({ "attachments": [{ "color": "#2eb886", "blocks": [section("")] }] });
    check_refused(&attached, "invalid_attachments", "/attachments/0/blocks/0/text/text");
    check_refused(&blocks(json!(vec![section(&"x".repeat(2500)); 5])), "msg_blocks_too_long", "");
    check_refused(&json!({ "attachments": vec![json!({ "text": "x" }); 101] }), "too_many_attachments", "");
    check_refused(&json!({ "text": "x".repeat(40_001) }), "msg_too_long", "");
    check_refused(&json!({ "text": "" }), "no_text", "");
    let mut asked = Asked::new("");
    let fits = json!({ "channel": "C1", "text": "t", "blocks": vec![section("x"); 50], "attachments": [{ "blocks": [section("y")] }] });
    asked.posted(&fits);
}

#[test]
fn whoever_asks_wrongly_is_told_how() {
    let mut asked = Asked::new("");
    let message = json!({ "channel": "C1", "text": "hello" });
    for (authorization, expected) in [("", "not_authed"), ("Bearer xoxb-else", "invalid_auth")] {
        let answer = asked.ask("POST", "slack.rehearsal/api/chat.postMessage", authorization, &message).unwrap();
        assert!(String::from_utf8(answer.body).unwrap().contains(expected), "{expected}");
    }
    for (method, body, expected) in [
        ("chat.postMessage", json!({ "channel": "#deploys", "text": "x" }), "channel_not_found"),
        ("chat.postMessage", json!({ "channel": "C1", "text": "x", "thread_ts": "1.000000" }), "thread_not_found"),
        (
            "chat.postMessage",
            json!({ "channel": "C1", "text": "x", "metadata": { "event_type": 1 } }),
            "invalid_metadata_format",
        ),
        ("chat.update", json!({ "channel": "C1", "text": "x", "ts": "1.000000" }), "message_not_found"),
        ("conversations.replies", json!({ "channel": "C1", "ts": "1.000000" }), "thread_not_found"),
        ("conversations.history", json!({ "channel": "C1", "limit": 1000 }), "invalid_limit"),
        ("chat.delete", json!({}), "unknown_method"),
    ] {
        assert_eq!(asked.slack(method, &body)["error"], expected, "{method}");
    }
}

#[test]
fn one_message_a_second_and_short_bursts() {
    let mut asked = Asked::new("");
    let message = json!({ "channel": "C1", "text": "hello" });
    let post = |asked: &mut Asked, channel: &str| {
        let message = json!({ "channel": channel, "text": "hello" });
        let answer = asked.ask("POST", "slack.rehearsal/api/chat.postMessage", "Bearer rehearsal-t", &message).unwrap();
        (answer.status, answer.headers.iter().find(|(name, _)| name == "retry-after").map(|(_, value)| value.clone()))
    };
    // One comes back every second, while each answer takes a fifth of one.
    let taken = (0..100).take_while(|_| post(&mut asked, "C1").0 == 200).count();
    assert!((25..=32).contains(&taken), "{taken}");
    assert_eq!(post(&mut asked, "C1"), (429, Some("1".to_owned())));
    assert_eq!(post(&mut asked, "C2").0, 200, "each channel has its own");
    asked.pass(Duration::from_secs(1));
    asked.posted(&message);
}

#[test]
fn what_was_posted_is_read_back_with_its_metadata() {
    let mut asked = Asked::new("");
    let marked = |key: &str, more: Value| {
        let metadata = json!({ "event_type": "greenlight", "event_payload": { "key": key } });
        let mut message = json!({ "channel": "C1", "text": key, "metadata": metadata });
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    };
    let first = asked.posted(&marked("first", json!({})));
    asked.posted(&marked("reply", json!({ "thread_ts": first })));
    asked.posted(&marked("loud", json!({ "thread_ts": first, "reply_broadcast": true })));
    let second = asked.posted(&marked("second", json!({})));
    let texts = |answer: &Value| -> Vec<String> {
        let messages = answer["messages"].as_array().unwrap_or_else(|| panic!("{answer}"));
        messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
    };
    let history = asked.slack("conversations.history", &json!({ "channel": "C1", "include_all_metadata": true }));
    assert_eq!(texts(&history), ["second", "loud", "first"], "the newest first");
    assert_eq!(history["messages"][0]["metadata"]["event_payload"]["key"], "second");
    assert_eq!(history["messages"][1]["subtype"], "thread_broadcast");
    let bare = asked.slack("conversations.history", &json!({ "channel": "C1" }));
    assert!(bare["messages"][0].get("metadata").is_none());
    let since = json!({ "channel": "C1", "oldest": second, "inclusive": true });
    assert_eq!(texts(&asked.slack("conversations.history", &since)), ["second"]);
    let since = json!({ "channel": "C1", "oldest": second });
    assert_eq!(texts(&asked.slack("conversations.history", &since)), Vec::<String>::new());
    let replies = asked.slack("conversations.replies", &json!({ "channel": "C1", "ts": first, "oldest": second }));
    assert_eq!(texts(&replies), ["first"], "the first message comes whatever is asked for");
    let path =
        format!("slack.rehearsal/api/conversations.replies?channel=C1&ts={first}&limit=2&include_all_metadata=true");
    let answer = asked.ask("GET", &path, "Bearer rehearsal-t", &Value::Null).unwrap();
    let page: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((texts(&page), &page["has_more"]), (vec!["first".to_owned(), "reply".to_owned()], &json!(true)));
    let rest = json!({ "channel": "C1", "ts": first, "limit": 2, "cursor": page["response_metadata"]["next_cursor"] });
    assert_eq!(texts(&asked.slack("conversations.replies", &rest)), ["loud"]);
}

#[test]
fn an_update_replaces_the_content_and_leaves_the_mark() {
    let mut asked = Asked::new("");
    let metadata = json!({ "event_type": "greenlight", "event_payload": { "key": "k" } });
    let ts = asked.posted(&json!({ "channel": "C1", "text": "a", "blocks": [section("a")], "metadata": metadata }));
    asked.slack("chat.update", &json!({ "channel": "C1", "ts": ts, "text": "b" }));
    let message = &asked.world.record().slack()[0];
    assert_eq!((message.text.as_str(), &message.blocks, message.updates), ("b", &Value::Null, 1));
    assert_eq!(message.metadata, metadata);
}

#[test]
fn who_is_pinged_is_noted_and_nothing_else_pings() {
    let mut asked = Asked::new("");
    asked.posted(&json!({
        "channel": "C1", "text": "read out <!here>",
        "blocks": [
            section("<!subteam^S0ONCALL|@oncall> <@U1> &lt;!channel&gt; @everyone <https://x.example|@here>"),
            { "type": "header", "text": { "type": "plain_text", "text": "<!everyone>" } },
        ],
        "attachments": [{ "blocks": [section("<!channel> <@U1>")] }],
    }));
    let message = &asked.world.record().slack()[0];
    assert_eq!(message.pings, ["here", "S0ONCALL", "U1", "channel"]);
    let ts = message.ts.clone();
    asked.slack("chat.update", &json!({ "channel": "C1", "ts": ts, "text": "<@U2>" }));
    let record = asked.world.record();
    assert_eq!(record.slack()[0].pings.len(), 4, "nobody is notified of an update");
    assert!(record.mentioned().contains("U2"));
    assert_eq!(record.may_be_mentioned(), ["S0ONCALL"]);
}

#[test]
fn a_webhook_answers_in_plain_text() {
    let mut asked = Asked::new("slack: { error: channel_is_archived, method: webhook, from: 1m }");
    let url = "hooks.slack.rehearsal/services/T0/B0/rehearsal";
    for (url, body, expected) in [
        (url, json!({ "text": "hello" }), (200, "ok")),
        (url, json!({}), (400, "no_text")),
        (url, Value::Null, (400, "invalid_payload")),
        (url, json!({ "blocks": [{ "type": "x" }] }), (400, "invalid_blocks")),
        ("hooks.slack.rehearsal/services/T0/B0/else", json!({ "text": "x" }), (404, "no_service")),
    ] {
        let answer = asked.ask("POST", url, "", &body).unwrap();
        assert_eq!((answer.status, std::str::from_utf8(&answer.body).unwrap()), expected);
    }
    asked.pass(Duration::from_mins(1));
    assert_eq!(asked.ask("POST", url, "", &json!({ "text": "x" })).unwrap().status, 410);
    assert_eq!(asked.world.record().slack().len(), 1);
}
