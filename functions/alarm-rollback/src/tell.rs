//! Tells what was decided, once per transition and service, however often the event arrives. Knows nothing of how it was decided.

use std::time::Duration;

use domain::events::{Notice, RollbackDecision};
use domain::lease::{self, Once};
use domain::ports::{AlarmTags, Ledger, Outbox};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::decide::Decided;
use crate::{Act, CodeDeploy, Subject, resolve};

/// EventBridge delivers an event again for up to 24 h ("retry policy", EventBridge user guide).
const REMEMBERED: Duration = Duration::from_hours(48);

impl<C, O, L, A> Act<'_, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags,
{
    /// Publishes a decision that called for nothing else, unless that was done before.
    pub(crate) async fn tell(&mut self, subject: Subject<'_>, decided: &Decided) {
        let now = self.ports.clock.now();
        let (key, notice) = (key(subject), self.notice(subject, decided));
        if let Some(why) = resolve::old_news(&self.settings.ledger, &self.ports.clock, &notice).await {
            return self.record(subject, decided, why);
        }
        let publish = async || {
            self.ports.outbox.publish(&notice).await?;
            self.remember(&notice).await;
            Ok(told(now))
        };
        let once = lease::once(&self.settings.ledger, &key, &self.holder(), now, now.plus(REMEMBERED), publish).await;
        let outcome = match once {
            Ok(Once::Did { forgotten: None }) => "told",
            Ok(Once::Did { forgotten: Some(error) }) => {
                tracing::warn!(key, %error, "if the same event arrives again, it may be told again");
                "told"
            }
            Ok(Once::DoneBefore) => {
                self.mark(subject);
                "told before, by another invocation"
            }
            Ok(Once::Busy) => "being told by another invocation",
            Err(error) => {
                self.errors.push(error);
                "not told"
            }
        };
        self.record(subject, decided, outcome);
    }

    /// What has been told is not to be followed by an alert when the same event arrives again.
    pub(crate) async fn mark_told(&self, subject: Subject<'_>) {
        let (ledger, key, now) = (&self.settings.ledger, key(subject), self.ports.clock.now());
        let marked = async {
            let entry = ledger.read(&key).await?;
            ledger.replace(&key, entry.as_ref(), &told(now), now.plus(REMEMBERED)).await
        };
        if let Err(error) = marked.await {
            tracing::warn!(%error, "if the same event arrives again, it may be told again");
        }
    }

    /// What was begun and came to nothing is to be decided and told again. What was told stays told.
    pub(crate) async fn unmark(&self, subject: Subject<'_>) {
        let (ledger, key) = (&self.settings.ledger, key(subject));
        let taken_back = async {
            match ledger.read(&key).await? {
                Some(entry) if entry.get("stops").is_some() => ledger.release(&key).await,
                _ => Ok(()),
            }
        };
        if let Err(error) = self.in_time(taken_back).await {
            tracing::warn!(key, %error, "the transition stays marked as begun, although nothing came of it");
        }
    }

    pub(crate) fn notice(&self, subject: Subject<'_>, decided: &Decided) -> Notice {
        let Subject { transition, service, group, environment, deployment, restored, .. } = subject;
        Notice::RollbackDecision(RollbackDecision {
            alarm: transition.alarm.clone(),
            deployment_id: deployment.map(|deployment| deployment.id.clone()),
            group: group.or(service.and_then(|service| service.codedeploy.as_ref())).cloned(),
            ecs: service.and_then(|service| service.ecs.clone()),
            service: service.map(|service| service.name.clone()),
            environment: service.map(|service| service.environment.as_str()).or(environment).map(str::to_owned),
            revision: deployment.map(|deployment| deployment.revision.clone()).unwrap_or_default(),
            restores: restored.map(|(_, revision)| revision.clone()),
            rollback_deployment_id: restored.map(|(by, _)| by.clone()),
            decision: decided.decision,
            reason: decided.reason.clone(),
            next_step: decided.next_step.clone(),
            page: decided.page,
            resolves: false,
            at: self.ports.clock.now(),
        })
    }

    /// A last try for what could not be published when it was due.
    pub(crate) async fn tell_again(&mut self) {
        for notice in std::mem::take(&mut self.untold) {
            match self.ports.outbox.publish(&notice).await {
                Ok(()) => self.remember(&notice).await,
                Err(error) => self.errors.push(error),
            }
        }
    }
}

fn told(now: Timestamp) -> Value {
    json!({ "told": now })
}

/// One transition for one service, or for a deployment group that no service names. A transition without a time is told by its alarm alone.
pub(crate) fn key(subject: Subject<'_>) -> String {
    let alarm = &subject.transition.alarm;
    let group = || subject.group.map(ToString::to_string).unwrap_or_default();
    let service = subject.service.map_or_else(group, |service| service.name.clone());
    let at = alarm.changed_at.map(|at| at.0.to_string()).unwrap_or_default();
    format!("alarm/{service}/{}/{at}", alarm.name)
}
