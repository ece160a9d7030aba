//! The ways to the sinks: opens what the configuration names, minds which of them take nothing, and has another one tell that. Knows nothing of
//! what is told.

use std::sync::Once;

use domain::config::{PagerDuty, PagerDutyRegion, SecretRef};
use domain::deployment::DeploymentId;
use domain::ports::{Deployments, Ledger, Metrics, Pager, PortError};
use domain::text::bounded;
use serde_json::{Value, json};

use crate::closed::{self, Gate, Guarded, Refusal, Sink};
use crate::lone::Lone;
use crate::memory::{Known, Root};
use crate::notices::{self, Notice};
use crate::outbox::Outbox;
use crate::page;
use crate::paging::{Paging, Sent};
use crate::sinks::Sinks;
use crate::story::Story;
use crate::tale::Tale;
use crate::telling::{Addressed, Outcome, Telling, addressed, root_key};
use crate::{Shift, Told, bounded_keys};

/// PagerDuty's key of the page that a sink takes nothing.
fn refusal_key(sink: Sink, subject: &str) -> String {
    page::dedup_key(&format!("greenlight/sink/{}/{subject}", sink.word()))
}

/// The page that a sink takes nothing.
fn refused(sink: Sink, subject: &str, place: &str, notice: &Notice) -> Value {
    let summary = format!("Greenlight cannot tell anything in {}: {}", sink.name(), notice.why);
    json!({
        "event_action": "trigger",
        "dedup_key": refusal_key(sink, subject),
        "payload": {
            "summary": bounded(&summary, 1024),
            "source": "greenlight/slack-notifier",
            "severity": "warning",
            "timestamp": notice.since,
            "custom_details": {
                "channel": place,
                "tried again": format!(
                    "a day after a refusal; within minutes when the configuration or the secret has changed, or somebody deletes the entry `{}` of \
                     Greenlight's table",
                    closed::key(sink, place)
                ),
            },
        },
    })
}

/// The place in PagerDuty: a key that one region refuses may be the other one's.
fn region_of(pagerduty: &PagerDuty) -> &'static str {
    match pagerduty.region {
        PagerDutyRegion::Us => "us",
        PagerDutyRegion::Eu => "eu",
    }
}

impl<D: Deployments, L: Ledger, S: Sinks, M: Metrics> Shift<'_, D, L, S, M> {
    /// The way to a sink. One that refused has its secret read anew: somebody may have replaced it.
    pub(crate) async fn gate(
        &self,
        sink: Sink,
        place: &str,
        secret: Option<&SecretRef>,
    ) -> Result<Gate<'_, L, M>, PortError> {
        let (ports, sinks) = (self.ports, &self.ports.sinks);
        let fingerprint = sinks.fingerprint(place, secret, false).await?;
        let mut gate =
            Gate::to(sink, place, fingerprint, &ports.ledger, &ports.metrics, &ports.clock, self.until).await;
        if gate.refusal().is_some() {
            gate.mended(sinks.fingerprint(place, secret, true).await?);
        }
        Ok(gate)
    }

    /// Has another sink tell that this one takes nothing any more, or does again.
    pub(crate) async fn spread(&self, gate: &Gate<'_, L, M>) {
        let outcome = match gate.refuses() {
            Some(refusal) => self.spread_refusal(gate, &refusal).await,
            None if gate.works() => self.spread_works(gate).await,
            None => Ok(()),
        };
        if let Err(error) = outcome {
            tracing::warn!(
                sink = gate.sink.word(),
                "that it refuses, or works again, is not told elsewhere yet: {error}"
            );
        }
    }

    async fn spread_refusal(&self, gate: &Gate<'_, L, M>, refusal: &Refusal) -> Result<(), PortError> {
        let (ledger, sink, place) = (&self.ports.ledger, gate.sink, gate.place.as_str());
        // Whoever claims it tells.
        let Some(notice) = notices::claim(ledger, self.patient(), sink, place, refusal).await? else { return Ok(()) };
        let subject = notices::subject(refusal, place);
        let told = match sink {
            Sink::Slack => self.tell_pager(&refused(sink, &subject, place, &notice)).await,
            Sink::PagerDuty | Sink::Ticket => {
                let entry = closed::key(sink, place);
                self.tell_of_sink(&Lone::refusal(sink, &notice, &entry, self.ports.clock.now()), &[]).await
            }
        };
        notices::settle(ledger, self.patient(), sink, &subject, told.is_ok()).await?;
        told
    }

    async fn spread_works(&self, gate: &Gate<'_, L, M>) -> Result<(), PortError> {
        gate.reopen().await;
        let (ledger, sink, now) = (&self.ports.ledger, gate.sink, self.ports.clock.now());
        for (subject, notice) in notices::read(ledger, sink).await? {
            let is_gone = !notice.places.iter().any(|place| self.is_configured(gate, place));
            let is_over = notice.is_about_the_secret || notice.places.contains(&gate.place) || is_gone;
            // Whoever tells of it is let finish: its end comes after it, with what is taken next.
            if !is_over || notice.telling.is_some_and(|until| until > now) {
                continue;
            }
            match sink {
                _ if !notice.told => {}
                Sink::Slack => self.tell_pager(&page::resolve(&refusal_key(sink, &subject))).await?,
                Sink::PagerDuty | Sink::Ticket => {
                    let works = Lone::works(sink, &notice, now);
                    let reply = (works.id().clone(), works.reply(now));
                    self.tell_of_sink(&works, &[reply]).await?;
                }
            }
            // What one secret closed, it opens.
            for place in notice.places.iter().filter(|_| notice.is_about_the_secret) {
                closed::reopen(ledger, sink, place).await;
            }
            notices::over(ledger, self.patient(), sink, &subject).await?;
        }
        Ok(())
    }

    /// Whether anything is still sent to a place.
    fn is_configured(&self, gate: &Gate<'_, L, M>, place: &str) -> bool {
        let slack = self.config.slack.as_ref().filter(|_| gate.sink == Sink::Slack);
        let own = self.config.services.iter().map(|service| service.slack.channel.as_deref());
        let mut all = slack.map(|slack| slack.channel.as_deref()).into_iter().chain(own.filter(|_| slack.is_some()));
        place == gate.place || all.any(|channel| channel == Some(place))
    }

    /// Tells something in a message of its own.
    async fn tell_of_sink(&self, lone: &Lone, replies: &[Addressed]) -> Result<(), PortError> {
        let known = self.remember(lone).await?;
        self.tell_chat(&known, replies).await.errors.into_iter().next().map_or(Ok(()), Err)
    }

    async fn tell_pager(&self, event: &Value) -> Result<(), PortError> {
        let Some(pagerduty) = &self.config.pagerduty else { return Ok(()) };
        let own = self.gate(Sink::PagerDuty, region_of(pagerduty), Some(&pagerduty.routing_key)).await?;
        let pager = self.ports.sinks.pager(pagerduty, self.until).await?;
        Ok(Guarded { port: &pager, gate: &own }.send(event).await?)
    }

    /// Does something with the pager, if there is one.
    pub(crate) async fn with_pager<'s>(
        &'s self,
        page: impl AsyncFnOnce(&Paging<'_, L, Guarded<'_, S::Pager, L, M>>) -> Sent,
    ) -> Told {
        let Some(pagerduty) = &self.config.pagerduty else { return Told::default() };
        let opened = async {
            let gate = self.gate(Sink::PagerDuty, region_of(pagerduty), Some(&pagerduty.routing_key)).await?;
            Ok::<_, PortError>((gate, self.ports.sinks.pager(pagerduty, self.until).await?))
        };
        let (gate, pager) = match opened.await {
            Ok(opened) => opened,
            Err(error) => return Told::failed(error),
        };
        let ledger = &self.ports.ledger;
        let guarded = Guarded { port: &pager, gate: &gate };
        let (pager, mut errors) =
            page(&Paging { ledger, pager: &guarded, config: pagerduty, patient: self.patient(), holder: &self.holder })
                .await;
        let is_closed = gate.refusal().is_some();
        if is_closed {
            // Told where that concerns people, and of no use to try again before tomorrow.
            errors.retain(PortError::is_transient);
        }
        self.spread(&gate).await;
        Told { pager, is_open: is_closed || !errors.is_empty(), errors, ..Told::default() }
    }

    /// Puts into the outbox what is to be told later: whoever tells in the thread meanwhile tells it in its place.
    pub(crate) async fn put_down(&self, known: &Known<Story>, reply: Addressed) {
        let Some(slack) = &self.config.slack else { return };
        let outbox = Outbox { ledger: &self.ports.ledger, patient: self.patient(), story: known.story.id() };
        let replies = bounded_keys(vec![reply]);
        if let Err(error) = outbox.add(&addressed(known, &replies, slack.webhook.is_none())).await {
            tracing::info!(deployment.id = %known.story.id(), "what was heard waits for the facts of the ending, and may stand below what came after it: {error}");
        }
    }

    /// Tells a story and its replies in Slack.
    pub(crate) async fn tell_story<T: Tale>(&self, known: &Known<T>, replies: &[Addressed]) -> Told {
        let Some((gate, outcome)) = self.tell_gated(known, replies).await else { return Told::default() };
        if let Some(gate) = gate {
            Box::pin(self.spread(&gate)).await;
        }
        let Outcome { told: slack, errors, is_open } = outcome;
        Told { deployment: Some(known.story.id().clone()), slack, errors, is_open, ..Told::default() }
    }

    /// The channel in which a story's message stands, if it does. What cannot be read is said by whoever tells.
    async fn began_in(&self, story: &DeploymentId) -> Result<Option<String>, PortError> {
        let entry = self.ports.ledger.read(&root_key(story)).await?;
        let root = entry.and_then(|entry| Root::of_entry(&entry).ok());
        Ok(root.map(|root| root.channel).filter(|channel| !channel.is_empty()))
    }

    async fn tell_chat<T: Tale>(&self, known: &Known<T>, replies: &[Addressed]) -> Outcome {
        self.tell_gated(known, replies).await.map(|(_, outcome)| outcome).unwrap_or_default()
    }

    /// Tells in Slack; `None` where nothing is told there at all.
    async fn tell_gated<T: Tale>(
        &self,
        known: &Known<T>,
        replies: &[Addressed],
    ) -> Option<(Option<Gate<'_, L, M>>, Outcome)> {
        static SAID: Once = Once::new();
        let Some(slack) = &self.config.slack else {
            SAID.call_once(|| tracing::warn!("nothing is told in Slack: the configuration has no `slack` block"));
            return None;
        };
        let service = known.story.service().and_then(|name| self.config.services.iter().find(|it| it.name == name));
        let channel = self.config.told_in(service)?;
        let secret = slack.token.as_ref().or(slack.webhook.as_ref());
        let opened = async {
            // A story stays where it began, whatever the configuration has said since: what is refused there says nothing of another channel.
            let began = if slack.webhook.is_none() { self.began_in(known.story.id()).await? } else { None };
            let gate = self.gate(Sink::Slack, began.as_deref().unwrap_or(channel.channel), secret).await?;
            Ok::<_, PortError>((gate, self.ports.sinks.chat(slack, self.until).await?))
        };
        let (gate, chat) = match opened.await {
            Ok(opened) => opened,
            Err(error) => return Some((None, Outcome::failed(error))),
        };
        let telling = Telling {
            ledger: &self.ports.ledger,
            chat: &Guarded { port: &chat, gate: &gate },
            channel,
            has_threads: slack.webhook.is_none(),
            clock: &self.ports.clock,
            holder: &self.holder,
            chance: &self.chance,
            settle: self.ports.settle,
            until: self.until,
        };
        let outcome = telling.tell(known, replies).await;
        Some((Some(gate), outcome))
    }
}
