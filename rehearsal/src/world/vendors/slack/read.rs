//! Reading back what stands in a channel or a thread: `conversations.history` and `conversations.replies`. Knows nothing of what is looked for.

use serde_json::{Value, json};

use super::{Arguments, HttpAnswer, Slack, SlackMessage, error, ok};

/// "The maximum number of items to return. Maximum of 999"; the default is 100 for a channel and 1000 for a thread.
const MOST: usize = 999;

impl Slack {
    pub(super) fn read(&self, method: &str, arguments: &Arguments) -> HttpAnswer {
        let channel = arguments.text("channel");
        let of_the_channel = || self.messages.iter().filter(|message| message.channel == channel);
        let is_history = method == "conversations.history";
        let found: Vec<&SlackMessage> = if is_history {
            // The newest first; of the replies those that are shown in the channel too.
            of_the_channel().rev().filter(|message| message.thread_ts.is_none() || message.broadcast).collect()
        } else {
            let ts = arguments.text("ts");
            let in_thread: Vec<_> = of_the_channel()
                .filter(|message| message.ts == ts || message.thread_ts.as_ref() == Some(&ts))
                .collect();
            if in_thread.is_empty() {
                return error("thread_not_found");
            }
            in_thread
        };
        let Ok(oldest) = point(&arguments.text("oldest"), 0.0) else { return error("invalid_ts_oldest") };
        let Ok(latest) = point(&arguments.text("latest"), f64::MAX) else { return error("invalid_ts_latest") };
        let inclusive = arguments.is_set("inclusive");
        let is_within = |message: &&&SlackMessage| {
            let ts = message.ts.parse().unwrap_or(0.0);
            // A thread's first message comes whatever is asked for.
            let is_first = !is_history && message.thread_ts.is_none();
            is_first || (oldest < ts && ts < latest) || (inclusive && (oldest <= ts && ts <= latest))
        };
        let limit = match arguments.text("limit").as_str() {
            "" => {
                if is_history {
                    100
                } else {
                    MOST
                }
            }
            limit => match limit.parse::<usize>() {
                Ok(limit @ 1..=MOST) => limit,
                _ => return error("invalid_limit"),
            },
        };
        let begin = match arguments.text("cursor").as_str() {
            "" => 0,
            cursor => match cursor.strip_prefix("next:").and_then(|number| number.parse().ok()) {
                Some(begin) => begin,
                None => return error("invalid_cursor"),
            },
        };
        let fitting: Vec<&SlackMessage> = found.iter().filter(is_within).copied().collect();
        let with_metadata = arguments.is_set("include_all_metadata");
        let messages: Vec<Value> =
            fitting.iter().skip(begin).take(limit).map(|message| self.shown(message, with_metadata)).collect();
        let has_more = begin + limit < fitting.len();
        let cursor = if has_more { format!("next:{}", begin + limit) } else { String::new() };
        ok(json!({ "messages": messages, "has_more": has_more, "response_metadata": { "next_cursor": cursor } }))
    }

    fn shown(&self, message: &SlackMessage, with_metadata: bool) -> Value {
        let mut shown = json!({
            "type": "message", "ts": message.ts, "text": message.text, "bot_id": "B0REHEARSAL", "blocks": message.blocks,
        });
        let Some(map) = shown.as_object_mut() else { return shown };
        let replies = self.messages.iter().filter(|other| other.thread_ts.as_ref() == Some(&message.ts)).count();
        if let Some(thread) = &message.thread_ts {
            map.insert("thread_ts".to_owned(), json!(thread));
        } else if replies > 0 {
            map.insert("thread_ts".to_owned(), json!(message.ts));
            map.insert("reply_count".to_owned(), json!(replies));
        }
        if message.broadcast {
            map.insert("subtype".to_owned(), json!("thread_broadcast"));
        }
        if with_metadata && !message.metadata.is_null() {
            map.insert("metadata".to_owned(), message.metadata.clone());
        }
        shown
    }
}

/// A point in time as Slack takes it: seconds with a fraction.
fn point(text: &str, otherwise: f64) -> Result<f64, std::num::ParseFloatError> {
    if text.is_empty() { Ok(otherwise) } else { text.parse() }
}
