//! Reads the facts about the new version through the ports, side by side. What cannot be read is a fact too, with its reason.
//! Decides nothing.

use std::time::Duration;

use clock::Clock;
use domain::alarm::{AlarmReading, GroupAlarms};
use domain::config::{AlarmAction, AlarmPolicy, Severity};
use domain::deployment::{EcsTarget, GroupName, LambdaTarget, Platform, Target, TaskSet};
use domain::ports::{
    Alarms, AliasState, DefinedContainer, DeploymentGroups, LoadBalancer, PortError, ProvisionedConcurrency,
    TargetHealth, Task, Tasks, VersionState, Versions,
};
use domain::time::Timestamp;
use futures_util::future::join3;
use hook::Case;
use hook::patience::patiently;

use crate::Ports;
use crate::decide::{Routed, is_early, routed};

/// How long one throttled reading is tried at most.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was read; or why it could not be.
pub type Reading<T> = Result<T, String>;

/// Which requirements apply to the case, and with which severity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Tasks run; the Lambda version is active.
    pub tasks_running: Option<Severity>,
    /// Targets are healthy.
    pub targets_healthy: Option<Severity>,
    /// What runs is what the revision names.
    pub image_matches_revision: Option<Severity>,
    /// The test listener leads to the new version.
    pub test_listener_routed: Option<Severity>,
    /// The alias stands still.
    pub alias_not_shifting: Option<Severity>,
    /// Provisioned concurrency is there.
    pub provisioned_concurrency_ready: Option<Severity>,
    /// The alarms are quiet.
    pub alarms_quiet: Option<Severity>,
    /// The configuration's alarms that would roll the deployment back.
    pub alarms: Vec<String>,
    /// Those that would only tell.
    pub alerts: Vec<String>,
}

impl Wanted {
    /// What the configuration requires, as far as it applies: a Lambda version has neither targets nor images nor a test listener, an
    /// ECS service has no alias, and before the test listener is moved it leads to the old version, as it should.
    pub fn of(case: &Case<'_>) -> Self {
        let require = &case.service.before_allow_traffic.require;
        let platform = match &case.target {
            Ok(Target::Lambda(_)) => Some(Platform::Lambda),
            Ok(Target::Ecs(_)) => Some(Platform::Ecs),
            Err(_) => case.platform,
        };
        let on_ecs = |severity: Option<Severity>| severity.filter(|_| platform != Some(Platform::Lambda));
        let on_lambda = |severity: Option<Severity>| severity.filter(|_| platform == Some(Platform::Lambda));
        let has_test_listener = case.routes.as_ref().is_some_and(|routes| routes.test_listener.is_some());
        let is_early = is_early(case.lifecycle_event.as_deref());
        let (rollbacks, alerts): (Vec<_>, Vec<_>) =
            case.service.alarms.iter().partition(|policy| policy.action == AlarmAction::Rollback);
        let names = |policies: Vec<&AlarmPolicy>| policies.into_iter().map(|policy| policy.name.clone()).collect();
        Self {
            tasks_running: require.tasks_running,
            targets_healthy: on_ecs(require.targets_healthy),
            image_matches_revision: on_ecs(require.image_matches_revision),
            test_listener_routed: on_ecs(require.test_listener_routed).filter(|_| has_test_listener && !is_early),
            alias_not_shifting: on_lambda(require.alias_not_shifting),
            provisioned_concurrency_ready: on_lambda(require.provisioned_concurrency_ready),
            alarms_quiet: require.alarms_quiet,
            alarms: names(rollbacks),
            alerts: names(alerts),
        }
    }
}

/// Everything that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// About the new version itself.
    pub version: VersionFacts,
    /// Where the test listener leads; `None` when that is not wanted.
    pub routed: Option<Routed>,
    /// About the alarms.
    pub alarms: AlarmFacts,
}

/// The facts that each platform has.
#[derive(Clone, Debug, PartialEq)]
pub enum VersionFacts {
    /// Of an ECS service.
    Ecs(EcsFacts),
    /// Of a Lambda function.
    Lambda(LambdaFacts),
    /// The deployment's target could not be read.
    Unknown(String),
}

/// The facts about a replacement task set.
#[derive(Clone, Debug, PartialEq)]
pub struct EcsFacts {
    /// The task set, as CodeDeploy tells it.
    pub task_set: TaskSet,
    /// Its tasks.
    pub tasks: Reading<Vec<Task>>,
    /// The task definition that it runs.
    pub definition: Reading<String>,
    /// The containers that the task definition names.
    pub containers: Reading<Vec<DefinedContainer>>,
    /// The targets in its target group.
    pub health: Reading<Vec<TargetHealth>>,
}

/// The facts about a Lambda version.
#[derive(Clone, Debug, PartialEq)]
pub struct LambdaFacts {
    /// The function.
    pub function: String,
    /// The alias that is to be shifted.
    pub alias_name: String,
    /// The version that has the traffic, as CodeDeploy tells it; empty when it does not.
    pub current: String,
    /// The version that is to have it.
    pub target: String,
    /// The new version's state.
    pub state: Reading<VersionState>,
    /// Where the alias leads.
    pub shares: Reading<AliasState>,
    /// The new version's provisioned concurrency, if it has any.
    pub provisioned: Reading<Option<ProvisionedConcurrency>>,
    /// Whether it has none, but the alias has.
    pub is_provisioned_on_alias: bool,
}

impl LambdaFacts {
    /// `name:2`
    pub fn version(&self) -> String {
        format!("{}:{}", self.function, self.target)
    }

    /// `name:live`
    pub fn alias(&self) -> String {
        format!("{}:{}", self.function, self.alias_name)
    }
}

/// The facts about the alarms.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmFacts {
    /// The alarms on the deployment group, which CodeDeploy itself watches.
    pub group: Reading<GroupAlarms>,
    /// The states of these and of the configuration's.
    pub readings: Reading<Vec<AlarmReading>>,
}

/// Reads what is wanted, within the limit; where the test listener leads only as long as it is not known.
pub async fn read<C, T, B, V, A, O, S>(
    ports: &Ports<C, T, B, V, A, O, S>,
    case: &Case<'_>,
    target: &Reading<Target>,
    wanted: &Wanted,
    routed: Option<Routed>,
    (clock, limit): (&Clock, Duration),
) -> Facts
where
    C: DeploymentGroups,
    T: Tasks,
    B: LoadBalancer,
    V: Versions,
    A: Alarms,
{
    let reader = Reader { clock, end: clock.now().plus(limit) };
    let version = async {
        match target {
            Ok(Target::Ecs(target)) => read_ecs(&ports.tasks, &ports.balancer, target, wanted, &reader).await,
            Ok(Target::Lambda(target)) => {
                VersionFacts::Lambda(read_lambda(&ports.versions, target, wanted, &reader).await)
            }
            Err(why) => VersionFacts::Unknown(why.clone()),
        }
    };
    let routed = async {
        match routed {
            None => read_routed(case, target, wanted, &ports.balancer, &reader).await,
            known => known,
        }
    };
    let alarms = read_alarms(ports, &case.group, wanted, &reader);
    let (version, routed, alarms) = join3(version, routed, alarms).await;
    Facts { version, routed, alarms }
}

/// Reads where the test listener leads and what that means; `None` when it is not wanted.
async fn read_routed(
    case: &Case<'_>,
    target: &Reading<Target>,
    wanted: &Wanted,
    balancer: &impl LoadBalancer,
    reader: &Reader<'_>,
) -> Option<Routed> {
    wanted.test_listener_routed?;
    let routes = case.routes.as_ref()?;
    let listener = routes.test_listener.as_ref()?;
    let replacement = match target {
        Ok(Target::Ecs(target)) => target.replacement().ok_or("CodeDeploy names no replacement task set"),
        Ok(Target::Lambda(_)) => return None,
        Err(why) => Err(why.as_str()),
    };
    let actions = patiently(reader.clock, reader.limit(), async || balancer.listener_actions(listener).await).await;
    Some(routed(replacement, &routes.target_groups, actions.as_deref()))
}

/// The task definition that the replacement task set runs, where the AppSpec does not tell: what a check may refer to and a message shows.
pub async fn read_definition(case: &Case<'_>, tasks: &impl Tasks, clock: &Clock) -> Option<String> {
    let (None, Ok(Target::Ecs(target))) = (&case.revision.task_definition, &case.target) else { return None };
    let set = target.replacement()?;
    let attempt = async || tasks.definition_of_task_set(&target.cluster, &target.service, &set.id).await;
    patiently(clock, PATIENCE, attempt).await.ok()
}

struct Reader<'a> {
    clock: &'a Clock,
    /// For all readings together: some wait for others.
    end: Timestamp,
}

impl Reader<'_> {
    /// Reads, unless nobody wants to know.
    async fn read<T>(&self, is_wanted: bool, attempt: impl AsyncFnMut() -> Result<T, PortError>) -> Reading<T> {
        if !is_wanted {
            return Err("nobody asked for it".to_owned());
        }
        patiently(self.clock, self.limit(), attempt).await.map_err(|error| error.to_string())
    }

    fn limit(&self) -> Duration {
        self.end.since(self.clock.now()).min(PATIENCE)
    }
}

async fn read_alarms<C: DeploymentGroups, T, B, V, A: Alarms, O, S>(
    ports: &Ports<C, T, B, V, A, O, S>,
    group: &GroupName,
    wanted: &Wanted,
    reader: &Reader<'_>,
) -> AlarmFacts {
    let is_wanted = wanted.alarms_quiet.is_some();
    let group = reader.read(is_wanted, async || ports.codedeploy.alarms(group).await).await;
    let mut names = [wanted.alarms.as_slice(), &wanted.alerts].concat();
    let watched = group.iter().filter(|group| group.enabled).flat_map(|group| &group.names);
    let more: Vec<String> = watched.filter(|name| !names.contains(name)).cloned().collect();
    names.extend(more);
    let readings = match names.as_slice() {
        [] => Ok(Vec::new()),
        names => reader.read(is_wanted, async || ports.alarms.read(names).await).await,
    };
    AlarmFacts { group, readings }
}

async fn read_ecs(
    tasks: &impl Tasks,
    balancer: &impl LoadBalancer,
    target: &EcsTarget,
    wanted: &Wanted,
    reader: &Reader<'_>,
) -> VersionFacts {
    let Some(task_set) = target.replacement() else {
        return VersionFacts::Unknown(format!(
            "CodeDeploy names no replacement task set for the service `{}/{}`; at BeforeInstall there is none yet",
            target.cluster, target.service
        ));
    };
    let (cluster, service, set) = (target.cluster.as_str(), target.service.as_str(), task_set.id.as_str());
    // Both facts need all three: which containers have a health check stands in the definition.
    let wants_tasks = wanted.tasks_running.is_some() || wanted.image_matches_revision.is_some();
    let of_task_set = reader.read(wants_tasks, async || tasks.of_task_set(cluster, service, set).await);
    let definition = async {
        let definition =
            reader.read(wants_tasks, async || tasks.definition_of_task_set(cluster, service, set).await).await;
        let containers = match &definition {
            Ok(definition) => reader.read(true, async || tasks.containers_of_definition(definition).await).await,
            Err(why) => Err(why.clone()),
        };
        (definition, containers)
    };
    let health = async {
        match &task_set.target_group {
            Some(group) => {
                reader.read(wanted.targets_healthy.is_some(), async || balancer.target_health(group).await).await
            }
            None => Err("CodeDeploy names no target group for the replacement task set".to_owned()),
        }
    };
    let (of_task_set, (definition, containers), health) = join3(of_task_set, definition, health).await;
    VersionFacts::Ecs(EcsFacts { task_set: task_set.clone(), tasks: of_task_set, definition, containers, health })
}

async fn read_lambda(
    versions: &impl Versions,
    target: &LambdaTarget,
    wanted: &Wanted,
    reader: &Reader<'_>,
) -> LambdaFacts {
    let (function, version, alias) = (target.function.as_str(), target.target_version.as_str(), target.alias.as_str());
    let state = reader.read(wanted.tasks_running.is_some(), async || versions.state(function, version).await);
    let shares = reader.read(wanted.alias_not_shifting.is_some(), async || versions.alias(function, alias).await);
    let is_wanted = wanted.provisioned_concurrency_ready.is_some();
    let provisioned = async {
        let of = async |qualifier: &str| {
            reader.read(is_wanted, async || versions.provisioned_concurrency(function, qualifier).await).await
        };
        match of(version).await {
            // Only to be said: where it cannot be read, there is nothing to say.
            Ok(None) if !alias.is_empty() => (Ok(None), matches!(of(alias).await, Ok(Some(_)))),
            provisioned => (provisioned, false),
        }
    };
    let (state, shares, (provisioned, is_provisioned_on_alias)) = join3(state, shares, provisioned).await;
    LambdaFacts {
        function: function.to_owned(),
        alias_name: alias.to_owned(),
        current: target.current_version.clone(),
        target: version.to_owned(),
        state,
        shares,
        provisioned,
        is_provisioned_on_alias,
    }
}
