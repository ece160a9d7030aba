//! One Slack thread per deployment, updated in place, and PagerDuty: every ending of a deployment is told once, with its cause and what was
//! observed. This file gathers the facts, adds them to the story and hands it to the two sinks; it knows nothing of how either is
//! spoken to.

mod alarms;
pub mod blocks;
pub mod closed;
mod contend;
mod delivery;
#[cfg(test)]
mod fakes;
pub mod flock;
mod gather;
pub mod glance;
pub mod links;
pub mod lone;
pub mod memory;
mod mention;
mod notices;
mod observed;
mod open;
mod outbox;
pub mod page;
mod paging;
mod posting;
pub mod replies;
pub mod rolling;
mod schedule;
pub mod sinks;
pub mod story;
pub mod tale;
mod teller;
mod telling;
pub mod thread;
mod ticket;
mod ticketing;
pub mod watch;

use std::time::Duration;

use anyhow::anyhow;
use clock::Clock;
use domain::config::Config;
use domain::deployment::DeploymentId;
use domain::events::{ChangedState, Envelope, Heard, Notice};
use domain::lease::{self, Holder};
use domain::ports::{Deployments, Ledger, Metrics, PortError};
use domain::text::bounded;
use domain::time::Timestamp;
use futures_util::future::join3;
use runtime::{Invocation, SettingError};
use serde_json::{Value, json};

use contend::{Chance, Patient};
use memory::{Known, note_watched};
use sinks::Sinks;
use story::Story;
use tale::Tale;
use telling::Addressed;
use ticket::Case;

/// What is kept free at the end of an invocation, to give back leases and to answer.
const RESERVE: Duration = Duration::from_secs(1);

/// How long to wait for an ending's facts to be complete: CodeDeploy's record follows its event, the rollback follows the stop, and
/// Greenlight's decision follows the stop that it asked for, each within a second or two.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How old a thing is when it is told: what happened before it is heard of by then, and stands above it. Events of the same second come within one or
/// two of each other.
pub const SETTLE: Duration = Duration::from_secs(2);

/// What the function works with.
#[derive(Debug)]
pub struct Ports<D, L, S, M> {
    /// CodeDeploy's record.
    pub deployments: D,
    /// What was told before.
    pub ledger: L,
    /// Slack and PagerDuty.
    pub sinks: S,
    /// Where refusals are counted.
    pub metrics: M,
    /// The clock.
    pub clock: Clock,
    /// [`PATIENCE`]; tests have less.
    pub patience: Duration,
    /// [`SETTLE`]; tests have less.
    pub settle: Duration,
    /// The name of the dashboard that messages lead to, where a service names none.
    pub dashboard: Option<String>,
}

/// What the function works with, and by which configuration.
pub type Wired<D, L, S, M> = (Ports<D, L, S, M>, Config);

/// Tells what one event brought, with what could be wired at the start.
///
/// # Errors
/// As [`handle`]; and when the function could not be wired, but for its schedule: a dead letter every minute would bury those that tell of something.
pub async fn serve<D: Deployments, L: Ledger, S: Sinks, M: Metrics>(
    wired: Result<&Wired<D, L, S, M>, &SettingError>,
    invocation: Invocation,
) -> anyhow::Result<Value> {
    match wired {
        Ok((ports, config)) => handle(ports, config, invocation).await,
        Err(error) if matches!(Heard::parse(&invocation.payload), Ok((_, Heard::Schedule))) => {
            tracing::error!("nothing can be looked after, nor told: {error}");
            Ok(json!({"open": null}))
        }
        Err(error) => Err(error.clone().into()),
    }
}

/// Tells what one event brought.
///
/// # Errors
/// When the event cannot be understood, or anything that it asks for could not be told: Lambda tries again, what has been told is not told
/// twice, and after the last try the event is in the dead-letter queue.
pub async fn handle<D: Deployments, L: Ledger, S: Sinks, M: Metrics>(
    ports: &Ports<D, L, S, M>,
    config: &Config,
    invocation: Invocation,
) -> anyhow::Result<Value> {
    let (envelope, heard) = Heard::parse(&invocation.payload)?;
    let shift = Shift {
        ports,
        config,
        holder: Holder { id: invocation.request_id.clone(), until: invocation.deadline },
        chance: Chance::of(&invocation.request_id),
        until: invocation.deadline.minus(RESERVE),
    };
    let told = match &heard {
        Heard::StateChange(change) => shift.tell_deployment(&envelope, &heard, &change.deployment_id).await,
        Heard::Notice(notice) => match &**notice {
            Notice::HookVerdict(verdict) => shift.tell_deployment(&envelope, &heard, &verdict.deployment_id).await,
            Notice::RollbackDecision(decision) => shift.tell_decision(&envelope, &heard, decision).await,
            Notice::TrafficRestored(restored) => shift.tell_restored(&envelope, &heard, restored).await,
        },
        Heard::Schedule => return shift.look_after(&envelope).await,
    };
    told.summary()
}

/// What one invocation achieved.
#[derive(Debug, Default)]
struct Told {
    deployment: Option<DeploymentId>,
    slack: Vec<String>,
    pager: Vec<String>,
    errors: Vec<PortError>,
    /// Whether something is still to be told, by whoever comes next.
    is_open: bool,
}

impl Told {
    fn failed(error: PortError) -> Self {
        Self { errors: vec![error], is_open: true, ..Self::default() }
    }

    /// Adds what was told besides.
    fn and(mut self, other: Told) -> Self {
        self.deployment = self.deployment.or(other.deployment);
        self.slack.extend(other.slack);
        self.pager.extend(other.pager);
        self.errors.extend(other.errors);
        self.is_open |= other.is_open;
        self
    }

    fn summary(self) -> anyhow::Result<Value> {
        for error in self.errors.iter().filter(|error| !error.is_transient()) {
            tracing::error!("this will not work until something is changed: {error}");
        }
        if self.errors.is_empty() {
            return Ok(json!({"deployment": self.deployment, "slack": self.slack, "pager": self.pager}));
        }
        let texts: Vec<String> = self.errors.iter().map(ToString::to_string).collect();
        Err(anyhow!("{}", texts.join("; ")))
    }
}

/// One invocation's work.
struct Shift<'a, D, L, S, M> {
    ports: &'a Ports<D, L, S, M>,
    config: &'a Config,
    holder: Holder,
    chance: Chance,
    until: Timestamp,
}

impl<D: Deployments, L: Ledger, S: Sinks, M: Metrics> Shift<'_, D, L, S, M> {
    async fn tell_deployment(&self, envelope: &Envelope, heard: &Heard, id: &DeploymentId) -> Told {
        match self.gather(envelope, heard, id).await {
            Ok((known, of_rollback)) => self.tell_everywhere(envelope, heard, &known, of_rollback).await,
            Err(error) => Told::failed(error),
        }
    }

    /// Tells what is known of a deployment wherever people are told, side by side: a sink that is down holds up none of the others, and each remembers
    /// for itself what it has told.
    async fn tell_everywhere(
        &self,
        envelope: &Envelope,
        heard: &Heard,
        known: &Known<Story>,
        of_rollback: bool,
    ) -> Told {
        let paged = self.with_pager(async |paging| paging.story(&known.story).await);
        let told = async {
            match self.is_back_told(heard, &known.story).await {
                Ok(is_back) => self.tell_story(known, &replies_to(envelope, heard, known, of_rollback, is_back)).await,
                Err(error) => Told::failed(error),
            }
        };
        let (paged, told, (ticket, opened)) = join3(paged, told, self.ticket(Case::of(&known.story))).await;
        paged.and(told).and(opened).and(self.tell_ticket(known, ticket).await)
    }

    /// Whether it stands in the thread already that the rollback is through, when an event tells that the traffic is back.
    async fn is_back_told(&self, heard: &Heard, story: &Story) -> Result<bool, PortError> {
        let tells =
            matches!(heard, Heard::Notice(notice) if matches!(&**notice, Notice::TrafficRestored(it) if it.restored));
        let Some(rollback) = story.rollback.as_ref().filter(|_| tells && story.rollback_succeeded()) else {
            return Ok(false);
        };
        let key = format!("slack/{}/{}", rollback.id, thread::ROLLED_BACK);
        Ok(lease::record(&self.ports.ledger, &key).await?.is_some())
    }

    fn patient(&self) -> Patient<'_> {
        Patient { clock: &self.ports.clock, chance: &self.chance, until: self.until }
    }

    /// Adds to what is known of a story, to which hundreds may be adding in the same second, and puts it on the list of open ones.
    async fn remember<T: Tale>(&self, fresh: &T) -> Result<Known<T>, PortError> {
        let (ledger, clock) = (&self.ports.ledger, &self.ports.clock);
        let what = format!("adding to what is known of `{}`", fresh.id());
        let known = self.patient().among_many(&what, async || memory::add(ledger, fresh, clock.now()).await).await?;
        if !known.watched {
            open::add(ledger, self.patient(), fresh.id(), T::KIND).await?;
            // Where somebody else has added to it meanwhile, it is noted with the next addition.
            note_watched(ledger, &known, true, clock.now()).await?;
        }
        Ok(known)
    }
}

/// The replies that an event asks for, in the order in which things happened.
fn replies_to(
    envelope: &Envelope,
    heard: &Heard,
    known: &Known<Story>,
    of_rollback: bool,
    is_back_told: bool,
) -> Vec<Addressed> {
    let story = &known.story;
    // Told with whatever event first finds it: the ending's own event may be lost.
    let ending = thread::ending(story).map(|reply| (story.deployment.clone(), reply));
    let rolling = story.rollback.as_ref().filter(|_| of_rollback);
    let rollback = rolling.and_then(|rollback| Some((rollback.id.clone(), thread::rollback(story)?)));
    let (before, after) = match heard {
        Heard::StateChange(_) => (reply_to(envelope, heard, story, of_rollback), None),
        Heard::Schedule => (None, None),
        Heard::Notice(notice) => match &**notice {
            Notice::HookVerdict(_) => (reply_to(envelope, heard, story, of_rollback), None),
            Notice::RollbackDecision(_) => {
                let reply = reply_to(envelope, heard, story, of_rollback);
                // What has succeeded had ended before it was taken back.
                if story.stage == story::Stage::Succeeded { (None, reply) } else { (reply, None) }
            }
            // That the rollback has failed, or is through, is told by its own reply.
            Notice::TrafficRestored(restored)
                if !restored.restored && (story.rollback_failed() || story.is_rolled_back()) =>
            {
                (None, None)
            }
            Notice::TrafficRestored(restored) if is_back_told => {
                (None, Some((story.deployment.clone(), replies::took(restored))))
            }
            Notice::TrafficRestored(restored) => {
                let reply = replies::way_back(restored, story.restored.as_ref(), &glance::glance(story).action);
                (None, reply.map(|reply| (story.deployment.clone(), reply)))
            }
        },
    };
    bounded_keys([before, ending, rollback, after].into_iter().flatten().collect())
}

/// The reply that tells what a hook answered, what an alarm led to or that the deployment waits, which the event tells alone.
fn reply_to(envelope: &Envelope, heard: &Heard, story: &Story, of_rollback: bool) -> Option<Addressed> {
    let notice = match heard {
        Heard::Notice(notice) => notice,
        Heard::StateChange(change) if change.state == ChangedState::Ready && !of_rollback => {
            return Some((change.deployment_id.clone(), thread::waiting(story)));
        }
        Heard::StateChange(_) | Heard::Schedule => return None,
    };
    match &**notice {
        Notice::HookVerdict(verdict) => {
            Some((verdict.deployment_id.clone(), replies::verdict(verdict, of_rollback, &envelope.region)))
        }
        Notice::RollbackDecision(decision) => {
            Some((story.deployment.clone(), thread::decided(story, decision, &envelope.region)))
        }
        Notice::TrafficRestored(_) => None,
    }
}

/// A key is part of a ledger key, and parts of it come from outside.
fn bounded_keys(replies: Vec<Addressed>) -> Vec<Addressed> {
    replies.into_iter().map(|(id, reply)| (id, thread::Reply { key: bounded(&reply.key, 500), ..reply })).collect()
}

#[cfg(test)]
mod messages;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
