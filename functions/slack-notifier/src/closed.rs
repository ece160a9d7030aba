//! Sinks that take nothing from us until somebody changes something: a revoked token, an archived channel, a wrong key. For a day nothing is sent
//! there; it is logged with what to do, counted, and told by another sink. Whoever mends the configuration or the secret is heard at once, since
//! the refusal is remembered of those that were refused. Knows nothing of what is sent.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use clock::Clock;
use domain::ports::{Address, Chat, Ledger, Measure, Metrics, Pager, PortError, PostedMessage, Tickets, Unsent};
use domain::text::bounded;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::memory::{KEPT, RACES};

/// How long nothing is sent to a sink that refused.
pub const CLOSED: Duration = Duration::from_hours(24);
/// How long a pause is kept that a sink asks for. One that asks for more is asked again after it.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);
/// So long the end of a pause is waited for.
const WAITS: Duration = Duration::from_secs(5);
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
    /// Whether it is none for good: the sink asked for a pause (`Retry-After`), which nobody is told of.
    #[serde(default)]
    pub is_pause: bool,
}

impl Refusal {
    /// Whether it is about the secret, so that every channel has the same; Slack's codes of `chat.postMessage` (its page on the method).
    pub(crate) fn is_about_the_secret(&self) -> bool {
        let codes = [
            "invalid_auth",
            "not_authed",
            "token_revoked",
            "token_expired",
            "account_inactive",
            "missing_scope",
            "not_allowed_token_type",
        ];
        codes.iter().any(|code| self.why.contains(&format!("`{code}`")))
    }
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
    until: Timestamp,
    known: RefCell<Option<Refusal>>,
    works: Cell<bool>,
}

/// The key under which a sink's refusal is remembered.
pub fn key(sink: Sink, place: &str) -> String {
    bounded(format!("closed/{}/{place}", sink.word()).trim_end_matches('/'), 500)
}

impl<'a, L: Ledger, M: Metrics> Gate<'a, L, M> {
    /// The way to a sink, until `until`. `fingerprint` is a digest of all that could be mended: URL, channel and secret.
    pub async fn to(
        sink: Sink,
        place: &str,
        fingerprint: String,
        ledger: &'a L,
        metrics: &'a M,
        clock: &'a Clock,
        until: Timestamp,
    ) -> Self {
        let known = match ledger.read(&key(sink, place)).await {
            Ok(entry) => entry.and_then(|entry| Refusal::deserialize(&entry).ok()),
            Err(error) => {
                tracing::warn!(sink = sink.word(), "whether it refused before is not known, so it is tried: {error}");
                None
            }
        };
        let (known, works) = (RefCell::new(known), Cell::new(false));
        Self { sink, place: place.to_owned(), fingerprint, ledger, metrics, clock, until, known, works }
    }

    /// Takes another digest for the way, when what it stands for was read anew.
    pub fn mended(&mut self, fingerprint: String) {
        self.fingerprint = fingerprint;
    }

    fn in_force(&self, is_pause: bool) -> Option<Refusal> {
        let known = self.known.borrow();
        let is_it = |it: &&Refusal| {
            it.is_pause == is_pause && it.fingerprint == self.fingerprint && it.until > self.clock.now()
        };
        known.as_ref().filter(is_it).cloned()
    }

    /// What it refuses for good.
    pub fn refuses(&self) -> Option<Refusal> {
        self.in_force(false)
    }

    /// Whether the sink may not be used before somebody changes something, and why.
    pub fn refusal(&self) -> Option<Unsent> {
        let refusal = self.refuses()?;
        Some(Unsent::Closed(PortError::Permanent {
            what: format!("sending to {}", self.sink.name()),
            detail: format!(
                "it has taken nothing since {} and is not asked before {}: {}",
                refusal.since, refusal.until, refusal.why
            ),
        }))
    }

    /// Lets a call through; waits for the end of a pause that the sink asked for, where that is near.
    async fn pass(&self) -> Result<(), Unsent> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let Some(pause) = self.in_force(true) else { return Ok(()) };
        let left = pause.until.since(self.clock.now());
        if left <= WAITS && pause.until < self.until {
            self.clock.sleep(left).await;
            return Ok(());
        }
        Err(Unsent::NotTaken(PortError::Transient {
            what: format!("sending to {}", self.sink.name()),
            detail: format!("it asked for a pause until {}", pause.until),
            retry_after: Some(left),
        }))
    }

    /// The sink refused: it is remembered for a day, and where nobody has done so before, logged and counted.
    pub async fn refused(&self, error: &PortError) {
        let now = self.clock.now();
        if !self.note(now.plus(CLOSED), error, false).await {
            return;
        }
        let entry = key(self.sink, &self.place);
        tracing::error!(
            sink = self.sink.word(),
            place = self.place,
            "nothing more is sent there for a day, unless the configuration or the secret changes, or somebody deletes the table's entry: \
             aws dynamodb delete-item --table-name \"$TABLE_NAME\" --key '{{\"pk\":{{\"S\":\"{entry}\"}}}}' (the function's variable names the table): {error}"
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
    }

    /// The sink asked for a pause that is longer than the invocation had time: whoever comes next keeps it.
    async fn paused(&self, error: &PortError, pause: Duration) {
        self.note(self.clock.now().plus(pause.min(LONGEST_PAUSE)), error, true).await;
    }

    /// Remembers a refusal, or adopts what another invocation has remembered of the same; whether it is this one that has noted it.
    async fn note(&self, until: Timestamp, error: &PortError, is_pause: bool) -> bool {
        let (now, key) = (self.clock.now(), key(self.sink, &self.place));
        let why = bounded(&error.to_string(), WHY);
        let mut fresh = Refusal { fingerprint: self.fingerprint.clone(), since: now, until, why, is_pause };
        for _ in 0..RACES {
            let outcome = async {
                let entry = self.ledger.read(&key).await?;
                let old = entry.as_ref().and_then(|entry| Refusal::deserialize(entry).ok());
                if let Some(old) = old.filter(|old| old.is_pause <= is_pause) {
                    let is_same = old.fingerprint == fresh.fingerprint && old.until > now;
                    if is_same && (old.is_pause != is_pause || !is_pause || old.until >= until) {
                        return Ok((true, Some(old)));
                    }
                    fresh.since = if old.is_pause { now } else { old.since };
                }
                let written = serde_json::to_value(&fresh).unwrap_or_default();
                let is_noted = self.ledger.replace(&key, entry.as_ref(), &written, now.plus(KEPT)).await?;
                Ok::<_, PortError>((is_noted, None))
            };
            match outcome.await {
                Ok((_, Some(old))) => {
                    *self.known.borrow_mut() = Some(old);
                    return false;
                }
                Ok((true, None)) => break,
                Ok((false, None)) => {}
                Err(error) => {
                    tracing::warn!(key, "the refusal is not remembered, so it is tried again: {error}");
                    break;
                }
            }
        }
        *self.known.borrow_mut() = Some(fresh);
        true
    }

    /// The sink took something.
    pub fn worked(&self) {
        self.works.set(true);
    }

    /// Whether it took something, and refuses nothing.
    pub fn works(&self) -> bool {
        self.works.get() && self.refuses().is_none()
    }

    /// What it refused before is over.
    pub async fn reopen(&self) {
        let is_over = self.known.borrow_mut().take_if(|known| !known.is_pause).is_some();
        if is_over {
            reopen(self.ledger, self.sink, &self.place).await;
        }
    }
}

/// Takes away what is remembered of a place's refusal, so that it is asked again.
pub(crate) async fn reopen(ledger: &impl Ledger, sink: Sink, place: &str) {
    let key = key(sink, place);
    if let Err(error) = ledger.release(&key).await {
        tracing::warn!(key, "that it works again is not remembered: {error}");
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
        self.gate.pass().await?;
        let outcome = call.await;
        match &outcome {
            Ok(_) => self.gate.worked(),
            Err(Unsent::Closed(error)) => self.gate.refused(error).await,
            Err(Unsent::NotTaken(error @ PortError::Transient { retry_after: Some(pause), .. })) => {
                self.gate.paused(error, *pause).await;
            }
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
