//! Slack and PagerDuty as a function meets them: messages, threads, updates, pages, and the ways in which they refuse. Knows nothing of
//! what is said.

use std::time::Duration;

use domain::text::bounded;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{HttpAnswer, HttpAsked, Token, World};
use crate::scenario::{Fault, VendorFault};
use crate::timeline::{Tone, Who};

/// How long Slack and PagerDuty take in virtual time.
const LATENCY: Duration = Duration::from_millis(120);

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
    /// When it was posted.
    pub at: Timestamp,
    /// The fallback text.
    pub text: String,
    /// The blocks.
    pub blocks: Value,
    /// How often it was changed.
    pub updates: u32,
}

impl SlackMessage {
    /// Everything that a reader sees of it: the fallback text and the texts of the blocks.
    pub fn visible(&self) -> String {
        let mut lines = vec![self.text.clone()];
        collect_texts(&self.blocks, &mut lines);
        lines.join("\n")
    }
}

fn collect_texts(value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, lines)),
        Value::Object(map) => {
            for (key, inner) in map {
                match (key.as_str(), inner) {
                    ("text", Value::String(text)) => lines.push(text.clone()),
                    _ => collect_texts(inner, lines),
                }
            }
        }
        _ => {}
    }
}

/// An event at PagerDuty.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    /// When it arrived.
    pub at: Timestamp,
    /// `trigger`, `acknowledge`, `resolve`.
    pub action: String,
    /// What it is about.
    pub dedup_key: String,
    /// `critical`, `error`, `warning`, `info`; empty for what is not a trigger.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub severity: String,
    /// The summary.
    pub summary: String,
}

/// A change event at PagerDuty.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// When it arrived.
    pub at: Timestamp,
    /// The summary.
    pub summary: String,
}

#[derive(Debug, Default)]
pub(crate) struct Vendors {
    messages: Vec<SlackMessage>,
    pages: Vec<Page>,
    changes: Vec<Change>,
}

impl Vendors {
    pub(crate) fn messages(&self) -> &[SlackMessage] {
        &self.messages
    }

    pub(crate) fn pages(&self) -> &[Page] {
        &self.pages
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }
}

impl World {
    fn vendor_refuses(&mut self, slack: bool) -> Option<VendorFault> {
        let elapsed = self.elapsed();
        self.faults.iter_mut().find_map(|planned| {
            let fault = match &planned.fault {
                Fault::Slack(fault) if slack => fault,
                Fault::Pagerduty(fault) if !slack => fault,
                _ => return None,
            };
            let strikes =
                fault.from.is_none_or(|from| elapsed >= from.0) && fault.until.is_none_or(|until| elapsed < until.0);
            planned.struck |= strikes;
            strikes.then(|| fault.clone())
        })
    }

    fn refuse(&mut self, who: Who, fault: &VendorFault, token: Token) {
        self.tell(who, Tone::Warning, format!("answers {}", fault.status));
        let mut answer = HttpAnswer::text(fault.status, "");
        if let Some(seconds) = fault.retry_after {
            answer.headers.push(("retry-after".to_owned(), seconds.to_string()));
        }
        self.answer(token, answer, LATENCY);
    }

    pub(crate) fn slack(&mut self, caller: &str, token: Token, asked: &HttpAsked) {
        if let Some(fault) = self.vendor_refuses(true) {
            return self.refuse(Who::Slack, &fault, token);
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let ok = |value: Value| HttpAnswer::json(200, &value);
        let webhook = asked.host.as_deref().is_some_and(|host| host.starts_with("hooks."));
        let authorised = asked
            .headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("Bearer rehearsal-"));
        let answer = if !webhook && !authorised {
            ok(json!({ "ok": false, "error": "invalid_auth" }))
        } else if webhook || asked.path.ends_with("/chat.postMessage") {
            let number = self.fresh();
            let ts = format!("{}.{:06}", self.now.0 / 1000, number % 1_000_000);
            let channel = if webhook { "webhook".to_owned() } else { text("channel") };
            let thread_ts = body.get("thread_ts").and_then(Value::as_str).map(str::to_owned);
            let message = SlackMessage {
                channel: channel.clone(),
                ts: ts.clone(),
                thread_ts: thread_ts.clone(),
                at: self.now,
                text: text("text"),
                blocks: body.get("blocks").cloned().unwrap_or(Value::Null),
                updates: 0,
            };
            let verb = if thread_ts.is_some() { "replies in the thread" } else { "posts" };
            let what = format!("{verb}: {}", bounded(&message.text, 160));
            self.tell(Who::Function(caller.to_owned()), Tone::Plain, what);
            self.vendors.messages.push(message);
            if webhook { HttpAnswer::text(200, "ok") } else { ok(json!({ "ok": true, "channel": channel, "ts": ts })) }
        } else if asked.path.ends_with("/chat.update") {
            let (ts, new_text) = (text("ts"), text("text"));
            match self.vendors.messages.iter_mut().find(|message| message.ts == ts) {
                Some(message) => {
                    message.text.clone_from(&new_text);
                    // A text without blocks removes the blocks (Slack, chat.update).
                    message.blocks = body.get("blocks").cloned().unwrap_or(Value::Null);
                    message.updates += 1;
                    let answer = ok(json!({ "ok": true, "channel": message.channel, "ts": ts, "text": new_text }));
                    let what = format!("updates the message: {}", bounded(&new_text, 160));
                    self.tell(Who::Function(caller.to_owned()), Tone::Plain, what);
                    answer
                }
                None => ok(json!({ "ok": false, "error": "message_not_found" })),
            }
        } else {
            ok(json!({ "ok": false, "error": "unknown_method" }))
        };
        self.answer(token, answer, LATENCY);
    }

    pub(crate) fn pagerduty(&mut self, caller: &str, token: Token, asked: &HttpAsked) {
        if let Some(fault) = self.vendor_refuses(false) {
            return self.refuse(Who::PagerDuty, &fault, token);
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        if asked.path.ends_with("/v2/change/enqueue") {
            return self.change(caller, token, text("/payload/summary"), &text("/routing_key"));
        }
        let action = text("/event_action");
        let complete = match action.as_str() {
            "trigger" => {
                ["/payload/summary", "/payload/source", "/payload/severity"].iter().all(|key| !text(key).is_empty())
            }
            "acknowledge" | "resolve" => !text("/dedup_key").is_empty(),
            _ => false,
        };
        if text("/routing_key").is_empty() || !complete {
            let answer = json!({ "status": "invalid event", "message": "Event object is invalid" });
            return self.answer(token, HttpAnswer::json(400, &answer), LATENCY);
        }
        let page = Page {
            at: self.now,
            action: action.clone(),
            dedup_key: text("/dedup_key"),
            severity: text("/payload/severity"),
            summary: text("/payload/summary"),
        };
        let last = self.vendors.pages.iter().rev().find(|other| other.dedup_key == page.dedup_key);
        let open = last.is_some_and(|last| last.action != "resolve");
        let who = Who::Function(caller.to_owned());
        match action.as_str() {
            "trigger" => self.tell(who, Tone::Warning, format!("pages a person: {}", bounded(&page.summary, 160))),
            _ if open => self.tell(who, Tone::Good, format!("tells PagerDuty that it is over: {}", page.dedup_key)),
            _ => {}
        }
        let answer = json!({ "status": "success", "message": "Event processed", "dedup_key": page.dedup_key });
        // "A resolve without an open alert is dropped" (PagerDuty, Events API v2).
        if open || action == "trigger" {
            self.vendors.pages.push(page);
        }
        self.answer(token, HttpAnswer::json(202, &answer), LATENCY);
    }

    fn change(&mut self, caller: &str, token: Token, summary: String, key: &str) {
        if key.is_empty() || summary.is_empty() {
            let answer = json!({ "status": "invalid event", "message": "Event object is invalid" });
            return self.answer(token, HttpAnswer::json(400, &answer), LATENCY);
        }
        let what = format!("tells PagerDuty of a change: {}", bounded(&summary, 160));
        self.tell(Who::Function(caller.to_owned()), Tone::Plain, what);
        self.vendors.changes.push(Change { at: self.now, summary });
        let answer = json!({ "status": "success", "message": "Change event processed" });
        self.answer(token, HttpAnswer::json(202, &answer), LATENCY);
    }
}
