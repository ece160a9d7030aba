//! An alarm is OK again: what was told of it before is over, and people hear that once. Knows nothing of how it was decided what is told.
//!
//! What was told stands in the ledger by alarm (`opened/<alarm>`), one item for each service that it was told of, and with it when the alarm
//! went to OK last, of those alarms that the configuration names or that people were told of. Any other costs one read. Events arrive in any order, so
//! the alarm's own times decide: a transition to OK resolves nothing that is newer than itself, and one that was heard before the older transition
//! to ALARM resolves that as soon as it is told.

use std::time::Duration;

use clock::Clock;
use domain::alarm::{AlarmFact, AlarmState};
use domain::deployment::{DeploymentId, EcsServiceName, GroupName, Revision};
use domain::events::{Decision, Notice, RollbackDecision};
use domain::ports::{AlarmTags, Ledger, Outbox, PortError};
use domain::time::{Timestamp, spoken};
use serde::{Deserialize, Serialize};

use crate::decide::Decided;
use crate::event::Transition;
use crate::follow::{self, Visit};
use crate::tell::{Voice, in_time};
use crate::{Act, CodeDeploy, Subject, list};

/// An alarm may stay red for weeks: for as long as `slack-notifier` remembers where it was told. When one ends that stayed so for longer, that is not news
/// any more.
const REMEMBERED: Duration = Duration::from_hours(30 * 24);
/// So many services are remembered of one alarm, the latest of them.
const MOST_OPENED: usize = 64;
/// What is over is kept for so long: it tells older news from newer.
const KEPT: Duration = Duration::from_hours(1);
/// Two transitions to ALARM that are closer than this are one: the shortest period of an alarm is 10 s (`PutMetricAlarm`, CloudWatch API
/// reference), and in between it has to go back.
const ONE: Duration = Duration::from_secs(10);

fn key(alarm: &str) -> String {
    format!("opened/{alarm}")
}

/// What is known of an alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Known {
    /// Its newest transition to OK.
    Ok { ok: Box<AlarmFact> },
    /// What was told of it.
    Opened(Box<Opened>),
}

fn opened(known: &[Known]) -> impl Iterator<Item = &Opened> {
    known.iter().filter_map(|it| if let Known::Opened(opened) = it { Some(&**opened) } else { None })
}

fn last_ok(known: &[Known]) -> Option<&AlarmFact> {
    known.iter().find_map(|it| if let Known::Ok { ok } = it { Some(&**ok) } else { None })
}

/// What was told of an alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opened {
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

    fn is_over(&self, at: Timestamp) -> bool {
        self.resolved.is_none() && self.opened_at() <= at
    }

    fn resolution(&self, alarm: &AlarmFact, at: Timestamp, now: Timestamp) -> (Decided, Notice) {
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
        (decided, Notice::RollbackDecision(told))
    }
}

/// Remembers what was told, so that the alarm's return to OK ends it. What changes nothing opens nothing. Gives back what was remembered
/// where that is over: the alarm was heard to be OK since, in this fact.
pub(crate) async fn remember(ledger: &impl Ledger, clock: &Clock, told: &Notice) -> Option<(Opened, AlarmFact)> {
    let Notice::RollbackDecision(decision) = told else { return None };
    if decision.alarm.state != AlarmState::Alarm || (decision.decision == Decision::Ignore && !decision.page) {
        return None;
    }
    let now = clock.now();
    let (key, new) = (key(&decision.alarm.name), Opened::of(decision, now));
    let change = |all: &mut Vec<Known>| {
        let before = opened(all).find(|other| other.is_about_the_same(&new)).cloned();
        if let Some(before) = before {
            if before.since > new.since {
                return;
            }
            all.retain(|it| *it != Known::Opened(Box::new(before.clone())));
        }
        let ok = last_ok(all).cloned();
        all.retain(|it| matches!(it, Known::Opened(_)));
        all.push(Known::Opened(Box::new(new.clone())));
        all.drain(..all.len().saturating_sub(MOST_OPENED));
        all.extend(ok.map(|ok| Known::Ok { ok: Box::new(ok) }));
    };
    match in_time(clock, list::amend(ledger, &key, now.plus(REMEMBERED), change)).await {
        Ok(known) => {
            let ok = last_ok(&known).filter(|ok| ok.changed_at > Some(new.opened_at()))?.clone();
            opened(&known).any(|it| *it == new).then_some((new, ok))
        }
        Err(error) => {
            tracing::warn!(key, %error, "it will not be told when the alarm is OK again");
            None
        }
    }
}

/// The same, and tells at once that it is over where it is.
pub(crate) async fn open<O: Outbox, L: Ledger>(voice: &Voice<'_, O, L>, told: &Notice) {
    let Some((opened, ok)) = remember(voice.ledger, voice.clock, told).await else { return };
    let now = voice.clock.now();
    let (_, notice) = opened.resolution(&ok, ok.changed_at.unwrap_or(now), now);
    match voice.once(&opened.resolved(&ok.name), &notice, REMEMBERED, async || {}).await {
        Ok(_) => close(voice, &ok.name, &[opened]).await,
        Err(error) => {
            tracing::warn!(alarm.name = ok.name, %error, "that it is over is told when the alarm goes to OK the next time");
        }
    }
}

/// What has been told to be over is over.
async fn close<O: Outbox, L: Ledger>(voice: &Voice<'_, O, L>, alarm: &str, ended: &[Opened]) {
    let (now, key) = (voice.clock.now(), key(alarm));
    let change = |all: &mut Vec<Known>| {
        for known in all.iter_mut() {
            if let Known::Opened(opened) = known
                && ended.contains(opened)
            {
                opened.resolved = Some(now);
            }
        }
        all.retain(|known| match known {
            Known::Opened(opened) => opened.resolved.is_none_or(|at| now.since(at) <= KEPT),
            Known::Ok { .. } => true,
        });
    };
    if let Err(error) = in_time(voice.clock, list::amend(voice.ledger, &key, now.plus(REMEMBERED), change)).await {
        tracing::warn!(key, %error, "what is over stays remembered as open, and is not told again");
    }
}

/// When the alarm went to OK last, as far as that is known.
pub(crate) async fn ok_since(ledger: &impl Ledger, clock: &Clock, alarm: &str) -> Option<Timestamp> {
    let known = in_time(clock, list::read::<Known>(ledger, &key(alarm))).await.ok()?;
    last_ok(&known)?.changed_at
}

/// Why an alert need not be told, if there is a reason: something newer was told of the same alarm and service, or the same a moment ago. A
/// page is always sent.
pub(crate) async fn old_news(ledger: &impl Ledger, clock: &Clock, alert: &Notice) -> Option<&'static str> {
    let Notice::RollbackDecision(decision) = alert else { return None };
    if decision.decision != Decision::Alert || decision.page {
        return None;
    }
    let (now, key) = (clock.now(), key(&decision.alarm.name));
    let known = in_time(clock, list::read::<Known>(ledger, &key)).await.ok()?;
    let alert = Opened::of(decision, now);
    let before = opened(&known).find(|before| before.is_about_the_same(&alert) && before.since != alert.since)?;
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
        open(&self.voice(), told).await;
    }

    /// Hears that the alarm is OK; gives back what is known of it then. An alarm that no service names and nobody was told of is not remembered:
    /// there are many of them.
    async fn hear_ok(&self, ok: &AlarmFact, is_named: bool) -> Result<Vec<Known>, PortError> {
        let (ledger, now, key) = (&self.settings.ledger, self.ports.clock.now(), key(&ok.name));
        if !is_named && list::read::<Known>(ledger, &key).await?.is_empty() {
            return Ok(Vec::new());
        }
        let change = |all: &mut Vec<Known>| {
            if last_ok(all).is_some_and(|before| before.changed_at >= ok.changed_at) {
                return;
            }
            all.retain(|it| matches!(it, Known::Opened(_)));
            all.push(Known::Ok { ok: Box::new(ok.clone()) });
        };
        list::amend(ledger, &key, now.plus(REMEMBERED), change).await
    }

    /// The alarm is OK: tells that what it opened is over, and looks at what is still followed because of it. Where the table does not answer
    /// nothing is known to be open: every alarm of the account comes by here, so that is logged and no more.
    pub(crate) async fn resolve(&mut self, transition: &Transition, is_named: bool) {
        let now = self.ports.clock.now();
        let at = transition.alarm.changed_at.unwrap_or(now);
        let ok = AlarmFact { changed_at: Some(at), ..transition.alarm.clone() };
        let nobody = Subject::of(transition);
        let nothing = |reason: String| Decided {
            decision: Decision::Ignore,
            reason,
            next_step: "nothing".to_owned(),
            page: false,
        };
        let known = match in_time(&self.ports.clock, self.hear_ok(&ok, is_named)).await {
            Ok(known) => known,
            Err(error) => {
                let reason = format!("`{}` is OK, and what that ends is not known: {error}", ok.name);
                tracing::warn!(alarm.name = ok.name, %error, "what the alarm has opened stays open until it is OK the next time");
                return self.record(nobody, &nothing(reason), "logged");
            }
        };
        let over: Vec<Opened> = opened(&known).filter(|opened| opened.is_over(at)).cloned().collect();
        if over.is_empty() {
            let reason = format!("`{}` is OK, and nothing is told of it that this would end", ok.name);
            return self.record(nobody, &nothing(reason), "logged");
        }
        let (voice, mut ended) = (self.voice(), Vec::new());
        for opened in over {
            let (decided, notice) = opened.resolution(&ok, at, now);
            let service = self.settings.config.services.iter().find(|it| Some(&it.name) == opened.service.as_ref());
            let told = voice.once(&opened.resolved(&ok.name), &notice, REMEMBERED, async || {}).await;
            let outcome = told.unwrap_or_else(|error| {
                self.errors.push(error);
                "not told"
            });
            self.record(Subject { service, ..nobody }, &decided, outcome);
            if let Some(key) = follow::key(opened.group.as_ref(), opened.ecs.as_ref()) {
                self.revisit(&key, Visit::Always).await;
            }
            if outcome.starts_with("told") {
                ended.push(opened);
            }
        }
        close(&voice, &ok.name, &ended).await;
    }
}

#[cfg(test)]
mod tests;
