//! The world around the function: CodeDeploy's record as it becomes known while time goes on. Knows nothing of what is counted.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use clock::Clock;
use domain::config::Config;
use domain::deployment::{AppSpec, Deployment, DeploymentId, GroupName, Revision, Status, Target};
use domain::deployment::{EcsTarget, LifecycleEvent};
use domain::ports::{DeploymentRecords, Deployments, Measure, PortError, TaskDefinitionTags};
use domain::redeploy::Change;
use domain::time::Timestamp;
use runtime::Invocation;
use serde_json::{Value, json};
use testkit::fakes::throttled;
use testkit::{build, run_on};

use super::faults::{Book, Chance, CloudWatch};
use crate::{Ports, handle};

/// The function's time limit in the template.
pub(super) const LIMIT: Duration = Duration::from_secs(90);
/// Both groups of the sample and a service of ECS's own.
pub(super) const CONFIG: &str = "version: 1\nservices:\n  - { name: o, codedeploy: { application: mangaassist, deployment_group: orchestrator } }\n  - { name: b, environment: test, codedeploy: { application: mangaassist, deployment_group: burst-overflow } }\n  - { name: r, ecs: { cluster: main, service: recommender } }\n";

/// One deployment as it will have been, and when what became known.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) deployment: Deployment,
    pub(super) events: Vec<LifecycleEvent>,
    /// How long after its end the record shows it.
    pub(super) lag: Duration,
    /// How long after its end the record links its rollback.
    pub(super) linked_after: Duration,
}

impl Fact {
    pub(super) fn of(deployment: Deployment) -> Self {
        Self { deployment, events: Vec::new(), lag: Duration::ZERO, linked_after: Duration::ZERO }
    }

    fn seen_at(&self, now: Timestamp) -> Option<Deployment> {
        let whole = self.deployment.clone();
        if whole.created.is_some_and(|created| created > now) {
            return None;
        }
        match whole.completed {
            Some(completed) if now < completed.plus(self.lag) => Some(Deployment {
                status: Status::InProgress,
                completed: None,
                error: None,
                rolled_back_by: None,
                ..whole
            }),
            Some(completed) if now < completed.plus(self.linked_after) => {
                Some(Deployment { rolled_back_by: None, ..whole })
            }
            _ => Some(whole),
        }
    }
}

/// CodeDeploy's record.
pub(super) struct CodeDeploy {
    pub(super) facts: RefCell<Vec<Fact>>,
    pub(super) clock: Clock,
    pub(super) chance: Chance,
    /// The calls so far.
    pub(super) calls: RefCell<Vec<String>>,
    /// The group that may not be read, and what is said then.
    pub(super) denies: RefCell<Option<(GroupName, PortError)>>,
    /// What the next reading of a target fails with.
    pub(super) target_fails: RefCell<Option<PortError>>,
    /// How long a call takes.
    pub(super) takes: Cell<Duration>,
    /// Whether every call is throttled.
    pub(super) is_throttled: Cell<bool>,
    /// So many more readings of a deployment do not get its AppSpec.
    pub(super) unreadable: Cell<usize>,
}

impl CodeDeploy {
    /// One call, which takes its time.
    async fn call(&self, what: String) -> Result<(), PortError> {
        self.calls.borrow_mut().push(what);
        self.clock.sleep(self.takes.get()).await;
        if self.is_throttled.get() {
            return Err(throttled());
        }
        if self.chance.strikes(4) { Err(throttled()) } else { Ok(()) }
    }

    fn find(&self, id: &DeploymentId) -> Option<(Fact, Deployment)> {
        let facts = self.facts.borrow();
        let fact = facts.iter().find(|fact| fact.deployment.id == *id)?;
        Some((fact.clone(), fact.seen_at(self.clock.now())?))
    }
}

fn missing(id: &DeploymentId) -> PortError {
    PortError::NotFound { what: "the deployment".into(), detail: id.to_string() }
}

impl Deployments for CodeDeploy {
    async fn deployment(&self, id: &DeploymentId) -> Result<Deployment, PortError> {
        self.call(format!("GetDeployment {id}")).await?;
        let (_, seen) = self.find(id).ok_or_else(|| missing(id))?;
        let left = self.unreadable.get();
        self.unreadable.set(left.saturating_sub(1));
        Ok(if left > 0 { Deployment { app_spec: AppSpec::Unreadable("throttled".into()), ..seen } } else { seen })
    }

    async fn target(&self, id: &DeploymentId) -> Result<Target, PortError> {
        self.call(format!("GetTarget {id}")).await?;
        if let Some(error) = self.target_fails.take() {
            return Err(error);
        }
        let (fact, _) = self.find(id).ok_or_else(|| missing(id))?;
        if fact.events.is_empty() {
            return Err(missing(id));
        }
        Ok(Target::Ecs(EcsTarget { lifecycle_events: fact.events, ..build::ecs_target("x") }))
    }

    async fn list(
        &self,
        group: Option<&GroupName>,
        statuses: &[Status],
        since: Option<Timestamp>,
    ) -> Result<Vec<DeploymentId>, PortError> {
        let group = group.expect("never the whole account");
        self.call(format!("List {group}")).await?;
        if let Some((denied, error)) = &*self.denies.borrow()
            && denied == group
        {
            return Err(error.clone());
        }
        let now = self.clock.now();
        let facts = self.facts.borrow().clone();
        let seen = facts.iter().filter_map(|fact| fact.seen_at(now)).filter(|seen| {
            let is_young = since.is_none_or(|since| seen.created.is_none_or(|created| created >= since));
            seen.group == *group && is_young && (statuses.is_empty() || statuses.contains(&seen.status))
        });
        let ids: Vec<DeploymentId> = seen.map(|seen| seen.id).collect();
        // As the adapter asks: a page has a hundred.
        for page in 1..ids.len().div_ceil(100) {
            self.call(format!("List {group}, page {page}")).await?;
        }
        Ok(ids)
    }
}

impl DeploymentRecords for CodeDeploy {
    async fn records(&self, ids: &[DeploymentId]) -> Result<Vec<Deployment>, PortError> {
        for batch in ids.chunks(25) {
            self.call(format!("BatchGet {}", batch.len())).await?;
        }
        // As the port says: what takes a call of its own is left out.
        let bare = |seen| Deployment { app_spec: AppSpec::None, revision: Revision::default(), ..seen };
        Ok(ids.iter().filter_map(|id| self.find(id)).map(|(_, seen)| bare(seen)).collect())
    }
    async fn change(&self, _: &DeploymentId) -> Result<Change, PortError> {
        panic!("nobody asks what a deployment changes")
    }
    async fn alarms_of(
        &self,
        _: &str,
        _: &[String],
    ) -> Result<Vec<(GroupName, domain::alarm::GroupAlarms)>, PortError> {
        panic!("nobody asks for alarms")
    }
}

/// The tags of every task definition.
#[derive(Default)]
pub(super) struct Tags(pub RefCell<Vec<(String, String)>>);

impl TaskDefinitionTags for Tags {
    async fn tags(&self, task_definition: &str) -> Result<Vec<(String, String)>, PortError> {
        // The fleet's tag, and one for each task definition by its name.
        let tags = self.0.borrow().clone().into_iter();
        let own = tags.filter_map(|(key, value)| match key.split_once('@') {
            None => Some((key, value)),
            Some((key, of)) => (of == task_definition).then(|| (key.to_owned(), value)),
        });
        Ok(own.collect())
    }
}

/// Everything together.
pub(super) struct World {
    pub(super) ports: Ports<CodeDeploy, Book, CloudWatch, Tags>,
    pub(super) config: Config,
    /// Whether Lambda tries the last invocation again.
    pub(super) again: Cell<bool>,
    invocations: Cell<usize>,
}

impl World {
    pub(super) fn new(facts: impl IntoIterator<Item = Fact>) -> Self {
        let clock = testkit::clock();
        let deployments = CodeDeploy {
            facts: RefCell::new(facts.into_iter().collect()),
            clock: clock.clone(),
            chance: Chance::default(),
            calls: RefCell::default(),
            denies: RefCell::default(),
            target_fails: RefCell::default(),
            takes: Cell::default(),
            is_throttled: Cell::default(),
            unreadable: Cell::default(),
        };
        let metrics = CloudWatch {
            taken: RefCell::default(),
            requests: Cell::default(),
            fates: RefCell::default(),
            chance: Chance::default(),
            clock: clock.clone(),
            looks: Cell::default(),
            shows: Cell::new(true),
        };
        let ports = Ports { deployments, ledger: Book::new(&clock), metrics, tags: Tags::default(), clock };
        Self { ports, config: build::config(CONFIG), again: Cell::default(), invocations: Cell::default() }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// Lets calls fail by chance from now on, or no more.
    pub(super) fn fail(&self, seed: Option<u64>) {
        let chances = [&self.ports.deployments.chance, &self.ports.ledger.chance, &self.ports.metrics.chance];
        for (number, chance) in (0..).zip(chances) {
            match seed {
                Some(seed) => chance.seed(seed.wrapping_add(number)),
                None => chance.stop(),
            }
        }
    }

    /// Lets time pass until then.
    pub(super) fn wait_until(&self, at: Timestamp) {
        let span = at.since(self.now());
        run_on(&self.ports.clock, self.ports.clock.sleep(span));
    }

    pub(super) fn wait(&self, span: Duration) {
        self.wait_until(self.now().plus(span));
    }

    /// One invocation; an error also when it is killed at its time limit.
    pub(super) async fn invoke(&self, event: &Value) -> anyhow::Result<Value> {
        let arrived = self.now();
        let number = self.invocations.get() + usize::from(!self.again.get());
        self.invocations.set(number);
        let invocation = Invocation {
            payload: event.clone(),
            request_id: format!("r-{number}"),
            function_arn: String::new(),
            arrived,
            deadline: arrived.plus(LIMIT),
        };
        let work = handle(&self.ports, &self.config, invocation);
        self.ports.clock.timeout(LIMIT, work).await.map_err(|_| anyhow::anyhow!("killed at its time limit"))?
    }

    pub(super) fn hear(&self, event: &Value) -> anyhow::Result<Value> {
        run_on(&self.ports.clock, self.invoke(event))
    }

    /// The fleet's values of a metric; of a hook's, those of its lifecycle event.
    pub(super) fn values(&self, name: &str) -> Vec<f64> {
        let taken = self.ports.metrics.taken.borrow();
        let is_fleet = |measure: &&Measure| measure.dimensions.iter().all(|(key, _)| *key == "LifecycleEvent");
        taken.iter().filter(|m| m.name == name).filter(is_fleet).map(|m| m.value).collect()
    }

    pub(super) fn sum(&self, name: &str) -> f64 {
        self.values(name).iter().sum()
    }

    pub(super) fn note(&self, key: &str, value: Value) {
        self.ports.ledger.table.0.borrow_mut().insert(key.to_owned(), value);
    }

    pub(super) fn noted(&self, key: &str) -> Option<Value> {
        self.ports.ledger.table.0.borrow().get(key).cloned()
    }

    /// How many calls began like this.
    pub(super) fn calls(&self, prefix: &str) -> usize {
        self.ports.deployments.calls.borrow().iter().filter(|call| call.starts_with(prefix)).count()
    }

    /// Greenlight has been there for long: it counts everything.
    pub(super) fn settled_in(self) -> Self {
        for group in self.config.services.iter().filter_map(|service| service.codedeploy.as_ref()) {
            self.note(
                &format!("metrics/since/{group}"),
                json!({"since": self.now().minus(Duration::from_hours(30 * 24))}),
            );
        }
        self
    }
}

/// The event of a file in `events/deployment-metrics`, with changes to its detail.
pub(super) fn event(file: &str, changes: &Value) -> Value {
    let path = format!("{}/../../events/deployment-metrics/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        event["detail"][key] = value.clone();
    }
    event
}

pub(super) fn changed(id: &str, state: &str) -> Value {
    event("codedeploy-start", &json!({"deploymentId": id, "state": state}))
}

pub(super) fn schedule() -> Value {
    event("schedule", &json!({}))
}
