//! Reads the facts about the new version through the ports, side by side. What cannot be read is a fact too, with its reason.
//! Decides nothing.

use std::time::Duration;

use clock::Clock;
use domain::alarm::AlarmReading;
use domain::config::{AlarmAction, Severity};
use domain::deployment::{EcsTarget, LambdaTarget, Platform, Target, TaskSet};
use domain::ports::{Alarms, LoadBalancer, PortError, TargetHealth, Task, Tasks, VersionState, Versions};
use domain::time::Timestamp;
use futures_util::future::{join, join3};
use hook::Case;
use hook::patience::patiently;

use crate::Ports;

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
    /// The alarms are quiet.
    pub alarms_quiet: Option<Severity>,
    /// The alarms that would roll the deployment back.
    pub alarms: Vec<String>,
}

impl Wanted {
    /// What the configuration requires, as far as it applies: a Lambda version has neither targets nor images, and without
    /// alarms there is none to be quiet.
    pub fn of(case: &Case<'_>) -> Self {
        let require = &case.service.before_allow_traffic.require;
        let is_lambda = match &case.target {
            Ok(target) => matches!(target, Target::Lambda(_)),
            Err(_) => case.platform == Some(Platform::Lambda),
        };
        let on_ecs = |severity: Option<Severity>| severity.filter(|_| !is_lambda);
        let alarms: Vec<String> = case
            .service
            .alarms
            .iter()
            .filter(|policy| policy.action == AlarmAction::Rollback)
            .map(|policy| policy.name.clone())
            .collect();
        Self {
            tasks_running: require.tasks_running,
            targets_healthy: on_ecs(require.targets_healthy),
            image_matches_revision: on_ecs(require.image_matches_revision),
            alarms_quiet: require.alarms_quiet.filter(|_| !alarms.is_empty()),
            alarms,
        }
    }
}

/// Everything that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// About the new version itself.
    pub version: VersionFacts,
    /// About the alarms; empty when they are not wanted.
    pub alarms: Reading<Vec<AlarmReading>>,
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
    /// The images that the task definition names.
    pub images: Reading<Vec<String>>,
    /// The targets in its target group.
    pub health: Reading<Vec<TargetHealth>>,
}

/// The facts about a Lambda version.
#[derive(Clone, Debug, PartialEq)]
pub struct LambdaFacts {
    /// The function and the version, `name:2`.
    pub name: String,
    /// Its state.
    pub state: Reading<VersionState>,
}

/// Reads what is wanted, within `limit`.
pub async fn read<C, T, B, V, A, O, S>(
    ports: &Ports<C, T, B, V, A, O, S>,
    target: &Reading<Target>,
    wanted: &Wanted,
    clock: &Clock,
    limit: Duration,
) -> Facts
where
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
    let alarms = reader.read(wanted.alarms_quiet.is_some(), async || ports.alarms.read(&wanted.alarms).await);
    let (version, alarms) = join(version, alarms).await;
    Facts { version, alarms }
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
        let limit = self.end.since(self.clock.now()).min(PATIENCE);
        patiently(self.clock, limit, attempt).await.map_err(|error| error.to_string())
    }
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
    let wants_image = wanted.image_matches_revision.is_some();
    let of_task_set = reader
        .read(wanted.tasks_running.is_some() || wants_image, async || tasks.of_task_set(cluster, service, set).await);
    let definition = async {
        let definition =
            reader.read(wants_image, async || tasks.definition_of_task_set(cluster, service, set).await).await;
        let images = match &definition {
            Ok(definition) => reader.read(true, async || tasks.images_of_definition(definition).await).await,
            Err(why) => Err(why.clone()),
        };
        (definition, images)
    };
    let health = async {
        match &task_set.target_group {
            Some(group) => {
                reader.read(wanted.targets_healthy.is_some(), async || balancer.target_health(group).await).await
            }
            None => Err("CodeDeploy names no target group for the replacement task set".to_owned()),
        }
    };
    let (of_task_set, (definition, images), health) = join3(of_task_set, definition, health).await;
    VersionFacts::Ecs(EcsFacts { task_set: task_set.clone(), tasks: of_task_set, definition, images, health })
}

async fn read_lambda(
    versions: &impl Versions,
    target: &LambdaTarget,
    wanted: &Wanted,
    reader: &Reader<'_>,
) -> LambdaFacts {
    let state = reader
        .read(wanted.tasks_running.is_some(), async || versions.state(&target.function, &target.target_version).await);
    LambdaFacts { name: format!("{}:{}", target.function, target.target_version), state: state.await }
}
