//! An alarm is OK again: what was told of it before is over, and people hear that once. Knows nothing of how it was decided what is told.
//!
//! What was told stands in the ledger by alarm (`opened/<alarm>`), one item for each service that it was told of. An alarm that nobody was told
//! of costs one read. Events arrive in any order, so the alarm's own times decide: a transition to OK resolves nothing that is newer than
//! itself.

use std::time::Duration;

use clock::Clock;
use domain::alarm::AlarmState;
use domain::deployment::{DeploymentId, EcsServiceName, GroupName, Revision};
use domain::events::{Decision, Notice, RollbackDecision};
use domain::lease::{self, Once};
use domain::ports::{AlarmTags, Ledger, Outbox};
use domain::time::{Timestamp, spoken};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::decide::Decided;
use crate::event::Transition;
use crate::follow::{self, Visit};
use crate::{Act, CodeDeploy, Subject, list};

/// An alarm may stay red for days. One that stays so for longer is not news any more when it ends.
const REMEMBERED: Duration = Duration::from_hours(14 * 24);
/// So many services are remembered of one alarm, the latest of them.
const MOST_OPENED: usize = 64;
/// What is over is kept for so long: it tells older news from newer.
const KEPT: Duration = Duration::from_hours(1);
/// Two transitions to ALARM that are closer than this are one: the shortest period of an alarm is 10 s (`PutMetricAlarm`, CloudWatch API
/// reference), and in between it has to go back.
const ONE: Duration = Duration::from_secs(10);
/// What is remembered must not keep anything else waiting for longer.
const FOR_THE_LEDGER: Duration = Duration::from_secs(2);

fn key(alarm: &str) -> String {
    format!("opened/{alarm}")
}

/// What was told of an alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Opened {
    service: Option<String>,
    environment: Option<String>,
    group: Option<GroupName>,
    ecs: Option<EcsServiceName>,
    deployment_id: Option<DeploymentId>,
    revision: Revision,
    decision: Decision,
    /// When the alarm went red, by CloudWatch's clock.
    since: Option<Timestamp>,
    /// When people were told.
    told: Timestamp,
    /// When they were told that it is over.
    #[serde(default)]
    resolved: Option<Timestamp>,
}

impl Opened {
    fn of(decision: &RollbackDecision, told: Timestamp) -> Self {
        Self {
            service: decision.service.clone(),
            environment: decision.environment.clone(),
            group: decision.group.clone(),
            ecs: decision.ecs.clone(),
            deployment_id: decision.deployment_id.clone(),
            revision: decision.revision.clone(),
            decision: decision.decision,
            since: decision.alarm.changed_at,
            told,
            resolved: None,
        }
    }

    fn is_about_the_same(&self, other: &Self) -> bool {
        (&self.service, &self.group, &self.ecs) == (&other.service, &other.group, &other.ecs)
    }

    fn opened_at(&self) -> Timestamp {
        self.since.unwrap_or(self.told)
    }

    /// The key under which it is told once that it is over.
    fn resolved(&self, alarm: &str) -> String {
        let service = self.service.as_deref().unwrap_or_default();
        let place = follow::key(self.group.as_ref(), self.ecs.as_ref()).unwrap_or_default();
        format!("resolved/{alarm}/{service}/{place}/{}", self.told.0)
    }

    fn resolution(&self, transition: &Transition, at: Timestamp, now: Timestamp) -> (Decided, RollbackDecision) {
        let alarm = &transition.alarm;
        let after = spoken(Duration::from_secs(at.since(self.opened_at()).as_secs()));
        let reason = format!("`{}` is OK again after {after}", alarm.name);
        let next_step = match self.decision {
            Decision::StopAndRollBack | Decision::RedeployPrevious => {
                "find the cause before the same version is deployed again"
            }
            Decision::Alert | Decision::Ignore => "nothing, if the cause is known",
        };
        let decided = Decided {
            decision: Decision::Ignore,
            reason: reason.clone(),
            next_step: next_step.to_owned(),
            page: false,
        };
        let told = RollbackDecision {
            alarm: alarm.clone(),
            deployment_id: self.deployment_id.clone(),
            group: self.group.clone(),
            ecs: self.ecs.clone(),
            service: self.service.clone(),
            environment: self.environment.clone(),
            revision: self.revision.clone(),
            restores: None,
            rollback_deployment_id: None,
            decision: Decision::Ignore,
            reason,
            next_step: next_step.to_owned(),
            page: false,
            resolves: true,
            at: now,
        };
        (decided, told)
    }
}

/// Remembers what was told, so that the alarm's return to OK ends it. What changes nothing opens nothing.
pub(crate) async fn remember(ledger: &impl Ledger, clock: &Clock, told: &Notice) {
    let Notice::RollbackDecision(decision) = told else { return };
    if decision.alarm.state != AlarmState::Alarm || (decision.decision == Decision::Ignore && !decision.page) {
        return;
    }
    let now = clock.now();
    let (key, opened) = (key(&decision.alarm.name), Opened::of(decision, now));
    let change = |all: &mut Vec<Opened>| {
        if let Some(at) = all.iter().position(|other| other.is_about_the_same(&opened)) {
            if all.get(at).is_some_and(|other| other.since > opened.since) {
                return;
            }
            all.remove(at);
        }
        all.push(opened.clone());
        all.drain(..all.len().saturating_sub(MOST_OPENED));
    };
    let written = clock.timeout(FOR_THE_LEDGER, list::amend(ledger, &key, now.plus(REMEMBERED), change)).await;
    match written {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(key, %error, "it will not be told when the alarm is OK again"),
        Err(_) => tracing::warn!(key, "the table did not answer: it will not be told when the alarm is OK again"),
    }
}

/// Why an alert need not be told, if there is a reason: something newer was told of the same alarm and service, or the same a moment ago. A
/// page is always sent.
pub(crate) async fn old_news(ledger: &impl Ledger, clock: &Clock, alert: &Notice) -> Option<&'static str> {
    let Notice::RollbackDecision(decision) = alert else { return None };
    if decision.decision != Decision::Alert || decision.page {
        return None;
    }
    let (now, key) = (clock.now(), key(&decision.alarm.name));
    let known = clock.timeout(FOR_THE_LEDGER, list::read::<Opened>(ledger, &key)).await.ok()?.ok()?;
    let alert = Opened::of(decision, now);
    let before = known.iter().find(|before| before.is_about_the_same(&alert) && before.since != alert.since)?;
    let apart = match (before.since, alert.since) {
        (Some(before), Some(alert)) if before > alert => return Some("logged: something newer was told of this alarm"),
        (Some(before), Some(alert)) => alert.since(before),
        _ => now.since(before.told),
    };
    (apart < ONE).then_some("logged: this alarm was told of a moment ago")
}

impl<C, O, L, A> Act<'_, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags,
{
    pub(crate) async fn remember(&self, told: &Notice) {
        remember(&self.settings.ledger, &self.ports.clock, told).await;
    }

    /// The alarm is OK: tells that what it opened is over, and looks at what is still followed because of it.
    pub(crate) async fn resolve(&mut self, transition: &Transition) {
        let (ledger, now) = (&self.settings.ledger, self.ports.clock.now());
        let key = key(&transition.alarm.name);
        let all = match list::read::<Opened>(ledger, &key).await {
            Ok(all) => all,
            Err(error) => return self.errors.push(error),
        };
        let at = transition.alarm.changed_at.unwrap_or(now);
        let is_over = |opened: &Opened| opened.resolved.is_none() && opened.opened_at() <= at;
        let over: Vec<Opened> = all.into_iter().filter(is_over).collect();
        let nobody = Subject::of(transition);
        if over.is_empty() {
            let reason = format!("`{}` is OK, and nothing is told of it that this would end", transition.alarm.name);
            let next_step = "nothing".to_owned();
            return self.record(
                nobody,
                &Decided { decision: Decision::Ignore, reason, next_step, page: false },
                "logged",
            );
        }
        let mut ended = Vec::new();
        for opened in over {
            let (decided, told) = opened.resolution(transition, at, now);
            let service = self.settings.config.services.iter().find(|it| Some(&it.name) == opened.service.as_ref());
            let publish = async || {
                self.ports.outbox.publish(&Notice::RollbackDecision(told)).await?;
                Ok(json!({ "told": now }))
            };
            let name = opened.resolved(&transition.alarm.name);
            let once = lease::once(ledger, &name, &self.holder(), now, now.plus(REMEMBERED), publish).await;
            let outcome = match once {
                Ok(Once::Busy) => "being told by another invocation",
                Ok(Once::DoneBefore) => "told before, by another invocation",
                Ok(Once::Did { .. }) => "told",
                Err(error) => {
                    self.errors.push(error);
                    "not told"
                }
            };
            self.record(Subject { service, ..nobody }, &decided, outcome);
            if let Some(key) = follow::key(opened.group.as_ref(), opened.ecs.as_ref()) {
                self.revisit(&key, Visit::Always).await;
            }
            if outcome.starts_with("told") {
                ended.push(opened);
            }
        }
        let change = |all: &mut Vec<Opened>| {
            for opened in all.iter_mut().filter(|opened| ended.contains(opened)) {
                opened.resolved = Some(now);
            }
            all.retain(|opened| opened.resolved.is_none_or(|at| now.since(at) <= KEPT));
        };
        if let Err(error) = list::amend(ledger, &key, now.plus(REMEMBERED), change).await {
            tracing::warn!(key, %error, "what is over stays remembered as open, and is not told again");
        }
    }
}

#[cfg(test)]
mod tests;
