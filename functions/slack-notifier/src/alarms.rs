//! What alarms led to, wherever that is told: in the thread of a deployment, in that of an ECS service's own deployment, or in a message by
//! itself; and that an alarm is OK again, where it was told. Knows nothing of how Slack and PagerDuty are spoken to.

use domain::config::PagerDuty;
use domain::deployment::{DeploymentId, EcsServiceName};
use domain::events::{Decision, Envelope, Heard, Notice, RollbackDecision, TrafficRestored};
use domain::ports::{Deployments, Ledger, Metrics, PortError};
use domain::time::Timestamp;
use futures_util::future::join3;

use crate::flock::Flock;
use crate::glance::{OVERDUE, glance};
use crate::lone::Lone;
use crate::memory::{Known, recall};
use crate::page::{asked_of_rolling, not_restored};
use crate::rolling::{BY_HAND, Rolling};
use crate::sinks::Sinks;
use crate::tale::Tale;
use crate::telling::Addressed;
use crate::thread::Reply;
use crate::ticket::Case;
use crate::watch::{self, Place, ToldAt, Watch, changed};
use crate::{Shift, Told, bounded_keys, replies};

impl<D: Deployments, L: Ledger, S: Sinks, M: Metrics> Shift<'_, D, L, S, M> {
    /// Tells what an alarm led to.
    pub(crate) async fn tell_decision(&self, envelope: &Envelope, heard: &Heard, decision: &RollbackDecision) -> Told {
        if decision.resolves {
            return self.tell_over(envelope, heard, decision).await;
        }
        let region = &envelope.region;
        // Nothing that has to be read first may keep this from anybody.
        let mut paged = Told::default();
        if decision.page {
            paged = self.with_pager(async |paging| paging.alarm(decision, region).await).await;
        }
        let told = match (&decision.ecs, &decision.deployment_id) {
            (Some(ecs), Some(id)) => match self.rolling(ecs, id, decision).await {
                Ok(Some(story)) => {
                    let reply = replies::decision(decision, region);
                    self.tell_rolling(&story, Some(reply), Some(decision), region).await
                }
                Ok(None) => self.tell_alone(decision, region).await,
                Err(error) => Told::failed(error),
            },
            (None, Some(id)) => {
                let told = self.tell_deployment(envelope, heard, id).await;
                self.remember_thread(decision, told).await
            }
            (_, None) => self.tell_alone(decision, region).await,
        };
        paged.and(told)
    }

    /// Tells how the way back went.
    pub(crate) async fn tell_restored(&self, envelope: &Envelope, heard: &Heard, restored: &TrafficRestored) -> Told {
        let region = &envelope.region;
        let configured = match (&restored.group, &restored.ecs) {
            (Some(group), _) => self.config.service_of(group),
            (None, Some(ecs)) => self.config.service_of_ecs(ecs),
            (None, None) => None,
        };
        let mut paged = Told::default();
        if !restored.restored {
            let to_do = match restored.ecs {
                Some(_) => Some(BY_HAND.to_owned()),
                None => Box::pin(self.urgent_action(envelope, heard, restored)).await,
            };
            let to_do = to_do.as_deref().unwrap_or(OVERDUE);
            let page = |config: &PagerDuty| not_restored(restored, region, configured, to_do, config);
            paged = self.with_pager(async |paging| paging.not_restored(restored, page(paging.config)).await).await;
        }
        let told = match &restored.ecs {
            None => self.tell_deployment(envelope, heard, &restored.deployment_id).await,
            Some(ecs) => {
                let fresh = Rolling::restored(ecs, restored, self.ports.clock.now());
                match self.remember(&fresh).await {
                    Ok(known) => {
                        let reply = replies::way_back(restored, known.story.restored.as_ref(), known.story.to_do());
                        self.tell_rolling(&known, reply, None, region).await
                    }
                    Err(error) => Told::failed(error),
                }
            }
        };
        paged.and(told)
    }

    /// The story of an ECS service's own deployment, with what a decision adds to it. `None` where there is none: ECS's deployments are told
    /// of only when they are taken back, since nobody would tell here how the others end.
    async fn rolling(
        &self,
        ecs: &EcsServiceName,
        id: &DeploymentId,
        decision: &RollbackDecision,
    ) -> Result<Option<Known<Rolling>>, PortError> {
        let (ledger, now) = (&self.ports.ledger, self.ports.clock.now());
        match decision.decision {
            Decision::StopAndRollBack | Decision::RedeployPrevious => {
                self.remember(&Rolling::decided(id, ecs, decision, now)).await.map(Some)
            }
            Decision::Alert | Decision::Ignore => recall(ledger, id).await,
        }
    }

    async fn tell_rolling(
        &self,
        known: &Known<Rolling>,
        reply: Option<Reply>,
        decision: Option<&RollbackDecision>,
        region: &str,
    ) -> Told {
        let story = &known.story;
        let place = format!("ecs/{}", story.ecs);
        let paged =
            self.with_pager(async |paging| paging.asked(&place, &asked_of_rolling(story, region, paging.config)).await);
        let replies: Vec<Addressed> = reply.into_iter().map(|reply| (story.id().clone(), reply)).collect();
        let replies = bounded_keys(replies);
        let (paged, mut told, (ticket, opened)) =
            join3(paged, self.tell_story(known, &replies), self.ticket(Case::of_rolling(story, region))).await;
        told = told.and(opened);
        if let Some((reply, _)) = ticket {
            told = told.and(self.tell_story(known, &bounded_keys(vec![(story.id().clone(), reply)])).await);
        }
        if let Some(decision) = decision {
            told = self.remember_thread(decision, told).await;
        }
        paged.and(told)
    }

    /// An alarm's decision that has no thread to be told in is a message of its own.
    async fn tell_alone(&self, decision: &RollbackDecision, region: &str) -> Told {
        if decision.decision == Decision::Ignore && !decision.page {
            let name = &decision.alarm.name;
            tracing::info!(alarm.name = name, "an alarm that changes nothing is not told: {}", decision.reason);
            return Told::default();
        }
        let red = changed(decision);
        let over = match watch::change(&self.ports.ledger, decision, self.ports.clock.now(), |_| {}).await {
            Ok(watch) => watch.over.filter(|over| *over >= red),
            Err(error) => return Told::failed(error),
        };
        if !decision.page {
            return Box::pin(self.tell_flock(decision, region, over)).await;
        }
        let fresh = Lone::alarm(decision, region, over, self.ports.clock.now());
        let known = match self.remember(&fresh).await {
            Ok(known) => known,
            Err(error) => return Told::failed(error),
        };
        let told = self.tell_story(&known, &[]).await;
        self.remember_place(decision, Place::Lone(known.story.id().clone())).await;
        Told { deployment: None, ..told }
    }

    /// Adds an alarm to the message that those of its service share.
    async fn tell_flock(&self, decision: &RollbackDecision, region: &str, over: Option<Timestamp>) -> Told {
        let fresh = Flock::of(decision, region, over, self.ports.clock.now());
        let known = match self.remember(&fresh).await {
            Ok(known) => known,
            Err(error) => return Told::failed(error),
        };
        let id = known.story.id().clone();
        if known.version > 1 {
            // Slack takes some fifty updates in a minute: whoever wakes first shows what all have added by then.
            self.ports.clock.sleep(self.chance.span(self.ports.patience)).await;
        }
        let replies =
            known.story.details(decision).into_iter().map(|one| (id.clone(), replies::decision(one, region))).collect();
        let told = self.tell_story(&known, &bounded_keys(replies)).await;
        self.remember_place(decision, Place::Flock(id)).await;
        Told { deployment: None, ..told }
    }

    async fn tell_flock_over(&self, id: &DeploymentId, over: &RollbackDecision, reply: Reply) -> Told {
        match recall::<Flock>(&self.ports.ledger, id).await {
            Ok(Some(known)) => {
                let fresh = known.story.resolved(&over.alarm.name, changed(over), self.ports.clock.now());
                self.tell_changed(fresh, reply).await
            }
            Ok(None) => nowhere(over),
            Err(error) => Told::failed(error),
        }
    }

    /// Where an alarm was told, for when it is OK again. What cannot be remembered is no reason to tell it twice.
    async fn remember_place(&self, decision: &RollbackDecision, place: Place) {
        let told = ToldAt { red: changed(decision), place };
        let note = |watch: &mut Watch| watch.tell(told.clone());
        if let Err(error) = watch::change(&self.ports.ledger, decision, self.ports.clock.now(), note).await {
            let name = &decision.alarm.name;
            tracing::warn!(
                alarm.name = name,
                "where this was told is not remembered, so its end is not told there: {error}"
            );
        }
    }

    async fn remember_thread(&self, decision: &RollbackDecision, told: Told) -> Told {
        if let Some(id) = told.deployment.clone().filter(|_| decision.decision != Decision::Ignore) {
            self.remember_place(decision, Place::Thread(id)).await;
        }
        told
    }

    /// An alarm is OK again: ends its page, and tells it where the alarm was told.
    async fn tell_over(&self, envelope: &Envelope, heard: &Heard, decision: &RollbackDecision) -> Told {
        let over = changed(decision);
        // Written down first, so that what is heard late of the alarm knows that it is over.
        let note = |watch: &mut Watch| watch.over = watch.over.max(Some(over));
        let watch = match watch::change(&self.ports.ledger, decision, self.ports.clock.now(), note).await {
            Ok(watch) => watch,
            Err(error) => return Told::failed(error),
        };
        let mut paged = Told::default();
        if watch.paged.is_some_and(|red| red <= over) {
            paged = self.with_pager(async |paging| paging.alarm_over(decision).await).await;
        }
        let told = watch.told.filter(|told| told.red <= over);
        let red = told.as_ref().map(|told| told.red);
        let reply = replies::over(decision, red);
        let thread = match told.map(|told| told.place) {
            Some(Place::Lone(id)) => return paged.and(Box::pin(self.tell_lone_over(&id, decision, reply)).await),
            Some(Place::Flock(id)) => return paged.and(Box::pin(self.tell_flock_over(&id, decision, reply)).await),
            Some(Place::Thread(id)) => Some(id),
            None => decision.deployment_id.clone(),
        };
        let told = match (thread, &decision.ecs) {
            (Some(id), Some(_)) => match recall::<Rolling>(&self.ports.ledger, &id).await {
                Ok(Some(known)) => self.tell_rolling(&known, Some(reply), None, &envelope.region).await,
                Ok(None) => nowhere(decision),
                Err(error) => Told::failed(error),
            },
            (Some(id), None) => self.tell_over_in_thread(envelope, heard, &id, reply).await,
            (None, _) => nowhere(decision),
        };
        paged.and(told)
    }

    async fn tell_over_in_thread(&self, envelope: &Envelope, heard: &Heard, id: &DeploymentId, reply: Reply) -> Told {
        match self.gather(envelope, heard, id).await {
            Ok((known, _)) => {
                let is_open = |alarm: &str| known.story.asks().any(|(name, ..)| name == alarm);
                let reply = match heard {
                    Heard::Notice(notice) => match &**notice {
                        Notice::RollbackDecision(over) if is_open(&over.alarm.name) => {
                            replies::not_over(reply, &glance(&known.story).action)
                        }
                        _ => reply,
                    },
                    _ => reply,
                };
                let replies = bounded_keys(vec![(known.story.deployment.clone(), reply)]);
                self.tell_story(&known, &replies).await
            }
            Err(error) => Told::failed(error),
        }
    }

    async fn tell_lone_over(&self, id: &DeploymentId, over: &RollbackDecision, reply: Reply) -> Told {
        match recall::<Lone>(&self.ports.ledger, id).await {
            Ok(Some(known)) => {
                self.tell_changed(known.story.resolved(changed(over), self.ports.clock.now()), reply).await
            }
            Ok(None) => nowhere(over),
            Err(error) => Told::failed(error),
        }
    }

    /// Tells a message that has changed; where messages cannot be changed, the change is one of its own.
    async fn tell_changed<T: Tale>(&self, fresh: T, reply: Reply) -> Told {
        match self.remember(&fresh).await {
            Ok(known) => {
                let is_webhook = self.config.slack.as_ref().is_some_and(|slack| slack.webhook.is_some());
                let replies = is_webhook.then(|| (known.story.id().clone(), reply)).into_iter().collect();
                Told { deployment: None, ..self.tell_story(&known, &bounded_keys(replies)).await }
            }
            Err(error) => Told::failed(error),
        }
    }
}

fn nowhere(decision: &RollbackDecision) -> Told {
    tracing::info!(alarm.name = decision.alarm.name, "the alarm is OK again, and it was told nowhere that it was not");
    Told::default()
}

#[cfg(test)]
mod tests;
