//! What alarms led to, wherever that is told: in the thread of a deployment, in that of an ECS service's own deployment, or in a message by
//! itself; and that an alarm is OK again, where it was told. Knows nothing of how Slack and PagerDuty are spoken to.

use domain::config::PagerDuty;
use domain::deployment::{DeploymentId, EcsServiceName};
use domain::events::{Decision, Envelope, Heard, Notice, RollbackDecision, TrafficRestored};
use domain::ports::{Deployments, Ledger, PortError, PostedMessage};
use domain::text::bounded;
use domain::time::Timestamp;
use std::time::Duration;

use crate::flock::Flock;
use crate::glance::{OVERDUE, glance};
use crate::memory::{Known, recall, remember};
use crate::page::{asked_of_rolling, not_restored};
use crate::rolling::{BY_HAND, Rolling};
use crate::sinks::Sinks;
use crate::tale::Tale;
use crate::telling::{Addressed, Telling};
use crate::thread::Reply;
use crate::watch::{self, Place, ToldAt, Watch, changed};
use crate::{Shift, Told, bounded_keys, replies};

impl<D: Deployments, L: Ledger, S: Sinks> Shift<'_, D, L, S> {
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
                match remember(&self.ports.ledger, &fresh, self.ports.clock.now()).await {
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
                remember(ledger, &Rolling::decided(id, ecs, decision, now), now).await.map(Some)
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
        let (place, asked) =
            (format!("ecs/{}", story.ecs), |config: &PagerDuty| asked_of_rolling(story, region, config));
        let paged = self.with_pager(async |paging| paging.asked(&place, &asked(paging.config)).await).await;
        let replies: Vec<Addressed> = reply.into_iter().map(|reply| (story.id().clone(), reply)).collect();
        let mut told = self.tell_story(known, &bounded_keys(replies)).await;
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
        // Two services may name the same alarm, and each has its own reason and its own next step.
        let service = decision.service.as_deref().unwrap_or_default();
        let key = bounded(&format!("alarm/{service}/{}/{:?}/{red}", decision.alarm.name, decision.decision), 700);
        let message = replies::decision_alone(decision, region, over);
        let mut posted = None;
        let (slack, errors) = self
            .with_slack(async |telling| match telling.tell_alone(&key, &message).await {
                Ok(Some(now)) => {
                    posted = Some(now);
                    (vec![key.clone()], Vec::new())
                }
                Ok(None) => (Vec::new(), Vec::new()),
                Err(error) => (Vec::new(), vec![error]),
            })
            .await;
        if let Some(PostedMessage { channel, ts }) = posted {
            let place = Place::Message { channel, ts, decision: Box::new(decision.clone()) };
            self.remember_place(decision, place).await;
        }
        Told { slack, errors, ..Told::default() }
    }

    /// Adds an alarm to the message that those of its service share.
    async fn tell_flock(&self, decision: &RollbackDecision, region: &str, over: Option<Timestamp>) -> Told {
        let fresh = Flock::of(decision, region, over, self.ports.clock.now());
        let known = match self.remember_among_many(&fresh).await {
            Ok(known) => known,
            Err(error) => return Told::failed(error),
        };
        let id = known.story.id().clone();
        if known.version > 1 {
            // Slack takes some fifty updates in a minute: whoever wakes first shows what all have added by then.
            let most = u64::try_from(self.ports.patience.as_millis()).unwrap_or_default();
            let span = Duration::from_millis(self.chance() % most.max(1));
            self.ports.clock.sleep(span).await;
        }
        let replies =
            known.story.details(decision).into_iter().map(|one| (id.clone(), replies::decision(one, region))).collect();
        let told = self.tell_story(&known, &bounded_keys(replies)).await;
        self.remember_place(decision, Place::Flock(id)).await;
        Told { deployment: None, ..told }
    }

    /// A number of this invocation's own: FNV-1a of its id, so that a rehearsal takes the same course every time.
    fn chance(&self) -> u64 {
        let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.holder.id.bytes().fold(0xcbf2_9ce4_8422_2325, add)
    }

    /// Remembers a story that hundreds may be adding to in the same second: whoever loses waits for a moment of its own.
    async fn remember_among_many<T: Tale>(&self, fresh: &T) -> Result<Known<T>, PortError> {
        let clock = &self.ports.clock;
        let mut pause = self.chance();
        loop {
            let error = match remember(&self.ports.ledger, fresh, clock.now()).await {
                Err(error @ PortError::Transient { .. }) => error,
                outcome => return outcome,
            };
            pause = pause.wrapping_mul(31).wrapping_add(7);
            let span = Duration::from_millis(50 + pause % 1500);
            if clock.now().plus(span) >= self.until {
                return Err(error);
            }
            clock.sleep(span).await;
        }
    }

    async fn tell_flock_over(&self, id: &DeploymentId, over: &RollbackDecision, reply: Reply) -> Told {
        let fresh = match recall::<Flock>(&self.ports.ledger, id).await {
            Ok(Some(known)) => known.story.resolved(&over.alarm.name, changed(over), self.ports.clock.now()),
            Ok(None) => return nowhere(over),
            Err(error) => return Told::failed(error),
        };
        match self.remember_among_many(&fresh).await {
            Ok(known) => {
                // Where messages cannot be changed it is one of its own.
                let is_webhook = self.config.slack.as_ref().is_some_and(|slack| slack.webhook.is_some());
                let replies = is_webhook.then(|| (id.clone(), reply)).into_iter().collect();
                Told { deployment: None, ..self.tell_story(&known, &bounded_keys(replies)).await }
            }
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
            paged = self.with_pager(async |paging| lists(paging.alarm_over(decision).await)).await;
        }
        let told = watch.told.filter(|told| told.red <= over);
        let red = told.as_ref().map(|told| told.red);
        let reply = replies::over(decision, red);
        let thread = match told.map(|told| told.place) {
            Some(Place::Message { channel, ts, decision: was }) => {
                let posted = PostedMessage { channel, ts };
                return paged.and(self.correct(envelope, &was, decision, &posted).await);
            }
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

    async fn correct(
        &self,
        envelope: &Envelope,
        was: &RollbackDecision,
        over: &RollbackDecision,
        posted: &PostedMessage,
    ) -> Told {
        let message = replies::decision_alone(was, &envelope.region, Some(changed(over)));
        let service = over.service.as_deref().unwrap_or_default();
        let key = bounded(&format!("alarm/{service}/{}/over/{}", over.alarm.name, changed(over)), 700);
        let correct =
            async |telling: &Telling<'_, L, S::Chat>| match telling.correct_alone(&key, posted, &message).await {
                Ok(true) => (vec![key.clone()], Vec::new()),
                Ok(false) => (Vec::new(), Vec::new()),
                Err(error) => (Vec::new(), vec![error]),
            };
        let (slack, errors) = self.with_slack(correct).await;
        Told { slack, errors, ..Told::default() }
    }
}

fn nowhere(decision: &RollbackDecision) -> Told {
    tracing::info!(alarm.name = decision.alarm.name, "the alarm is OK again, and it was told nowhere that it was not");
    Told::default()
}

fn lists(outcome: Result<Vec<String>, PortError>) -> (Vec<String>, Vec<PortError>) {
    match outcome {
        Ok(sent) => (sent, Vec::new()),
        Err(error) => (Vec::new(), vec![error]),
    }
}

#[cfg(test)]
mod tests;
