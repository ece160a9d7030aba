//! Recording fakes of the ports. Each answers what its script says and remembers what it was asked. Knows nothing of AWS.

use std::cell::RefCell;
use std::collections::VecDeque;

use domain::alarm::{AlarmReading, GroupAlarms};
use domain::config::SecretRef;
use domain::deployment::{Deployment, DeploymentId, GroupName, Status, Target};
use domain::events::{HookVerdict, Notice};
use domain::hook::{HookEvent, Verdict};
use domain::ports::{
    Alarms, AliasState, DefinedContainer, DeploymentGroups, DeploymentStopper, Deployments, HookReporter, Invoked,
    ListenerAction, LoadBalancer, Outbox, PortError, ProvisionedConcurrency, Reported, Secrets, Stopped, TargetHealth,
    Task, Tasks, VersionState, Versions,
};
use domain::time::Timestamp;

/// A port's answers, one after the other; the last one is repeated for ever.
#[derive(Debug)]
pub struct Script<T>(RefCell<VecDeque<Result<T, PortError>>>);

impl<T: Clone> Script<T> {
    /// These answers in this order.
    pub fn of(answers: impl IntoIterator<Item = Result<T, PortError>>) -> Self {
        Self(RefCell::new(answers.into_iter().collect()))
    }

    /// The same value every time.
    pub fn always(value: T) -> Self {
        Self::of([Ok(value)])
    }

    /// The same error every time.
    pub fn failing(error: PortError) -> Self {
        Self::of([Err(error)])
    }

    fn next(&self) -> Result<T, PortError> {
        let mut answers = self.0.borrow_mut();
        match answers.len() {
            0 => panic!("a fake was asked that has no script"),
            1 => answers.front().cloned().expect("one answer"),
            _ => answers.pop_front().expect("several answers"),
        }
    }
}

impl<T: Clone> Default for Script<T> {
    /// No answers: a fake that must not be asked.
    fn default() -> Self {
        Self::of([])
    }
}

/// Throttling, as a port tells it.
pub fn throttled() -> PortError {
    PortError::Transient { what: "the call".to_owned(), detail: "ThrottlingException".to_owned(), retry_after: None }
}

/// A refusal by IAM, as a port tells it.
pub fn denied(what: &str) -> PortError {
    PortError::Denied { what: what.to_owned(), detail: "AccessDeniedException".to_owned() }
}

/// CodeDeploy: the reporter, the record of deployments and the stopper in one, as the real adapter is.
#[derive(Debug, Default)]
pub struct CodeDeploy {
    /// Answers to reports.
    pub reports: Script<Reported>,
    /// Answers to `deployment`.
    pub deployments: Script<Deployment>,
    /// Answers to `target`.
    pub targets: Script<Target>,
    /// Answers to `list`.
    pub lists: Script<Vec<DeploymentId>>,
    /// Answers to `alarms`.
    pub group_alarms: Script<GroupAlarms>,
    /// Answers to stops.
    pub stops: Script<Stopped>,
    /// Whether `target` never answers.
    pub target_hangs: bool,
    /// Every report that was tried.
    pub reported: RefCell<Vec<(HookEvent, Verdict)>>,
    /// Every stop that was tried.
    pub stopped: RefCell<Vec<DeploymentId>>,
}

impl CodeDeploy {
    /// One that takes every report and knows this deployment and its target.
    pub fn with(deployment: Deployment, target: Target) -> Self {
        Self {
            reports: Script::always(Reported::Accepted),
            deployments: Script::always(deployment),
            targets: Script::always(target),
            group_alarms: Script::always(GroupAlarms::default()),
            ..Self::default()
        }
    }

    /// The verdicts that were reported, in order.
    pub fn verdicts(&self) -> Vec<Verdict> {
        self.reported.borrow().iter().map(|(_, verdict)| *verdict).collect()
    }
}

impl HookReporter for CodeDeploy {
    async fn report(&self, hook: &HookEvent, verdict: Verdict) -> Result<Reported, PortError> {
        self.reported.borrow_mut().push((hook.clone(), verdict));
        self.reports.next()
    }
}

impl Deployments for CodeDeploy {
    async fn deployment(&self, _id: &DeploymentId) -> Result<Deployment, PortError> {
        self.deployments.next()
    }

    async fn target(&self, _id: &DeploymentId) -> Result<Target, PortError> {
        if self.target_hangs {
            std::future::pending::<()>().await;
        }
        self.targets.next()
    }

    async fn list(
        &self,
        _group: Option<&GroupName>,
        _statuses: &[Status],
        _created_since: Option<Timestamp>,
    ) -> Result<Vec<DeploymentId>, PortError> {
        self.lists.next()
    }
}

impl DeploymentGroups for CodeDeploy {
    async fn alarms(&self, _group: &GroupName) -> Result<GroupAlarms, PortError> {
        self.group_alarms.next()
    }
}

impl DeploymentStopper for CodeDeploy {
    async fn stop_and_roll_back(&self, id: &DeploymentId) -> Result<Stopped, PortError> {
        self.stopped.borrow_mut().push(id.clone());
        self.stops.next()
    }
}

/// ECS.
#[derive(Debug, Default)]
pub struct Ecs {
    /// Answers to `of_task_set`.
    pub tasks: Script<Vec<Task>>,
    /// Answers to `containers_of_definition`.
    pub containers: Script<Vec<DefinedContainer>>,
    /// Answers to `definition_of_task_set`.
    pub definitions: Script<String>,
}

impl Tasks for Ecs {
    async fn of_task_set(&self, _cluster: &str, _service: &str, _task_set: &str) -> Result<Vec<Task>, PortError> {
        self.tasks.next()
    }

    async fn containers_of_definition(&self, _task_definition: &str) -> Result<Vec<DefinedContainer>, PortError> {
        self.containers.next()
    }

    async fn definition_of_task_set(
        &self,
        _cluster: &str,
        _service: &str,
        _task_set: &str,
    ) -> Result<String, PortError> {
        self.definitions.next()
    }
}

/// The load balancer.
#[derive(Debug, Default)]
pub struct Balancer {
    /// Answers to `listener_url`.
    pub urls: Script<String>,
    /// Answers to `listener_actions`.
    pub actions: Script<Vec<ListenerAction>>,
    /// Answers to `target_health`.
    pub health: Script<Vec<TargetHealth>>,
    /// The listeners that were asked for.
    pub listeners: RefCell<Vec<String>>,
}

impl LoadBalancer for Balancer {
    async fn listener_url(&self, listener_arn: &str) -> Result<String, PortError> {
        self.listeners.borrow_mut().push(listener_arn.to_owned());
        self.urls.next()
    }

    async fn listener_actions(&self, _listener_arn: &str) -> Result<Vec<ListenerAction>, PortError> {
        self.actions.next()
    }

    async fn target_health(&self, _target_group: &str) -> Result<Vec<TargetHealth>, PortError> {
        self.health.next()
    }
}

/// Lambda.
#[derive(Debug, Default)]
pub struct Lambda {
    /// Answers to `state`.
    pub states: Script<VersionState>,
    /// Answers to `alias`.
    pub aliases: Script<AliasState>,
    /// Answers to `provisioned_concurrency`.
    pub provisioned: Script<Option<ProvisionedConcurrency>>,
    /// Answers to `invoke`.
    pub answers: Script<Invoked>,
    /// Every invocation: function, version and payload.
    pub invoked: RefCell<Vec<(String, String, String)>>,
}

impl Versions for Lambda {
    async fn state(&self, _function: &str, _version: &str) -> Result<VersionState, PortError> {
        self.states.next()
    }

    async fn alias(&self, _function: &str, _alias: &str) -> Result<AliasState, PortError> {
        self.aliases.next()
    }

    async fn provisioned_concurrency(
        &self,
        _function: &str,
        _version: &str,
    ) -> Result<Option<ProvisionedConcurrency>, PortError> {
        self.provisioned.next()
    }

    async fn invoke(&self, function: &str, version: &str, payload: &[u8]) -> Result<Invoked, PortError> {
        let payload = String::from_utf8_lossy(payload).into_owned();
        self.invoked.borrow_mut().push((function.to_owned(), version.to_owned(), payload));
        self.answers.next()
    }
}

/// CloudWatch's alarms.
#[derive(Debug, Default)]
pub struct CloudWatch {
    /// Answers to `read`.
    pub readings: Script<Vec<AlarmReading>>,
    /// The names that were asked for.
    pub asked: RefCell<Vec<Vec<String>>>,
}

impl Alarms for CloudWatch {
    async fn read(&self, names: &[String]) -> Result<Vec<AlarmReading>, PortError> {
        self.asked.borrow_mut().push(names.to_vec());
        self.readings.next()
    }
}

/// The event bus.
#[derive(Debug)]
pub struct Bus {
    /// Answers to `publish`.
    pub answers: Script<()>,
    /// Everything that was published, or tried to be.
    pub published: RefCell<Vec<Notice>>,
}

impl Default for Bus {
    fn default() -> Self {
        Self { answers: Script::always(()), published: RefCell::default() }
    }
}

impl Bus {
    /// The hook verdicts among what was published.
    pub fn verdicts(&self) -> Vec<HookVerdict> {
        let published = self.published.borrow();
        published
            .iter()
            .filter_map(|notice| match notice {
                Notice::HookVerdict(verdict) => Some(verdict.clone()),
                _ => None,
            })
            .collect()
    }
}

impl Outbox for Bus {
    async fn publish(&self, notice: &Notice) -> Result<(), PortError> {
        self.published.borrow_mut().push(notice.clone());
        self.answers.next()
    }
}

/// Secrets Manager and the environment.
#[derive(Debug, Default)]
pub struct Vault {
    /// Answers to `reveal`.
    pub answers: Script<String>,
    /// The references that were asked for.
    pub asked: RefCell<Vec<String>>,
}

impl Secrets for Vault {
    async fn reveal(&self, reference: &SecretRef) -> Result<String, PortError> {
        self.asked.borrow_mut().push(reference.to_string());
        self.answers.next()
    }
}
