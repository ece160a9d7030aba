//! The part for services that ECS itself deploys, task by task: an alarm returns the service to its previous task definition, once. Knows nothing of
//! CodeDeploy, nor of how the service is followed until its traffic is back (see `follow.rs`).
//!
//! What keeps it single and whole in the ledger: `stop/<ecs-svc/…>` for each deployment that is taken back (see `undo.rs`), `alarm/…` for each
//! transition (as everywhere), `rollback/<ecs-svc/…>` for each deployment that is Greenlight's own rollback, `rollbacks/ecs:…` for the limit
//! (see `limit.rs`) and `pursuit/ecs:…` for a service on its way back (see `follow.rs`).

pub mod decide;
mod undo;
pub(crate) mod wake;

use std::collections::BTreeSet;
use std::time::Duration;

use clock::Clock;
use domain::alarm::AlarmState;
use domain::config::{AlarmAction, Service};
use domain::deployment::{DeploymentId, EcsServiceName, Revision};
use domain::events::{Decision, Notice, RollbackDecision};
use domain::lease::Holder;
use domain::ports::{Ledger, Outbox, PortError, RollingServices};
use domain::rolling::{Past, RollingService};
use domain::time::Timestamp;
use runtime::Invocation;
use serde_json::Value;

use crate::event::Transition;
use crate::follow::{self, Pursuit};
use crate::tell::Voice;
use crate::{ForRolling, LEASE, Subject, limit, resolve, tell};
use decide::{Facts, Ruling};

/// How long a return waits for the ledger each time.
const FOR_THE_LEDGER: Duration = Duration::from_secs(3);
/// How long it is remembered that a deployment was taken back, and by which other.
const REMEMBERED: Duration = Duration::from_hours(14 * 24);

/// One invocation's work for such services.
pub(crate) struct Roll<'a, E, O, L> {
    ecs: &'a E,
    outbox: &'a O,
    ledger: &'a L,
    clock: &'a Clock,
    invocation: &'a Invocation,
    pub(crate) summary: Vec<Value>,
    /// When the event arrived first.
    arrived: Timestamp,
    /// Services on their way back, each with whether the table knows of it.
    pub(crate) pursuits: Vec<(Pursuit, bool)>,
    /// Under these keys a pursuit may stand with which nobody goes on: the event was handled before, and that process may have died.
    pub(crate) marked: BTreeSet<String>,
    /// What could not be published when it was due.
    untold: Vec<Notice>,
    pub(crate) errors: Vec<PortError>,
}

/// An alarm for a service that names it.
#[derive(Clone, Copy)]
struct Alarmed<'a> {
    transition: &'a Transition,
    service: &'a Service,
    action: AlarmAction,
    name: &'a EcsServiceName,
}

impl Alarmed<'_> {
    /// The transition's key in the ledger, the same as everywhere.
    fn key(&self) -> String {
        tell::key(Subject { service: Some(self.service), ..Subject::of(self.transition) })
    }
}

impl<'a, E, O, L> Roll<'a, E, O, L> {
    pub(crate) fn new(
        ecs: &'a E,
        (outbox, clock): (&'a O, &'a Clock),
        ledger: &'a L,
        invocation: &'a Invocation,
    ) -> Self {
        let (arrived, marked) = (invocation.arrived, BTreeSet::new());
        let (summary, pursuits, untold, errors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { ecs, outbox, ledger, clock, invocation, summary, arrived, pursuits, marked, untold, errors }
    }

    /// What is open of that service is gone on with when everything else is done.
    fn mark(&mut self, name: &EcsServiceName) {
        self.marked.extend(follow::key(None, Some(name)));
    }

    /// This invocation as the holder of a lease that it takes now.
    fn holder(&self) -> Holder {
        Holder { id: self.invocation.request_id.clone(), until: self.clock.now().plus(LEASE) }
    }

    fn voice(&self) -> Voice<'a, O, L> {
        Voice { outbox: self.outbox, ledger: self.ledger, clock: self.clock, holder: self.holder() }
    }

    fn record(&mut self, alarmed: Alarmed<'_>, ruling: &Ruling, outcome: &str) {
        let (alarm, service) = (&alarmed.transition.alarm.name, &alarmed.service.name);
        let deployment = ruling.concerns.as_ref().map(|(id, _)| id.0.as_str());
        let said = (ruling.decision, ruling.reason.as_str());
        self.summary.push(tell::recorded(alarm, (Some(service), deployment), said, outcome));
    }

    fn notice(&self, alarmed: Alarmed<'_>, ruling: &Ruling, rollback: Option<&DeploymentId>) -> Notice {
        let revision =
            |definition: &String| Revision { task_definition: Some(definition.clone()), ..Revision::default() };
        Notice::RollbackDecision(RollbackDecision {
            alarm: alarmed.transition.alarm.clone(),
            deployment_id: ruling.concerns.as_ref().map(|(id, _)| id.clone()),
            group: None,
            ecs: Some(alarmed.name.clone()),
            service: Some(alarmed.service.name.clone()),
            environment: Some(alarmed.service.environment.clone()),
            revision: ruling.concerns.as_ref().map(|(_, bad)| revision(bad)).unwrap_or_default(),
            restores: ruling.returns.as_ref().map(|back| revision(&back.previous)),
            rollback_deployment_id: rollback.cloned(),
            decision: ruling.decision,
            reason: alarmed.transition.said(&ruling.reason),
            next_step: ruling.next_step.clone(),
            page: ruling.page,
            resolves: false,
            at: self.clock.now(),
        })
    }
}

impl<E: RollingServices, O: Outbox, L: Ledger> Roll<'_, E, O, L> {
    /// One transition, for every service on rolling deployments that it is for. What fails for one does not keep the others waiting.
    pub(crate) async fn on(&mut self, passed: &ForRolling<'_>) {
        let transition = &passed.transition;
        for (service, action) in &passed.services {
            let (action, Some(name)) = (*action, &service.ecs) else { continue };
            if transition.alarm.state == AlarmState::Ok {
                // The service may have come back with it.
                self.mark(name);
            } else {
                self.alarmed(Alarmed { transition, service, action, name }).await;
            }
        }
    }

    async fn alarmed(&mut self, alarmed: Alarmed<'_>) {
        let Alarmed { transition, service, name, .. } = alarmed;
        let seen = match self.ecs.service(name).await {
            Ok(seen) => seen,
            Err(error @ PortError::NotFound { .. }) => {
                let ruling = decide::missing(transition, service, name, &format!("was not found ({error})"));
                return self.tell(alarmed, &ruling).await;
            }
            Err(error) => return self.unreadable(alarmed, error).await,
        };
        if let Some(begun) = self.begun(alarmed).await
            && self.go_on(alarmed, begun, &seen).await
        {
            return;
        }
        let history = if decide::needs_history(service, alarmed.action, &seen) {
            match self.ecs.history(name).await {
                Ok(history) => Some(history),
                Err(error) => return self.unreadable(alarmed, error).await,
            }
        } else {
            None
        };
        let ruling = self.ruling(alarmed, &seen, history.as_deref()).await;
        match ruling.decision {
            Decision::StopAndRollBack | Decision::RedeployPrevious => self.undo(alarmed, ruling, None).await,
            Decision::Alert | Decision::Ignore => self.tell(alarmed, &ruling).await,
        }
    }

    /// Decides, and asks the ledger only where it makes a difference.
    async fn ruling(&self, alarmed: Alarmed<'_>, seen: &RollingService, history: Option<&[Past]>) -> Ruling {
        let Alarmed { transition, service, action, name } = alarmed;
        let now = self.invocation.arrived;
        let mut facts = Facts { service: seen, takes_back: None, history, rollbacks: 0, now };
        let ruling = decide::decide(transition, service, action, &facts);
        if ruling.returns.is_none() {
            return ruling;
        }
        let takes_back = self.takes_back(seen).await;
        let made = self.in_time(limit::read(self.ledger, &limit::key_of_service(name))).await.unwrap_or_else(|error| {
            tracing::warn!(ecs.service = %name, %error, "how often it was rolled back lately is not known, so it is rolled back");
            limit::Rollbacks::default()
        });
        let concerned = ruling.concerns.as_ref().map_or_else(|| DeploymentId(String::new()), |(id, _)| id.clone());
        let rollbacks = made.within(service.rollback_limit.window.0, now, &concerned);
        facts.takes_back = takes_back.as_ref();
        facts.rollbacks = rollbacks;
        decide::decide(transition, service, action, &facts)
    }

    /// What the newest deployment takes back, where Greenlight has started it.
    async fn takes_back(&self, seen: &RollingService) -> Option<DeploymentId> {
        let key = rollback_key(&seen.primary()?.id);
        match self.in_time(self.ledger.read(&key)).await {
            Ok(entry) => Some(DeploymentId(entry?.get("rolls_back")?.as_str()?.to_owned())),
            Err(error) => {
                tracing::warn!(key, %error, "whether it is Greenlight's own rollback is only known from the service itself");
                None
            }
        }
    }

    /// Something could not be read. Where trying again will not help, people are told now.
    async fn unreadable(&mut self, alarmed: Alarmed<'_>, error: PortError) {
        if error.is_transient() {
            return self.errors.push(error);
        }
        let ruling = decide::unreadable(alarmed.transition, alarmed.service, alarmed.name, &error.to_string());
        self.tell(alarmed, &ruling).await;
    }

    /// Publishes a decision that called for nothing else, unless that was done before.
    async fn tell(&mut self, alarmed: Alarmed<'_>, ruling: &Ruling) {
        let notice = self.notice(alarmed, ruling, None);
        if let Some(why) = resolve::old_news(self.ledger, self.clock, &notice).await {
            return self.record(alarmed, ruling, why);
        }
        let outcome = self.voice().decision(&alarmed.key(), &notice).await.unwrap_or_else(|error| {
            self.errors.push(error);
            "not told"
        });
        if outcome.starts_with("told before") {
            self.mark(alarmed.name);
        }
        self.record(alarmed, ruling, outcome);
    }

    /// A last try for what could not be published when it was due.
    pub(crate) async fn tell_again(&mut self) {
        for notice in std::mem::take(&mut self.untold) {
            match self.outbox.publish(&notice).await {
                Ok(()) => resolve::open(&self.voice(), &notice).await,
                Err(error) => self.errors.push(error),
            }
        }
    }

    /// The ledger's answer, unless it takes so long that a return cannot wait for it.
    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
        tell::within(self.clock, FOR_THE_LEDGER, asked).await
    }
}

/// The entry that names what Greenlight's own rollback takes back.
fn rollback_key(rollback: &DeploymentId) -> String {
    format!("rollback/{rollback}")
}

/// When a claim on a deployment may be forgotten.
fn remembered(now: Timestamp) -> Timestamp {
    now.plus(REMEMBERED)
}

#[cfg(test)]
pub(crate) mod fakes;
#[cfg(test)]
mod tests;
