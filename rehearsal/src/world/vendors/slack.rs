//! Slack as a function meets it: messages, threads, updates, reading back, an incoming webhook, and the ways in which it refuses. What it does
//! is what its reference says (docs.slack.dev: `reference/methods/chat.postMessage`, `chat.update`, `conversations.history`,
//! `conversations.replies`, `apis/web-api/rate-limits`, `messaging/sending-messages-using-incoming-webhooks`). Knows nothing of what is said.

mod fit;
mod mentions;
mod read;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::text::bounded;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{HttpAnswer, HttpAsked, Item, World, body_of, form, header, path_of, query_of};
use crate::timeline::{Tone, Who};

/// "1 per second. Short bursts >1 allowed", of messages to a channel ("Rate limits"). How short is not documented; people have measured a bucket
/// of 25 that fills by one a second (github.com/RamblingCookieMonster/PSSlack, issue 52).
const BURST: f64 = 25.0;
/// "Slack will truncate messages containing more than 40,000 characters"; here they are refused, so that nobody relies on it.
const TEXT: usize = 40_000;
/// Where an incoming webhook is, behind its host.
const WEBHOOK: &str = "/services/T0/B0/rehearsal";
/// The channel that the webhook posts to.
const WEBHOOKS_CHANNEL: &str = "webhook";

/// A message in Slack, as it stands in the end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlackMessage {
    /// The channel.
    pub channel: String,
    /// Slack's id of the message.
    pub ts: String,
    /// The message that it replies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_ts: Option<String>,
    /// Whether the reply is shown in the channel, too.
    #[serde(skip_serializing_if = "is_false")]
    pub broadcast: bool,
    /// When it was posted.
    pub at: Timestamp,
    /// The text; beside blocks it is what notifications and screen readers say.
    pub text: String,
    /// The blocks.
    pub blocks: Value,
    /// The attachments.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub attachments: Value,
    /// What stays with it, unseen by readers.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub metadata: Value,
    /// Who was pinged when it was posted: `S…`, `U…`, `here`, `channel`, `everyone`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pings: Vec<String>,
    /// How often it was changed.
    pub updates: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks in this way")]
fn is_false(value: &bool) -> bool {
    !value
}

impl SlackMessage {
    /// Everything that a reader sees of it: the fallback text, the texts of the blocks and those of the attachments.
    pub fn visible(&self) -> String {
        let mut lines = vec![self.text.clone()];
        collect_texts(&self.blocks, &mut lines);
        collect_texts(&self.attachments, &mut lines);
        lines.join("\n")
    }

    /// What notifications and screen readers say.
    pub fn fallback(&self) -> &str {
        if self.text.is_empty() { super::text(&self.attachments, "/0/fallback") } else { &self.text }
    }
}

fn collect_texts(value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, lines)),
        Value::Object(map) => {
            for (key, inner) in map {
                match (key.as_str(), inner) {
                    ("text" | "fallback" | "title" | "pretext" | "footer", Value::String(text)) => {
                        lines.push(text.clone());
                    }
                    _ => collect_texts(inner, lines),
                }
            }
        }
        _ => {}
    }
}

/// Slack's own memory.
#[derive(Debug, Default)]
pub(crate) struct Slack {
    pub(super) messages: Vec<SlackMessage>,
    pub(super) mentioned: BTreeSet<String>,
    rooms: BTreeMap<String, Room>,
}

/// How much a channel takes.
#[derive(Debug)]
struct Room {
    /// What is left of its burst.
    left: f64,
    /// Since when that has been filling again.
    since: Timestamp,
    /// After a 429: until when nothing is taken.
    closed_until: Timestamp,
}

impl Slack {
    /// Takes a place for a message in a channel; when there is none, how many seconds it is until there is.
    fn take_place(&mut self, channel: &str, now: Timestamp) -> Result<(), u64> {
        let room = self.rooms.entry(channel.to_owned()).or_insert(Room { left: BURST, since: now, closed_until: now });
        if room.closed_until > now {
            return Err(room.closed_until.since(now).as_secs_f64().ceil() as u64);
        }
        room.left = (room.left + now.since(room.since).as_secs_f64()).min(BURST);
        room.since = now;
        if room.left < 1.0 {
            // Nothing is taken before the time that it says.
            room.closed_until = now.plus(Duration::from_secs(1));
            return Err(1);
        }
        room.left -= 1.0;
        Ok(())
    }
}

/// What is asked by a method: the query, a form or JSON, whichever the request has.
pub(super) struct Arguments(Value);

impl Arguments {
    pub(super) fn of(asked: &HttpAsked) -> Self {
        let mut all = serde_json::Map::new();
        let is_form = header(asked, "content-type").starts_with("application/x-www-form-urlencoded");
        let fields = if is_form { form(&String::from_utf8_lossy(&asked.body)) } else { Vec::new() };
        all.extend(query_of(asked).into_iter().chain(fields).map(|(key, value)| (key, Value::String(value))));
        if let Value::Object(body) = body_of(asked) {
            all.extend(body);
        }
        Self(Value::Object(all))
    }

    fn get(&self, key: &str) -> Value {
        self.0.get(key).cloned().unwrap_or_default()
    }

    /// A text, or a number as one; empty when there is none.
    pub(super) fn text(&self, key: &str) -> String {
        match self.get(key) {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        }
    }

    fn is_set(&self, key: &str) -> bool {
        matches!(self.get(key), Value::Bool(true)) || ["true", "1"].contains(&self.text(key).as_str())
    }

    fn thread(&self) -> Option<String> {
        Some(self.text("thread_ts")).filter(|ts| !ts.is_empty())
    }
}

fn ok(mut value: Value) -> HttpAnswer {
    if let Some(map) = value.as_object_mut() {
        map.insert("ok".to_owned(), json!(true));
    }
    HttpAnswer::json(200, &value)
}

fn error(code: &str) -> HttpAnswer {
    HttpAnswer::json(200, &json!({ "ok": false, "error": code }))
}

/// A refusal with its reasons, in the form in which Slack gives them.
fn refused(code: &str, reasons: &[String]) -> HttpAnswer {
    let messages: Vec<String> = reasons.iter().map(|reason| format!("[ERROR] {reason}")).collect();
    let body = json!({ "ok": false, "error": code, "errors": reasons, "response_metadata": { "messages": messages } });
    HttpAnswer::json(200, &body)
}

/// A webhook's error: plain text, with a status of its own ("Handling errors" on the page about incoming webhooks, and the changelog of
/// 2016-05-17, "Improving error conditions for Incoming Webhooks").
pub(super) fn webhook_error(code: &str) -> HttpAnswer {
    let status = match code {
        "action_prohibited" | "invalid_token" | "posting_to_general_channel_denied" | "team_disabled" => 403,
        "channel_not_found" | "no_service" | "no_service_id" | "no_team" | "no_active_hooks" => 404,
        "channel_is_archived" => 410,
        "rollup_error" => 500,
        _ => 400,
    };
    HttpAnswer::text(status, code)
}

impl World {
    pub(super) fn slack(&mut self, caller: &str, asked: &HttpAsked) -> HttpAnswer {
        let arguments = Arguments::of(asked);
        match header(asked, "authorization") {
            "" => return error("not_authed"),
            bearer if !bearer.starts_with("Bearer rehearsal-") => return error("invalid_auth"),
            _ => {}
        }
        let method = path_of(asked).rsplit('/').next().unwrap_or_default().to_owned();
        if !["chat.postMessage", "chat.update", "conversations.history", "conversations.replies"]
            .contains(&method.as_str())
        {
            return error("unknown_method");
        }
        if !is_channel(&arguments.text("channel")) {
            return error("channel_not_found");
        }
        match method.as_str() {
            "chat.postMessage" => self.post_message(caller, &arguments),
            "chat.update" => self.update_message(caller, &arguments),
            method => self.vendors.slack.read(method, &arguments),
        }
    }

    /// Whether Slack takes what a message holds; the refusal when it does not.
    fn unfit(&mut self, arguments: &Arguments) -> Option<(String, Vec<String>)> {
        let unfit = fit::judge(&arguments.text("text"), &arguments.get("blocks"), &arguments.get("attachments"))?;
        let why = if unfit.1.is_empty() { String::new() } else { format!(": {}", unfit.1.join("; ")) };
        self.tell(Who::Slack, Tone::Bad, format!("refuses a message with `{}`{why}", unfit.0));
        Some(unfit)
    }

    /// Whether the channel takes one more message now; how many seconds until it does, when it does not.
    fn has_place(&mut self, channel: &str) -> Result<(), u64> {
        self.vendors.slack.take_place(channel, self.now).inspect_err(|seconds| {
            let what = format!("answers 429 in {channel}: more than one message a second, and the burst is used up; again in {seconds} s");
            self.tell(Who::Slack, Tone::Warning, what);
        })
    }

    fn post_message(&mut self, caller: &str, arguments: &Arguments) -> HttpAnswer {
        let channel = arguments.text("channel");
        if let Err(seconds) = self.has_place(&channel) {
            let mut answer = HttpAnswer::json(429, &json!({ "ok": false, "error": "ratelimited" }));
            answer.headers.push(("retry-after".to_owned(), seconds.to_string()));
            return answer;
        }
        if let Some((code, reasons)) = self.unfit(arguments) {
            return refused(&code, &reasons);
        }
        let metadata = arguments.get("metadata");
        let is_metadata = metadata.get("event_type").is_some_and(Value::is_string)
            && metadata.get("event_payload").is_some_and(Value::is_object);
        if !metadata.is_null() && !is_metadata {
            return error("invalid_metadata_format");
        }
        let thread_ts = arguments.thread();
        if let Some(thread) = &thread_ts
            && !self
                .vendors
                .slack
                .messages
                .iter()
                .any(|message| message.ts == *thread && message.channel == channel && message.thread_ts.is_none())
        {
            return error("thread_not_found");
        }
        let ts = self.post(caller, arguments, &channel, thread_ts, metadata);
        ok(
            json!({ "channel": channel, "ts": ts, "message": { "type": "message", "ts": ts, "text": arguments.text("text") } }),
        )
    }

    /// Keeps a message; its id.
    fn post(
        &mut self,
        caller: &str,
        arguments: &Arguments,
        channel: &str,
        thread_ts: Option<String>,
        metadata: Value,
    ) -> String {
        let ts = format!("{}.{:03}{:03}", self.now.0 / 1000, self.now.0 % 1000, self.fresh() % 1000);
        let mut message = SlackMessage {
            channel: channel.to_owned(),
            ts: ts.clone(),
            broadcast: thread_ts.is_some() && arguments.is_set("reply_broadcast"),
            thread_ts,
            at: self.now,
            text: arguments.text("text"),
            blocks: arguments.get("blocks"),
            attachments: arguments.get("attachments"),
            metadata,
            pings: Vec::new(),
            updates: 0,
        };
        message.pings = mentions::of(&message, arguments.is_set("link_names") || arguments.text("parse") == "full");
        let slack = &mut self.vendors.slack;
        slack.mentioned.extend(message.pings.iter().cloned());
        self.vendors.told.push(Item::Message(slack.messages.len()));
        let verb = match (&message.thread_ts, message.broadcast) {
            (Some(_), true) => "replies in the thread, and to the channel",
            (Some(_), false) => "replies in the thread",
            (None, _) => "posts",
        };
        let pings =
            if message.pings.is_empty() { String::new() } else { format!(" (pings {})", message.pings.join(", ")) };
        let what = format!("{verb}: {}{pings}", bounded(message.fallback(), 160));
        slack.messages.push(message);
        self.tell(Who::Function(caller.to_owned()), Tone::Plain, what);
        ts
    }

    fn update_message(&mut self, caller: &str, arguments: &Arguments) -> HttpAnswer {
        if let Some((code, reasons)) = self.unfit(arguments) {
            return refused(&code, &reasons);
        }
        let (channel, ts, text) = (arguments.text("channel"), arguments.text("ts"), arguments.text("text"));
        let slack = &mut self.vendors.slack;
        let found = slack.messages.iter_mut().find(|message| message.ts == ts && message.channel == channel);
        let Some(message) = found else { return error("message_not_found") };
        message.text.clone_from(&text);
        // "If you don't include `blocks`, the message's previous blocks will be removed" where there is a text; so with attachments.
        message.blocks = arguments.get("blocks");
        message.attachments = arguments.get("attachments");
        // Metadata stays unless it is given anew.
        let metadata = arguments.get("metadata");
        if !metadata.is_null() {
            message.metadata = metadata;
        }
        message.updates += 1;
        // Nobody is notified of an update; what it mentions is text from somewhere all the same.
        slack.mentioned.extend(mentions::of(message, false));
        let short = bounded(message.fallback(), 160);
        self.tell(Who::Function(caller.to_owned()), Tone::Plain, format!("updates the message: {short}"));
        ok(json!({ "channel": channel, "ts": ts, "text": text }))
    }

    pub(super) fn slack_webhook(&mut self, caller: &str, asked: &HttpAsked) -> HttpAnswer {
        if path_of(asked) != WEBHOOK {
            return webhook_error("no_service");
        }
        if asked.method != http::Method::POST || !body_of(asked).is_object() {
            return webhook_error("invalid_payload");
        }
        if let Err(seconds) = self.has_place(WEBHOOKS_CHANNEL) {
            let mut answer = HttpAnswer::text(429, "rate_limited");
            answer.headers.push(("retry-after".to_owned(), seconds.to_string()));
            return answer;
        }
        let arguments = Arguments::of(asked);
        if let Some((code, _)) = self.unfit(&arguments) {
            return webhook_error(&code);
        }
        let _ = self.post(caller, &arguments, WEBHOOKS_CHANNEL, None, Value::Null);
        HttpAnswer::text(200, "ok")
    }
}

/// Whether it can be a conversation's id. A name is none: what takes ids only does not find it.
fn is_channel(channel: &str) -> bool {
    let mut letters = channel.chars();
    letters.next().is_some_and(|first| "CGD".contains(first))
        && letters.all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
}
