//! What Slack takes as a message: the limits of Block Kit and of texts (docs.slack.dev: `reference/block-kit/blocks`, `reference/block-kit/composition-objects/text-object`,
//! and the errors of `chat.postMessage`). Knows nothing of who posts it.

use serde_json::Value;

use super::TEXT;

/// "You can include up to 50 blocks in each message".
const BLOCKS: usize = 50;
/// "Maximum length for the text in this field is 150 characters", of a header.
const HEADER: usize = 150;
/// "Maximum length for the text in this field is 3000 characters", of a section; and of any text object.
const SECTION: usize = 3000;
/// "Maximum number of items is 10. Maximum length for the text in each item is 2000 characters", of a section's fields.
const FIELDS: (usize, usize) = (10, 2000);
/// "Maximum number of items is 10", of a context.
const CONTEXT: usize = 10;
/// "There is a maximum of 25 elements in each action block".
const ACTIONS: usize = 25;
/// "Maximum length for the text in this field is 75 characters", of a button.
const BUTTON: usize = 75;
/// "Maximum length for this field is 255 characters", of a block's id.
const ID: usize = 255;
/// "Maximum length for this field is 3000 characters", of a button's URL.
const URL: usize = 3000;
/// "A maximum of 100 attachments are allowed on a message" (`too_many_attachments`).
const ATTACHMENTS: usize = 100;
/// All the blocks' texts together. Slack's reference does not say so for blocks other than `markdown`, but `msg_blocks_too_long` comes then
/// (github.com/slackapi/bolt-js, issues 2509 and 2867).
const ALL_BLOCKS: usize = 12_000;

/// Why a message is not taken: Slack's code and its reasons. `None` when it is taken.
pub(super) fn judge(text: &str, blocks: &Value, attachments: &Value) -> Option<(String, Vec<String>)> {
    let refused = |code: &str, reasons: Vec<String>| Some((code.to_owned(), reasons));
    let count = |value: &Value| value.as_array().map_or(0, Vec::len);
    if !blocks.is_null() && !blocks.is_array() {
        return refused("invalid_blocks_format", Vec::new());
    }
    if text.is_empty() && count(blocks) == 0 && count(attachments) == 0 {
        return refused("no_text", Vec::new());
    }
    if text.chars().count() > TEXT {
        return refused("msg_too_long", Vec::new());
    }
    if count(attachments) > ATTACHMENTS {
        return refused("too_many_attachments", Vec::new());
    }
    let mut wrong = Wrong::default();
    wrong.blocks(blocks, "/blocks");
    if !wrong.reasons.is_empty() {
        return refused("invalid_blocks", wrong.reasons);
    }
    for (index, attachment) in attachments.as_array().into_iter().flatten().enumerate() {
        wrong.blocks(attachment.get("blocks").unwrap_or(&Value::Null), &format!("/attachments/{index}/blocks"));
    }
    if !wrong.reasons.is_empty() {
        return refused("invalid_attachments", wrong.reasons);
    }
    if wrong.length > ALL_BLOCKS {
        return refused("msg_blocks_too_long", Vec::new());
    }
    None
}

/// What is wrong with some blocks, in Slack's words.
#[derive(Default)]
struct Wrong {
    reasons: Vec<String>,
    /// The characters of all texts so far.
    length: usize,
}

impl Wrong {
    fn say(&mut self, what: &str, pointer: &str) {
        self.reasons.push(format!("{what} [json-pointer:{pointer}]"));
    }

    fn blocks(&mut self, blocks: &Value, pointer: &str) {
        let blocks = blocks.as_array().map(Vec::as_slice).unwrap_or_default();
        if blocks.len() > BLOCKS {
            self.say(&format!("no more than {BLOCKS} items allowed"), pointer);
        }
        for (index, block) in blocks.iter().enumerate() {
            self.block(block, &format!("{pointer}/{index}"));
        }
    }

    fn block(&mut self, block: &Value, pointer: &str) {
        let text = block.get("text");
        if let Some(id) = block.get("block_id") {
            self.length_of(id, (0, ID), &format!("{pointer}/block_id"));
        }
        match block.get("type").and_then(Value::as_str).unwrap_or_default() {
            "divider" => {}
            "header" => self.text(text, &["plain_text"], HEADER, &format!("{pointer}/text")),
            "section" => {
                if text.is_none() && block.get("fields").is_none() {
                    self.say("missing required field: text or fields", pointer);
                }
                if text.is_some() {
                    self.text(text, &["mrkdwn", "plain_text"], SECTION, &format!("{pointer}/text"));
                }
                self.items(block, "fields", FIELDS.0, pointer, |wrong, field, pointer| {
                    wrong.text(Some(field), &["mrkdwn", "plain_text"], FIELDS.1, pointer);
                });
                if let Some(accessory) = block.get("accessory") {
                    self.element(accessory, &format!("{pointer}/accessory"));
                }
            }
            "context" => {
                self.require(block, "elements", pointer);
                self.items(block, "elements", CONTEXT, pointer, |wrong, element, pointer| {
                    if element.get("type").and_then(Value::as_str) != Some("image") {
                        wrong.text(Some(element), &["mrkdwn", "plain_text"], SECTION, pointer);
                    }
                });
            }
            "actions" => {
                self.require(block, "elements", pointer);
                self.items(block, "elements", ACTIONS, pointer, Wrong::element);
            }
            other => self.say(&format!("unsupported type: {other}"), &format!("{pointer}/type")),
        }
    }

    fn require(&mut self, block: &Value, key: &str, pointer: &str) {
        if block.get(key).is_none() {
            self.say(&format!("missing required field: {key}"), pointer);
        }
    }

    fn items(&mut self, block: &Value, key: &str, most: usize, pointer: &str, each: impl Fn(&mut Self, &Value, &str)) {
        let Some(items) = block.get(key).and_then(Value::as_array) else { return };
        let pointer = format!("{pointer}/{key}");
        if items.is_empty() {
            self.say("no less than 1 item allowed", &pointer);
        }
        if items.len() > most {
            self.say(&format!("no more than {most} items allowed"), &pointer);
        }
        for (index, item) in items.iter().enumerate() {
            each(self, item, &format!("{pointer}/{index}"));
        }
    }

    /// What can be pressed.
    fn element(&mut self, element: &Value, pointer: &str) {
        match element.get("type").and_then(Value::as_str).unwrap_or_default() {
            "button" => {
                self.text(element.get("text"), &["plain_text"], BUTTON, &format!("{pointer}/text"));
                for (key, most) in [("url", URL), ("action_id", ID), ("value", 2000)] {
                    if let Some(value) = element.get(key) {
                        self.length_of(value, (usize::from(key != "value"), most), &format!("{pointer}/{key}"));
                    }
                }
            }
            "image" => {}
            other => self.say(&format!("unsupported type: {other}"), &format!("{pointer}/type")),
        }
    }

    fn text(&mut self, object: Option<&Value>, kinds: &[&str], most: usize, pointer: &str) {
        let Some(object) = object else { return self.say("missing required field: text", pointer) };
        let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
        if !kinds.contains(&kind) {
            self.say(&format!("unsupported type: {kind}"), &format!("{pointer}/type"));
        }
        let Some(text) = object.get("text") else { return self.say("missing required field: text", pointer) };
        self.length += text.as_str().unwrap_or_default().chars().count();
        self.length_of(text, (1, most), &format!("{pointer}/text"));
    }

    fn length_of(&mut self, text: &Value, (least, most): (usize, usize), pointer: &str) {
        let Some(text) = text.as_str() else { return self.say("must be a string", pointer) };
        let length = text.chars().count();
        if length < least {
            self.say(&format!("must be more than {} characters", least.saturating_sub(1)), pointer);
        }
        if length > most {
            self.say(&format!("must be less than {} characters", most + 1), pointer);
        }
    }
}
