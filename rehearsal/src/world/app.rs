//! The application under test behind its load balancer: who answers a request, how, and how long it takes. The sample application is
//! scripted; a real one is asked over the network by the driver. Knows nothing of deployments.

use std::time::Duration;

use domain::deployment::Platform;
use serde_json::{Value, json};

use super::arrived::Arrived;
use super::landscape::Guarded;
use super::talk::{Asker, grpc, wants_a_websocket};
use super::{Effect, HttpAnswer, HttpAsked, SandboxId, Token, World};
use crate::scenario::{Answer, ErrorRate, TestTraffic};
use crate::timeline::{Tone, Who};

/// How long the sample application takes when the scenario does not say.
pub(crate) const USUAL_LATENCY: Duration = Duration::from_millis(40);

impl Guarded {
    /// The version that gets the next request through the production listener. The new version's share is counted out, not drawn, so that
    /// every run is the same: at 10 % it is every tenth request.
    fn next_in_production(&mut self) -> usize {
        let serving = self.serving();
        let other = self.versions.iter().enumerate().find(|(index, version)| *index != serving && version.weight > 0.0);
        match other {
            None => serving,
            Some((other, version)) => {
                self.weight_debt += version.weight / 100.0;
                if self.weight_debt >= 1.0 {
                    self.weight_debt -= 1.0;
                    other
                } else {
                    serving
                }
            }
        }
    }
}

impl World {
    /// A request to a host other than AWS has arrived.
    pub fn web_request(&mut self, sandbox: Option<SandboxId>, request: Option<u64>, token: Token, asked: HttpAsked) {
        if sandbox.is_some_and(|sandbox| !self.hold(sandbox, request, token)) {
            return;
        }
        self.arrive(sandbox, request, Arrived::Web { token, asked: Box::new(asked) });
    }

    /// A request goes to its host: the application, Slack, PagerDuty, whoever keeps tickets, or something that the user runs.
    pub(crate) fn web_call(
        &mut self,
        sandbox: Option<SandboxId>,
        request: Option<u64>,
        token: Token,
        asked: HttpAsked,
    ) {
        let host = asked.host.clone().unwrap_or_default();
        let authority = if host.contains(':') { host.clone() } else { format!("{host}:80") };
        let caller = sandbox
            .and_then(|sandbox| self.function_of(sandbox))
            .map_or_else(|| "caller".to_owned(), |f| self.binary(f));
        if let Some(vendor) = self.vendor_at(&authority) {
            return self.ask_vendor(vendor, &caller, token, &asked);
        }
        let found = self
            .land
            .services
            .iter()
            .find_map(|(name, service)| Some((name.clone(), service.listener_at(&authority)?)));
        match found {
            Some((service, test)) => self.ask_application(&service, test, token, (sandbox, request), asked),
            None if is_loopback(&host) => {
                self.forward(token, format!("http://{authority}"), asked);
            }
            None => {
                self.tell(
                    Who::Rehearsal,
                    Tone::Warning,
                    format!("has no host `{host}`: only the load balancer, the endpoints of the configuration and this machine"),
                );
                let text = format!("the rehearsal has no host `{host}`");
                self.answer(token, HttpAnswer::text(502, text), USUAL_LATENCY);
            }
        }
    }

    fn ask_application(&mut self, service: &str, test: bool, token: Token, from: Asker, asked: HttpAsked) {
        let now = self.now;
        let Some(guarded) = self.land.services.get_mut(service) else { return };
        if test && guarded.on_test.is_some() && guarded.test_traffic == TestTraffic::Silent {
            // Whoever asked waits until it gives up.
            return;
        }
        let index = if test { guarded.tested() } else { Some(guarded.next_in_production()) };
        let Some(index) = index else {
            self.answer(token, HttpAnswer::text(503, ""), USUAL_LATENCY);
            return;
        };
        if test && guarded.leads_elsewhere(asked.path.split('?').next().unwrap_or_default()) {
            self.answer(token, HttpAnswer::json(404, &json!({ "error": "another service" })), USUAL_LATENCY);
            return;
        }
        if test && guarded.platform == Platform::Ecs && !guarded.has_targets(index, now) {
            self.answer(token, HttpAnswer::text(503, "503 Service Temporarily Unavailable"), USUAL_LATENCY);
            return;
        }
        let Some(version) = guarded.versions.get_mut(index) else { return };
        let is_websocket = wants_a_websocket(&asked);
        if let Some(url) = version.behaviour.url.clone() {
            if is_websocket {
                let text = "the rehearsal passes no WebSocket on to a real application; try this check with the sample application, \
                            without --green and --blue";
                return self.answer(token, HttpAnswer::text(501, text), USUAL_LATENCY);
            }
            self.forward(token, url, asked);
            return;
        }
        let path = asked.path.split('?').next().unwrap_or_default();
        if is_websocket {
            let usual = version.behaviour.latency_after(version.first_traffic.map(|at| now.since(at)));
            let (script, path) = (version.behaviour.websockets.get(path).cloned(), path.to_owned());
            return self.open_websocket(token, from, &path, script, usual);
        }
        let scripted = version.behaviour.answers.get(path).cloned();
        let first_traffic = version.first_traffic.map(|at| now.since(at));
        let mut latency = version.behaviour.latency_after(first_traffic);
        let since = first_traffic.unwrap_or_default();
        let refused = version.behaviour.refusal_rate(since);
        let rate = version.behaviour.error_rate(since) + refused;
        // Test traffic reaches the version before production traffic does; its errors are those of the answers alone.
        if version.first_traffic.is_some() {
            version.error_debt += rate;
        }
        let answer = match scripted {
            Some(scripted) => {
                latency = scripted.latency.map_or(latency, |span| span.0);
                answer_of(&scripted)
            }
            None if version.error_debt >= 1.0 => {
                version.error_debt -= 1.0;
                if refused * 2.0 > rate {
                    HttpAnswer::text(502, "the load balancer got no connection to a task")
                } else {
                    HttpAnswer::json(500, &json!({ "error": "internal server error" }))
                }
            }
            None if path == grpc::CHECK => grpc::health(&asked.body, &version.behaviour.grpc_health),
            None => sample_answer(path, &version.git_sha, &asked),
        };
        self.answer(token, answer, latency);
    }

    fn forward(&mut self, token: Token, url: String, asked: HttpAsked) {
        self.forwarded.insert(token);
        self.effects.push(Effect::Forward(token, url, asked));
    }

    /// The answer of a real application has come, after so much real time, which counts as virtual time too.
    pub fn forwarded(&mut self, token: Token, answer: Result<HttpAnswer, String>, took: Duration) {
        self.forwarded.remove(&token);
        let answer = answer
            .unwrap_or_else(|error| HttpAnswer::text(502, format!("the application could not be reached: {error}")));
        self.answer(token, answer, took.max(Duration::from_millis(1)));
    }
}

impl crate::scenario::Behaviour {
    /// The share of failing requests so long after the version's first production traffic.
    pub(crate) fn error_rate(&self, since: Duration) -> f64 {
        rate_of(&self.errors, since)
    }

    /// The share of connections that it does not take.
    pub(crate) fn refusal_rate(&self, since: Duration) -> f64 {
        rate_of(&self.refuses, since)
    }

    /// The share of requests that a function answers with a 5xx itself.
    pub(crate) fn error_answer_rate(&self, since: Duration) -> f64 {
        rate_of(&self.error_answers, since)
    }

    /// How many error lines it logs in a minute.
    pub(crate) fn error_lines(&self, since: Duration) -> u32 {
        let begun = self.error_logs.iter().filter(|step| step.from.0 <= since);
        begun.max_by_key(|step| step.from).map_or(0, |step| step.per_minute)
    }

    /// How long an answer takes, so long after the version's first production traffic, if it has had any.
    pub(crate) fn latency_after(&self, first_traffic: Option<Duration>) -> Duration {
        let is_usual = self.latency_from.is_some_and(|from| first_traffic.is_none_or(|since| since < from.0));
        self.latency.filter(|_| !is_usual).map_or(USUAL_LATENCY, |span| span.0)
    }
}

/// The rate of the last step that has begun.
fn rate_of(steps: &[ErrorRate], since: Duration) -> f64 {
    let begun = steps.iter().filter(|step| step.from.0 <= since);
    begun.max_by_key(|step| step.from).map_or(0.0, |step| step.rate)
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name == "[::1]" || name.starts_with("127.")
}

fn answer_of(scripted: &Answer) -> HttpAnswer {
    if scripted.hang_up {
        return HttpAnswer::text(HttpAnswer::HANG_UP, "");
    }
    match (&scripted.json, &scripted.body) {
        (Some(json), _) => HttpAnswer::json(scripted.status, json),
        (None, Some(body)) => HttpAnswer::text(scripted.status, body.clone()),
        (None, None) => HttpAnswer::text(scripted.status, ""),
    }
}

/// What the sample application answers when all is well: a small chat service.
fn sample_answer(path: &str, sha: &str, asked: &HttpAsked) -> HttpAnswer {
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    match path {
        "/" | "/health" => HttpAnswer::json(200, &json!({ "status": "ok" })),
        "/version" => HttpAnswer::json(200, &json!({ "sha": sha })),
        "/api/v1/chat" => HttpAnswer::json(
            200,
            &json!({ "session_id": body.get("session_id"), "reply": "You might enjoy a story about a chess prodigy." }),
        ),
        "/api/v1/classify" => HttpAnswer::json(200, &json!({ "intent": "order_return", "confidence": 0.97 })),
        _ => HttpAnswer::json(404, &json!({ "error": "not found" })),
    }
}
