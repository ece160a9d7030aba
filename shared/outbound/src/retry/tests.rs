//! How long is waited, what is masked.

use std::collections::BTreeSet;

use clock::Clock;

use super::*;

const SPAN: Duration = Duration::from_secs(1);

#[test]
fn no_two_senders_wait_alike_and_nobody_longer_than_the_span() {
    let spans: BTreeSet<Duration> =
        (0..200_u32).map(|sender| share(SPAN, format!("event {sender}").as_bytes(), 1, Timestamp(0))).collect();
    assert!(spans.len() > 150, "{}", spans.len());
    assert!(spans.iter().all(|span| *span < SPAN), "{spans:?}");
    // All over the span, not in one corner of it.
    let early = spans.iter().filter(|span| **span < SPAN / 2).count();
    assert!((spans.len() / 4..spans.len() * 3 / 4).contains(&early), "{early} of {}", spans.len());
}

#[test]
fn the_same_request_waits_the_same_at_the_same_time_and_differently_at_another() {
    let at = |time, tried| share(SPAN, b"event", tried, Timestamp(time));
    assert_eq!(at(5, 1), at(5, 1));
    assert!(at(5, 1) != at(6, 1) && at(5, 1) != at(5, 2));
}

#[test]
fn a_secret_is_masked_as_a_whole_and_in_the_parts_that_open_the_door() {
    let line = |secret: &str| Line::new(HttpClient::new(Clock::system()), &SecretString::from(secret), Timestamp(0));
    let cases = [
        (" xoxb-0123456789\n", "token xoxb-0123456789!", "token [secret]!"),
        ("Bearer ghp_0123456789", "Bearer ghp_0123456789, ghp_0123456789", "[secret], [secret]"),
        ("Bearer ghp_0123456789", "Bearer tokens only", "Bearer tokens only"),
        (
            "https://hooks.slack.com/services/T0/B0/0123456789",
            "/services/T0/B0/0123456789 of hooks.slack.com: 0123456789",
            "[secret] of hooks.slack.com: [secret]",
        ),
        ("", "nothing to hide", "nothing to hide"),
    ];
    for (secret, text, expected) in cases {
        assert_eq!(line(secret).without_secret(text), expected);
    }
}
