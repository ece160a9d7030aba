//! Who is pinged by a message: the mentions in its markup ("Formatting message text", docs.slack.dev: `messaging/formatting-message-text`). Knows nothing
//! of who may.

use serde_json::Value;

use super::SlackMessage;

/// Everybody whom a message pings, each once, in the order in which they stand. With `names`, Slack looks for `@here` and the like in plain text too
/// (`link_names`, `parse: full`).
pub(super) fn of(message: &SlackMessage, names: bool) -> Vec<String> {
    let mut texts = vec![message.text.as_str()];
    markup(&message.blocks, &mut texts);
    markup(&message.attachments, &mut texts);
    let mut found: Vec<String> = Vec::new();
    for text in texts {
        let bare =
            ["here", "channel", "everyone"].into_iter().filter(|name| names && text.contains(&format!("@{name}")));
        for name in in_markup(text).into_iter().chain(bare) {
            if !found.iter().any(|other| other == name) {
                found.push(name.to_owned());
            }
        }
    }
    found
}

/// Every text in which mentions mean something. In a `plain_text` they are letters.
fn markup<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| markup(item, texts)),
        Value::Object(map) => {
            let is_plain = map.get("type").and_then(Value::as_str) == Some("plain_text");
            for (key, inner) in map {
                match (key.as_str(), inner) {
                    ("text" | "pretext" | "value", Value::String(text)) if !is_plain => texts.push(text),
                    _ => markup(inner, texts),
                }
            }
        }
        _ => {}
    }
}

fn in_markup(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for part in text.split('<').skip(1) {
        let Some((inner, _)) = part.split_once('>') else { continue };
        let inner = inner.split('|').next().unwrap_or_default();
        let name = match inner.strip_prefix('!') {
            Some(special) => special
                .strip_prefix("subteam^")
                .or_else(|| ["here", "channel", "everyone"].contains(&special).then_some(special)),
            None => inner.strip_prefix('@'),
        };
        found.extend(name);
    }
    found
}
