//! For tests only: the function with fakes for everything outside, and the events that it hears.

use std::cell::Cell;
use std::time::Duration;

use clock::Clock;
use domain::config::Config;
use domain::deployment::{Deployment, DeploymentError, DeploymentId, Status};
use domain::ports::PortError;
use domain::time::Timestamp;
use runtime::Invocation;
use serde_json::{Value, json};
use testkit::build;
use testkit::ledger::Table;

use crate::fakes::{Both, Channel, MetricsFake, Record, SlackFake, Trouble, unsent};
use crate::{Ports, handle};

pub(crate) const BOT: &str = "slack: { token: env:T, channel: C1 }\n";
pub(crate) const WEBHOOK: &str = "slack: { webhook: env:W }\n";
pub(crate) const PAGER: &str = "pagerduty: { routing_key: env:K }\n";

pub(crate) struct World {
    pub(crate) ports: Ports<Record, Table, Both, MetricsFake>,
    pub(crate) config: Config,
    pub(crate) heard: Cell<usize>,
}

impl World {
    pub(crate) fn new(sinks: &str) -> Self {
        let service = "services: [{ name: orchestrator, codedeploy: { application: mangaassist, deployment_group: orchestrator } }]\n";
        let slack = SlackFake(Channel { is_webhook: sinks.contains("webhook"), ..Channel::default() }.into());
        let world = Self {
            config: build::config(&format!("version: 1\n{sinks}{service}")),
            ports: Ports {
                deployments: Record::default(),
                ledger: Table::default(),
                sinks: Both { slack, ..Both::default() },
                clock: Clock::system(),
                patience: Duration::ZERO,
                settle: Duration::ZERO,
                metrics: MetricsFake::default(),
                dashboard: None,
            },
            heard: Cell::default(),
        };
        world.record(build::deployment());
        world
    }

    /// Sets the world's clock to two seconds after its events, and lets it stand but for sleeping.
    pub(crate) fn soon(&mut self) -> Clock {
        self.ports.clock = Clock::idle(Timestamp::parse("2026-03-03T10:07:10Z").unwrap());
        self.ports.clock.clone()
    }

    pub(crate) fn record(&self, deployment: Deployment) {
        // What Greenlight itself takes back, it has noted.
        if let Some(original) = deployment.rolls_back.as_ref().filter(|_| deployment.creator == "user") {
            let noted = json!({"redeployed_by": deployment.id});
            self.ports.ledger.0.borrow_mut().insert(format!("late/{original}"), noted);
        }
        self.ports.deployments.set([deployment]);
    }

    pub(crate) async fn hear(&self, event: &Value) -> anyhow::Result<Value> {
        self.hear_within(event, Duration::from_secs(8)).await
    }

    pub(crate) async fn hear_within(&self, event: &Value, limit: Duration) -> anyhow::Result<Value> {
        let arrived = self.ports.clock.now();
        self.slack().clock.replace(Some(self.ports.clock.clone()));
        self.heard.set(self.heard.get() + 1);
        let invocation = Invocation {
            payload: event.clone(),
            request_id: format!("r-{}", self.heard.get()),
            function_arn: String::new(),
            arrived,
            deadline: arrived.plus(limit),
        };
        handle(&self.ports, &self.config, invocation).await
    }

    pub(crate) fn slack(&self) -> &Channel {
        &self.ports.sinks.slack.0
    }

    pub(crate) fn slack_fails(&self, calls: impl IntoIterator<Item = Option<PortError>>) {
        let calls = calls.into_iter().map(|call| call.map(|error| Trouble::Unsent(unsent(error))));
        self.slack().trouble.borrow_mut().extend(calls);
    }

    pub(crate) fn paged(&self) -> Vec<String> {
        self.ports.sinks.pager.actions()
    }

    /// Every event at PagerDuty: `action key`, and of a trigger its severity and summary.
    pub(crate) fn pages(&self) -> Vec<String> {
        let sent = self.ports.sinks.pager.sent.borrow();
        let text = |event: &Value, pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let said = |event: &Value| {
            let about = text(event, "/payload/severity").zip(text(event, "/payload/summary"));
            about.map(|(severity, summary)| format!(" {severity}: {summary}")).unwrap_or_default()
        };
        let keys = self.keys();
        sent.iter().zip(keys).map(|(event, key)| format!("{key}{}", said(event))).collect()
    }

    /// Every event at PagerDuty: `action key`.
    pub(crate) fn keys(&self) -> Vec<String> {
        let sent = self.ports.sinks.pager.sent.borrow();
        let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
        sent.iter().map(|event| format!("{} {}", text(event, "event_action"), text(event, "dedup_key"))).collect()
    }
}

pub(crate) fn event(source: &str, detail_type: &str, detail: &Value) -> Value {
    json!({
        "source": source, "detail-type": detail_type, "detail": detail, "time": "2026-03-03T10:07:08Z", "region": "eu-west-1"
    })
}

/// What the schedule's rule sends.
pub(crate) fn minute() -> Value {
    event("aws.events", "Scheduled Event", &json!({}))
}

pub(crate) fn changed(id: &str, state: &str) -> Value {
    let detail = json!({
        "deploymentId": id, "application": "mangaassist", "deploymentGroup": "orchestrator", "state": state
    });
    event("aws.codedeploy", "CodeDeploy Deployment State-change Notification", &detail)
}

pub(crate) fn verdict(answer: &str) -> Value {
    let detail = json!({
        "deployment_id": "d-1", "hook": "before-allow-traffic", "lifecycle_event": "BeforeAllowTraffic", "verdict": answer,
        "reported": true, "reason": "all 2 checks passed", "findings": [], "revision": {}, "duration_ms": 5,
        "at": "2026-03-03T10:07:08Z",
    });
    event("greenlight", "Hook Verdict", &detail)
}

pub(crate) fn decision(deployment: Option<&str>, decision: &str) -> Value {
    let alarm = json!({
        "name": "5xx", "state": "ALARM", "reason": "crossed", "changed_at": "2026-03-03T10:07:00Z", "threshold": 1.0,
        "datapoints": [9.0],
    });
    let detail = json!({
        "alarm": alarm, "deployment_id": deployment, "revision": {}, "decision": decision, "reason": "it is red",
        "next_step": "look", "at": "2026-03-03T10:07:08Z",
    });
    event("greenlight", "Rollback Decision", &detail)
}

pub(crate) fn restored() -> Value {
    let detail = json!({
        "deployment_id": "d-1", "rollback_deployment_id": "d-2", "group": build::group(), "alarm": "5xx", "restored": true,
        "observed": "100 %", "seconds_since_alarm": 31.5, "seconds_since_event": 30.0, "at": "2026-03-03T10:08:00Z",
    });
    event("greenlight", "Traffic Restored", &detail)
}

pub(crate) fn ended(status: Status) -> Deployment {
    Deployment {
        status,
        started: Some(Timestamp(1_772_532_000_000)),
        completed: Some(Timestamp(1_772_532_420_000)),
        ..build::deployment()
    }
}

pub(crate) fn stopped() -> Deployment {
    let error = DeploymentError { code: "MANUAL_STOP".into(), message: "stopped".into() };
    Deployment { error: Some(error), rolled_back_by: Some(DeploymentId("d-2".into())), ..ended(Status::Stopped) }
}

pub(crate) fn rollback(status: Status) -> Deployment {
    Deployment { status, ..build::rollback() }
}

pub(crate) fn down() -> PortError {
    PortError::Transient { what: "posting to Slack".into(), detail: "HTTP 503".into(), retry_after: None }
}

/// One of Greenlight's own events with changes to its detail.
pub(crate) fn with(mut event: Value, changes: &Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        event["detail"][key] = value.clone();
    }
    event
}

/// The decision to take `d-1` back after it had succeeded, by `d-3`.
pub(crate) fn late() -> Value {
    let older = json!({"task_definition": "arn:aws:ecs:us-east-1:111122223333:task-definition/orchestrator:41"});
    let changes = json!({"restores": older, "rollback_deployment_id": "d-3", "group": build::group()});
    with(decision(Some("d-1"), "RedeployPrevious"), &changes)
}

/// The deployment with which Greenlight takes `d-1` back: CodeDeploy calls it a user's and links it to nothing.
pub(crate) fn redeploy(status: Status) -> Deployment {
    let (id, creator) = (DeploymentId("d-3".into()), "user".to_owned());
    Deployment { id, creator, status, ..build::rollback() }
}

/// A decision about a service that ECS itself deploys.
pub(crate) fn of_ecs(event: Value) -> Value {
    let ecs = json!({"cluster": "main", "service": "worker"});
    with(event, &json!({"ecs": ecs, "group": null, "service": "worker", "environment": "production"}))
}

/// The alarm of `decision` is OK again, six minutes later.
pub(crate) fn over(deployment: Option<&str>) -> Value {
    let alarm = json!({
        "name": "5xx", "state": "OK", "reason": "fine", "changed_at": "2026-03-03T10:13:00Z", "threshold": 1.0, "datapoints": [0.0],
    });
    let changes = json!({"alarm": alarm, "resolves": true, "next_step": "nothing"});
    with(decision(deployment, "Ignore"), &changes)
}
