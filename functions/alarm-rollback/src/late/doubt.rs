//! Deployments that ended well and are yet no good to go back to: an alarm was told during them or soon after them. Knows nothing of the
//! alarm.

use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId, Status};
use domain::lease;
use domain::ports::{AlarmTags, Ledger, Outbox};
use domain::redeploy::late_key;
use futures_util::future::join;
use serde_json::json;

use crate::decide::{self, Concern};
use crate::event::Transition;
use crate::{Act, CodeDeploy};

/// As far back as a group's past is looked at.
const REMEMBERED: Duration = Duration::from_hours(400 * 24);
/// An alarm that comes later after a deployment's end has little to do with it: the longest window that the configuration allows.
const SOON: Duration = Duration::from_hours(24);

fn key(id: &DeploymentId) -> String {
    format!("suspect/{id}")
}

impl<C, O, L, A> Act<'_, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags,
{
    /// Remembers that an alarm was told, and nothing done, during the deployment or soon after it.
    pub(crate) async fn doubt(&self, transition: &Transition, concern: &Concern<'_>, deployment: &Deployment) {
        let red = transition.alarm.changed_at.unwrap_or_else(|| self.ports.clock.now());
        let is_soon = deployment.completed.is_none_or(|at| red.since(at) <= SOON);
        let is_bad_already = matches!(deployment.status, Status::Failed | Status::Stopped);
        if is_soon && !is_bad_already && decide::is_suspect(transition, concern, deployment) {
            self.suspect(&deployment.id, &transition.alarm.name).await;
        }
    }

    /// Remembers that a deployment was to be rolled back and was not.
    pub(crate) async fn suspect(&self, id: &DeploymentId, alarm: &str) {
        let expires = self.ports.clock.now().plus(REMEMBERED);
        let entry = json!({ "alarm": alarm });
        if let Err(error) = self.in_time(self.settings.ledger.claim(&key(id), &entry, expires)).await {
            tracing::warn!(deployment.id = %id, %error, "that an alarm was told of it is not remembered; its version may be deployed again");
        }
    }

    /// Whether a deployment was rolled back late, or had an alarm, by the ledger's record; where it does not answer, the group's own past has to
    /// do.
    pub(super) async fn is_doubtful(&self, id: &DeploymentId) -> bool {
        let (late, suspect) = (late_key(id), key(id));
        let ledger = &self.settings.ledger;
        let asked = join(self.in_time(lease::record(ledger, &late)), self.in_time(ledger.read(&suspect)));
        let (late, suspect) = asked.await;
        late.is_ok_and(|record| record.is_some()) || suspect.is_ok_and(|entry| entry.is_some())
    }
}
