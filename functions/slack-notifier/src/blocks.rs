//! Renders a message as Block Kit within Slack's limits. Text from outside is put on one line, masked, escaped and bounded on its way in, so that no
//! caller can forget it. Knows nothing of deployments.
//!
//! Colours are circles in front of the title, not the bars of an attachment: Slack calls attachments a legacy part of messages that may change "in ways that
//! reduce their visibility or utility" and folds the longer ones away; a message whose blocks stand in an attachment shows its `text` a second time above
//! them; and a phone's notification shows the circle and never a bar. What a circle says, the words behind it say too.

use std::fmt::Write;

use domain::secrets::{shown, without_tokens};
use domain::text::{count, visible};
use serde_json::{Value, json};

// Slack's limits (Block Kit reference: 50 blocks in a message, 150 characters in a header, 3,000 in a section's text, 2,000 in a field, 10 fields, 10 elements
// in a context block), with something to spare. Slack does not say what it counts as a character: here every text counts by its UTF-16 units, as JavaScript
// does, which are never fewer than its characters, and with its entities (`&amp;` is five).
const BLOCKS: usize = 50;
const HEADER: usize = 140;
const SECTION: usize = 2900;
const FIELDS: usize = 10;
const FIELD: usize = 1900;
/// The message's own text, of which Slack takes 40,000 and recommends no more than 4,000 (`chat.postMessage`). `chat.update` refuses more than 4,000.
const FALLBACK: usize = 2900;
/// So many sections of lines at most: Slack refuses a message whose blocks are too long together (`msg_blocks_too_long`) without saying from where on, and
/// nobody reads further on a phone.
const SECTIONS: usize = 4;
/// One value from outside: enough for a reason, too little to drown the message.
const VALUE: usize = 600;
/// The longest address that becomes a link.
const ADDRESS: usize = 1000;

/// Text in Slack's markup: ours as it stands, everything from outside escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mrkdwn(String);

/// What may stand in a message.
pub trait Said {
    /// As Slack's markup.
    fn said(&self) -> String;
}

impl Said for Mrkdwn {
    fn said(&self) -> String {
        self.0.clone()
    }
}

impl Said for str {
    fn said(&self) -> String {
        escaped(&outside(self), VALUE)
    }
}

impl Said for String {
    fn said(&self) -> String {
        self.as_str().said()
    }
}

impl<T: Said + ?Sized> Said for &T {
    fn said(&self) -> String {
        (**self).said()
    }
}

/// `said!("*{}* failed: {}", name, reason)`: formats [`Mrkdwn`]; every argument that is not markup already is escaped and bounded.
#[macro_export]
macro_rules! said {
    ($form:literal $(, $value:expr)* $(,)?) => {
        $crate::blocks::Mrkdwn::trusted(format!($form $(, $crate::blocks::Said::said(&$value))*))
    };
}

impl Mrkdwn {
    /// Text whose values are escaped already; [`said!`] is the way to get it.
    #[doc(hidden)]
    pub fn trusted(markup: String) -> Self {
        Self(markup)
    }

    /// A name from outside, set in a fixed width.
    pub fn code(name: &str) -> Self {
        // A back-tick would end the fixed width.
        Self(format!("`{}`", name.replace(['`', '\n'], "'").said()))
    }

    /// A link; its text alone where the address could break the markup or is longer than any that leads somewhere.
    pub fn link(url: &str, text: &str) -> Self {
        let breaks = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '|');
        // A bar would end the address.
        let text = text.replace('|', "/").said();
        if url.contains(breaks) || units(url) > ADDRESS {
            return Self(text);
        }
        Self(format!("<{}|{text}>", url.replace('&', "&amp;")))
    }

    /// Cut to `limit` without cutting an entity or a link in two.
    fn bounded(&self, limit: usize) -> String {
        if units(&self.0) <= limit {
            return self.0.clone();
        }
        let cut = head(&self.0, limit.saturating_sub(1));
        let whole = [('&', ';'), ('<', '>')].into_iter().fold(cut, |cut, (open, close)| match cut.rfind(open) {
            Some(at) if !cut.get(at..).is_some_and(|rest| rest.contains(close)) => cut.get(..at).unwrap_or_default(),
            _ => cut,
        });
        format!("{whole}…")
    }
}

/// How long a text is for Slack, at most.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The beginning of a text, of so many units at most.
fn head(text: &str, limit: usize) -> &str {
    let mut used = 0;
    let fits = |(_, c): &(usize, char)| {
        used += c.len_utf16();
        used <= limit
    };
    let end = text.char_indices().take_while(fits).last().map_or(0, |(at, c)| at + c.len_utf8());
    text.get(..end).unwrap_or_default()
}

/// A value from outside for a text without markup, such as [`Message::fallback`]: on one line, masked, and of a length that leaves room for others.
pub fn outside(text: &str) -> String {
    plain(&shown(text, VALUE))
}

/// The text without what Slack would read as markup ("Formatting text for app surfaces"): a name in colons that becomes an emoji, and so perhaps the sign
/// that all is well, bold and struck-out words, a fence that takes in what follows. Single back-ticks stay: what Greenlight's functions tell has them
/// around names. Look-alikes, so that the text reads as it was.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let rest = text.get(at + c.len_utf8()..).unwrap_or_default();
        let is_emoji = || {
            let name = rest.split(':').next().unwrap_or_default();
            !before.is_alphanumeric()
                && name.len() < rest.len()
                && name.chars().any(|c| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_alphanumeric() || "_+-'".contains(c))
        };
        match c {
            '*' => out.push('∗'),
            '~' => out.push('∼'),
            '`' if before == '`' || rest.starts_with('`') => out.push('ˋ'),
            // Colons that stand side by side make no emoji.
            ':' if is_emoji() => out.push('∶'),
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// Whom Slack calls when it stands behind an `@`, should a text ever be read with `link_names` or `parse` ("Formatting text for app surfaces"): neither
/// is asked for here, but `chat.update` reads as `parse=client` where it is not told otherwise.
const CALLED: [&str; 4] = ["here", "channel", "everyone", "group"];

/// Escapes what Slack gives a meaning to and bounds the result, never within an entity.
fn escaped(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for (at, c) in text.char_indices() {
        let calls = || {
            let rest = text.get(at + 1..).unwrap_or_default();
            CALLED.iter().any(|name| rest.get(..name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name)))
        };
        let piece = match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '@' if calls() => "@ ".to_owned(),
            c => c.to_string(),
        };
        length += units(&piece);
        if length > limit.saturating_sub(1) {
            out.push('…');
            break;
        }
        out.push_str(&piece);
    }
    out
}

/// A message before it is rendered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// One line in large letters; without markup.
    pub title: Option<String>,
    /// What a notification shows and a screen reader reads, in whole sentences without markup. What it holds from outside has gone through [`outside`].
    pub fallback: String,
    /// The body.
    pub lines: Vec<Mrkdwn>,
    /// Short facts in two columns.
    pub fields: Vec<(&'static str, Mrkdwn)>,
    /// Small print.
    pub context: Vec<Mrkdwn>,
}

/// A text object. Verbatim, so that Slack makes no link or mention of what looks like one in a text from outside.
fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

/// The message as Slack's `text` and `blocks`.
pub fn render(message: &Message) -> Value {
    let whole = |text: &str, limit| escaped(&without_tokens(&visible(text)), limit);
    let mut blocks = Vec::new();
    if let Some(title) = message.title.as_deref().filter(|title| !title.trim().is_empty()) {
        let text = whole(title, HEADER);
        blocks.push(json!({"type": "header", "text": {"type": "plain_text", "text": text, "emoji": true}}));
    }
    blocks.extend(sections(&message.lines));
    if !message.fields.is_empty() {
        let fields: Vec<Value> = message
            .fields
            .iter()
            .take(FIELDS)
            .map(|(label, value)| mrkdwn(&format!("*{label}*\n{}", value.bounded(FIELD))))
            .collect();
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    let elements: Vec<Value> = message
        .context
        .iter()
        .filter(|element| !element.0.trim().is_empty())
        .take(FIELDS)
        .map(|element| mrkdwn(&element.bounded(FIELD)))
        .collect();
    if !elements.is_empty() {
        blocks.push(json!({"type": "context", "elements": elements}));
    }
    blocks.truncate(BLOCKS);
    let fallback = whole(&message.fallback, FALLBACK);
    json!({"text": fallback, "blocks": blocks})
}

/// The lines in as few sections as they fit into; what does not fit is counted.
fn sections(lines: &[Mrkdwn]) -> Vec<Value> {
    let mut texts: Vec<String> = Vec::new();
    // Slack takes no empty text.
    let lines: Vec<&Mrkdwn> = lines.iter().filter(|line| !line.0.trim().is_empty()).collect();
    for (index, line) in lines.iter().enumerate() {
        let line = line.bounded(SECTION);
        let sections = texts.len();
        match texts.last_mut() {
            Some(last) if units(last) + 1 + units(&line) <= SECTION => {
                // Writing into a text cannot fail.
                let _ = write!(last, "\n{line}");
            }
            _ if sections >= SECTIONS => {
                texts.push(format!("… and {}", count(lines.len() - index, "more line")));
                break;
            }
            _ => texts.push(line),
        }
    }
    texts.iter().map(|text| json!({"type": "section", "text": mrkdwn(text)})).collect()
}

#[cfg(test)]
pub(crate) mod tests;
