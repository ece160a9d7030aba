//! Reads the facts about a deployment and adds them to its story, again for a few seconds while an ending's facts are still on their
//! way. Knows nothing of who is told.

use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId};
use domain::events::{Envelope, Heard, Notice, TrafficRestored};
use domain::ports::{Deployments, Ledger, Metrics, PortError};
use domain::redeploy;

use crate::Shift;
use crate::glance::glance;
use crate::memory::Known;
use crate::sinks::Sinks;
use crate::story::{Facts, Stage, Story, Traffic};

/// How often to look while waiting.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A rollback's rollback, and one more: what Greenlight deploys again may be rolled back by CodeDeploy.
const CHAIN: usize = 3;

impl<D: Deployments, L: Ledger, S: Sinks, M: Metrics> Shift<'_, D, L, S, M> {
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
            let (known, of_rollback) = self.look(envelope, heard, id).await?;
            let now = clock.now();
            if !known.story.is_unsettled() || now.plus(LOOK_AGAIN) > started.plus(patience) {
                return Ok((known, of_rollback));
            }
            clock.sleep(LOOK_AGAIN).await;
        }
    }

    /// The same, read once.
    pub(crate) async fn look(
        &self,
        envelope: &Envelope,
        heard: &Heard,
        id: &DeploymentId,
    ) -> Result<(Known<Story>, bool), PortError> {
        let facts = self.facts(envelope, heard, id).await?;
        let mut fresh = Story::of(&facts);
        if let Heard::Notice(notice) = heard {
            match &**notice {
                Notice::HookVerdict(verdict) => fresh.hear_verdict(verdict),
                Notice::RollbackDecision(decision) => fresh.hear_decision(decision),
                Notice::TrafficRestored(restored) => fresh.hear_restored(restored),
            }
        }
        let known = self.remember(&fresh).await?;
        Ok((known, facts.rollback.is_some()))
    }

    /// The deployment, without a rollback that its description alone claims.
    async fn believed(&self, deployment: Deployment) -> Result<Deployment, PortError> {
        if redeploy::is_believable(&deployment, &self.ports.ledger).await? {
            return Ok(deployment);
        }
        tracing::warn!(deployment.id = %deployment.id, original = ?deployment.rolls_back, "its description says that it rolls this one back, and Greenlight knows nothing of that: it is told as a deployment like any other");
        Ok(Deployment { rolls_back: None, ..deployment })
    }

    /// The rollback of which an event says that it has not brought the traffic back: it runs, or it has failed. What cannot be read is
    /// not known, and no reason to tell nothing.
    async fn rollback_of(&self, deployment: &Deployment, restored: &TrafficRestored) -> Option<Deployment> {
        let id = deployment.rolled_back_by.as_ref().or(restored.rollback_deployment_id.as_ref())?;
        match self.ports.deployments.deployment(id).await {
            Ok(rollback) => Some(rollback),
            Err(error) => {
                tracing::info!(deployment.id = %id, "how the rollback stands cannot be told: {error}");
                None
            }
        }
    }

    /// What is to be done about traffic that is not back, as the headline will say it; `None` where CodeDeploy does not tell how it stands
    /// within a second, since a page waits for nobody.
    pub(crate) async fn urgent_action(
        &self,
        envelope: &Envelope,
        heard: &Heard,
        restored: &TrafficRestored,
    ) -> Option<String> {
        let facts = self.ports.clock.timeout(LOOK_AGAIN, self.facts(envelope, heard, &restored.deployment_id)).await;
        let mut story = Story::of(&facts.ok()?.ok()?);
        story.hear_restored(restored);
        let glance = glance(&story);
        glance.urgent.then_some(glance.action)
    }

    async fn facts(&self, envelope: &Envelope, heard: &Heard, id: &DeploymentId) -> Result<Facts<'_>, PortError> {
        let read = self.believed(self.ports.deployments.deployment(id).await?).await?;
        // A rollback has no message of its own: it is part of the story of what it rolls back. One that is itself rolled back has failed.
        let (mut deployment, mut rollback) = (read, None);
        for _ in 0..CHAIN {
            let Some(original) = &deployment.rolls_back else { break };
            let original = match self.ports.deployments.deployment(original).await {
                Ok(original) => self.believed(original).await?,
                Err(PortError::NotFound { detail, .. }) => {
                    tracing::warn!(deployment.id = %deployment.id, %original, "what it rolls back is not known, so it is told by itself: {detail}");
                    break;
                }
                Err(error) => return Err(error),
            };
            rollback = Some(std::mem::replace(&mut deployment, original));
        }
        if let (None, Heard::Notice(notice)) = (&rollback, heard)
            && let Notice::TrafficRestored(restored) = &**notice
            && !restored.restored
        {
            rollback = self.rollback_of(&deployment, restored).await;
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
