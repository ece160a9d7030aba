//! Slack, PagerDuty and the keeper of tickets, asked over the wire as a function asks them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::Scenario;
use crate::template::Template;
use crate::world::{Effect, HttpAnswer, HttpAsked, World};

const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  One:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: rust-cargolambda, BuildProperties: { Binary: one } }
    Properties: { FunctionName: one, Handler: bootstrap, Runtime: provided.al2023, CodeUri: ./ }
";
const CONFIG: &str = "
version: 1
slack: { token: 'secret:s#slack_bot_token', channel: C1, mention: S0ONCALL }
ticket: { url: 'https://tickets.example.com/issues', authorization: 'secret:s#ticket', body: {} }
services: [{ name: shop, codedeploy: { application: a, deployment_group: shop } }]
";

/// A world in which somebody asks.
pub(super) struct Asked {
    pub(super) world: World,
    token: u64,
}

impl Asked {
    pub(super) fn new(faults: &str) -> Self {
        let text = format!(
            "name: x\ntitle: t\nexpect: []\nfaults: [{faults}]\ndeployments: [{{ service: shop, hooks: {{}}, after: 5h }}]\n"
        );
        let scenario = Scenario::parse("x.yaml", &text).unwrap();
        let template = Template::read(TEMPLATE, &BTreeMap::new()).unwrap();
        let config = domain::config::load("greenlight.yaml", CONFIG).unwrap();
        scenario.check(&template, &config).unwrap();
        Self { world: World::new(Arc::new(template), config, scenario), token: 0 }
    }

    /// What is answered within a second; none when nothing is.
    pub(super) fn ask(&mut self, method: &str, url: &str, authorization: &str, body: &Value) -> Option<HttpAnswer> {
        let (host, path) = url.split_once('/').unwrap();
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", "application/json; charset=utf-8".parse().unwrap());
        headers.insert("authorization", authorization.parse().unwrap());
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let method = method.parse().unwrap();
        let asked = HttpAsked { method, host: Some(host.to_owned()), path: format!("/{path}"), headers, body };
        self.token += 1;
        let token = self.token;
        self.world.web_request(None, None, token, asked);
        self.pass(Duration::from_millis(200));
        self.world.take_effects().into_iter().find_map(|effect| match effect {
            Effect::Answer(of, answer) if of == token => Some(answer),
            _ => None,
        })
    }

    /// Slack's answer to a method.
    pub(super) fn slack(&mut self, method: &str, body: &Value) -> Value {
        let answer = self.ask("POST", &format!("slack.rehearsal/api/{method}"), "Bearer rehearsal-t", body).unwrap();
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// The `ts` of a message that is posted; the test ends when it is not.
    #[track_caller]
    pub(super) fn posted(&mut self, body: &Value) -> String {
        let answer = self.slack("chat.postMessage", body);
        answer["ts"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.world.advance_to(self.world.now().plus(span));
    }

    fn page(&mut self, body: &Value) -> (u16, String) {
        let answer = self.ask("POST", "pagerduty.rehearsal/v2/enqueue", "", body).unwrap();
        (answer.status, String::from_utf8(answer.body).unwrap())
    }
}

fn event(action: &str, payload: &Value) -> Value {
    json!({ "routing_key": "rehearsal-k", "event_action": action, "dedup_key": "a/b", "payload": payload })
}

#[test]
fn a_page_is_open_until_it_is_resolved_and_opens_anew_after_that() {
    let mut asked = Asked::new("");
    let payload = json!({ "summary": "it burns", "source": "shop", "severity": "critical" });
    for action in ["resolve", "trigger", "trigger", "acknowledge", "resolve", "resolve", "trigger"] {
        assert_eq!(asked.page(&event(action, &payload)).0, 202, "{action}");
    }
    let pages = asked.world.record().pages();
    let seen: Vec<_> = pages.iter().map(|page| (page.action.as_str(), page.was_open, page.severity.as_str())).collect();
    let expected = [
        ("trigger", false, "critical"),
        ("trigger", true, "critical"),
        ("acknowledge", true, ""),
        ("resolve", true, ""),
        ("trigger", false, "critical"),
    ];
    assert_eq!(seen, expected, "a resolve without an open page is dropped");
}

#[test]
fn an_event_that_lacks_something_or_has_too_much_is_refused_with_what_it_is() {
    let mut asked = Asked::new("");
    let long = "x".repeat(1025);
    for (body, expected) in [
        (json!([]), "JSON parse error"),
        (event("triger", &json!({})), "'event_action' is invalid"),
        (event("trigger", &json!({ "source": "s", "severity": "info" })), "'payload.summary' is missing"),
        (
            event("trigger", &json!({ "summary": "s", "source": "s", "severity": "urgent" })),
            "'payload.severity' is invalid",
        ),
        (event("trigger", &json!({ "summary": long, "source": "s", "severity": "info" })), "maximum is 1024"),
        (json!({ "routing_key": "rehearsal-k", "event_action": "resolve" }), "'dedup_key' is missing"),
        (
            json!({ "routing_key": "rehearsal-k", "event_action": "resolve", "dedup_key": "x".repeat(256) }),
            "maximum is 255",
        ),
        (json!({ "routing_key": "R0", "event_action": "resolve", "dedup_key": "x" }), "Invalid routing key"),
    ] {
        let (status, answer) = asked.page(&body);
        assert!(status == 400 && answer.contains(expected), "{status} {answer}");
    }
    assert_eq!(asked.world.record().pages(), []);
}

#[test]
fn a_change_needs_a_summary_and_has_no_key() {
    let mut asked = Asked::new("");
    let mut change = |summary: &str| {
        let body = json!({ "routing_key": "rehearsal-k", "payload": { "summary": summary } });
        asked.ask("POST", "eu.pagerduty.rehearsal/v2/change/enqueue", "", &body).unwrap().status
    };
    assert_eq!([change("shop is deployed"), change("shop is deployed"), change("")], [202, 202, 400]);
    let changes = asked.world.record().changes();
    assert_eq!(changes.len(), 2, "a repetition shows twice");
    assert!(changes[0].event.get("routing_key").is_none(), "the key is a secret");
}

#[test]
fn a_ticket_is_kept_and_can_be_asked_for() {
    let mut asked = Asked::new("");
    let (issues, secret) = ("tickets.example.com/issues", "rehearsal-ticket");
    let body = json!({ "title": "shop did not deploy", "body": "d-ABC" });
    assert_eq!(asked.ask("POST", issues, "Bearer else", &body).unwrap().status, 401);
    assert_eq!(asked.ask("POST", issues, secret, &json!("no object")).unwrap().status, 400);
    let answer = asked.ask("POST", issues, secret, &body).unwrap();
    let opened: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 201);
    assert_eq!(opened["html_url"], "https://tickets.example.com/TICKET-1");
    for (query, found) in
        [("d-ABC", 1), ("d-XYZ", 0), ("repo%3Aa%2Fb+%22d-ABC%22+in%3Abody", 1), ("text+~+%22d-XYZ%22", 0)]
    {
        let answer = asked.ask("GET", &format!("tickets.example.com/search?q={query}"), secret, &Value::Null).unwrap();
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["total_count"], found, "{query}: {answer}");
    }
    for (key, status) in [("TICKET-1", 200), ("TICKET-2", 404)] {
        let answer = asked.ask("GET", &format!("{issues}/{key}"), secret, &Value::Null).unwrap();
        assert_eq!(answer.status, status, "{key}");
    }
    assert_eq!(asked.world.record().tickets()[0].body, body);
}

#[test]
fn a_vendors_fault_strikes_what_it_is_limited_to_as_often_as_it_says() {
    let message = json!({ "channel": "C1", "text": "hello" });
    let mut asked = Asked::new("slack: { status: 429, retry_after: 7, method: chat.postMessage, times: 1 }");
    let refused = asked.ask("POST", "slack.rehearsal/api/chat.postMessage", "Bearer rehearsal-t", &message).unwrap();
    assert_eq!(refused.status, 429);
    assert!(refused.headers.contains(&("retry-after".to_owned(), "7".to_owned())));
    asked.posted(&message);

    let mut asked = Asked::new("slack: { error: is_archived, channel: C2, until: 1m }");
    asked.posted(&message);
    assert_eq!(asked.slack("chat.postMessage", &json!({ "channel": "C2", "text": "x" }))["error"], "is_archived");
    asked.pass(Duration::from_mins(1));
    asked.posted(&json!({ "channel": "C2", "text": "x" }));

    let mut asked = Asked::new("slack: { garbage: true, reply: true }");
    let ts = asked.posted(&message);
    let reply = json!({ "channel": "C1", "text": "x", "thread_ts": ts });
    let answer = asked.ask("POST", "slack.rehearsal/api/chat.postMessage", "Bearer rehearsal-t", &reply).unwrap();
    assert!(answer.status == 200 && answer.body.starts_with(b"<!DOCTYPE html>"));

    let mut asked = Asked::new("slack: { missing_scope: 'channels:history' }");
    let ts = asked.posted(&message);
    let refused = asked.slack("conversations.replies", &json!({ "channel": "C1", "ts": ts }));
    assert_eq!((&refused["error"], &refused["needed"]), (&json!("missing_scope"), &json!("channels:history")));
}

#[test]
fn what_is_taken_without_an_answer_is_there() {
    let message = json!({ "channel": "C1", "text": "hello" });
    for (fault, status) in [("silence", None), ("hang_up", Some(HttpAnswer::HANG_UP))] {
        for (taken, count) in [(true, 1), (false, 0)] {
            let mut asked = Asked::new(&format!("slack: {{ {fault}: true, taken: {taken}, times: 1 }}"));
            let answer = asked.ask("POST", "slack.rehearsal/api/chat.postMessage", "Bearer rehearsal-t", &message);
            assert_eq!(answer.map(|answer| answer.status), status, "{fault}");
            assert_eq!(asked.world.record().slack().len(), count, "{fault}");
        }
    }
    let mut asked = Asked::new("ticket: { status: 502, taken: true, times: 1 }");
    let answer = asked.ask("POST", "tickets.example.com/issues", "rehearsal-ticket", &json!({ "title": "x" })).unwrap();
    assert_eq!((answer.status, asked.world.record().tickets().len()), (502, 1));
}
