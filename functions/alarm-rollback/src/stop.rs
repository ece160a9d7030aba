//! Stops a deployment, exactly once. Knows nothing of why.
//!
//! The ledger's entry `stop/<deployment>` says who stops it: `stopping` while one invocation is at it, `stopped` afterwards. A
//! process may be killed in between, and then nobody would stop the deployment; so `stopping` holds for a short time only, and a
//! later invocation (Lambda tries again after a minute) takes the work over.

use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId, Status};
use domain::ports::{DeploymentStopper, Deployments, Ledger, Outbox, PortError, Stopped};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::decide::{self, Decided};
use crate::follow::Pursuit;
use crate::{Act, Subject};

/// Longer than the stop with all its retries takes (20 s), shorter than Lambda waits before it tries again (a minute).
const CLAIMED: Duration = Duration::from_secs(40);
/// No deployment lives longer (at most 120 h before the shift and 48 h after it, CodeDeploy quotas), and then some.
const REMEMBERED: Duration = Duration::from_hours(14 * 24);

/// Whose the stop is.
enum Claim {
    /// With the entry that says so.
    Ours(Value),
    Stopped,
    BeingStopped,
}

fn key(id: &DeploymentId) -> String {
    format!("stop/{id}")
}

impl<C, O, L> Act<'_, C, O, L>
where
    C: Deployments + DeploymentStopper,
    O: Outbox,
    L: Ledger,
{
    /// Stops the deployment, tells it and puts it among those to be followed.
    pub(crate) async fn stop(&mut self, subject: Subject<'_>, deployment: &Deployment, decided: Decided) {
        let claim = match self.claim_stop(&deployment.id, &subject.transition.alarm.name).await {
            Ok(Claim::Ours(claim)) => claim,
            Ok(Claim::Stopped) => {
                self.mark_told(subject).await;
                return self.record(subject, &decided, "stopped before, by another invocation");
            }
            Ok(Claim::BeingStopped) => return self.record(subject, &decided, "being stopped by another invocation"),
            Err(error) => return self.failed(subject, &decided.reason, error).await,
        };
        let outcome = match self.ports.codedeploy.stop_and_roll_back(&deployment.id).await {
            Ok(outcome) => outcome,
            Err(error) => {
                if let Err(error) = self.settings.ledger.release(&key(&deployment.id)).await {
                    tracing::warn!(deployment.id = %deployment.id, %error, "the claim to stop it was not released; it ends by itself");
                }
                return self.failed(subject, &decided.reason, error).await;
            }
        };
        self.mark_stopped(&deployment.id, &claim).await;
        match outcome {
            Stopped::Accepted => self.stopped(subject, deployment.clone(), &decided, "stopped").await,
            Stopped::AlreadyCompleted => match self.ports.codedeploy.deployment(&deployment.id).await {
                Ok(ended) if ended.status == Status::Succeeded => {
                    self.tell(subject, &decide::too_late(&decided, &deployment.id)).await;
                }
                // CodeDeploy watches alarms too, or a person was faster: what counts is that the old version comes back.
                Ok(ended) => self.stopped(subject, ended, &decided, "it had already been stopped").await,
                Err(_) => self.stopped(subject, deployment.clone(), &decided, "it had already ended").await,
            },
        }
    }

    async fn stopped(&mut self, subject: Subject<'_>, deployment: Deployment, decided: &Decided, outcome: &str) {
        self.mark_told(subject).await;
        let notice = self.notice(subject, decided);
        if let Err(error) = self.ports.outbox.publish(&notice).await {
            tracing::warn!(deployment.id = %deployment.id, %error, "the decision is told later");
            self.untold.push(notice);
        }
        self.record(subject, decided, outcome);
        self.pursuits.push(Pursuit::new(deployment, subject));
    }

    /// What is published from here on is not to be followed by an alert when the same event arrives again.
    async fn mark_told(&self, subject: Subject<'_>) {
        if let Err(error) = self.claim_telling(subject).await {
            tracing::warn!(%error, "if the same event arrives again, it may be told again");
        }
    }

    async fn claim_stop(&self, id: &DeploymentId, alarm: &str) -> Result<Claim, PortError> {
        let (ledger, now) = (&self.settings.ledger, self.ports.clock.now());
        let ours = json!({ "state": "stopping", "until": now.plus(CLAIMED), "alarm": alarm });
        let (key, expires) = (key(id), now.plus(REMEMBERED));
        if ledger.claim(&key, &ours, expires).await? {
            return Ok(Claim::Ours(ours));
        }
        let entry = ledger.read(&key).await?;
        if let Some(entry) = &entry {
            if entry.get("state").and_then(Value::as_str) == Some("stopped") {
                return Ok(Claim::Stopped);
            }
            let until = entry.get("until").and_then(Value::as_str).and_then(Timestamp::parse);
            if until.is_some_and(|until| until > now) {
                return Ok(Claim::BeingStopped);
            }
        }
        // Gone in the meantime, or its holder was killed: whoever replaces it first has it.
        let replaced = ledger.replace(&key, entry.as_ref(), &ours, expires).await?;
        Ok(if replaced { Claim::Ours(ours) } else { Claim::BeingStopped })
    }

    async fn mark_stopped(&self, id: &DeploymentId, claim: &Value) {
        let now = self.ports.clock.now();
        let stopped = json!({ "state": "stopped", "at": now, "alarm": claim.get("alarm") });
        let replaced = self.settings.ledger.replace(&key(id), Some(claim), &stopped, now.plus(REMEMBERED)).await;
        if let Err(error) = replaced {
            tracing::warn!(deployment.id = %id, %error, "the stop was not marked as done; a later alarm may stop it again");
        }
    }
}
