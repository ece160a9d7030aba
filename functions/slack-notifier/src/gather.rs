//! Reads the facts about a deployment and adds them to its story, again for a few seconds while an ending's facts are still on their
//! way. Knows nothing of who is told.

use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId};
use domain::events::{Envelope, Heard, Notice};
use domain::ports::{Deployments, Ledger, PortError};

use crate::Shift;
use crate::memory::{Known, remember};
use crate::sinks::Sinks;
use crate::story::{Facts, Stage, Story, Traffic};

/// How often to look while waiting.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A rollback's rollback, and one more: what Greenlight deploys again may be rolled back by CodeDeploy.
const CHAIN: usize = 3;

impl<D: Deployments, L: Ledger, S: Sinks> Shift<'_, D, L, S> {
    /// All that is known, and whether the event is about the deployment's rollback rather than about itself.
    pub(crate) async fn gather(
        &self,
        envelope: &Envelope,
        heard: &Heard,
        id: &DeploymentId,
    ) -> Result<(Known<Story>, bool), PortError> {
        let clock = &self.ports.clock;
        let started = clock.now();
        // Waiting must not eat the time for telling.
        let patience = self.ports.patience.min(self.until.since(started) / 4);
        loop {
            let facts = self.facts(envelope, heard, id).await?;
            let mut fresh = Story::of(&facts);
            if let Heard::Notice(notice) = heard {
                match &**notice {
                    Notice::HookVerdict(verdict) => fresh.hear_verdict(verdict),
                    Notice::RollbackDecision(decision) => fresh.hear_decision(decision),
                    Notice::TrafficRestored(restored) => fresh.hear_restored(restored),
                }
            }
            let now = clock.now();
            let known = remember(&self.ports.ledger, &fresh, now).await?;
            if !known.story.is_unsettled() || now.plus(LOOK_AGAIN) > started.plus(patience) {
                return Ok((known, facts.rollback.is_some()));
            }
            clock.sleep(LOOK_AGAIN).await;
        }
    }

    async fn facts(&self, envelope: &Envelope, heard: &Heard, id: &DeploymentId) -> Result<Facts<'_>, PortError> {
        let read = self.ports.deployments.deployment(id).await?;
        // A rollback has no message of its own: it is part of the story of what it rolls back. One that is itself rolled back has failed.
        let (mut deployment, mut rollback) = (read, None);
        for _ in 0..CHAIN {
            let Some(original) = &deployment.rolls_back else { break };
            let original = self.ports.deployments.deployment(original).await?;
            rollback = Some(std::mem::replace(&mut deployment, original));
        }
        let told_of = rollback.as_ref().map_or(&deployment.id, |rollback| &rollback.id);
        let ended = match heard {
            Heard::StateChange(change) if told_of == id => Stage::of_event(&change.state),
            Heard::StateChange(_) | Heard::Notice(_) | Heard::Schedule => None,
        };
        Ok(Facts {
            traffic: self.traffic(&deployment).await,
            service: self.config.service_of(&deployment.group),
            deployment,
            rollback,
            region: envelope.region.clone(),
            ended,
            event_at: envelope.time,
            read_at: self.ports.clock.now(),
        })
    }

    /// Where the traffic is. A deployment that has not started yet has no target; what cannot be read is not known, and no reason to
    /// tell nothing.
    async fn traffic(&self, deployment: &Deployment) -> Option<Traffic> {
        if Stage::of_status(&deployment.status) == Stage::Succeeded {
            return None;
        }
        match self.ports.deployments.target(&deployment.id).await {
            Ok(target) => Traffic::of(&target),
            Err(error) => {
                tracing::info!(deployment.id = %deployment.id, "where the traffic is cannot be told: {error}");
                None
            }
        }
    }
}
