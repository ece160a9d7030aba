//! An alarm went off: decides whether it concerns a deployment that is in flight, stops that deployment with automatic rollback,
//! tells why, and follows it until all traffic is on the old version. Knows nothing of AWS's SDK or of Slack.
//!
//! Events arrive twice, late and in several shapes, and processes die. Entries in the ledger keep what follows from them single
//! and whole: one per deployment that is stopped (`stop/…`, see `stop.rs`), one per deployment that is rolled back after its end (`late/…`,
//! see `late.rs`), one per deployment of which an alarm was told and nothing done (`suspect/…`, see `late/doubt.rs`), one per transition (`alarm/…`, see `tell.rs`), one per deployment group with its rollbacks (`rollbacks/…`, see
//! `limit.rs`), one per group with what is followed there (`pursuit/…`, see `follow.rs`), and one per alarm with what was told of it
//! (`opened/…`, see `resolve.rs`).

mod claim;
pub mod decide;
pub mod event;
mod follow;
mod group;
mod late;
mod limit;
mod list;
mod resolve;
pub mod rolling;
mod stop;
mod tell;
mod wake;
mod which;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::bail;
use clock::Clock;
use domain::alarm::AlarmState;
use domain::config::{AlarmAction, Config, Service};
use domain::deployment::{Deployment, DeploymentId, GroupName, Revision, Status};
use domain::events::Notice;
use domain::lease::Holder;
use domain::ports::{
    AlarmTags, Alarms, DeploymentRecords, DeploymentStopper, Deployments, Ledger, Outbox, PortError, Redeployer,
    RollingServices,
};
use domain::time::Timestamp;
use runtime::{Invocation, SettingError};
use serde_json::{Value, json};

use decide::{Concern, Decided, NamedBy};
use event::Transition;
use follow::{Chase, Visit};
use rolling::Roll;
use wake::WakeUp;
use which::{Place, Tags};

/// Everything of CodeDeploy that rolling back takes.
pub trait CodeDeploy: Deployments + DeploymentRecords + DeploymentStopper + Redeployer {}

impl<T: Deployments + DeploymentRecords + DeploymentStopper + Redeployer> CodeDeploy for T {}

/// What the function acts through.
#[derive(Clone)]
pub struct Ports<C, O, A> {
    /// CodeDeploy's record, its stop button and its deployments.
    pub codedeploy: C,
    /// Where decisions and endings are told.
    pub outbox: O,
    /// The tags on alarms.
    pub alarms: A,
    /// The clock.
    pub clock: Clock,
}

/// What the function is told by its environment.
#[derive(Clone)]
pub struct Settings<L> {
    /// Which services name which alarms.
    pub config: Config,
    /// The table that remembers what was done.
    pub ledger: L,
}

/// The statuses of a deployment that can still be stopped (`ListDeployments`, CodeDeploy API reference).
const IN_FLIGHT: [Status; 5] = [Status::Created, Status::Queued, Status::InProgress, Status::Baking, Status::Ready];

/// How long one thing that is done once may take: longer than a stop with all its tries (30 s), shorter than Lambda waits before it
/// tries again (a minute). The invocation's own deadline would be too late: this function follows a rollback for minutes.
const LEASE: Duration = Duration::from_secs(40);

/// The first try comes within seconds, the next ones one and three minutes after it ("Error handling for asynchronous invocation", Lambda developer
/// guide): an alarm's transition that is older than this has most likely been here before.
const FIRST_TRY: Duration = Duration::from_mins(1);

/// Answers one invocation: a summary of what was decided and done.
///
/// # Errors
/// When the settings are unusable, the event is no alarm, or something that is needed did not work: Lambda tries again, and in the end
/// the event goes to the dead-letter queue. What was done by then is not done twice.
pub async fn handle<C, E, O, L, A>(
    ports: &Ports<C, O, A>,
    ecs: &E,
    settings: &Result<Settings<L>, SettingError>,
    invocation: &Invocation,
) -> anyhow::Result<Value>
where
    C: CodeDeploy,
    E: RollingServices,
    O: Outbox,
    L: Ledger,
    A: AlarmTags + Alarms,
{
    let settings = settings.as_ref().map_err(|error| anyhow::Error::new(error.clone()))?;
    let mut roll = Roll::new(ecs, (&ports.outbox, &ports.clock), &settings.ledger, invocation);
    let mut act = Act::new(ports, settings, invocation);
    match WakeUp::read(&invocation.payload)? {
        WakeUp::Alarms(transitions) => {
            for transition in &transitions {
                // Boxed, since everything that an alarm may lead to is in there.
                if let Some(rolling) = Box::pin(act.on(transition)).await {
                    roll.on(&rolling).await;
                }
            }
        }
        WakeUp::Deployment(change) => act.hear(&change).await,
        WakeUp::Rolling(name) => act.hear_of_service(&name).await,
    }
    act.take_up(std::mem::take(&mut roll.pursuits));
    act.marked.append(&mut roll.marked);
    act.go_on_with_marked().await;
    act.summary.append(&mut roll.summary);
    act.errors.append(&mut roll.errors);
    // A deployment that could not be stopped comes first: following the others would keep the next try waiting, which goes on with them, and with what
    // it could not do either. What will never work has been told, and keeps nobody waiting.
    let is_to_come_again = act.errors.iter().any(PortError::is_transient);
    let restored = if act.is_again || !is_to_come_again { act.follow(ecs).await } else { Vec::new() };
    act.tell_again().await;
    roll.tell_again().await;
    act.errors.append(&mut roll.errors);
    let summary = json!({ "decisions": act.summary, "restored": restored });
    if act.errors.is_empty() {
        return Ok(summary);
    }
    tracing::warn!(%summary, "not everything that the alarm called for could be done");
    bail!("{}", act.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// One invocation's work so far.
struct Act<'a, C, O, L, A> {
    ports: &'a Ports<C, O, A>,
    settings: &'a Settings<L>,
    request_id: &'a str,
    /// When the event arrived.
    arrived: Timestamp,
    /// When Lambda ends the process.
    deadline: Timestamp,
    /// Where the function runs.
    place: Place,
    /// The alarm's tags, once they were looked at.
    tags: Option<Tags>,
    /// Whether the event was here before, by all appearances: people hear then of what has failed for now, too.
    is_again: bool,
    summary: Vec<Value>,
    /// What is to be followed.
    chases: Vec<Chase>,
    /// Under these keys a pursuit may stand with which nobody goes on: the event was handled before, and that process may have died.
    marked: BTreeSet<String>,
    /// What could not be published when it was due.
    untold: Vec<Notice>,
    errors: Vec<PortError>,
}

/// A transition, with the services on ECS's own deployments that it is for: what is decided without looking at them is decided by then.
struct ForRolling<'a> {
    transition: Transition,
    services: Vec<(&'a Service, AlarmAction)>,
}

/// What a decision is about.
#[derive(Clone, Copy)]
struct Subject<'a> {
    transition: &'a Transition,
    service: Option<&'a Service>,
    group: Option<&'a GroupName>,
    /// The environment that the alarm's tag names.
    environment: Option<&'a str>,
    deployment: Option<&'a Deployment>,
    /// Whether it is no matter for people when Greenlight may not act: nobody but CodeDeploy's own list asks it to.
    is_codedeploys: bool,
    /// The deployment that Greenlight has created, and the version that it brings back.
    restored: Option<(&'a DeploymentId, &'a Revision)>,
}

impl<'a> Subject<'a> {
    /// A transition of which nothing more is known.
    fn of(transition: &'a Transition) -> Self {
        Self {
            transition,
            service: None,
            group: None,
            environment: None,
            deployment: None,
            is_codedeploys: false,
            restored: None,
        }
    }
}

impl<'a, C, O, L, A> Act<'a, C, O, L, A> {
    fn new(ports: &'a Ports<C, O, A>, settings: &'a Settings<L>, invocation: &'a Invocation) -> Self {
        Self {
            ports,
            settings,
            request_id: &invocation.request_id,
            arrived: invocation.arrived,
            deadline: invocation.deadline,
            place: Place::of(&invocation.function_arn),
            tags: None,
            is_again: false,
            summary: Vec::new(),
            chases: Vec::new(),
            marked: BTreeSet::new(),
            untold: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// This invocation as the holder of a lease that it takes now.
    fn holder(&self) -> Holder {
        Holder { id: self.request_id.to_owned(), until: self.ports.clock.now().plus(LEASE) }
    }

    /// What the subject is about was handled before, perhaps by a process that died: its pursuits are gone on with when everything else is done.
    fn mark(&mut self, subject: Subject<'_>) {
        let group = subject.deployment.map(|deployment| &deployment.group);
        let group = group.or(subject.group).or(subject.service.and_then(|service| service.codedeploy.as_ref()));
        let ecs = subject.service.and_then(|service| service.ecs.as_ref());
        self.marked.extend(follow::key(group, ecs));
    }
}

impl<'a, C, O, L, A> Act<'a, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags + Alarms,
{
    /// One transition, for everybody whom it concerns. What fails for one of them does not keep the others waiting. Gives back what is left to
    /// the part for services that ECS itself deploys.
    async fn on<'t>(&mut self, transition: &'t Transition) -> Option<ForRolling<'t>>
    where
        'a: 't,
    {
        self.tags = None;
        let settings = self.settings;
        let services: Vec<_> = settings.config.services_with_alarm(&transition.alarm.name).collect();
        let (nobody, is_named, place) = (Subject::of(transition), !services.is_empty(), self.elsewhere(transition));
        let foreign = place.map(|place| decide::foreign(transition, &place, is_named));
        if transition.alarm.state == AlarmState::Ok {
            if let Some(decided) = foreign {
                self.record(nobody, &decided, "logged");
                return None;
            }
            self.resolve(transition, is_named).await;
            let services = services.into_iter().filter(|(service, _)| service.ecs.is_some()).collect();
            return Some(ForRolling { transition: transition.clone(), services });
        }
        self.is_again |= self.age(transition) > FIRST_TRY;
        let ignored = decide::ignored(transition);
        if !is_named {
            match ignored.or(foreign) {
                Some(decided) => self.record(nobody, &decided, "logged"),
                None => self.unnamed(transition).await,
            }
            return None;
        }
        // A red alarm of a guarded service that leads to nothing is worth telling; the rest of the ignored is not.
        let is_told = ignored.is_none() || (transition.alarm.suppressed_by.is_some() && transition.is_news);
        if let Some(decided) = ignored.or(foreign) {
            for (service, _) in services {
                let subject = Subject { service: Some(service), ..nobody };
                if is_told { self.tell(subject, &decided).await } else { self.record(subject, &decided, "logged") }
            }
            return None;
        }
        let transition = self.dated(transition).await;
        for (service, action) in &services {
            self.for_service(&transition, service, *action).await;
        }
        self.rolling(transition, services).await
    }

    /// What is left to the part for services that ECS itself deploys, when the environments have been compared.
    async fn rolling<'t>(
        &mut self,
        transition: Transition,
        mut services: Vec<(&'t Service, AlarmAction)>,
    ) -> Option<ForRolling<'t>> {
        services.retain(|(service, _)| service.ecs.is_some());
        if services.is_empty() {
            return None;
        }
        let tags = self.tags_in_time(&transition).await;
        let transition = Transition { remark: tags.remark(), ..transition };
        let is_others =
            |service: &Service| tags.environment.as_ref().is_some_and(|tagged| *tagged != service.environment);
        for (service, _) in services.iter().filter(|(service, _)| is_others(service)) {
            let (tagged, own) = (tags.environment.as_deref().unwrap_or_default(), service.environment.as_str());
            let decided = decide::another_environment(&transition, tagged, (&service.name, own));
            self.tell(Subject { service: Some(service), ..Subject::of(&transition) }, &decided).await;
        }
        services.retain(|(service, _)| !is_others(service));
        Some(ForRolling { transition, services })
    }
}

impl<C, O, L, A> Act<'_, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags,
{
    /// How old the transition is; nothing where that is not known.
    fn age(&self, transition: &Transition) -> Duration {
        transition.alarm.changed_at.map(|at| self.ports.clock.now().since(at)).unwrap_or_default()
    }

    async fn go_on_with_marked(&mut self) {
        for key in std::mem::take(&mut self.marked) {
            self.revisit(&key, Visit::IfAlone).await;
        }
    }

    async fn for_service(&mut self, transition: &Transition, service: &Service, action: AlarmAction) {
        let Some(group) = &service.codedeploy else { return };
        let named_by = NamedBy::Configuration;
        let concern =
            Concern { group: group.clone(), service: Some(service), action, tagged_environment: None, named_by };
        self.for_group(transition, concern, None).await;
    }

    /// Something did not work. Where trying again will not help, people are told now, and that is the end of it; else when it has been tried
    /// again.
    async fn failed(&mut self, subject: Subject<'_>, reason: &str, error: PortError, by_hand: Option<String>) {
        let said = error.to_string();
        if subject.is_codedeploys && matches!(error, PortError::Denied { .. }) {
            // The group is outside of what this fleet guards, and CodeDeploy stops its deployments for such an alarm itself.
            return self.record(subject, &decide::could_not(reason, &said, by_hand), "logged");
        }
        if !error.is_transient() {
            return self.tell(subject, &decide::could_not(reason, &said, by_hand)).await;
        }
        if self.is_again && !subject.is_codedeploys {
            let key = format!("{}/held-up", tell::key(subject));
            self.tell_as(&key, subject, &decide::held_up(reason, &said, by_hand)).await;
        }
        self.errors.push(error);
    }

    fn record(&mut self, subject: Subject<'_>, decided: &Decided, outcome: &str) {
        let alarm = &subject.transition.alarm.name;
        let service = subject.service.map(|service| service.name.as_str());
        let deployment = subject.deployment.map(|deployment| deployment.id.0.as_str());
        let said = (decided.decision, decided.reason.as_str());
        self.summary.push(tell::recorded(alarm, (service, deployment), said, outcome));
    }
}

#[cfg(test)]
mod play;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
