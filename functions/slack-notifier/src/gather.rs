//! Reads the facts about a deployment and adds them to its story, again for a few seconds while an ending's facts are still on their
//! way. Knows nothing of who is told.

use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId, Target};
use domain::events::{ChangedState, Envelope, Heard, Notice, TrafficRestored};
use domain::ports::{Deployments, Ledger, Metrics, PortError};
use domain::redeploy::{self, late_key, to_confirm};
use domain::time::Timestamp;

use crate::glance::glance;
use crate::memory::Known;
use crate::sinks::Sinks;
use crate::story::{Facts, Progress, Stage, Story, Traffic};
use crate::{Shift, reply_to};

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
        let mut is_put_down = false;
        loop {
            let (known, of_rollback) = self.look(envelope, heard, id).await?;
            let now = clock.now();
            if !known.story.is_unsettled() || now.plus(LOOK_AGAIN) > started.plus(patience) {
                return Ok((known, of_rollback));
            }
            // What was heard does not change any more, and is not to stand below what happens while this waits.
            if !is_put_down && let Some(reply) = reply_to(envelope, heard, &known.story, of_rollback) {
                self.put_down(&known, reply).await;
                is_put_down = true;
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
        let (facts, progress) = self.facts(envelope, heard, id).await?;
        let mut fresh = Story { progress, ..Story::of(&facts) };
        fresh.particulars = fresh.particulars.or_to(&envelope.region, self.ports.dashboard.as_deref());
        fresh.ready = ready(envelope, heard, &fresh.deployment);
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

    /// The deployment, without a rollback that its description alone claims: Greenlight's own are noted in the ledger, and a person may take back by hand
    /// what had ended well before. The same rule as where deployments are counted; it costs one reading of the ledger and at most one question
    /// to CodeDeploy, of the few deployments that claim such a thing.
    async fn believed(&self, deployment: Deployment) -> Result<Deployment, PortError> {
        let Some(named) = to_confirm(&deployment) else { return Ok(deployment) };
        let noted = Ok(self.ports.ledger.read(&late_key(named)).await?);
        let standing = redeploy::confirmed(&deployment, redeploy::Known::from(&noted), redeploy::Known::Absent);
        if standing.is_rollback() {
            return Ok(deployment);
        }
        let original = match self.ports.deployments.deployment(named).await {
            Err(error @ PortError::Transient { .. }) => return Err(error),
            answer => answer,
        };
        let standing =
            redeploy::confirmed(&deployment, redeploy::Known::from(&noted), redeploy::Known::from(&original));
        if standing.is_rollback() {
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
        let (facts, _) = facts.ok()?.ok()?;
        let mut story = Story::of(&facts);
        story.hear_restored(restored);
        let glance = glance(&story);
        glance.urgent.then_some(glance.action)
    }

    /// The facts, and how far the lifecycle events have come.
    async fn facts(
        &self,
        envelope: &Envelope,
        heard: &Heard,
        id: &DeploymentId,
    ) -> Result<(Facts<'_>, Progress), PortError> {
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
        let target = self.target(&deployment).await;
        let progress = target.as_ref().map(|target| Progress::of(target, &deployment.app_spec)).unwrap_or_default();
        // All of it is on the new version once it has succeeded, whatever has become of it since.
        let shifts = Stage::of_status(&deployment.status) != Stage::Succeeded;
        let facts = Facts {
            traffic: target.as_ref().filter(|_| shifts).and_then(Traffic::of),
            service: self.config.service_of(&deployment.group),
            deployment,
            rollback,
            region: envelope.region.clone(),
            ended,
            event_at: envelope.time,
            read_at: self.ports.clock.now(),
        };
        Ok((facts, progress))
    }

    /// Where the traffic is and which lifecycle events have run. A deployment that has not started yet has no target; what cannot be read is not known,
    /// and no reason to tell nothing.
    async fn target(&self, deployment: &Deployment) -> Option<Target> {
        match self.ports.deployments.target(&deployment.id).await {
            Ok(target) => Some(target),
            Err(error) => {
                tracing::info!(deployment.id = %deployment.id, "how far it has come and where the traffic is cannot be told: {error}");
                None
            }
        }
    }
}

/// When the deployment began to wait for somebody, where the event tells it.
fn ready(envelope: &Envelope, heard: &Heard, id: &DeploymentId) -> Option<Timestamp> {
    match heard {
        Heard::StateChange(change) if change.state == ChangedState::Ready && change.deployment_id == *id => {
            Some(envelope.time)
        }
        Heard::StateChange(_) | Heard::Notice(_) | Heard::Schedule => None,
    }
}
