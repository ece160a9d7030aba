//! Looking for what may have been posted.

use domain::time::Timestamp;

use super::*;

fn message_of(ts: &str, kind: &str, key: &str) -> Value {
    json!({"type": "message", "ts": ts, "text": "x", "metadata": {"event_type": kind, "event_payload": {"key": key}}})
}

fn page(messages: &[Value], next: &str) -> String {
    json!({"ok": true, "messages": messages, "has_more": !next.is_empty(), "response_metadata": {"next_cursor": next}})
        .to_string()
}

/// Looks in a vendor that answers by function.
fn look(
    thread: Option<&'static str>,
    answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    check: impl FnOnce(Result<Option<PostedMessage>, PortError>, Vec<String>),
) {
    testkit::run(async {
        let vendor = Server::start(answer).await;
        let bot = bot(&vendor, HttpClient::new(clock::Clock::system()), BUDGET);
        let found = bot.find(&to("C1", thread), "slack/d-1", Timestamp(1_772_532_061_500)).await;
        assert!(vendor.seen().iter().all(|seen| seen.header("authorization") == Some("Bearer xoxb-very-secret")));
        check(found, vendor.asked());
    });
}

#[test]
fn a_message_is_found_by_its_mark_among_others() {
    let messages = [
        json!({"type": "message", "ts": "1.1", "text": "no metadata"}),
        message_of("1.2", "somebody_elses", "slack/d-1"),
        message_of("1.3", "greenlight", "slack/d-2"),
        message_of("1.4", "greenlight", "slack/d-1"),
    ];
    let answer = page(&messages, "");
    look(
        None,
        move |_| Reply::new(200, &answer),
        |found, asked| {
            assert_eq!(found.unwrap(), Some(PostedMessage { channel: "C1".into(), ts: "1.4".into() }));
            // A minute before, should Slack's clock be behind.
            let url =
                "GET /conversations.history?channel=C1&oldest=1772532001%2E500000&limit=200&include_all_metadata=true";
            assert_eq!(asked, [url]);
        },
    );
}

#[test]
fn a_reply_is_looked_for_in_its_thread_page_by_page() {
    let (first, second) = (page(&[], "dXNlcj1="), page(&[message_of("2.1", "greenlight", "slack/d-1")], ""));
    look(
        Some("1.2"),
        move |seen| Reply::new(200, if seen.number == 0 { &first } else { &second }),
        |found, asked| {
            assert_eq!(found.unwrap().map(|found| found.ts).as_deref(), Some("2.1"));
            assert_eq!(asked.len(), 2);
            assert!(asked[0].starts_with("GET /conversations.replies?channel=C1&"), "{asked:?}");
            assert!(asked[0].ends_with("&ts=1%2E2"), "{asked:?}");
            assert!(asked[1].ends_with("&ts=1%2E2&cursor=dXNlcj1%3D"), "{asked:?}");
        },
    );
}

#[test]
fn what_is_not_there_is_told_only_after_all_was_looked_at() {
    look(
        None,
        |_| Reply::new(200, &page(&[], "")),
        |found, asked| assert_eq!((found.unwrap(), asked.len()), (None, 1)),
    );
    look(
        None,
        |_| Reply::new(200, &page(&[], "more")),
        |found, asked| {
            let error = found.unwrap_err();
            assert!(!error.is_transient() && error.to_string().contains("among the 1000 messages"), "{error}");
            assert_eq!(asked.len(), 5);
        },
    );
}

#[test]
fn who_may_not_look_is_told_what_that_takes() {
    look(
        None,
        |_| {
            Reply::new(
                200,
                r#"{"ok":false,"error":"missing_scope","needed":"channels:history","provided":"chat:write"}"#,
            )
        },
        |found, asked| {
            let error = found.unwrap_err();
            assert!(!error.is_transient() && asked.len() == 1, "{error}");
            assert!(
                error.to_string().contains(
                    "`missing_scope` (needed: `channels:history`); give the Slack app the scope `channels:history`"
                ),
                "{error}"
            );
        },
    );
}

#[test]
fn looking_is_tried_again_and_a_limit_that_lasts_is_handed_on() {
    look(
        None,
        |seen| match seen.number {
            0 => Reply::new(500, ""),
            1 => Reply::new(200, "garbage"),
            _ => Reply::new(200, &page(&[], "")),
        },
        |found, asked| assert_eq!((found.unwrap(), asked.len()), (None, 3)),
    );
    look(
        None,
        |_| Reply::new(429, "").header("retry-after", "60"),
        |found, asked| {
            let Err(PortError::Transient { retry_after, .. }) = found else { panic!("{found:?}") };
            assert_eq!((retry_after, asked.len()), (Some(Duration::from_mins(1)), 1));
        },
    );
}
