//! Slack messages as a person sees them, in plain text. Knows nothing of who wrote them.

use domain::time::Timestamp;
use serde_json::Value;

use crate::timeline::Tone;
use crate::world::SlackMessage;

/// A message with its thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Thread<'a> {
    /// The message in the channel.
    pub root: &'a SlackMessage,
    /// The replies, in order.
    pub replies: Vec<&'a SlackMessage>,
}

/// The threads of a channel, in the order in which they began.
pub fn threads(messages: &[SlackMessage]) -> Vec<Thread<'_>> {
    messages
        .iter()
        .filter(|message| message.thread_ts.is_none())
        .map(|root| Thread {
            root,
            replies: messages.iter().filter(|message| message.thread_ts.as_ref() == Some(&root.ts)).collect(),
        })
        .collect()
}

/// A message as lines of plain text: its blocks, or else its text, and its attachments.
pub fn lines(message: &SlackMessage) -> Vec<String> {
    let mut lines = blocks(&message.blocks);
    if lines.is_empty() && !message.text.is_empty() && (message.attachments.is_null() || message.thread_ts.is_some()) {
        lines.push(plain(&message.text));
    }
    for attachment in message.attachments.as_array().into_iter().flatten() {
        let text = |key: &str| attachment.get(key).and_then(Value::as_str).map(plain);
        let own = blocks(attachment.get("blocks").unwrap_or(&Value::Null));
        if own.is_empty() {
            lines.extend(["pretext", "title", "text"].into_iter().filter_map(text));
        } else {
            lines.extend(own);
        }
    }
    if lines.is_empty() {
        lines.push(plain(message.fallback()));
    }
    lines.iter().flat_map(|line| line.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The colour of a message's edge, as the attachment says it: `good`, `warning`, `danger` or `#2eb886`. None when it has none.
pub fn colour(message: &SlackMessage) -> Option<&str> {
    let attachments = message.attachments.as_array()?;
    attachments.iter().find_map(|attachment| attachment.get("color")?.as_str())
}

/// How that colour is to be taken.
pub fn tone(colour: &str) -> Tone {
    let part = |at: usize| colour.strip_prefix('#').and_then(|hex| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok());
    match (colour, part(0), part(2), part(4)) {
        ("good", ..) => Tone::Good,
        ("warning", ..) => Tone::Warning,
        ("danger", ..) => Tone::Bad,
        (_, Some(red), Some(green), Some(blue)) => {
            if red > 150 && green > 120 && green > blue {
                Tone::Warning
            } else if red > green && red > blue {
                Tone::Bad
            } else if green > red && green >= blue {
                Tone::Good
            } else {
                Tone::Plain
            }
        }
        _ => Tone::Plain,
    }
}

/// What a message links to: label and URL, each once, in order. Those of the text and those of the buttons.
pub fn links(message: &SlackMessage) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect_links(&message.blocks, &mut found);
    collect_links(&message.attachments, &mut found);
    let mut once: Vec<(String, String)> = Vec::new();
    for link in found {
        if !once.contains(&link) {
            once.push(link);
        }
    }
    once
}

fn collect_links(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_links(item, found)),
        Value::Object(map) => {
            if let (Some(url), Some(label)) =
                (map.get("url").and_then(Value::as_str), value.pointer("/text/text").and_then(Value::as_str))
            {
                found.push((label.to_owned(), url.to_owned()));
            }
            for (key, inner) in map {
                match inner {
                    Value::String(text) if key == "text" => {
                        let parts = text.split('<').skip(1).filter_map(|part| part.split_once('>'));
                        let linked = parts.filter_map(|(inner, _)| inner.split_once('|'));
                        let outside = linked.filter(|(url, _)| url.starts_with("http"));
                        found.extend(outside.map(|(url, label)| (plain(label), url.replace("&amp;", "&"))));
                    }
                    _ => collect_links(inner, found),
                }
            }
        }
        _ => {}
    }
}

fn blocks(blocks: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for block in blocks.as_array().into_iter().flatten() {
        let text = |value: Option<&Value>| value.and_then(|v| v.get("text")).and_then(Value::as_str).map(plain);
        match block.get("type").and_then(Value::as_str) {
            Some("divider") => lines.push("───".to_owned()),
            Some("header" | "section" | "context") => {
                lines.extend(text(block.get("text")));
                let fields = block.get("fields").and_then(Value::as_array);
                for field in fields.into_iter().flatten() {
                    lines.extend(
                        text(Some(&serde_json::json!({ "text": field.get("text") })))
                            .map(|t| t.replace('\n', ": ").replace("::", ":")),
                    );
                }
                let elements = block.get("elements").and_then(Value::as_array);
                let parts: Vec<String> = elements
                    .into_iter()
                    .flatten()
                    .filter_map(|element| element.get("text").and_then(Value::as_str).map(plain))
                    .collect();
                if !parts.is_empty() {
                    lines.push(parts.join("  "));
                }
            }
            Some("actions") => {
                let elements = block.get("elements").and_then(Value::as_array);
                let labels: Vec<String> = elements
                    .into_iter()
                    .flatten()
                    .filter_map(|element| element.pointer("/text/text").and_then(Value::as_str))
                    .map(|label| format!("[{label}]"))
                    .collect();
                lines.push(labels.join(" "));
            }
            _ => {}
        }
    }
    lines
}

/// Slack's markup as a reader sees it: bold and code without their marks, links by their text, entities as characters, the common emoji
/// as such.
pub fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, link) = rest.split_at(at);
        out.push_str(before);
        if let Some(end) = link.find('>') {
            let inner = link.get(1..end).unwrap_or_default();
            out.push_str(&reference(inner));
            rest = link.get(end + 1..).unwrap_or_default();
        } else {
            out.push_str(link);
            rest = "";
        }
    }
    out.push_str(rest);
    let mut out = out.replace(['*', '`'], "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    for (name, emoji) in EMOJI {
        out = out.replace(name, emoji);
    }
    out
}

/// What stands between angle brackets: a link by its text, a mention as a name. What a group is called is Slack's to know.
fn reference(inner: &str) -> String {
    let (target, label) = inner.split_once('|').map_or((inner, None), |(target, label)| (target, Some(label)));
    if target.starts_with("!subteam^") {
        "@group".to_owned()
    } else if let Some(special) = target.strip_prefix('!') {
        label.map_or_else(|| format!("@{special}"), str::to_owned)
    } else if target.starts_with('@') {
        "@user".to_owned()
    } else {
        label.unwrap_or(target).to_owned()
    }
}

const EMOJI: [(&str, &str); 21] = [
    (":ticket:", "🎫"),
    (":large_blue_circle:", "🔵"),
    (":large_orange_circle:", "🟠"),
    (":double_vertical_bar:", "⏸️"),
    (":grey_question:", "❔"),
    (":hourglass:", "⏳"),
    (":raised_hand:", "✋"),
    (":octagonal_sign:", "🛑"),
    (":bell:", "🔔"),
    (":mute:", "🔇"),
    (":white_check_mark:", "✅"),
    (":large_green_circle:", "🟢"),
    (":x:", "❌"),
    (":red_circle:", "🔴"),
    (":warning:", "⚠️"),
    (":rotating_light:", "🚨"),
    (":rocket:", "🚀"),
    (":rewind:", "⏪"),
    (":leftwards_arrow_with_hook:", "↩️"),
    (":arrows_counterclockwise:", "🔄"),
    (":hourglass_flowing_sand:", "⏳"),
];

/// The time of day at which a message was posted.
pub fn posted(message: &SlackMessage) -> String {
    let at: Timestamp = message.at;
    at.time_of_day()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_reads_as_slack_shows_it() {
        assert_eq!(plain("*bold* <https://x.example/a|the link> a &lt; b &amp; c"), "bold the link a < b & c");
        assert_eq!(plain("an open < bracket"), "an open < bracket");
        assert_eq!(plain("<!subteam^S0ONCALL> <!here> <@U1> &lt;!channel&gt;"), "@group @here @user <!channel>");
        assert_eq!(plain("<!date^1^{time}|10:00 UTC>"), "10:00 UTC");
    }

    #[test]
    fn a_colour_is_taken_as_it_looks() {
        for (colour, expected) in [
            ("good", Tone::Good),
            ("#2eb886", Tone::Good),
            ("#1a7f37", Tone::Good),
            ("danger", Tone::Bad),
            ("#a30200", Tone::Bad),
            ("#e01e5a", Tone::Bad),
            ("#daa038", Tone::Warning),
            ("#ecb22e", Tone::Warning),
            ("#36c5f0", Tone::Plain),
            ("#808080", Tone::Plain),
            ("", Tone::Plain),
        ] {
            assert_eq!(tone(colour), expected, "{colour}");
        }
    }
}
