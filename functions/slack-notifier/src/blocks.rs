//! Renders a message as Block Kit within Slack's limits. Text from outside is escaped and bounded on its way in, so that no
//! caller can forget it. Knows nothing of deployments.

use serde_json::{Value, json};

/// Slack's limits (Block Kit reference); a little less where Slack may count an emoji twice.
const BLOCKS: usize = 50;
const HEADER: usize = 140;
const SECTION: usize = 2900;
const FIELDS: usize = 10;
const FIELD: usize = 1900;
const FALLBACK: usize = 2900;
/// One value from outside: enough for a reason, too little to drown the message.
const VALUE: usize = 600;

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
        escaped(self, VALUE)
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

    /// A link.
    pub fn link(url: &str, text: &str) -> Self {
        // A bar would end the URL.
        Self(format!("<{}|{}>", url.replace('|', "%7C").said(), text.replace('|', "/").said()))
    }

    /// Cut to `limit` characters without cutting an entity or a link in two.
    fn bounded(&self, limit: usize) -> String {
        if self.0.chars().count() <= limit {
            return self.0.clone();
        }
        let cut: String = self.0.chars().take(limit.saturating_sub(1)).collect();
        let whole =
            [('&', ';'), ('<', '>')].into_iter().fold(cut.as_str(), |cut, (open, close)| match cut.rfind(open) {
                Some(at) if !cut.get(at..).is_some_and(|rest| rest.contains(close)) => {
                    cut.get(..at).unwrap_or_default()
                }
                _ => cut,
            });
        format!("{whole}…")
    }
}

/// Escapes what Slack gives a meaning to and bounds the result, never within an entity.
fn escaped(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for c in text.chars() {
        let piece = match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            c => c.to_string(),
        };
        length += piece.chars().count();
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
    /// What a notification shows, without markup; never empty.
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
    let mut blocks = Vec::new();
    if let Some(title) = &message.title {
        let text = escaped(title, HEADER);
        blocks.push(json!({"type": "header", "text": {"type": "plain_text", "text": text, "emoji": true}}));
    }
    // Room for the header, the fields and the small print.
    blocks.extend(sections(&message.lines, BLOCKS - 3));
    if !message.fields.is_empty() {
        let fields: Vec<Value> = message
            .fields
            .iter()
            .take(FIELDS)
            .map(|(label, value)| mrkdwn(&format!("*{label}*\n{}", value.bounded(FIELD))))
            .collect();
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    if !message.context.is_empty() {
        let elements: Vec<Value> =
            message.context.iter().take(FIELDS).map(|element| mrkdwn(&element.bounded(FIELD))).collect();
        blocks.push(json!({"type": "context", "elements": elements}));
    }
    json!({"text": escaped(&message.fallback, FALLBACK), "blocks": blocks})
}

/// The lines in as few sections as they fit into; what does not fit is counted.
fn sections(lines: &[Mrkdwn], most: usize) -> Vec<Value> {
    let mut texts: Vec<String> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let line = line.bounded(SECTION);
        let length = line.chars().count();
        let sections = texts.len();
        match texts.last_mut() {
            Some(last) if last.chars().count() + 1 + length <= SECTION => {
                last.push('\n');
                last.push_str(&line);
            }
            _ if sections + 1 >= most => {
                texts.push(format!("… and {}", domain::text::count(lines.len() - index, "more line")));
                break;
            }
            _ => texts.push(line),
        }
    }
    texts.iter().map(|text| json!({"type": "section", "text": mrkdwn(text)})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_ping_anyone_or_break_a_link() {
        assert_eq!(said!("*{}*: {}", "a & b", "<!channel>").said(), "*a &amp; b*: &lt;!channel&gt;");
        assert_eq!(Mrkdwn::code("x`y").said(), "`x'y`");
        assert_eq!(Mrkdwn::link("https://h/?a=1&b=2", "d|1>").said(), "<https://h/?a=1&amp;b=2|d/1&gt;>");
    }

    #[test]
    fn nothing_is_longer_than_slack_allows_and_no_entity_is_cut() {
        let flood = "&".repeat(20_000);
        let lines = vec![said!("{}{}{}{}{}{}", flood, flood, flood, flood, flood, flood); 120];
        let message = Message {
            title: Some(flood.clone()),
            fallback: flood.clone(),
            lines,
            fields: vec![("Label", said!("{}", flood)); 12],
            context: vec![said!("{}", flood); 12],
        };
        let rendered = render(&message);
        let blocks = rendered["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 50);
        assert!(blocks[0]["text"]["text"].as_str().unwrap().chars().count() <= 150);
        for text in blocks[1..48].iter().map(|block| block["text"]["text"].as_str().unwrap()) {
            assert!(text.chars().count() <= 3000);
            assert!(text.ends_with("&amp;…") || text == "… and 74 more lines", "{text}");
        }
        assert_eq!(blocks[48]["fields"].as_array().unwrap().len(), 10);
        for text in [&blocks[1]["text"], &blocks[48]["fields"][0], &blocks[49]["elements"][0]] {
            assert_eq!((&text["type"], &text["verbatim"]), (&json!("mrkdwn"), &json!(true)));
        }
        assert!(rendered["text"].as_str().unwrap().chars().count() <= 4000);
    }

    #[test]
    fn a_cut_never_leaves_half_a_link() {
        let long = said!("{} {}", "x".repeat(20), Mrkdwn::link("https://example.com", "there"));
        assert_eq!(long.bounded(30), format!("{} …", "x".repeat(20)));
    }
}
