//! Stops a deployment, exactly once. Knows nothing of why.
//!
//! The ledger's entry `stop/<deployment>` is a lease while one invocation is at it and a record afterwards. A process may be
//! killed in between, and then nobody would stop the deployment; so the lease is a short one, and a later invocation (Lambda
//! tries again after a minute) takes the work over.
//!
//! What was decided is written down under the transition's own key before the stop, and replaced when it has been told. So when
//! the process dies in between, the next delivery of the event tells what the alarm led to, although it finds nothing in
//! flight any more; without that, the stop would look like a person's.
//!
//! The stop itself depends on neither entry: CodeDeploy refuses to stop twice, and a table that is down must not keep a bad
//! version in production.

use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId, Status};
use domain::events::Decision;
use domain::lease::{self, Lease, Taken};
use domain::ports::{DeploymentStopper, Deployments, Ledger, Outbox, PortError, Stopped};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::decide::{self, Decided};
use crate::follow::Pursuit;
use crate::{Act, Subject, tell};

/// How long the stop waits for the ledger each time.
const FOR_THE_LEDGER: Duration = Duration::from_secs(3);
/// No deployment lives longer (at most 120 h before the shift and 48 h after it, CodeDeploy quotas), and then some.
const REMEMBERED: Duration = Duration::from_hours(14 * 24);

fn key(id: &DeploymentId) -> String {
    format!("stop/{id}")
}

/// A stop that has been decided and not told yet, as the ledger remembers it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Begun {
    stops: DeploymentId,
    reason: String,
    next_step: String,
    /// When the event arrived first.
    #[serde(default)]
    arrived: Option<Timestamp>,
}

impl<'a, C, O, L> Act<'a, C, O, L>
where
    C: Deployments + DeploymentStopper,
    O: Outbox,
    L: Ledger,
{
    /// Stops the deployment, tells it and puts it among those to be followed.
    pub(crate) async fn stop(&mut self, subject: Subject<'_>, deployment: &Deployment, decided: Decided) {
        let lease = match self.take_stop(&deployment.id).await {
            Ok(Taken::Mine(lease)) => Some(lease),
            Ok(Taken::Done(_)) => {
                self.mark_told(subject).await;
                self.mark(subject);
                return self.record(subject, &decided, "stopped before, by another invocation");
            }
            Ok(Taken::Busy) => return self.record(subject, &decided, "being stopped by another invocation"),
            Err(error) => {
                tracing::warn!(deployment.id = %deployment.id, %error, "it is stopped without the ledger, so it may be told twice");
                None
            }
        };
        if lease.is_some() {
            self.write_down(subject, &deployment.id, &decided).await;
        }
        let outcome = match self.ports.codedeploy.stop_and_roll_back(&deployment.id).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.unmark(subject).await;
                if let Some(lease) = lease
                    && let Err(error) = lease.release().await
                {
                    tracing::warn!(deployment.id = %deployment.id, %error, "the lease to stop it was not given back; it ends by itself");
                }
                return self.failed(subject, &decided.reason, error).await;
            }
        };
        let (ended, word) = match outcome {
            Stopped::Accepted => (deployment.clone(), "stopped"),
            Stopped::AlreadyCompleted => match self.ports.codedeploy.deployment(&deployment.id).await {
                Ok(ended) if ended.status == Status::Succeeded => {
                    self.unmark(subject).await;
                    return self.tell(subject, &decide::too_late(&decided, &deployment.id)).await;
                }
                // CodeDeploy watches alarms too, or a person was faster: what counts is that the old version comes back.
                Ok(ended) => (ended, "it had already been stopped"),
                Err(_) => (deployment.clone(), "it had already ended"),
            },
        };
        self.pursue(Pursuit::of_stopped(&ended, subject, self.arrived)).await;
        let notice = self.notice(subject, &decided);
        match self.ports.outbox.publish(&notice).await {
            Ok(()) => {
                self.remember(&notice).await;
                self.mark_told(subject).await;
                if let Some(lease) = lease {
                    self.mark_stopped(lease, subject, &deployment.id).await;
                }
            }
            Err(error) => {
                tracing::warn!(deployment.id = %deployment.id, %error, "the decision is told later");
                self.untold.push(notice);
            }
        }
        self.record(subject, &decided, word);
    }

    /// The stop that an earlier delivery of the same event has begun and not told, if there is one.
    pub(crate) async fn begun(&self, subject: Subject<'_>) -> Option<Begun> {
        let key = tell::key(subject);
        match self.in_time(self.settings.ledger.read(&key)).await {
            Ok(entry) => Begun::deserialize(&entry?).ok(),
            Err(error) => {
                tracing::warn!(key, %error, "whether the event was handled before is not known, so it is handled");
                None
            }
        }
    }

    /// Goes on with it. To CodeDeploy a second stop is no harm.
    pub(crate) async fn go_on(&mut self, subject: Subject<'_>, begun: Begun) {
        let Begun { stops, reason, next_step, arrived } = begun;
        self.arrived = arrived.map_or(self.arrived, |first| first.min(self.arrived));
        let decided = Decided { decision: Decision::StopAndRollBack, reason, next_step };
        match self.ports.codedeploy.deployment(&stops).await {
            Ok(deployment) => {
                let subject = Subject { deployment: Some(&deployment), ..subject };
                self.stop(subject, &deployment, decided).await;
            }
            Err(error) => self.failed(subject, &decided.reason, error).await,
        }
    }

    async fn write_down(&self, subject: Subject<'_>, id: &DeploymentId, decided: &Decided) {
        let (stops, expires) = (id.clone(), self.ports.clock.now().plus(REMEMBERED));
        let begun = Begun {
            stops,
            reason: decided.reason.clone(),
            next_step: decided.next_step.clone(),
            arrived: Some(self.arrived),
        };
        let written = async {
            let entry = serde_json::to_value(&begun).unwrap_or_default();
            self.settings.ledger.claim(&tell::key(subject), &entry, expires).await
        };
        if let Err(error) = self.in_time(written).await {
            tracing::warn!(deployment.id = %id, %error, "if this process dies now, the stop will look like a person's");
        }
    }

    /// The ledger's answer, unless it takes so long that a stop cannot wait for it.
    pub(crate) async fn in_time<T>(&self, asked: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
        self.ports.clock.timeout(FOR_THE_LEDGER, asked).await.unwrap_or_else(|_| {
            Err(PortError::Transient {
                what: "asking the ledger".to_owned(),
                detail: "it did not answer in time".to_owned(),
                retry_after: None,
            })
        })
    }

    async fn take_stop(&self, id: &DeploymentId) -> Result<Taken<'a, L>, PortError> {
        let (settings, key, holder) = (self.settings, key(id), self.holder());
        self.in_time(lease::take(&settings.ledger, &key, &holder, self.ports.clock.now())).await
    }

    async fn mark_stopped(&self, lease: Lease<'_, L>, subject: Subject<'_>, id: &DeploymentId) {
        let now = self.ports.clock.now();
        let stopped = json!({ "stopped": now, "alarm": subject.transition.alarm.name });
        if let Err(error) = lease.complete(&stopped, now.plus(REMEMBERED)).await {
            tracing::warn!(deployment.id = %id, %error, "the stop was not marked as done; a later alarm may stop it again");
        }
    }
}
