//! Tells what was decided, once per transition and service, however often the event arrives. Knows nothing of how it was decided.
//!
//! The table keeps it to once. Where it does not answer, it is told all the same: twice is better than not at all.

use std::time::Duration;

use clock::Clock;
use domain::events::{Decision, Notice, RollbackDecision};
use domain::lease::{self, Holder, Taken};
use domain::ports::{AlarmTags, Ledger, Outbox, PortError};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::decide::Decided;
use crate::{Act, CodeDeploy, Subject, resolve};

/// EventBridge delivers an event again for up to 24 h ("retry policy", EventBridge user guide).
pub(crate) const REMEMBERED: Duration = Duration::from_hours(48);
/// How long what is told waits for the ledger each time.
const FOR_THE_LEDGER: Duration = Duration::from_secs(2);
/// How it came out where it had been told.
const BEFORE: &str = "told before, by another invocation";

/// The ledger's answer, unless it takes so long that nothing can wait for it.
pub(crate) async fn in_time<T>(
    clock: &Clock,
    asked: impl Future<Output = Result<T, PortError>>,
) -> Result<T, PortError> {
    within(clock, FOR_THE_LEDGER, asked).await
}

/// The same with a limit of the caller's.
pub(crate) async fn within<T>(
    clock: &Clock,
    limit: Duration,
    asked: impl Future<Output = Result<T, PortError>>,
) -> Result<T, PortError> {
    clock.timeout(limit, asked).await.unwrap_or_else(|_| {
        Err(PortError::Transient {
            what: "asking the ledger".to_owned(),
            detail: "it did not answer in time".to_owned(),
            retry_after: None,
        })
    })
}

/// Where an invocation tells what it has to tell, and what keeps that to once.
pub(crate) struct Voice<'a, O, L> {
    pub(crate) outbox: &'a O,
    pub(crate) ledger: &'a L,
    pub(crate) clock: &'a Clock,
    pub(crate) holder: Holder,
}

impl<O: Outbox, L: Ledger> Voice<'_, O, L> {
    /// Publishes it unless it was published under this key before; `then` is done when it has been published, before that is remembered. Gives
    /// back how it came out, for the log.
    ///
    /// # Errors
    /// When it cannot be published. A ledger that fails is none.
    pub(crate) async fn once(
        &self,
        key: &str,
        notice: &Notice,
        remembered: Duration,
        then: impl AsyncFnOnce(),
    ) -> Result<&'static str, PortError> {
        let now = self.clock.now();
        let lease = match in_time(self.clock, lease::take(self.ledger, key, &self.holder, now)).await {
            Ok(Taken::Mine(lease)) => Some(lease),
            Ok(Taken::Done(_)) => return Ok(BEFORE),
            Ok(Taken::Busy) => return Ok("being told by another invocation"),
            Err(error) => {
                tracing::warn!(key, %error, "it is told without the ledger, so it may be told twice");
                None
            }
        };
        if let Err(error) = self.outbox.publish(notice).await {
            if let Some(lease) = lease {
                // If this fails too, the lease runs out by itself; the first error is the one to tell.
                let _ = in_time(self.clock, lease.release()).await;
            }
            return Err(error);
        }
        then().await;
        if let Some(lease) = lease
            && let Err(error) = in_time(self.clock, lease.complete(&told(now), now.plus(remembered))).await
        {
            tracing::warn!(key, %error, "if the same event arrives again, it may be told again");
        }
        Ok("told")
    }

    /// Publishes a decision once, and remembers it for when the alarm is OK again.
    ///
    /// # Errors
    /// When it cannot be published.
    pub(crate) async fn decision(&self, key: &str, notice: &Notice) -> Result<&'static str, PortError> {
        self.once(key, notice, REMEMBERED, async || resolve::open(self, notice).await).await
    }
}

impl<'a, C, O, L, A> Act<'a, C, O, L, A> {
    pub(crate) fn voice(&self) -> Voice<'a, O, L> {
        let Self { ports, settings, .. } = self;
        Voice { outbox: &ports.outbox, ledger: &settings.ledger, clock: &ports.clock, holder: self.holder() }
    }
}

impl<C, O, L, A> Act<'_, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags,
{
    /// Publishes a decision that called for nothing else, unless that was done before.
    pub(crate) async fn tell(&mut self, subject: Subject<'_>, decided: &Decided) {
        self.tell_as(&key(subject), subject, decided).await;
    }

    /// The same under a key of its own, so that the transition stays what it is.
    pub(crate) async fn tell_as(&mut self, key: &str, subject: Subject<'_>, decided: &Decided) {
        let notice = self.notice(subject, decided);
        if let Some(why) = resolve::old_news(&self.settings.ledger, &self.ports.clock, &notice).await {
            return self.record(subject, decided, why);
        }
        let outcome = self.voice().decision(key, &notice).await.unwrap_or_else(|error| {
            self.errors.push(error);
            "not told"
        });
        if outcome == BEFORE {
            self.mark(subject);
        }
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
            reason: transition.said(&decided.reason),
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

/// Logs how a decision came out, and gives back its entry in the invocation's answer.
pub(crate) fn recorded(
    alarm: &str,
    (service, deployment): (Option<&str>, Option<&str>),
    (decision, reason): (Decision, &str),
    outcome: &str,
) -> Value {
    tracing::info!(alarm.name = alarm, service, deployment.id = deployment, ?decision, outcome, "{reason}");
    json!({
        "alarm": alarm,
        "service": service,
        "deployment_id": deployment,
        "decision": decision,
        "reason": reason,
        "outcome": outcome,
    })
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
