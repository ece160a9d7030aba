//! For tests: an ECS service that behaves as ECS does, and a configuration that names it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use clock::Clock;
use domain::config::{Config, load};
use domain::deployment::{DeploymentId, EcsServiceName};
use domain::ports::{PortError, RollingServices};
use domain::rolling::{Controller, Part, Past, Rolling, RollingService, Rollout};
use domain::time::Timestamp;

use crate::samples::minutes;

pub(crate) fn arn(number: u32) -> String {
    format!("arn:aws:ecs:eu-west-1:1:task-definition/orchestrator:{number}")
}

pub(crate) fn name() -> EcsServiceName {
    EcsServiceName { cluster: "main".to_owned(), service: "orchestrator".to_owned() }
}

pub(crate) fn config(more: &str) -> Config {
    let text = format!(
        "version: 1\nservices:\n  - name: orchestrator\n    ecs: {{ cluster: main, service: orchestrator }}\n{more}    alarms:\n      - {{ name: \
         orchestrator-http-5xx, action: rollback }}\n      - {{ name: orchestrator-p95-latency, action: rollback }}\n      - {{ name: \
         orchestrator-error-log-5x, action: alert }}\n"
    );
    load("greenlight.yaml", &text).unwrap()
}

/// A deployment that was created so many minutes after the beginning.
pub(crate) fn one(id: u32, part: Part, rollout: Rollout, number: u32, created: i64) -> Rolling {
    Rolling {
        id: DeploymentId(format!("ecs-svc/{id}")),
        part,
        rollout,
        reason: String::new(),
        task_definition: arn(number),
        created: Some(minutes(created)),
        updated: None,
        desired: 2,
        running: 1,
        pending: 0,
        failed: 0,
    }
}

pub(crate) fn service(deployments: Vec<Rolling>) -> RollingService {
    RollingService {
        name: name(),
        status: "ACTIVE".to_owned(),
        controller: Controller::Ecs,
        strategy: "ROLLING".to_owned(),
        desired: 2,
        deployments,
    }
}

/// `ecs-svc/2` brings 42 in place of 41 since the beginning.
pub(crate) fn under_way() -> RollingService {
    let old = one(1, Part::Active, Rollout::Completed, 41, -6000);
    service(vec![one(2, Part::Primary, Rollout::InProgress, 42, 0), old])
}

/// `ecs-svc/2` has brought 42.
pub(crate) fn quiet() -> RollingService {
    service(vec![Rolling { running: 2, ..one(2, Part::Primary, Rollout::Completed, 42, 0) }])
}

/// A deployment that has ended, by its times in minutes after the beginning.
pub(crate) fn past(number: u32, created: i64, finished: i64) -> Past {
    Past {
        task_definition: Some(arn(number)),
        created: Some(minutes(created)),
        finished: Some(minutes(finished)),
        is_successful: true,
    }
}

/// What becomes of a call to deploy.
pub(crate) enum Trouble {
    /// It is not done.
    Refused(PortError),
    /// It is done, and the answer is lost.
    Lost(PortError),
}

/// ECS with one service.
#[derive(Default)]
pub(crate) struct Cluster {
    pub(crate) clock: Option<Clock>,
    pub(crate) service: RefCell<Option<RollingService>>,
    pub(crate) history: RefCell<Vec<Past>>,
    /// What happens to reading.
    pub(crate) read_troubles: RefCell<VecDeque<PortError>>,
    /// After the next call to deploy, so many reads fail.
    pub(crate) read_troubles_after_a_deploy: Cell<usize>,
    /// What happens to deploying.
    pub(crate) deploy_troubles: RefCell<VecDeque<Trouble>>,
    /// The task definitions that it was asked to deploy.
    pub(crate) deploys: RefCell<Vec<String>>,
    /// How long a return takes, and how it ends.
    pub(crate) back_after: Cell<Duration>,
    pub(crate) return_fails: Cell<bool>,
    /// How long its bad tasks are drained after that.
    pub(crate) drains_for: Cell<Duration>,
    pub(crate) returned_at: Cell<Option<Timestamp>>,
    pub(crate) reads: Cell<usize>,
    pub(crate) histories: Cell<usize>,
}

impl Cluster {
    pub(crate) fn new(clock: &Clock, service: RollingService) -> Self {
        let back_after = Cell::new(Duration::from_secs(70));
        Self { clock: Some(clock.clone()), service: RefCell::new(Some(service)), back_after, ..Self::default() }
    }

    fn now(&self) -> Timestamp {
        self.clock.as_ref().unwrap().now()
    }

    pub(crate) fn bring(&self, task_definition: &str) {
        let mut service = self.service.borrow_mut();
        let deployments = &mut service.as_mut().unwrap().deployments;
        if deployments[0].task_definition == task_definition {
            return;
        }
        for one in deployments.iter_mut() {
            one.part = Part::Active;
        }
        let mut new = one(0, Part::Primary, Rollout::InProgress, 0, 0);
        new.id = DeploymentId(format!("ecs-svc/{}", deployments.len() + 7));
        (new.task_definition, new.running, new.created) = (task_definition.to_owned(), 0, Some(self.now()));
        deployments.insert(0, new);
        self.returned_at.set(Some(self.now()));
    }

    fn settle(&self) {
        let over = self.returned_at.get().filter(|at| self.now() >= at.plus(self.back_after.get()));
        if let (Some(at), Some(service)) = (over, self.service.borrow_mut().as_mut()) {
            let primary = &mut service.deployments[0];
            if self.return_fails.get() {
                primary.rollout = Rollout::Failed;
                primary.reason = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
                return;
            }
            primary.running = 2;
            for drained in service.deployments.iter_mut().skip(1) {
                drained.running = 0;
            }
            let steady = at.plus(self.back_after.get()).plus(self.drains_for.get());
            if self.now() >= steady {
                service.deployments.truncate(1);
                service.deployments[0].rollout = Rollout::Completed;
            }
        }
    }
}

impl RollingServices for Cluster {
    async fn service(&self, name: &EcsServiceName) -> Result<RollingService, PortError> {
        self.reads.set(self.reads.get() + 1);
        if let Some(error) = self.read_troubles.borrow_mut().pop_front() {
            return Err(error);
        }
        self.settle();
        self.service.borrow().clone().ok_or_else(|| PortError::NotFound {
            what: format!("the ECS service `{name}`"),
            detail: "DescribeServices answered `MISSING`".to_owned(),
        })
    }

    async fn history(&self, _: &EcsServiceName) -> Result<Vec<Past>, PortError> {
        self.histories.set(self.histories.get() + 1);
        Ok(self.history.borrow().clone())
    }

    async fn deploy(&self, name: &EcsServiceName, task_definition: &str) -> Result<RollingService, PortError> {
        let trouble = self.deploy_troubles.borrow_mut().pop_front();
        if let Some(Trouble::Refused(error)) = trouble {
            return Err(error);
        }
        self.deploys.borrow_mut().push(task_definition.to_owned());
        self.bring(task_definition);
        for _ in 0..self.read_troubles_after_a_deploy.take() {
            let error = PortError::Transient {
                what: "DescribeServices".to_owned(),
                detail: "timed out".to_owned(),
                retry_after: None,
            };
            self.read_troubles.borrow_mut().push_back(error);
        }
        if let Some(Trouble::Lost(error)) = trouble {
            return Err(error);
        }
        self.service(name).await
    }
}
