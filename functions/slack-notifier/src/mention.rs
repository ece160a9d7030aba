//! What is added to a message when it is posted: whom it mentions, and that it is heard of late; and its bounded plain form. Only what the
//! configuration names is ever mentioned. Knows nothing of what the messages say.

use std::time::Duration;

use domain::text::bounded;
use domain::time::Timestamp;
use serde_json::{Value, json};

/// Slack's limits (Block Kit reference): blocks in a message, characters in a section, elements in a context.
const BLOCKS: usize = 50;
const SECTION: usize = 3000;
const ELEMENTS: usize = 10;
/// A message without blocks: "will be truncated" past 40,000 characters, best below 4,000 (`chat.postMessage`, Slack API).
const PLAIN: usize = 2900;
/// The characters of a date, at the beginning of a time.
const DAY: usize = 10;

/// Slack's markup for a mention (Slack, "Formatting text for app surfaces"): of a user group, a user, `here` or `channel`. `None` for anything else.
pub(crate) fn markup(whom: &str) -> Option<String> {
    let is_id = whom.len() > 1 && whom.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    match whom.chars().next() {
        _ if matches!(whom, "here" | "channel") => Some(format!("<!{whom}>")),
        Some('S') if is_id => Some(format!("<!subteam^{whom}>")),
        Some('U' | 'W') if is_id => Some(format!("<@{whom}>")),
        _ => None,
    }
}

/// The message with a mention in front of its first text. A header takes no markup, so it stands below that.
pub(crate) fn mentioning(content: &Value, whom: &str) -> Value {
    let Some(markup) = markup(whom) else { return content.clone() };
    let mut content = content.clone();
    let Some(blocks) = content.get_mut("blocks").and_then(Value::as_array_mut) else {
        let text = content.get("text").and_then(Value::as_str).unwrap_or_default();
        let text = format!("{markup} {text}");
        if let Some(keys) = content.as_object_mut() {
            keys.insert("text".to_owned(), text.into());
        }
        return content;
    };
    let section = blocks.iter_mut().find(|block| block.get("type").and_then(Value::as_str) == Some("section"));
    let text = section.and_then(|section| section.pointer_mut("/text/text"));
    match text {
        Some(text) if text.as_str().is_some_and(|it| it.chars().count() + markup.len() < SECTION) => {
            *text = format!("{markup} {}", text.as_str().unwrap_or_default()).into();
        }
        _ => {
            let place =
                usize::from(blocks.first().and_then(|it| it.get("type")).and_then(Value::as_str) == Some("header"));
            blocks.truncate(BLOCKS - 1);
            blocks.insert(
                place,
                json!({"type": "section", "text": {"type": "mrkdwn", "text": markup, "verbatim": true}}),
            );
        }
    }
    content
}

/// What is told later than this after it happened, says when that was.
const LATE: Duration = Duration::from_mins(1);

/// The remark that this is told late and when it was, where that is so: either something later stands above it, or it waited.
pub(crate) fn lateness(at: Timestamp, now: Timestamp, stands_too_low: bool) -> Option<String> {
    let why = match (stands_too_low, now.since(at) > LATE) {
        (true, _) => "Heard of late",
        (false, true) => "Told late",
        (false, false) => return None,
    };
    let (day, today) = (at.to_string(), now.to_string());
    let (day, today) = (day.get(..DAY).unwrap_or_default(), today.get(..DAY).unwrap_or_default());
    let when = if day == today { String::new() } else { format!("on {day} ") };
    Some(format!(":hourglass: {why}: this was {when}at {} UTC.", at.time_of_day()))
}

/// The message with one more remark below it.
pub(crate) fn remarked(content: &Value, remark: &str) -> Value {
    let mut content = content.clone();
    let element = json!({"type": "mrkdwn", "text": remark, "verbatim": true});
    if let Some(blocks) = content.get_mut("blocks").and_then(Value::as_array_mut) {
        let elements = blocks.last_mut().and_then(|last| last.get_mut("elements")).and_then(Value::as_array_mut);
        if let Some(elements) = elements.filter(|elements| elements.len() < ELEMENTS) {
            elements.push(element);
        } else {
            blocks.truncate(BLOCKS - 1);
            blocks.push(json!({"type": "context", "elements": [element]}));
        }
        return content;
    }
    let text = content.get("text").and_then(Value::as_str).unwrap_or_default();
    json!({"text": format!("{text}\n{remark}")})
}

/// What is told in the place of a message that Slack does not take: its text alone.
pub(crate) fn plain(content: &Value) -> Value {
    json!({"text": bounded(content.get("text").and_then(Value::as_str).unwrap_or("(no text)"), PLAIN)})
}

/// A digest of what a message says: FNV-1a, 64 bits (draft-eastlake-fnv), the same in every version of the function.
pub(crate) fn digest(content: &Value) -> u64 {
    content
        .to_string()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> Value {
        json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}})
    }

    #[test]
    fn only_slacks_ids_and_its_two_words_are_mentioned() {
        let cases = [
            ("here", Some("<!here>")),
            ("channel", Some("<!channel>")),
            ("S0ONCALL", Some("<!subteam^S0ONCALL>")),
            ("U024BE7LH", Some("<@U024BE7LH>")),
            ("everyone", None),
            ("S0> <!channel", None),
            ("", None),
        ];
        for (whom, expected) in cases {
            assert_eq!(markup(whom).as_deref(), expected, "{whom}");
        }
        assert_eq!(mentioning(&json!({"text": "a"}), "everyone"), json!({"text": "a"}));
    }

    #[test]
    fn a_mention_stands_in_front_of_the_first_text_below_a_header() {
        let header = json!({"type": "header", "text": {"type": "plain_text", "text": "failed"}});
        let message = json!({"text": "failed", "blocks": [header, section("why")]});
        let said = mentioning(&message, "here");
        assert_eq!(said["blocks"], json!([header, section("<!here> why")]));
        // Where there is no room it has a block of its own, and there are never more than Slack takes.
        let full: Vec<Value> = (0..50).map(|_| section(&"x".repeat(3000))).collect();
        let said = mentioning(&json!({"text": "f", "blocks": full}), "here");
        assert_eq!((said["blocks"].as_array().unwrap().len(), &said["blocks"][0]), (50, &section("<!here>")));
        assert_eq!(mentioning(&json!({"text": "plain"}), "U1")["text"], "<@U1> plain");
    }

    #[test]
    fn a_late_reply_says_when_it_was_within_slacks_limits() {
        let at = Timestamp::parse("2026-03-03T10:07:08Z").unwrap();
        let late = |content: &Value, at| remarked(content, &lateness(at, at, true).unwrap());
        let said = late(&json!({"text": "t", "blocks": vec![section("x"); 50]}), at);
        let blocks = said["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 50);
        assert_eq!(blocks[49]["elements"][0]["text"], ":hourglass: Heard of late: this was at 10:07:08 UTC.");
        let again = late(&said, at);
        assert_eq!(again["blocks"][49]["elements"].as_array().unwrap().len(), 2);
        assert!(late(&plain(&said), at)["text"].as_str().unwrap().contains("10:07:08"));
    }

    #[test]
    fn what_waited_for_more_than_a_minute_says_when_it_was_and_on_which_day() {
        let at = Timestamp::parse("2026-03-03T23:59:08Z").unwrap();
        let after = |seconds| lateness(at, at.plus(Duration::from_secs(seconds)), false);
        assert_eq!(after(50), None);
        let next_day = Some(":hourglass: Told late: this was on 2026-03-03 at 23:59:08 UTC.");
        assert_eq!(after(61).as_deref(), next_day);
        let at = Timestamp::parse("2026-03-03T10:07:08Z").unwrap();
        let same_day = lateness(at, at.plus(Duration::from_hours(2)), false).unwrap();
        assert_eq!(same_day, ":hourglass: Told late: this was at 10:07:08 UTC.");
    }
}
