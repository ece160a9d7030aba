//! One Slack thread per deployment, updated in place, and PagerDuty: every ending of a deployment is told once, with its cause and what was
//! observed. This file gathers the facts, adds them to the story and hands it to the two sinks; it knows nothing of how either is
//! spoken to.

mod alarms;
pub mod blocks;
#[cfg(test)]
mod fakes;
pub mod flock;
mod gather;
pub mod glance;
pub mod memory;
mod observed;
pub mod page;
mod paging;
pub mod replies;
pub mod rolling;
pub mod sinks;
pub mod story;
pub mod tale;
mod telling;
pub mod thread;
pub mod watch;

use std::sync::Once;
use std::time::Duration;

use anyhow::anyhow;
use clock::Clock;
use domain::config::Config;
use domain::deployment::DeploymentId;
use domain::events::{ChangedState, Envelope, Heard, Notice};
use domain::lease::{self, Holder};
use domain::ports::{Deployments, Ledger, PortError};
use domain::text::bounded;
use domain::time::Timestamp;
use runtime::Invocation;
use serde_json::{Value, json};

use memory::Known;
use paging::{Paging, Sent};
use sinks::Sinks;
use story::Story;
use tale::Tale;
use telling::{Addressed, Telling};

/// What is kept free at the end of an invocation, to give back leases and to answer.
const RESERVE: Duration = Duration::from_secs(1);

/// How long to wait for an ending's facts to be complete: CodeDeploy's record follows its event, the rollback follows the stop, and
/// Greenlight's decision follows the stop that it asked for, each within a second or two.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What the function works with.
#[derive(Debug)]
pub struct Ports<D, L, S> {
    /// CodeDeploy's record.
    pub deployments: D,
    /// What was told before.
    pub ledger: L,
    /// Slack and PagerDuty.
    pub sinks: S,
    /// The clock.
    pub clock: Clock,
    /// [`PATIENCE`]; tests have less.
    pub patience: Duration,
}

/// Tells what one event brought.
///
/// # Errors
/// When the event cannot be understood, or anything that it asks for could not be told: Lambda tries again, what has been told is not told
/// twice, and after the last try the event is in the dead-letter queue.
pub async fn handle<D: Deployments, L: Ledger, S: Sinks>(
    ports: &Ports<D, L, S>,
    config: &Config,
    invocation: Invocation,
) -> anyhow::Result<Value> {
    let (envelope, heard) = Heard::parse(&invocation.payload)?;
    let shift = Shift {
        ports,
        config,
        holder: Holder { id: invocation.request_id.clone(), until: invocation.deadline },
        until: invocation.deadline.minus(RESERVE),
    };
    let told = match &heard {
        Heard::StateChange(change) => shift.tell_deployment(&envelope, &heard, &change.deployment_id).await,
        Heard::Notice(notice) => match &**notice {
            Notice::HookVerdict(verdict) => shift.tell_deployment(&envelope, &heard, &verdict.deployment_id).await,
            Notice::RollbackDecision(decision) => shift.tell_decision(&envelope, &heard, decision).await,
            Notice::TrafficRestored(restored) => shift.tell_restored(&envelope, &heard, restored).await,
        },
        Heard::Schedule => return Ok(json!({"ignored": "the schedule is of no concern here"})),
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
}

impl Told {
    fn failed(error: PortError) -> Self {
        Self { errors: vec![error], ..Self::default() }
    }

    /// Adds what was told besides.
    fn and(mut self, other: Told) -> Self {
        self.deployment = self.deployment.or(other.deployment);
        self.slack.extend(other.slack);
        self.pager.extend(other.pager);
        self.errors.extend(other.errors);
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
struct Shift<'a, D, L, S> {
    ports: &'a Ports<D, L, S>,
    config: &'a Config,
    holder: Holder,
    until: Timestamp,
}

impl<D: Deployments, L: Ledger, S: Sinks> Shift<'_, D, L, S> {
    async fn tell_deployment(&self, envelope: &Envelope, heard: &Heard, id: &DeploymentId) -> Told {
        let (known, of_rollback) = match self.gather(envelope, heard, id).await {
            Ok(gathered) => gathered,
            Err(error) => return Told::failed(error),
        };
        // The page goes first, since it wakes somebody.
        let paged = self.with_pager(async |paging| paging.story(&known.story).await).await;
        let is_back_told = match self.is_back_told(heard, &known.story).await {
            Ok(is_told) => is_told,
            Err(error) => return paged.and(Told::failed(error)),
        };
        paged.and(self.tell_story(&known, &replies_to(envelope, heard, &known, of_rollback, is_back_told)).await)
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

    /// Tells a story and its replies in Slack.
    async fn tell_story<T: Tale>(&self, known: &Known<T>, replies: &[Addressed]) -> Told {
        let (slack, errors) = self.with_slack(async |telling| telling.tell(known, replies).await).await;
        Told { deployment: Some(known.story.id().clone()), slack, errors, ..Told::default() }
    }

    /// Does something with the pager, if there is one. A PagerDuty that is down leaves Slack half of the time.
    async fn with_pager(&self, page: impl AsyncFnOnce(&Paging<'_, L, S::Pager>) -> Sent) -> Told {
        let Some(pagerduty) = &self.config.pagerduty else { return Told::default() };
        let now = self.ports.clock.now();
        let until = now.plus(self.until.since(now) / 2);
        let pager = match self.ports.sinks.pager(pagerduty, until).await {
            Ok(pager) => pager,
            Err(error) => return Told::failed(error),
        };
        let (ledger, clock) = (&self.ports.ledger, &self.ports.clock);
        let (pager, errors) =
            page(&Paging { ledger, pager: &pager, config: pagerduty, clock, holder: &self.holder, until }).await;
        Told { pager, errors, ..Told::default() }
    }

    async fn with_slack(
        &self,
        tell: impl AsyncFnOnce(&Telling<'_, L, S::Chat>) -> (Vec<String>, Vec<PortError>),
    ) -> (Vec<String>, Vec<PortError>) {
        static SAID: Once = Once::new();
        let Some(slack) = &self.config.slack else {
            SAID.call_once(|| tracing::warn!("nothing is told in Slack: the configuration has no `slack` block"));
            return (Vec::new(), Vec::new());
        };
        let chat = match self.ports.sinks.chat(slack, self.until).await {
            Ok(chat) => chat,
            Err(error) => return (Vec::new(), vec![error]),
        };
        let telling = Telling {
            ledger: &self.ports.ledger,
            chat: &chat,
            channel: slack.channel.as_deref().unwrap_or_default(),
            has_threads: slack.webhook.is_none(),
            clock: &self.ports.clock,
            holder: &self.holder,
            until: self.until,
        };
        tell(&telling).await
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
        Heard::StateChange(change) if change.state == ChangedState::Ready && !of_rollback => {
            (Some((change.deployment_id.clone(), thread::waiting(story))), None)
        }
        Heard::StateChange(_) | Heard::Schedule => (None, None),
        Heard::Notice(notice) => match &**notice {
            Notice::HookVerdict(verdict) => {
                (Some((verdict.deployment_id.clone(), replies::verdict(verdict, of_rollback))), None)
            }
            Notice::RollbackDecision(decision) => {
                let reply = Some((story.deployment.clone(), replies::decision(decision, &envelope.region)));
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

/// A key is part of a ledger key, and parts of it come from outside.
fn bounded_keys(replies: Vec<Addressed>) -> Vec<Addressed> {
    replies.into_iter().map(|(id, reply)| (id, thread::Reply { key: bounded(&reply.key, 500), ..reply })).collect()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
