//! Opens one ticket for a deployment that did not go well, however often its events arrive. Knows nothing of what stands in it.
//!
//! Two entries in the table keep it at one. `ticket/<deployment>` is a lease, then the record of where the ticket is.
//! `ticket/<deployment>/tried` says that somebody has begun to post it: whoever finds that and no record looks for the ticket first.

use std::time::Duration;

use clock::Clock;
use domain::config::Ticket;
use domain::lease::{self, Holder, Lease, Taken};
use domain::ports::{Deployments, Ledger, Metrics, PortError, Tickets, Unsent};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::closed::{Guarded, Sink};
use crate::memory::{KEPT, Known};
use crate::sinks::Sinks;
use crate::story::Story;
use crate::telling::Addressed;
use crate::thread::Reply;
use crate::ticket::{Case, Opened};
use crate::{Shift, Told};

/// How long a search may need to know of a new ticket. Whoever fails to hear an answer is tried again by Lambda after a minute; another event
/// that comes sooner leaves it to that.
const INDEXED: Duration = Duration::from_secs(30);

/// Where tickets are opened, for one invocation.
#[derive(Debug)]
pub(crate) struct Ticketing<'a, L, T> {
    /// What was opened before.
    pub(crate) ledger: &'a L,
    /// Who keeps them.
    pub(crate) tickets: &'a T,
    /// What the configuration says of them.
    pub(crate) ticket: &'a Ticket,
    /// The clock.
    pub(crate) clock: &'a Clock,
    /// Who opens.
    pub(crate) holder: &'a Holder,
}

impl<L: Ledger, T: Tickets> Ticketing<'_, L, T> {
    /// The ticket of this case: opened now or before, or refused, and when that was. `None` while somebody else is at it.
    ///
    /// # Errors
    /// When no ticket could be opened for now, or whether one is open is not known: a later try finds out.
    pub(crate) async fn open(&self, case: &Case) -> Result<Option<(Timestamp, Opened)>, Unsent> {
        let (key, now) = (format!("ticket/{}", case.deployment), self.clock.now());
        let lease = match lease::take(self.ledger, &key, self.holder, now).await.map_err(Unsent::NotTaken)? {
            Taken::Mine(lease) => lease,
            Taken::Done(record) => return Ok(Some(read(&record))),
            Taken::Busy => return Ok(None),
        };
        match self.find_or_post(case, &format!("{key}/tried")).await {
            Ok(Some(opened)) => {
                let at = self.clock.now();
                self.keep(case, lease, &written(at, &opened), at).await;
                Ok(Some((at, opened)))
            }
            outcome => {
                // If this fails too, the lease runs out by itself; the first error is the one to tell.
                let _ = lease.release().await;
                outcome.map(|_| None)
            }
        }
    }

    async fn keep(&self, case: &Case, lease: Lease<'_, L>, record: &Value, now: Timestamp) {
        if let Err(error) = lease.complete(record, now.plus(KEPT)).await {
            tracing::error!(deployment.id = %case.deployment, "the ticket is open and cannot be remembered, so it is looked for again with the next event: {error}");
        }
    }

    async fn find_or_post(&self, case: &Case, tried: &str) -> Result<Option<Opened>, Unsent> {
        let now = self.clock.now();
        let mark = json!({"tried": now});
        let ledger = |error| Unsent::NotTaken(error);
        let is_first = self.ledger.claim(tried, &mark, now.plus(KEPT)).await.map_err(ledger)?;
        if !is_first {
            let seen = self.ledger.read(tried).await.map_err(ledger)?;
            let since = seen.as_ref().and_then(|seen| Timestamp::parse(seen.get("tried")?.as_str()?));
            if since.is_some_and(|since| now < since.plus(INDEXED)) {
                return Ok(None);
            }
            if let Some(url) = self.find(case).await? {
                return Ok(Some(Opened::At(url)));
            }
            let _ = self.ledger.replace(tried, seen.as_ref(), &mark, now.plus(KEPT)).await.map_err(ledger)?;
        }
        match self.tickets.open(&case.body(self.ticket)).await {
            Ok(answer) => {
                let link = self.ticket.link.as_ref().map(|link| (link, case.link(link, &answer)));
                Ok(Some(match link {
                    Some((_, Some(url))) => Opened::At(url),
                    Some((link, None)) => {
                        tracing::warn!(deployment.id = %case.deployment, "the ticket is open, but its answer gives no link for `{link}`; check `ticket.link`");
                        Opened::Somewhere
                    }
                    None => Opened::Somewhere,
                }))
            }
            Err(Unsent::Unfit(error)) => {
                tracing::error!(deployment.id = %case.deployment, "no ticket is opened for this deployment: {error}");
                Ok(Some(Opened::Refused(error.to_string())))
            }
            Err(unsent @ (Unsent::Unanswered(_) | Unsent::Gone(_))) => Err(unsent),
            Err(unsent @ (Unsent::NotTaken(_) | Unsent::Closed(_))) => {
                // Nothing is there to be looked for, unless an earlier try got no answer and the search did not know its ticket yet.
                if is_first {
                    let _ = self.ledger.release(tried).await;
                }
                Err(unsent)
            }
        }
    }

    /// Where the ticket is that may have been opened before; `None` when it is to be posted again: twice is better than not at all.
    async fn find(&self, case: &Case) -> Result<Option<String>, Unsent> {
        let id = &case.deployment;
        let Some(find) = &self.ticket.find else {
            tracing::warn!(deployment.id = %id, "the ticket may be open already and is opened again; `ticket.find` would say how to look for it");
            return Ok(None);
        };
        let Some(url) = case.search(find) else {
            tracing::error!(deployment.id = %id, "the ticket may be open already and is opened again: `ticket.find.url` gives no URL for this deployment");
            return Ok(None);
        };
        match self.tickets.ask(&url).await {
            Ok(answer) => Ok(case.link(&find.link, &answer)),
            Err(error) if error.is_transient() => Err(Unsent::Unanswered(error)),
            Err(error) => {
                tracing::error!(deployment.id = %id, "the ticket may be open already and is opened again, since it cannot be looked for: {error}");
                Ok(None)
            }
        }
    }
}

fn written(at: Timestamp, opened: &Opened) -> Value {
    match opened {
        Opened::At(url) => json!({"opened": at, "url": url}),
        Opened::Somewhere => json!({"opened": at}),
        Opened::Refused(why) => json!({"opened": at, "refused": why}),
    }
}

fn read(record: &Value) -> (Timestamp, Opened) {
    let text = |key: &str| record.get(key).and_then(Value::as_str);
    let at = text("opened").and_then(Timestamp::parse).unwrap_or_default();
    let opened = match (text("url"), text("refused")) {
        (Some(url), _) => Opened::At(url.to_owned()),
        (None, Some(why)) => Opened::Refused(why.to_owned()),
        (None, None) => Opened::Somewhere,
    };
    (at, opened)
}

impl<D: Deployments, L: Ledger, S: Sinks, M: Metrics> Shift<'_, D, L, S, M> {
    /// The reply that tells of the case's ticket, and where that is; and what went wrong. Nothing where tickets are not configured or not wanted of
    /// it.
    pub(crate) async fn ticket(&self, case: Option<Case>) -> (Option<(Reply, Option<String>)>, Told) {
        let Some((ticket, case)) = self.config.ticket.as_ref().zip(case) else { return (None, Told::default()) };
        if !case.is_wanted(ticket) {
            return (None, Told::default());
        }
        let opened = async {
            let gate = self.gate(Sink::Ticket, &ticket.url, ticket.authorization.as_ref()).await?;
            Ok::<_, PortError>((gate, self.ports.sinks.tickets(ticket, self.until).await?))
        };
        let (gate, tickets) = match opened.await {
            Ok(opened) => opened,
            Err(error) => return (None, Told::failed(error)),
        };
        let (ledger, clock) = (&self.ports.ledger, &self.ports.clock);
        let guarded = Guarded { port: &tickets, gate: &gate };
        let ticketing = Ticketing { ledger, tickets: &guarded, ticket, clock, holder: &self.holder };
        let outcome = ticketing.open(&case).await;
        let is_closed = gate.refusal().is_some();
        Box::pin(self.spread(&gate)).await;
        match outcome {
            Ok(Some((at, opened))) => {
                let reply = case.reply(at, &opened);
                let url = match opened {
                    Opened::At(url) => Some(url),
                    Opened::Somewhere | Opened::Refused(_) => None,
                };
                (Some((reply, url)), Told::default())
            }
            // Somebody else is at it, and fails where that fails.
            Ok(None) => (None, Told { is_open: true, ..Told::default() }),
            // Told where that concerns people, and of no use to try again before tomorrow.
            Err(_) if is_closed => (None, Told { is_open: true, ..Told::default() }),
            Err(unsent) => (None, Told::failed(unsent.into())),
        }
    }

    /// Tells of the story's ticket in its thread, once that has been told what else there is: an invocation tells one thing at a time there.
    pub(crate) async fn tell_ticket(&self, known: &Known<Story>, ticket: Option<(Reply, Option<String>)>) -> Told {
        let Some((reply, url)) = ticket else { return Told::default() };
        let told =
            match lease::record(&self.ports.ledger, &format!("slack/{}/{}", known.story.deployment, reply.key)).await {
                Ok(told) => told,
                Err(error) => return Told::failed(error),
            };
        if told.is_some() && known.story.ticket == url {
            return Told::default();
        }
        let mut fresh = known.story.clone();
        fresh.ticket = fresh.ticket.or(url);
        let known = match self.remember(&fresh).await {
            Ok(known) => known,
            Err(error) => return Told::failed(error),
        };
        let reply: Addressed = (known.story.deployment.clone(), reply);
        self.tell_story(&known, &[reply]).await
    }
}

#[cfg(test)]
mod tests;
