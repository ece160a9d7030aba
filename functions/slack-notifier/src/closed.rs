//! Sinks that take nothing from us until somebody changes something: a revoked token, an archived channel, a wrong key. For a day nothing is sent
//! there; it is logged with what to do, counted, and told by another sink. Whoever mends the configuration or the secret is heard at once, since
//! the refusal is remembered of those that were refused. Knows nothing of what is sent.

use std::cell::RefCell;
use std::time::Duration;

use clock::Clock;
use domain::ports::{Address, Chat, Ledger, Measure, Metrics, Pager, PortError, PostedMessage, Tickets, Unsent};
use domain::text::bounded;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::memory::KEPT;

/// How long nothing is sent to a sink that refused.
pub const CLOSED: Duration = Duration::from_hours(24);
/// How much of a refusal is remembered.
const WHY: usize = 600;

/// A sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// Slack, by bot or webhook.
    Slack,
    /// PagerDuty.
    PagerDuty,
    /// Whoever keeps tickets.
    Ticket,
}

impl Sink {
    /// As the dimension `Sink` of the metric, and as part of keys.
    pub fn word(self) -> &'static str {
        match self {
            Sink::Slack => "slack",
            Sink::PagerDuty => "pagerduty",
            Sink::Ticket => "ticket",
        }
    }

    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Sink::Slack => "Slack",
            Sink::PagerDuty => "PagerDuty",
            Sink::Ticket => "the ticket endpoint",
        }
    }
}

/// A refusal, as the table remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// A digest of what was refused: URL, channel and secret.
    pub fingerprint: String,
    /// When it was refused for the first time.
    pub since: Timestamp,
    /// Until when nothing is sent.
    pub until: Timestamp,
    /// What the sink said, and what to do.
    pub why: String,
    /// Whether it is told where people read it.
    pub told: bool,
}

/// What is to be told by another sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// This one takes nothing, since then, and why.
    Refused(Refusal),
    /// It does again; what it had refused.
    Works(Refusal),
}

/// The way to one sink, for one invocation: whether it may be used, and what became of that.
#[derive(Debug)]
pub struct Gate<'a, L, M> {
    /// Which sink.
    pub sink: Sink,
    /// Where in it: a channel; empty where it has only one place.
    pub place: String,
    fingerprint: String,
    ledger: &'a L,
    metrics: &'a M,
    clock: &'a Clock,
    known: RefCell<Option<Refusal>>,
    works: RefCell<bool>,
}

/// The key under which a sink's refusal is remembered.
pub fn key(sink: Sink, place: &str) -> String {
    bounded(format!("closed/{}/{place}", sink.word()).trim_end_matches('/'), 500)
}

impl<'a, L: Ledger, M: Metrics> Gate<'a, L, M> {
    /// The way to a sink. `fingerprint` is a digest of all that could be mended: URL, channel and secret.
    pub async fn to(
        sink: Sink,
        place: &str,
        fingerprint: String,
        ledger: &'a L,
        metrics: &'a M,
        clock: &'a Clock,
    ) -> Self {
        let known = match ledger.read(&key(sink, place)).await {
            Ok(entry) => entry.and_then(|entry| Refusal::deserialize(&entry).ok()),
            Err(error) => {
                tracing::warn!(sink = sink.word(), "whether it refused before is not known, so it is tried: {error}");
                None
            }
        };
        let (known, works) = (RefCell::new(known), RefCell::new(false));
        Self { sink, place: place.to_owned(), fingerprint, ledger, metrics, clock, known, works }
    }

    /// Takes another digest for the way, when what it stands for was read anew.
    pub fn mended(&mut self, fingerprint: String) {
        self.fingerprint = fingerprint;
    }

    /// Whether the sink may not be used, and why.
    pub fn refusal(&self) -> Option<Unsent> {
        let known = self.known.borrow();
        let refusal = known.as_ref().filter(|it| it.fingerprint == self.fingerprint && it.until > self.clock.now())?;
        Some(Unsent::Closed(PortError::Permanent {
            what: format!("sending to {}", self.sink.name()),
            detail: format!(
                "it has taken nothing since {} and is not asked before {}: {}",
                refusal.since, refusal.until, refusal.why
            ),
        }))
    }

    /// The sink refused: it is logged, counted and remembered for a day.
    pub async fn refused(&self, error: &PortError) {
        let now = self.clock.now();
        tracing::error!(
            sink = self.sink.word(),
            place = self.place,
            "nothing more is sent there for a day, unless the configuration or the secret changes: {error}"
        );
        let measure = Measure {
            name: "NotificationsRefused",
            unit: "Count",
            value: 1.0,
            at: now,
            dimensions: vec![("Sink", self.sink.word().to_owned())],
        };
        if let Err(error) = self.metrics.publish(&[measure]).await {
            tracing::warn!(sink = self.sink.word(), "that it refused is not counted: {error}");
        }
        // The same refusal after a day is no news.
        let before = self.known.borrow().clone();
        let refusal = Refusal {
            fingerprint: self.fingerprint.clone(),
            since: before.as_ref().map_or(now, |before| before.since),
            until: now.plus(CLOSED),
            why: bounded(&error.to_string(), WHY),
            told: before.is_some_and(|before| before.told),
        };
        self.write(&refusal).await;
        *self.known.borrow_mut() = Some(refusal);
    }

    async fn write(&self, refusal: &Refusal) {
        let key = key(self.sink, &self.place);
        let Ok(written) = serde_json::to_value(refusal) else { return };
        let expires = self.clock.now().plus(KEPT);
        let outcome = async {
            let entry = self.ledger.read(&key).await?;
            self.ledger.replace(&key, entry.as_ref(), &written, expires).await
        };
        match outcome.await {
            Ok(true) => {}
            Ok(false) => tracing::info!(key, "another invocation was refused in the same moment, and has noted it"),
            Err(error) => tracing::warn!(key, "the refusal is not remembered, so it is tried again: {error}"),
        }
    }

    /// The sink took something.
    pub fn worked(&self) {
        *self.works.borrow_mut() = self.known.borrow().is_some();
    }

    /// What another sink is to tell.
    pub fn news(&self) -> Option<News> {
        let refusal = self.known.borrow().clone()?;
        if *self.works.borrow() {
            return Some(News::Works(refusal));
        }
        (!refusal.told && self.refusal().is_some()).then_some(News::Refused(refusal))
    }

    /// The news were told.
    pub async fn told(&self, news: &News) {
        match news {
            News::Refused(refusal) => self.write(&Refusal { told: true, ..refusal.clone() }).await,
            News::Works(_) => {
                let key = key(self.sink, &self.place);
                if let Err(error) = self.ledger.release(&key).await {
                    tracing::warn!(key, "that it works again is not remembered: {error}");
                }
            }
        }
    }
}

/// A sink behind its gate: refused calls are not made, and refusals are remembered.
#[derive(Debug)]
pub struct Guarded<'a, P, L, M> {
    /// The sink.
    pub port: &'a P,
    /// The way to it.
    pub gate: &'a Gate<'a, L, M>,
}

impl<P, L: Ledger, M: Metrics> Guarded<'_, P, L, M> {
    async fn through<T>(&self, call: impl Future<Output = Result<T, Unsent>>) -> Result<T, Unsent> {
        if let Some(refusal) = self.gate.refusal() {
            return Err(refusal);
        }
        let outcome = call.await;
        match &outcome {
            Ok(_) => self.gate.worked(),
            Err(Unsent::Closed(error)) => self.gate.refused(error).await,
            Err(_) => {}
        }
        outcome
    }
}

impl<P: Chat, L: Ledger, M: Metrics> Chat for Guarded<'_, P, L, M> {
    async fn post(&self, to: &Address<'_>, message: &Value, mark: &str) -> Result<PostedMessage, Unsent> {
        self.through(self.port.post(to, message, mark)).await
    }

    async fn find(&self, to: &Address<'_>, mark: &str, since: Timestamp) -> Result<Option<PostedMessage>, PortError> {
        match self.gate.refusal() {
            Some(refusal) => Err(refusal.into()),
            None => self.port.find(to, mark, since).await,
        }
    }

    async fn update(&self, message: &PostedMessage, content: &Value) -> Result<(), Unsent> {
        self.through(self.port.update(message, content)).await
    }
}

impl<P: Pager, L: Ledger, M: Metrics> Pager for Guarded<'_, P, L, M> {
    async fn send(&self, event: &Value) -> Result<(), Unsent> {
        self.through(self.port.send(event)).await
    }

    async fn change(&self, event: &Value) -> Result<(), Unsent> {
        self.through(self.port.change(event)).await
    }
}

impl<P: Tickets, L: Ledger, M: Metrics> Tickets for Guarded<'_, P, L, M> {
    async fn open(&self, body: &Value) -> Result<Value, Unsent> {
        self.through(self.port.open(body)).await
    }

    async fn ask(&self, url: &str) -> Result<Value, PortError> {
        match self.gate.refusal() {
            Some(refusal) => Err(refusal.into()),
            None => self.port.ask(url).await,
        }
    }
}
