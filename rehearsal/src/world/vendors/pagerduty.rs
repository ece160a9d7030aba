//! PagerDuty's Events API v2: alerts by their key, change events, and what it refuses ("Send an Alert Event" and "Send a Change Event" in
//! PagerDuty's developer documentation, and its OpenAPI description, `reference/events-v2` of github.com/PagerDuty/api-schema).

use domain::text::bounded;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{HttpAnswer, HttpAsked, Item, World, body_of, path_of, text};
use crate::timeline::{Tone, Who};

/// "The maximum permitted length of this property is 1024 characters", of a summary.
const SUMMARY: usize = 1024;
/// "The maximum permitted length of this property is 255 characters", of a key.
const KEY: usize = 255;
/// "Events have a maximum size of 512 KB".
const EVENT: usize = 512 * 1024;

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
    /// Whether the alert was open already: a trigger adds to it then, and pages nobody anew.
    pub was_open: bool,
    /// What it was about in full: `payload`, `links`.
    #[serde(skip)]
    pub event: Value,
}

/// A change event at PagerDuty.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// When it arrived.
    pub at: Timestamp,
    /// The summary.
    pub summary: String,
    /// What it was about in full: `payload`, `links`.
    #[serde(skip)]
    pub event: Value,
}

/// What is wrong with an event, in PagerDuty's way of saying it.
fn complaints(event: &Value, is_change: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut require = |pointer: &str, name: &str| {
        if text(event, pointer).is_empty() {
            wrong.push(format!("'{name}' is missing or blank"));
        }
    };
    require("/routing_key", "routing_key");
    let action = text(event, "/event_action");
    match action {
        _ if is_change => require("/payload/summary", "payload.summary"),
        "trigger" => {
            for key in ["summary", "source", "severity"] {
                require(&format!("/payload/{key}"), &format!("payload.{key}"));
            }
        }
        "acknowledge" | "resolve" => require("/dedup_key", "dedup_key"),
        _ => wrong.push(
            "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')"
                .to_owned(),
        ),
    }
    let severity = text(event, "/payload/severity");
    if !is_change && action == "trigger" && !["", "critical", "error", "warning", "info"].contains(&severity) {
        wrong.push(
            "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"
                .to_owned(),
        );
    }
    for (pointer, name, most) in [("/payload/summary", "payload.summary", SUMMARY), ("/dedup_key", "dedup_key", KEY)] {
        if text(event, pointer).chars().count() > most {
            wrong.push(format!("'{name}' is too long (maximum is {most} characters)"));
        }
    }
    for link in event.get("links").and_then(Value::as_array).into_iter().flatten() {
        if !text(link, "/href").starts_with("http") {
            wrong.push("'links.href' is missing or no URL".to_owned());
        }
    }
    wrong
}

fn refused(message: &str, errors: &[String]) -> HttpAnswer {
    HttpAnswer::json(400, &json!({ "status": "invalid event", "message": message, "errors": errors }))
}

impl World {
    pub(super) fn pagerduty(&mut self, caller: &str, asked: &HttpAsked) -> HttpAnswer {
        let is_change = match path_of(asked) {
            "/v2/enqueue" => false,
            "/v2/change/enqueue" => true,
            _ => return HttpAnswer::json(404, &json!({ "status": "not found" })),
        };
        if asked.method != http::Method::POST {
            return HttpAnswer::json(405, &json!({ "status": "method not allowed" }));
        }
        if asked.body.len() > EVENT {
            return HttpAnswer::json(413, &json!({ "status": "payload too large" }));
        }
        let event = body_of(asked);
        if !event.is_object() {
            return HttpAnswer::json(
                400,
                &json!({ "status": "Unrecognized object", "message": "Event object format is unrecognized", "errors": ["JSON parse error"] }),
            );
        }
        let wrong = complaints(&event, is_change);
        if !wrong.is_empty() {
            self.tell(Who::PagerDuty, Tone::Bad, format!("refuses an event: {}", wrong.join("; ")));
            return refused("Event object is invalid", &wrong);
        }
        if !text(&event, "/routing_key").starts_with("rehearsal-") {
            return refused("Invalid routing key", &["'routing_key' is not that of an integration".to_owned()]);
        }
        if is_change { self.change(caller, event) } else { self.page(caller, event) }
    }

    fn change(&mut self, caller: &str, event: Value) -> HttpAnswer {
        let summary = text(&event, "/payload/summary").to_owned();
        let what = format!("tells PagerDuty of a change: {}", bounded(&summary, 160));
        self.tell(Who::Function(caller.to_owned()), Tone::Plain, what);
        let event = without_key(event);
        self.vendors.told.push(Item::Change(self.vendors.changes.len()));
        self.vendors.changes.push(Change { at: self.now, summary, event });
        HttpAnswer::json(202, &json!({ "status": "success", "message": "Change event processed" }))
    }

    fn page(&mut self, caller: &str, event: Value) -> HttpAnswer {
        let (action, mut key) = (text(&event, "/event_action").to_owned(), text(&event, "/dedup_key").to_owned());
        if key.is_empty() {
            // "If not provided, PagerDuty will generate one".
            key = format!("{:032x}", self.fresh());
        }
        let last = self.vendors.pages.iter().rev().find(|other| other.dedup_key == key);
        // After its resolution a key opens an alert anew.
        let was_open = last.is_some_and(|last| last.action != "resolve");
        let page = Page {
            at: self.now,
            severity: if action == "trigger" { text(&event, "/payload/severity").to_owned() } else { String::new() },
            summary: text(&event, "/payload/summary").to_owned(),
            dedup_key: key.clone(),
            was_open,
            action: action.clone(),
            event: without_key(event),
        };
        let who = Who::Function(caller.to_owned());
        let short = bounded(&page.summary, 160);
        match action.as_str() {
            "trigger" if was_open => self.tell(who, Tone::Warning, format!("adds to an open page: {short}")),
            "trigger" => self.tell(who, Tone::Warning, format!("pages a person: {short}")),
            _ if was_open => self.tell(who, Tone::Good, format!("tells PagerDuty that it is over: {key}")),
            _ => {}
        }
        // What is about no open alert is accepted and dropped, unless it opens one.
        if was_open || action == "trigger" {
            self.vendors.told.push(Item::Page(self.vendors.pages.len()));
            self.vendors.pages.push(page);
        }
        let answer = json!({ "status": "success", "message": "Event processed", "dedup_key": key });
        HttpAnswer::json(202, &answer)
    }
}

/// The event as it may be shown: the key is a secret.
fn without_key(mut event: Value) -> Value {
    if let Some(map) = event.as_object_mut() {
        map.remove("routing_key");
    }
    event
}
