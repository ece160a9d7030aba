//! Returns a service to its previous task definition, exactly once. Knows nothing of why.
//!
//! As with a stop: the ledger's entry `stop/<ecs-svc/…>` is a short lease while one invocation is at it and a record afterwards, and what was
//! decided is written down under the transition's own key before, so that the next delivery of the event tells it when the process dies, or when
//! the answer was lost. Where ECS only does not answer, as when it throttles, Lambda tries again; from the second try on, people are told. The
//! return itself depends on neither: ECS changes nothing where the service has the task definition already, and a table that is down must
//! not keep a bad version in production.
//!
//! `UpdateService` takes no condition. Who deploys yet another version in the few milliseconds between the look and the call is overruled;
//! ECS has no call that would prevent it.

use domain::deployment::DeploymentId;
use domain::entries::stop_key;
use domain::events::Decision;
use domain::lease::{self, Lease, Once, Taken};
use domain::ports::{Ledger, Outbox, PortError, RollingServices};
use domain::rolling::RollingService;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::decide::{self, Return, Ruling};
use super::{Alarmed, Roll, remembered, rollback_key};
use crate::follow::{Course, Follower, Pursuit, note};
use crate::{FIRST_TRY, limit, resolve, tell};

/// A return that has been decided and not told yet, as the ledger remembers it.
#[derive(Serialize, Deserialize)]
pub(super) struct Begun {
    returns: DeploymentId,
    bad: String,
    previous: String,
    decision: Decision,
    reason: String,
    next_step: String,
    /// When the event arrived first.
    #[serde(default)]
    arrived: Option<Timestamp>,
}

impl Begun {
    fn new(ruling: &Ruling, back: &Return, arrived: Timestamp) -> Self {
        Self {
            returns: back.deployment.clone(),
            bad: back.bad.clone(),
            previous: back.previous.clone(),
            decision: ruling.decision,
            reason: ruling.reason.clone(),
            next_step: ruling.next_step.clone(),
            arrived: Some(arrived),
        }
    }

    fn ruling(self) -> Ruling {
        let returns = Return { deployment: self.returns.clone(), bad: self.bad.clone(), previous: self.previous };
        Ruling {
            decision: self.decision,
            reason: self.reason,
            next_step: self.next_step,
            page: false,
            concerns: Some((self.returns, self.bad)),
            returns: Some(returns),
        }
    }
}

impl<E: RollingServices, O: Outbox, L: Ledger> Roll<'_, E, O, L> {
    /// Returns the service, tells it and puts it among those to be followed. `done` is the service where it has been returned already.
    pub(super) async fn undo(&mut self, alarmed: Alarmed<'_>, ruling: Ruling, done: Option<&RollingService>) {
        let Some(back) = ruling.returns.clone() else { return };
        let id = &back.deployment;
        let (ledger, taken, holder) = (self.ledger, stop_key(id), self.holder());
        let lease = match self.in_time(lease::take(ledger, &taken, &holder, self.clock.now())).await {
            Ok(Taken::Mine(lease)) => Some(lease),
            Ok(Taken::Done(_)) => {
                self.mark_told(alarmed).await;
                self.mark(alarmed.name);
                return self.record(alarmed, &ruling, "returned before, by another invocation");
            }
            Ok(Taken::Busy) => return self.record(alarmed, &ruling, "being returned by another invocation"),
            Err(error) => {
                tracing::warn!(deployment.id = %id, %error, "it is taken back without the ledger, so it may be told twice");
                None
            }
        };
        if lease.is_some() {
            self.write_down(alarmed, &Begun::new(&ruling, &back, self.arrived)).await;
        }
        let (asked, word) = match done {
            Some(seen) => (Ok(seen.clone()), "it had already been returned"),
            None => (self.deploy(alarmed, &back).await, "returned"),
        };
        let after = match asked {
            Ok(after) => after,
            Err(error) => return self.not_done(alarmed, lease, &ruling, error).await,
        };
        let primary = after.primary().filter(|primary| primary.task_definition == back.previous);
        let rollback = primary.map(|primary| primary.id.clone());
        let is_told = self.returned(alarmed, &ruling, &back, rollback.as_ref(), word).await;
        // What is not told yet is left to the next try, which finds the lease run out.
        if let Some(lease) = lease.filter(|_| is_told) {
            let now = self.clock.now();
            let alarm = &alarmed.transition.alarm.name;
            let done = json!({ "returned": now, "alarm": alarm, "to": back.previous, "by": rollback });
            if let Err(error) = lease.complete(&done, remembered(now)).await {
                tracing::warn!(deployment.id = %id, %error, "the return was not marked as done; a later alarm finds the service returned");
            }
        }
    }

    /// The service was not returned. Where it may work later, what was begun stays written down: the request may have taken effect without
    /// its answer, and then nothing else would tell the next try whose doing it was.
    async fn not_done(&mut self, alarmed: Alarmed<'_>, lease: Option<Lease<'_, L>>, ruling: &Ruling, error: PortError) {
        if let Some(lease) = lease
            && let Err(error) = lease.release().await
        {
            tracing::warn!(%error, "the lease to take it back was not given back; it ends by itself");
        }
        if !error.is_transient() {
            self.unmark(alarmed).await;
            self.tell(alarmed, &decide::refused(ruling, alarmed.name, &error.to_string())).await;
        } else if self.is_overdue(alarmed) {
            self.tell_overdue(alarmed, &decide::overdue(ruling, alarmed.name, &error.to_string())).await;
        }
        self.errors.push(error);
    }

    /// Whether the return has been tried before, or should have been by now.
    fn is_overdue(&self, alarmed: Alarmed<'_>) -> bool {
        let since = |from: Timestamp| self.clock.now().since(from) >= FIRST_TRY;
        self.arrived < self.invocation.arrived
            || since(self.arrived)
            || alarmed.transition.alarm.changed_at.is_some_and(since)
    }

    /// Pages for a return that does not come, once for each transition. Its own key stays as it is, so that the next try goes on with it.
    async fn tell_overdue(&mut self, alarmed: Alarmed<'_>, ruling: &Ruling) {
        let (key, now) = (format!("overdue/{}", alarmed.key()), self.clock.now());
        let notice = self.notice(alarmed, ruling, None);
        let publish = async || {
            self.outbox.publish(&notice).await?;
            Ok(json!({ "told": now }))
        };
        let outcome =
            match lease::once(self.ledger, &key, &self.holder(), now, now.plus(tell::REMEMBERED), publish).await {
                Ok(Once::Did { .. }) => {
                    resolve::remember(self.ledger, self.clock, &notice).await;
                    "told; it is tried again"
                }
                Ok(Once::DoneBefore | Once::Busy) => "told before; it is tried again",
                Err(error) => {
                    tracing::warn!(key, %error, "that the return does not come is told later");
                    self.untold.push(notice);
                    "not told"
                }
            };
        self.record(alarmed, ruling, outcome);
    }

    /// Tells of a service that is on its way back, and remembers what later events need; whether it could be told.
    async fn returned(
        &mut self,
        alarmed: Alarmed<'_>,
        ruling: &Ruling,
        back: &Return,
        rollback: Option<&DeploymentId>,
        outcome: &str,
    ) -> bool {
        // What later events need is written down first: a process may die at any time, and what was told is not told again.
        let (now, name) = (self.clock.now(), alarmed.name);
        if let Some(rollback) = rollback {
            let (key, entry) = (rollback_key(rollback), json!({ "rolls_back": back.deployment }));
            if let Err(error) = self.in_time(self.ledger.claim(&key, &entry, remembered(now))).await {
                tracing::warn!(deployment.id = %rollback, %error, "it is known for a rollback by its older task definition only");
            }
        }
        let made = limit::key_of_service(name);
        let counted = limit::count(self.ledger, &made, &back.deployment, now, None);
        if let Err(error) = self.in_time(counted).await {
            tracing::warn!(deployment.id = %back.deployment, %error, "the rollback is not counted");
        }
        let course = Course::Returned { previous: back.previous.clone(), bad: back.bad.clone(), by: rollback.cloned() };
        let holder = self.holder();
        let follower = Follower { id: holder.id, until: holder.until };
        let whose = (alarmed.service, name);
        let when = (self.arrived, follower);
        let pursuit = Pursuit::of_returned(whose, back.deployment.clone(), course, alarmed.transition, when);
        let noted = note(self.ledger, self.clock, &pursuit).await;
        self.pursuits.push((pursuit, noted));
        let notice = self.notice(alarmed, ruling, rollback);
        let told = self.outbox.publish(&notice).await;
        let is_told = told.is_ok();
        match told {
            Ok(()) => {
                resolve::open(&self.voice(), &notice).await;
                self.mark_told(alarmed).await;
            }
            Err(error) => {
                tracing::warn!(deployment.id = %back.deployment, %error, "the decision is told later");
                self.untold.push(notice);
            }
        }
        self.record(alarmed, ruling, outcome);
        is_told
    }

    /// Asks ECS to deploy the previous task definition. After an answer that leaves open what has happened, the service itself tells.
    async fn deploy(&self, alarmed: Alarmed<'_>, back: &Return) -> Result<RollingService, PortError> {
        let error = match self.ecs.deploy(alarmed.name, &back.previous).await {
            Ok(after) => return Ok(after),
            Err(error) => error,
        };
        if !error.is_transient() {
            return Err(error);
        }
        match self.ecs.service(alarmed.name).await {
            Ok(seen) if seen.primary().is_some_and(|primary| primary.task_definition == back.previous) => {
                tracing::info!(deployment.id = %back.deployment, %error, "the return has taken effect all the same");
                Ok(seen)
            }
            _ => Err(error),
        }
    }

    /// The return that an earlier delivery of the same event has begun and not told, if there is one.
    pub(super) async fn begun(&self, alarmed: Alarmed<'_>) -> Option<Begun> {
        let key = alarmed.key();
        match self.in_time(self.ledger.read(&key)).await {
            Ok(entry) => Begun::deserialize(&entry?).ok(),
            Err(error) => {
                tracing::warn!(key, %error, "whether the event was handled before is not known, so it is handled");
                None
            }
        }
    }

    /// Goes on with it; false when the service has moved on to something else, so that the alarm is to be decided anew.
    pub(super) async fn go_on(&mut self, alarmed: Alarmed<'_>, begun: Begun, seen: &RollingService) -> bool {
        let Some(primary) = seen.primary() else { return false };
        let is_done = primary.task_definition == begun.previous;
        if !is_done && primary.id != begun.returns {
            self.unmark(alarmed).await;
            return false;
        }
        self.arrived = begun.arrived.map_or(self.arrived, |first| first.min(self.arrived));
        // Whoever has begun it may still be at it: the lease tells.
        self.undo(alarmed, begun.ruling(), is_done.then_some(seen)).await;
        true
    }

    async fn write_down(&self, alarmed: Alarmed<'_>, begun: &Begun) {
        let written = async {
            let entry = serde_json::to_value(begun).unwrap_or_default();
            self.ledger.claim(&alarmed.key(), &entry, remembered(self.clock.now())).await
        };
        if let Err(error) = self.in_time(written).await {
            tracing::warn!(deployment.id = %begun.returns, %error, "if this process dies now, nobody will tell why the service returned");
        }
    }

    /// What has been told is not to be followed by an alert when the same event arrives again.
    async fn mark_told(&self, alarmed: Alarmed<'_>) {
        let (key, now) = (alarmed.key(), self.clock.now());
        let marked = async {
            let entry = self.ledger.read(&key).await?;
            self.ledger.replace(&key, entry.as_ref(), &json!({ "told": now }), now.plus(tell::REMEMBERED)).await
        };
        if let Err(error) = self.in_time(marked).await {
            tracing::warn!(key, %error, "if the same event arrives again, it may be told again");
        }
    }

    /// What was written down is to be decided anew. What has been told stays: the next try would tell it again.
    async fn unmark(&self, alarmed: Alarmed<'_>) {
        let key = alarmed.key();
        let unmarked = async {
            let entry = self.ledger.read(&key).await?;
            let is_begun = entry.is_some_and(|entry| Begun::deserialize(&entry).is_ok());
            if is_begun { self.ledger.release(&key).await } else { Ok(()) }
        };
        if let Err(error) = self.in_time(unmarked).await {
            tracing::warn!(key, %error, "the transition stays marked as decided, although nothing came of it");
        }
    }
}
