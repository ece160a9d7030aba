//! Slack messages as a person sees them, in plain text. Knows nothing of who wrote them.

use domain::time::Timestamp;
use serde_json::Value;

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

/// A message as lines of plain text.
pub fn lines(message: &SlackMessage) -> Vec<String> {
    let mut lines = Vec::new();
    for block in message.blocks.as_array().into_iter().flatten() {
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
    if lines.is_empty() {
        lines.push(plain(&message.text));
    }
    lines.iter().flat_map(|line| line.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
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
            out.push_str(inner.split_once('|').map_or(inner, |(_, label)| label));
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

const EMOJI: [(&str, &str); 20] = [
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
    }
}
