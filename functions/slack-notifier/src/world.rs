//! For tests only: the function with fakes for everything outside, and the events that it hears.

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

use crate::fakes::{Both, Channel, Record, SlackFake};
use crate::{Ports, handle};

pub(crate) const BOT: &str = "slack: { token: env:T, channel: C1 }\n";
pub(crate) const WEBHOOK: &str = "slack: { webhook: env:W }\n";
pub(crate) const PAGER: &str = "pagerduty: { routing_key: env:K }\n";

pub(crate) struct World {
    pub(crate) ports: Ports<Record, Table, Both>,
    pub(crate) config: Config,
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
            },
        };
        world.record(build::deployment());
        world
    }

    pub(crate) fn record(&self, deployment: Deployment) {
        self.ports.deployments.set([deployment]);
    }

    pub(crate) async fn hear(&self, event: &Value) -> anyhow::Result<Value> {
        let arrived = self.ports.clock.now();
        let invocation = Invocation {
            payload: event.clone(),
            request_id: "r".to_owned(),
            function_arn: String::new(),
            arrived,
            deadline: arrived.plus(Duration::from_secs(8)),
        };
        handle(&self.ports, &self.config, invocation).await
    }

    pub(crate) fn slack(&self) -> &Channel {
        &self.ports.sinks.slack.0
    }

    pub(crate) fn slack_fails(&self, calls: impl IntoIterator<Item = Option<PortError>>) {
        self.slack().trouble.borrow_mut().extend(calls);
    }

    pub(crate) fn paged(&self) -> Vec<String> {
        self.ports.sinks.pager.actions()
    }
}

pub(crate) fn event(source: &str, detail_type: &str, detail: &Value) -> Value {
    json!({
        "source": source, "detail-type": detail_type, "detail": detail, "time": "2026-03-03T10:07:08Z", "region": "eu-west-1"
    })
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
