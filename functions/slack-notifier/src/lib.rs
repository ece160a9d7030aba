//! One Slack thread per deployment, updated in place, and PagerDuty: every ending of a deployment is told once, with its cause and what was
//! observed. This file gathers the facts, adds them to the story and hands it to the two sinks; it knows nothing of how either is
//! spoken to.

pub mod blocks;
#[cfg(test)]
mod fakes;
mod gather;
pub mod memory;
mod observed;
pub mod page;
mod paging;
pub mod replies;
pub mod sinks;
pub mod story;
mod telling;
pub mod thread;

use std::sync::Once;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clock::Clock;
use domain::config::Config;
use domain::deployment::DeploymentId;
use domain::events::{ChangedState, Decision, Envelope, Heard, Notice, RollbackDecision};
use domain::lease::Holder;
use domain::ports::{Deployments, Ledger, PortError};
use domain::text::bounded;
use domain::time::Timestamp;
use runtime::Invocation;
use serde_json::{Value, json};

use memory::Known;
use sinks::Sinks;
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
    let told = match (subject(&heard), &heard) {
        (Some(deployment), _) => shift.tell_deployment(&envelope, &heard, &deployment).await?,
        (None, Heard::Notice(notice)) => match &**notice {
            Notice::RollbackDecision(decision) => shift.tell_alone(&envelope, decision).await?,
            Notice::HookVerdict(_) | Notice::TrafficRestored(_) => bail!("the event names no deployment"),
        },
        (None, _) => return Ok(json!({"ignored": "the schedule is of no concern here"})),
    };
    told.summary()
}

/// The deployment that an event is about.
fn subject(heard: &Heard) -> Option<DeploymentId> {
    match heard {
        Heard::StateChange(change) => Some(change.deployment_id.clone()),
        Heard::Notice(notice) => match &**notice {
            Notice::HookVerdict(verdict) => Some(verdict.deployment_id.clone()),
            Notice::RollbackDecision(decision) => decision.deployment_id.clone(),
            Notice::TrafficRestored(restored) => Some(restored.deployment_id.clone()),
        },
        Heard::Schedule => None,
    }
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
    async fn tell_deployment(&self, envelope: &Envelope, heard: &Heard, id: &DeploymentId) -> Result<Told, PortError> {
        let (known, of_rollback) = self.gather(envelope, heard, id).await?;
        let mut told = Told { deployment: Some(known.story.deployment.clone()), ..Told::default() };
        if let Some(pagerduty) = &self.config.pagerduty {
            // The page goes first, since it wakes somebody; but a PagerDuty that is down leaves Slack half of the time.
            let now = self.ports.clock.now();
            let until = now.plus(self.until.since(now) / 2);
            match self.ports.sinks.pager(pagerduty, until).await {
                Ok(pager) => {
                    let (ledger, clock) = (&self.ports.ledger, &self.ports.clock);
                    let (sent, errors) = paging::page(ledger, &pager, clock, &self.holder, &known.story).await;
                    told.pager = sent;
                    told.errors.extend(errors);
                }
                Err(error) => told.errors.push(error),
            }
        }
        let replies = replies_to(heard, &known, of_rollback);
        let (slack, errors) = self.with_slack(async |telling| telling.tell(&known, &replies).await).await;
        told.slack = slack;
        told.errors.extend(errors);
        Ok(told)
    }

    /// An alarm's decision that concerns no deployment is a message of its own.
    async fn tell_alone(&self, envelope: &Envelope, decision: &RollbackDecision) -> Result<Told, PortError> {
        if decision.decision == Decision::Ignore {
            tracing::info!(
                alarm.name = decision.alarm.name,
                "an alarm that changes nothing is not told: {}",
                decision.reason
            );
            return Ok(Told::default());
        }
        let at = decision.alarm.changed_at.unwrap_or(decision.at);
        // Two services may name the same alarm, and each has its own reason and its own next step.
        let service = decision.service.as_deref().unwrap_or_default();
        let key = format!("alarm/{service}/{}/{:?}/{at}", decision.alarm.name, decision.decision);
        let message = replies::decision_alone(decision, &envelope.region);
        let tell = async |telling: &Telling<'_, L, S::Chat>| match telling.tell_alone(&key, &message).await {
            Ok(true) => (vec![key.clone()], Vec::new()),
            Ok(false) => (Vec::new(), Vec::new()),
            Err(error) => (Vec::new(), vec![error]),
        };
        let (slack, errors) = self.with_slack(tell).await;
        Ok(Told { slack, errors, ..Told::default() })
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
fn replies_to(heard: &Heard, known: &Known, of_rollback: bool) -> Vec<Addressed> {
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
            Notice::RollbackDecision(decision) => (Some((story.deployment.clone(), replies::decision(decision))), None),
            Notice::TrafficRestored(restored) => (None, Some((story.deployment.clone(), replies::restored(restored)))),
        },
    };
    let all = [before, ending, rollback, after].into_iter().flatten();
    // A key is part of a ledger key, and parts of it come from outside.
    all.map(|(id, reply)| (id, thread::Reply { key: bounded(&reply.key, 500), ..reply })).collect()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
