//! An alarm went off: decides whether it concerns a deployment that is in flight, stops that deployment with automatic rollback,
//! tells why, and follows it until all traffic is on the old version. Knows nothing of AWS's SDK or of Slack.
//!
//! Events arrive twice, late and in several shapes, and processes die. Entries in the ledger keep what follows from them single
//! and whole: one per deployment that is stopped (`stop/…`, see `stop.rs`), one per transition (`alarm/…`, see `tell.rs`), one per
//! deployment group with what is followed there (`pursuit/…`, see `follow.rs`), and one per alarm with what was told of it (`opened/…`,
//! see `resolve.rs`).

pub mod decide;
pub mod event;
mod follow;
mod list;
mod resolve;
pub mod rolling;
mod stop;
mod tell;
mod wake;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::bail;
use clock::Clock;
use domain::alarm::AlarmState;
use domain::config::{AlarmAction, Config, Service};
use domain::deployment::{Deployment, GroupName, Status};
use domain::events::{Decision, Notice};
use domain::lease::Holder;
use domain::ports::{DeploymentStopper, Deployments, Ledger, Outbox, PortError, RollingServices};
use domain::time::Timestamp;
use runtime::{Invocation, SettingError};
use serde_json::{Value, json};

use decide::Decided;
use event::Transition;
use follow::{Chase, Visit};
use rolling::Roll;
use wake::WakeUp;

/// What the function acts through.
#[derive(Clone)]
pub struct Ports<C, O> {
    /// CodeDeploy's record and its stop button.
    pub codedeploy: C,
    /// Where decisions and endings are told.
    pub outbox: O,
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

/// CodeDeploy runs one deployment per group at a time, so more than this many in flight are not looked at: an alarm costs a bounded
/// number of calls.
const MOST_IN_FLIGHT: usize = 3;

/// How long one thing that is done once may take: longer than a call with all its retries (20 s), shorter than Lambda waits before it
/// tries again (a minute). The invocation's own deadline would be too late: this function follows a rollback for minutes.
const LEASE: Duration = Duration::from_secs(40);

/// Answers one invocation: a summary of what was decided and done.
///
/// # Errors
/// When the settings are unusable, the event is no alarm, or something that is needed did not work: Lambda tries again, and in the end
/// the event goes to the dead-letter queue. What was done by then is not done twice.
pub async fn handle<C, E, O, L>(
    ports: &Ports<C, O>,
    ecs: &E,
    settings: &Result<Settings<L>, SettingError>,
    invocation: &Invocation,
) -> anyhow::Result<Value>
where
    C: Deployments + DeploymentStopper,
    E: RollingServices,
    O: Outbox,
    L: Ledger,
{
    let settings = settings.as_ref().map_err(|error| anyhow::Error::new(error.clone()))?;
    let (voice, memory) = ((&ports.outbox, &ports.clock), (&settings.ledger, &settings.config));
    let mut roll = Roll::new(ecs, voice, memory, invocation);
    if let Some(answer) = rolling::woken(&mut roll).await {
        roll.tell_again().await;
        return match (answer, roll.errors.pop()) {
            (Ok(summary), None) => Ok(summary),
            (Err(error), _) | (Ok(_), Some(error)) => Err(error.into()),
        };
    }
    let mut act = Act::new(ports, settings, invocation);
    match WakeUp::read(&invocation.payload)? {
        WakeUp::Alarms(transitions) => {
            for transition in &transitions {
                act.on(transition).await;
                roll.on(transition).await;
            }
        }
        WakeUp::Deployment(change) => act.hear(&change).await,
    }
    act.go_on_with_marked().await;
    act.summary.append(&mut roll.summary);
    act.errors.append(&mut roll.errors);
    // A deployment that could not be stopped comes first: following the others would keep the next try waiting, which goes on with them.
    let restored = if act.errors.is_empty() {
        let (mut restored, of_rolling) = tokio::join!(act.follow(), roll.follow());
        restored.extend(of_rolling);
        restored
    } else {
        Vec::new()
    };
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
struct Act<'a, C, O, L> {
    ports: &'a Ports<C, O>,
    settings: &'a Settings<L>,
    request_id: &'a str,
    /// When the event arrived.
    arrived: Timestamp,
    /// When Lambda ends the process.
    deadline: Timestamp,
    summary: Vec<Value>,
    /// What is to be followed.
    chases: Vec<Chase>,
    /// Under these keys a pursuit may stand with which nobody goes on: the event was handled before, and that process may have died.
    marked: BTreeSet<String>,
    /// What could not be published when it was due.
    untold: Vec<Notice>,
    errors: Vec<PortError>,
}

/// What a decision is about.
#[derive(Clone, Copy)]
struct Subject<'a> {
    transition: &'a Transition,
    service: Option<&'a Service>,
    deployment: Option<&'a Deployment>,
}

impl<'a, C, O, L> Act<'a, C, O, L> {
    fn new(ports: &'a Ports<C, O>, settings: &'a Settings<L>, invocation: &'a Invocation) -> Self {
        Self {
            ports,
            settings,
            request_id: &invocation.request_id,
            arrived: invocation.arrived,
            deadline: invocation.deadline,
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
        let group = group.or(subject.service.and_then(|service| service.codedeploy.as_ref()));
        let ecs = subject.service.and_then(|service| service.ecs.as_ref());
        self.marked.extend(follow::key(group, ecs));
    }
}

impl<C, O, L> Act<'_, C, O, L>
where
    C: Deployments + DeploymentStopper,
    O: Outbox,
    L: Ledger,
{
    /// One transition, for every service that names the alarm. What fails for one service does not keep the others waiting.
    async fn on(&mut self, transition: &Transition) {
        if transition.alarm.state == AlarmState::Ok {
            return self.resolve(transition).await;
        }
        let config = &self.settings.config;
        let mut services = config.services_with_alarm(&transition.alarm.name).peekable();
        if services.peek().is_none() {
            let nobody = Subject { transition, service: None, deployment: None };
            let decided = decide::ignored(transition).unwrap_or_else(|| decide::unconfigured(transition));
            return self.record(nobody, &decided, "logged");
        }
        let ignored = decide::ignored(transition);
        for (service, action) in services {
            let subject = Subject { transition, service: Some(service), deployment: None };
            match &ignored {
                // A red alarm of a guarded service that leads to nothing is worth telling; the rest of the ignored is not.
                Some(decided) if transition.alarm.suppressed_by.is_some() && transition.is_news => {
                    self.tell(subject, decided).await;
                }
                Some(decided) => self.record(subject, decided, "logged"),
                None => self.for_service(subject, service, action).await,
            }
        }
    }

    async fn go_on_with_marked(&mut self) {
        for key in std::mem::take(&mut self.marked) {
            self.revisit(&key, Visit::IfAlone).await;
        }
    }

    async fn for_service(&mut self, subject: Subject<'_>, service: &Service, action: AlarmAction) {
        let transition = subject.transition;
        if let Some(begun) = self.begun(subject).await {
            return self.go_on(subject, begun).await;
        }
        let Some(group) = &service.codedeploy else { return };
        let in_flight = match self.in_flight(group).await {
            Ok(deployments) => deployments,
            Err(error) => {
                let reason = format!("`{}` went to ALARM", transition.alarm.name);
                return self.failed(subject, &reason, error).await;
            }
        };
        if in_flight.is_empty() {
            return self.tell(subject, &decide::decide(transition, service, action, None)).await;
        }
        for deployment in &in_flight {
            let subject = Subject { deployment: Some(deployment), ..subject };
            let decided = decide::decide(transition, service, action, Some(deployment));
            match decided.decision {
                Decision::StopAndRollBack => self.stop(subject, deployment, decided).await,
                Decision::RedeployPrevious | Decision::Alert | Decision::Ignore => self.tell(subject, &decided).await,
            }
        }
    }

    /// The group's deployments that can still be stopped.
    async fn in_flight(&self, group: &GroupName) -> Result<Vec<Deployment>, PortError> {
        let codedeploy = &self.ports.codedeploy;
        let ids = codedeploy.list(Some(group), &IN_FLIGHT, None).await?;
        let mut deployments = Vec::new();
        for id in ids.iter().take(MOST_IN_FLIGHT) {
            let deployment = codedeploy.deployment(id).await?;
            // It may have ended since it was listed.
            if !deployment.status.is_terminal() {
                deployments.push(deployment);
            }
        }
        Ok(deployments)
    }

    /// Something did not work. Where trying again will not help, people are told now.
    async fn failed(&mut self, subject: Subject<'_>, reason: &str, error: PortError) {
        if !error.is_transient() {
            let id = subject.deployment.map(|deployment| &deployment.id);
            self.tell(subject, &decide::could_not(reason, &error.to_string(), id)).await;
        }
        self.errors.push(error);
    }

    fn record(&mut self, subject: Subject<'_>, decided: &Decided, outcome: &str) {
        let alarm = &subject.transition.alarm.name;
        let service = subject.service.map(|service| service.name.as_str());
        let deployment = subject.deployment.map(|deployment| deployment.id.0.as_str());
        tracing::info!(
            alarm.name = alarm,
            service,
            deployment.id = deployment,
            decision = ?decided.decision,
            outcome,
            "{}",
            decided.reason
        );
        self.summary.push(json!({
            "alarm": alarm,
            "service": service,
            "deployment_id": deployment,
            "decision": decided.decision,
            "reason": decided.reason,
            "outcome": outcome,
        }));
    }
}

#[cfg(test)]
mod play;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
