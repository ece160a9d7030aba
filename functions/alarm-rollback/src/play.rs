//! For tests of what follows a decision: CodeDeploy as it changes by itself with time, a table, an event bus and whole invocations, all on the
//! clock of tests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use clock::Clock;
use domain::alarm::{AlarmReading, GroupAlarms};
use domain::deployment::{Deployment, DeploymentError, DeploymentId, GroupName, Status, Target};
use domain::events::{Notice, RollbackDecision, TrafficRestored};
use domain::ports::{
    AlarmTags, Alarms, DeploymentRecords, DeploymentStopper, Deployments, Ledger, Outbox, PortError, Redeployed,
    Redeployer, Stopped,
};
use domain::redeploy::{Change, Redeployment, Source};
use domain::time::Timestamp;
use runtime::{Invocation, SettingError};
use serde_json::{Value, json};
use testkit::build;
use testkit::fakes::throttled;
use testkit::ledger::Table;

use crate::{Ports, Settings, handle};

const CONFIG: &str = "version: 1\nservices:\n  \
    - name: orchestrator\n    codedeploy: { application: mangaassist, deployment_group: orchestrator }\n    \
      alarms: [{ name: errors, action: rollback }, { name: slow, action: alert }]\n  \
    - name: neighbour\n    codedeploy: { application: mangaassist, deployment_group: neighbour }\n    \
      alarms: [{ name: slow, action: alert }]\n";

/// What comes of a deployment after its stop, counted from the stop.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// When CodeDeploy names the rollback.
    pub(crate) rollback: Option<Duration>,
    /// When the rollback ends and how.
    pub(crate) ends: Option<(Duration, Status)>,
    /// When the weights show all traffic on the old version.
    pub(crate) weights: Option<Duration>,
    /// What the target looks like, before its weights are set.
    pub(crate) target: Option<Target>,
}

impl Plan {
    /// The rollback begins at once and succeeds after so many seconds; the weights are not told.
    pub(crate) fn back_after(seconds: u64) -> Self {
        let ends = Some((Duration::from_secs(seconds), Status::Succeeded));
        Self { rollback: Some(Duration::ZERO), ends, weights: None, target: None }
    }
}

/// The table, with its readings counted, and as it is when it is down.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) table: Table,
    pub(crate) reads: Cell<usize>,
}

impl Ledger for Counted {
    async fn claim(&self, key: &str, value: &Value, expires: Timestamp) -> Result<bool, PortError> {
        self.table.claim(key, value, expires).await
    }
    async fn read(&self, key: &str) -> Result<Option<Value>, PortError> {
        self.reads.set(self.reads.get() + 1);
        self.table.read(key).await
    }
    async fn replace(
        &self,
        key: &str,
        from: Option<&Value>,
        to: &Value,
        expires: Timestamp,
    ) -> Result<bool, PortError> {
        self.table.replace(key, from, to, expires).await
    }
    async fn release(&self, key: &str) -> Result<(), PortError> {
        self.table.release(key).await
    }
}

/// What an invocation will answer.
pub(crate) type Answer<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Value>> + 'a>>;

pub(crate) struct Play {
    pub(crate) clock: Clock,
    pub(crate) begin: Timestamp,
    pub(crate) settings: Result<Settings<Counted>, SettingError>,
    pub(crate) deployments: RefCell<BTreeMap<DeploymentId, (Deployment, Plan)>>,
    pub(crate) stopped: RefCell<BTreeMap<DeploymentId, Timestamp>>,
    /// `GetDeployment` is throttled until then.
    pub(crate) throttled_until: Cell<Timestamp>,
    pub(crate) bus_is_down: Cell<bool>,
    /// What `DescribeAlarms` answers, and how often it was asked.
    pub(crate) readings: RefCell<Result<Vec<AlarmReading>, PortError>>,
    pub(crate) alarm_reads: Cell<usize>,
    /// Calls of CodeDeploy.
    pub(crate) calls: Cell<usize>,
    /// `GetDeployment` alone, when it was called.
    pub(crate) gets: RefCell<Vec<Timestamp>>,
    pub(crate) published: RefCell<Vec<Notice>>,
}

impl Play {
    /// The deployment `d-1` is in flight.
    pub(crate) fn of(plan: Plan) -> Self {
        let clock = testkit::clock();
        let begin = clock.now();
        let play = Self {
            clock,
            begin,
            settings: Ok(Settings { config: build::config(CONFIG), ledger: Counted::default() }),
            deployments: RefCell::default(),
            stopped: RefCell::default(),
            throttled_until: Cell::default(),
            bus_is_down: Cell::new(false),
            readings: RefCell::new(Ok(Vec::new())),
            alarm_reads: Cell::new(0),
            calls: Cell::new(0),
            gets: RefCell::default(),
            published: RefCell::default(),
        };
        play.deploys("d-1", plan);
        play
    }

    /// A deployment begins now.
    pub(crate) fn deploys(&self, id: &str, plan: Plan) {
        let (id, now) = (DeploymentId(id.to_owned()), Some(self.clock.now()));
        let deployment = Deployment { id: id.clone(), created: now, started: now, ..build::deployment() };
        self.deployments.borrow_mut().insert(id, (deployment, plan));
    }

    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut Deployment, &mut Plan)) {
        let mut all = self.deployments.borrow_mut();
        let (deployment, plan) = all.get_mut(&DeploymentId(id.to_owned())).expect("it exists");
        change(deployment, plan);
    }

    pub(crate) fn table(&self) -> &Counted {
        &self.settings.as_ref().expect("valid settings").ledger
    }

    /// Runs a test on the clock.
    pub(crate) fn run<F: Future>(&self, test: F) -> F::Output {
        testkit::run_on(&self.clock, test)
    }

    pub(crate) async fn wait(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// CloudWatch's event of an alarm that changed its state now.
    pub(crate) fn alarm(&self, name: &str, state: &str) -> Value {
        self.alarm_at(name, state, self.clock.now())
    }

    pub(crate) fn alarm_at(&self, name: &str, state: &str, at: Timestamp) -> Value {
        let previous = if state == "OK" { "ALARM" } else { "OK" };
        json!({
            "id": "c4c1c1c9", "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch", "time": at, "region": "us-east-1",
            "detail": {"alarmName": name, "state": {"value": state, "reason": "Threshold Crossed", "timestamp": at},
                "previousState": {"value": previous, "timestamp": self.begin}}
        })
    }

    /// CodeDeploy's event of a deployment of the group.
    pub(crate) fn changed(&self, id: &str, state: &str) -> Value {
        json!({
            "id": "e", "detail-type": "CodeDeploy Deployment State-change Notification", "source": "aws.codedeploy",
            "time": self.clock.now(), "region": "us-east-1",
            "detail": {"deploymentId": id, "application": "mangaassist", "deploymentGroup": "orchestrator", "state": state}
        })
    }

    /// An invocation that begins when it is first polled.
    pub(crate) fn invoke(&self, request: &str, payload: Value) -> Answer<'_> {
        self.invoke_for(request, payload, Duration::from_mins(3))
    }

    pub(crate) fn invoke_for(&self, request: &str, payload: Value, time: Duration) -> Answer<'_> {
        let request_id = request.to_owned();
        Box::pin(async move {
            let arrived = self.clock.now();
            let deadline = arrived.plus(time);
            let function_arn = crate::samples::ARN.to_owned();
            let invocation = Invocation { payload, request_id, arrived, deadline, function_arn };
            let ports = Ports { codedeploy: self, outbox: self, alarms: self, clock: self.clock.clone() };
            handle(&ports, &crate::rolling::fakes::Cluster::default(), &self.settings, &invocation).await
        })
    }

    /// The same, by a process that is killed after that time.
    pub(crate) async fn killed_after(&self, seconds: u64, request: &str, payload: Value) {
        let killed = self.clock.timeout(Duration::from_secs(seconds), self.invoke(request, payload)).await;
        assert!(killed.is_err(), "it ended before it was killed");
    }

    pub(crate) fn endings(&self) -> Vec<TrafficRestored> {
        let published = self.published.borrow();
        let ending = |notice: &Notice| if let Notice::TrafficRestored(it) = notice { Some(it.clone()) } else { None };
        published.iter().filter_map(ending).collect()
    }

    pub(crate) fn decisions(&self) -> Vec<RollbackDecision> {
        let published = self.published.borrow();
        let decision =
            |notice: &Notice| if let Notice::RollbackDecision(it) = notice { Some(it.clone()) } else { None };
        published.iter().filter_map(decision).collect()
    }

    /// Which deployments have open pursuits.
    pub(crate) fn open(&self) -> Vec<String> {
        let table = self.table().table.0.borrow();
        let open = table.get("pursuit/mangaassist/orchestrator").and_then(Value::as_array);
        open.into_iter()
            .flatten()
            .map(|pursuit| pursuit["deployment"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// How long ago the deployment was stopped.
    fn since_stop(&self, id: &DeploymentId) -> Option<Duration> {
        self.stopped.borrow().get(id).map(|at| self.clock.now().since(*at))
    }

    fn rollback(&self, of: &DeploymentId) -> Deployment {
        let (stopped, plan) = self.deployments.borrow()[of].clone();
        let at = self.stopped.borrow()[of];
        let ended = plan.ends.filter(|(after, _)| self.clock.now() >= at.plus(*after));
        let (completed, status) =
            ended.map_or((None, Status::InProgress), |(after, status)| (Some(at.plus(after)), status));
        let error = DeploymentError { code: "ECS_UPDATE_ERROR".to_owned(), message: "no capacity".to_owned() };
        Deployment {
            id: DeploymentId(format!("{of}-back")),
            group: stopped.group,
            created: Some(at),
            completed,
            error: (status == Status::Failed).then_some(error),
            status,
            rolls_back: Some(of.clone()),
            ..build::rollback()
        }
    }
}

impl Deployments for &Play {
    async fn deployment(&self, id: &DeploymentId) -> Result<Deployment, PortError> {
        self.calls.set(self.calls.get() + 1);
        self.gets.borrow_mut().push(self.clock.now());
        tokio::task::yield_now().await;
        if self.clock.now() < self.throttled_until.get() {
            return Err(throttled());
        }
        if let Some(of) = id.0.strip_suffix("-back") {
            return Ok(self.rollback(&DeploymentId(of.to_owned())));
        }
        let (mut deployment, plan) = self.deployments.borrow()[id].clone();
        if let Some(since) = self.since_stop(id) {
            deployment.status = Status::Stopped;
            let is_named = plan.rollback.is_some_and(|after| since >= after);
            deployment.rolled_back_by = is_named.then(|| DeploymentId(format!("{id}-back")));
        }
        Ok(deployment)
    }

    async fn target(&self, id: &DeploymentId) -> Result<Target, PortError> {
        self.calls.set(self.calls.get() + 1);
        tokio::task::yield_now().await;
        let (_, plan) = self.deployments.borrow()[id].clone();
        let is_back = plan.weights.is_some_and(|after| self.since_stop(id).is_some_and(|since| since >= after));
        let mut target = plan.target.ok_or_else(throttled)?;
        match &mut target {
            Target::Ecs(target) => {
                for set in &mut target.task_sets {
                    let is_new = set.label == Some(domain::deployment::TaskSetLabel::Green);
                    set.traffic_weight = if is_back { f64::from(!is_new) * 100.0 } else { 50.0 };
                }
            }
            Target::Lambda(target) => {
                target.target_version_weight = target.target_version_weight.map(|_| if is_back { 0.0 } else { 0.1 });
            }
        }
        Ok(target)
    }

    async fn list(
        &self,
        group: Option<&GroupName>,
        statuses: &[Status],
        _: Option<Timestamp>,
    ) -> Result<Vec<DeploymentId>, PortError> {
        self.calls.set(self.calls.get() + 1);
        let all = self.deployments.borrow().clone();
        let mut found = Vec::new();
        for (id, (deployment, _)) in all {
            let shown = if self.stopped.borrow().contains_key(&id) { self.rollback(&id) } else { deployment };
            if statuses.contains(&shown.status) && group.is_none_or(|group| *group == shown.group) {
                found.push(shown.id);
            }
        }
        Ok(found)
    }
}

impl DeploymentRecords for &Play {
    async fn records(&self, ids: &[DeploymentId]) -> Result<Vec<Deployment>, PortError> {
        let mut records = Vec::new();
        for id in ids {
            records.push(self.deployment(id).await?);
        }
        Ok(records)
    }

    async fn change(&self, _: &DeploymentId) -> Result<Change, PortError> {
        Ok(Change::default())
    }

    async fn alarms_of(&self, _: &str, _: &[String]) -> Result<Vec<(GroupName, GroupAlarms)>, PortError> {
        Ok(Vec::new())
    }
}

impl Redeployer for &Play {
    async fn source(&self, id: &DeploymentId) -> Result<Source, PortError> {
        panic!("nobody brings back what was before {id}")
    }

    async fn redeploy(&self, what: &Redeployment) -> Result<Redeployed, PortError> {
        panic!("nobody asked for {what:?}")
    }
}

impl Alarms for &Play {
    async fn read(&self, _: &[String]) -> Result<Vec<AlarmReading>, PortError> {
        self.alarm_reads.set(self.alarm_reads.get() + 1);
        self.readings.borrow().clone()
    }
}

impl AlarmTags for &Play {
    async fn tags(&self, _: &str) -> Result<Vec<(String, String)>, PortError> {
        Ok(Vec::new())
    }
}

impl DeploymentStopper for &Play {
    async fn stop_and_roll_back(&self, id: &DeploymentId) -> Result<Stopped, PortError> {
        let mut stopped = self.stopped.borrow_mut();
        if stopped.contains_key(id) {
            return Ok(Stopped::AlreadyCompleted);
        }
        stopped.insert(id.clone(), self.clock.now());
        Ok(Stopped::Accepted)
    }
}

impl Outbox for &Play {
    async fn publish(&self, notice: &Notice) -> Result<(), PortError> {
        tokio::task::yield_now().await;
        if self.bus_is_down.get() {
            return Err(throttled());
        }
        self.published.borrow_mut().push(notice.clone());
        Ok(())
    }
}
