//! For tests: an alarm, a configuration, deployments, and a world that behaves as CodeDeploy does on a clock of its own.

mod account;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use clock::Clock;
use domain::alarm::{AlarmFact, AlarmState};
use domain::config::{Config, load};
use domain::deployment::{
    AppSpec, Deployment, DeploymentError, DeploymentId, EcsTarget, GroupName, Platform, Revision, Status, Target,
    TaskSet, TaskSetLabel,
};
use domain::events::{Notice, RollbackDecision, TrafficRestored};
use domain::ports::{DeploymentStopper, Deployments, Ledger, Outbox, PortError, Stopped};
use domain::time::Timestamp;
use serde_json::Value;

use crate::event::Transition;
pub(crate) use account::{ARN, Account, Trouble};

/// When the deployment begins.
const BEGIN: i64 = 1_790_000_000_000;

/// So many minutes after the deployment has begun.
pub(crate) const fn minutes(minutes: i64) -> Timestamp {
    Timestamp(BEGIN + minutes * 60_000)
}

pub(crate) fn config() -> Config {
    load(
        "greenlight.yaml",
        "version: 1\nservices:\n  - name: orchestrator\n    codedeploy: { application: mangaassist, deployment_group: orchestrator }\n    \
         alarms:\n      - { name: orchestrator-http-5xx, action: rollback }\n      - { name: orchestrator-p95-latency, action: rollback }\n      \
         - { name: orchestrator-error-log-5x, action: alert }\n",
    )
    .unwrap()
}

/// The alarm, red since six minutes after the deployment began.
pub(crate) fn alarm(name: &str) -> Transition {
    Transition {
        alarm: AlarmFact {
            name: name.to_owned(),
            arn: None,
            state: AlarmState::Alarm,
            previous: Some(AlarmState::Ok),
            changed_at: Some(minutes(6)),
            reason: "Threshold Crossed".to_owned(),
            metric: None,
            threshold: None,
            datapoints: Vec::new(),
            suppressed_by: None,
        },
        is_news: true,
        since: Some(minutes(6)),
        over_since: None,
        description: Vec::new(),
        remark: None,
    }
}

pub(crate) fn deployment(id: &str) -> Deployment {
    Deployment {
        id: DeploymentId(id.to_owned()),
        group: GroupName { application: "mangaassist".to_owned(), deployment_group: "orchestrator".to_owned() },
        platform: Some(Platform::Ecs),
        status: Status::InProgress,
        creator: "user".to_owned(),
        configuration: "CodeDeployDefault.ECSCanary10Percent5Minutes".to_owned(),
        description: String::new(),
        created: Some(minutes(0)),
        started: Some(minutes(0)),
        completed: None,
        error: None,
        rolled_back_by: None,
        rolls_back: None,
        routes: None,
        revision: Revision {
            task_definition: Some("arn:aws:ecs:us-east-1:1:task-definition/orchestrator:42".to_owned()),
            ..Revision::default()
        },
        app_spec: AppSpec::None,
        is_first: false,
        revision_id: None,
        termination_wait: None,
    }
}

pub(crate) fn rollback(id: &str, of: &str) -> Deployment {
    let creator = "codeDeployRollback".to_owned();
    Deployment { creator, rolls_back: Some(DeploymentId(of.to_owned())), ..deployment(id) }
}

/// CodeDeploy, the ledger and the event bus, on a clock that moves when somebody waits.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) deployments: RefCell<BTreeMap<DeploymentId, Deployment>>,
    /// What happens to a stop before CodeDeploy takes it.
    pub(crate) stop_troubles: RefCell<VecDeque<PortError>>,
    /// What happens to listing.
    pub(crate) list_troubles: RefCell<VecDeque<PortError>>,
    /// What happens to events.
    pub(crate) publish_troubles: RefCell<VecDeque<PortError>>,
    /// How long traffic takes to come back after a stop, and how the rollback ends.
    pub(crate) back_after: Cell<Duration>,
    pub(crate) rollback_ends: RefCell<Status>,
    pub(crate) stopped_at: Cell<Option<Timestamp>>,
    pub(crate) stops: RefCell<Vec<DeploymentId>>,
    pub(crate) entries: RefCell<BTreeMap<String, (Value, Timestamp)>>,
    pub(crate) ledger_is_down: Cell<bool>,
    pub(crate) ledger_hangs: Cell<bool>,
    pub(crate) published: RefCell<Vec<Notice>>,
    /// The calls so far, CodeDeploy's and CloudWatch's.
    pub(crate) asked: RefCell<Vec<&'static str>>,
    /// What there is beyond one deployment.
    pub(crate) account: Account,
}

impl World {
    /// The deployment `d-1` is in flight; the alarm went off two seconds ago.
    pub(crate) fn new() -> Self {
        let running = deployment("d-1");
        Self {
            clock: Clock::idle(minutes(6).plus(Duration::from_secs(2))),
            deployments: RefCell::new(BTreeMap::from([(running.id.clone(), running)])),
            stop_troubles: RefCell::default(),
            list_troubles: RefCell::default(),
            publish_troubles: RefCell::default(),
            back_after: Cell::new(Duration::from_secs(23)),
            rollback_ends: RefCell::new(Status::Succeeded),
            stopped_at: Cell::new(None),
            stops: RefCell::default(),
            entries: RefCell::default(),
            ledger_is_down: Cell::new(false),
            ledger_hangs: Cell::new(false),
            published: RefCell::default(),
            asked: RefCell::default(),
            account: Account::default(),
        }
    }

    pub(crate) fn put(&self, deployment: Deployment) {
        self.deployments.borrow_mut().insert(deployment.id.clone(), deployment);
    }

    fn is_back(&self) -> bool {
        self.stopped_at.get().is_some_and(|at| self.clock.now() >= at.plus(self.back_after.get()))
    }

    /// A table that is down refuses; one that hangs does not answer until the deployment is stopped, and refuses from then on.
    async fn ledger(&self) -> Result<(), PortError> {
        self.turn().await;
        if self.ledger_hangs.get() && self.stopped_at.get().is_none() {
            std::future::pending::<()>().await;
        }
        if self.ledger_is_down.get() || self.ledger_hangs.get() {
            return Err(PortError::Transient {
                what: "PutItem".to_owned(),
                detail: "status 500".to_owned(),
                retry_after: None,
            });
        }
        Ok(())
    }

    fn count(&self, call: &'static str) {
        self.asked.borrow_mut().push(call);
    }
}

impl Deployments for &World {
    async fn deployment(&self, id: &DeploymentId) -> Result<Deployment, PortError> {
        self.count("GetDeployment");
        self.turn().await;
        let found = self.deployments.borrow().get(id).cloned();
        let (what, detail) = (format!("the deployment `{id}`"), "DeploymentDoesNotExistException".to_owned());
        let mut found = found.ok_or(PortError::NotFound { what, detail })?;
        if found.is_rollback() && self.is_back() {
            found.status = self.rollback_ends.borrow().clone();
            found.error = (found.status == Status::Failed)
                .then(|| DeploymentError { code: "ECS_UPDATE_ERROR".to_owned(), message: "no capacity".to_owned() });
        }
        Ok(found)
    }

    async fn target(&self, id: &DeploymentId) -> Result<Target, PortError> {
        self.count("GetTarget");
        if let Some(target) = self.account.targets.borrow().get(id) {
            return Ok(target.clone());
        }
        let restored = self.is_back() && *self.rollback_ends.borrow() == Status::Succeeded;
        let set = |label, traffic_weight| TaskSet {
            id: String::new(),
            label: Some(label),
            desired: 1,
            pending: 0,
            running: 1,
            status: String::new(),
            traffic_weight,
            target_group: None,
        };
        let (old, new) = if restored { (100.0, 0.0) } else { (90.0, 10.0) };
        Ok(Target::Ecs(EcsTarget {
            cluster: "main".to_owned(),
            service: "orchestrator".to_owned(),
            lifecycle_events: Vec::new(),
            task_sets: vec![set(TaskSetLabel::Blue, old), set(TaskSetLabel::Green, new)],
        }))
    }

    async fn list(
        &self,
        group: Option<&GroupName>,
        statuses: &[Status],
        since: Option<Timestamp>,
    ) -> Result<Vec<DeploymentId>, PortError> {
        self.count("ListDeployments");
        self.turn().await;
        if let Some(error) = self.list_troubles.borrow_mut().pop_front() {
            return Err(error);
        }
        let all = self.deployments.borrow();
        let listed = all.values().filter(|found| {
            statuses.contains(&found.status)
                && group.is_none_or(|group| *group == found.group)
                && since.is_none_or(|since| found.created.is_some_and(|created| created >= since))
        });
        Ok(listed.map(|found| found.id.clone()).collect())
    }
}

impl DeploymentStopper for &World {
    async fn stop_and_roll_back(&self, id: &DeploymentId) -> Result<Stopped, PortError> {
        self.count("StopDeployment");
        self.turn().await;
        if let Some(change) = self.account.before_the_stop.borrow_mut().pop_front() {
            change(self);
        }
        let trouble = self.stop_troubles.borrow_mut().pop_front();
        if let Some(error) = trouble {
            return Err(error);
        }
        Ok(self.stop(id))
    }
}

impl World {
    /// What CodeDeploy does when it is asked to stop a deployment.
    pub(crate) fn stop(&self, id: &DeploymentId) -> Stopped {
        let mut all = self.deployments.borrow_mut();
        let found = all.get_mut(id).expect("a deployment that exists");
        if found.status.is_terminal() {
            return Stopped::AlreadyCompleted;
        }
        found.status = Status::Stopped;
        let by = if id.0 == "d-1" { "d-2".to_owned() } else { format!("{id}-back") };
        found.rolled_back_by = Some(DeploymentId(by.clone()));
        let back = Deployment { group: found.group.clone(), ..rollback(&by, &id.0) };
        all.insert(DeploymentId(by), back);
        self.stops.borrow_mut().push(id.clone());
        self.stopped_at.set(Some(self.clock.now()));
        Stopped::Accepted
    }
}

impl Ledger for &World {
    async fn claim(&self, key: &str, value: &Value, expires: Timestamp) -> Result<bool, PortError> {
        self.replace(key, None, value, expires).await
    }

    async fn read(&self, key: &str) -> Result<Option<Value>, PortError> {
        self.ledger().await?;
        Ok(self.entries.borrow().get(key).map(|(value, _)| value.clone()))
    }

    async fn replace(
        &self,
        key: &str,
        from: Option<&Value>,
        to: &Value,
        expires: Timestamp,
    ) -> Result<bool, PortError> {
        self.ledger().await?;
        let mut entries = self.entries.borrow_mut();
        if entries.get(key).map(|(value, _)| value) != from {
            return Ok(false);
        }
        entries.insert(key.to_owned(), (to.clone(), expires));
        Ok(true)
    }

    async fn release(&self, key: &str) -> Result<(), PortError> {
        self.entries.borrow_mut().remove(key);
        Ok(())
    }
}

impl Outbox for &World {
    async fn publish(&self, notice: &Notice) -> Result<(), PortError> {
        if let Some(error) = self.publish_troubles.borrow_mut().pop_front() {
            return Err(error);
        }
        self.published.borrow_mut().push(notice.clone());
        Ok(())
    }
}

/// What the world was told of decisions.
pub(crate) fn decisions(world: &World) -> Vec<RollbackDecision> {
    let published = world.published.borrow();
    published
        .iter()
        .filter_map(|notice| if let Notice::RollbackDecision(it) = notice { Some(it.clone()) } else { None })
        .collect()
}

/// What it was told of the traffic's way back.
pub(crate) fn endings(world: &World) -> Vec<TrafficRestored> {
    let published = world.published.borrow();
    published
        .iter()
        .filter_map(|notice| if let Notice::TrafficRestored(it) = notice { Some(it.clone()) } else { None })
        .collect()
}
