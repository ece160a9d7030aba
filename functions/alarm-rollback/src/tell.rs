//! Tells what was decided, once per transition and service, however often the event arrives. Knows nothing of how it was decided.

use std::time::Duration;

use domain::events::{Notice, RollbackDecision};
use domain::ports::{DeploymentStopper, Deployments, Ledger, Outbox};
use serde_json::json;

use crate::decide::Decided;
use crate::{Act, Subject};

/// EventBridge delivers an event again for up to 24 h ("retry policy", EventBridge user guide).
const REMEMBERED: Duration = Duration::from_hours(48);

impl<C, O, L> Act<'_, C, O, L>
where
    C: Deployments + DeploymentStopper,
    O: Outbox,
    L: Ledger,
{
    /// Publishes a decision that called for nothing else, unless that was done before.
    pub(crate) async fn tell(&mut self, subject: Subject<'_>, decided: &Decided) {
        match self.claim_telling(subject).await {
            Ok(true) => {}
            Ok(false) => return self.record(subject, decided, "told before, by another invocation"),
            Err(error) => {
                self.record(subject, decided, "not told");
                return self.errors.push(error);
            }
        }
        if let Err(error) = self.ports.outbox.publish(&self.notice(subject, decided)).await {
            let key = key(subject);
            if let Err(error) = self.settings.ledger.release(&key).await {
                tracing::warn!(key, %error, "the transition stays marked as told, although it was not");
            }
            self.record(subject, decided, "not told");
            return self.errors.push(error);
        }
        self.record(subject, decided, "told");
    }

    /// Marks the transition as told for this service; false when it was marked before.
    pub(crate) async fn claim_telling(&self, subject: Subject<'_>) -> Result<bool, domain::ports::PortError> {
        let now = self.ports.clock.now();
        self.settings.ledger.claim(&key(subject), &json!({ "at": now }), now.plus(REMEMBERED)).await
    }

    pub(crate) fn notice(&self, subject: Subject<'_>, decided: &Decided) -> Notice {
        let Subject { transition, service, deployment } = subject;
        Notice::RollbackDecision(RollbackDecision {
            alarm: transition.alarm.clone(),
            deployment_id: deployment.map(|deployment| deployment.id.clone()),
            group: service.map(|service| service.codedeploy.clone()),
            service: service.map(|service| service.name.clone()),
            environment: service.map(|service| service.environment.clone()),
            revision: deployment.map(|deployment| deployment.revision.clone()).unwrap_or_default(),
            decision: decided.decision,
            reason: decided.reason.clone(),
            next_step: decided.next_step.clone(),
            at: self.ports.clock.now(),
        })
    }

    /// A last try for what could not be published when it was due.
    pub(crate) async fn tell_again(&mut self) {
        for notice in std::mem::take(&mut self.untold) {
            if let Err(error) = self.ports.outbox.publish(&notice).await {
                self.errors.push(error);
            }
        }
    }
}

/// One transition for one service. A transition without a time is told by its alarm alone.
fn key(subject: Subject<'_>) -> String {
    let alarm = &subject.transition.alarm;
    let service = subject.service.map(|service| service.name.as_str()).unwrap_or_default();
    let at = alarm.changed_at.map(|at| at.0.to_string()).unwrap_or_default();
    format!("alarm/{service}/{}/{at}", alarm.name)
}
