//! Keeps PagerDuty in step with what is known: what is open there is written down for each group, together with what is still to be sent, and
//! whoever adds to it sends what is due. Knows nothing of what is worth a page.
//!
//! PagerDuty hears of a group from one invocation at a time, under a lease, and only what the group's entry says then. So a trigger never follows
//! the end that it was to precede, and what PagerDuty did not take is sent with the group's next event, whichever that is, or by the schedule.

mod duty;

use std::collections::BTreeSet;
use std::time::Duration;

use domain::config::PagerDuty;
use domain::deployment::DeploymentId;
use domain::events::{RollbackDecision, TrafficRestored};
use domain::lease::{self, Holder, Taken};
use domain::ports::{Ledger, Pager, PortError, Unsent};
use domain::text::bounded;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::contend::Patient;
use crate::memory::{KEPT, RACES};
use crate::open;
use crate::page::{self, Asked, Page, Until};
use crate::story::Story;
use crate::tale::Kind;
use crate::watch;
use duty::{Duty, Step};

/// What was sent now, and what could not be.
pub(crate) type Sent = (Vec<String>, Vec<PortError>);

/// How often to look whether somebody else has sent what is due.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// One pager, for one invocation.
pub(crate) struct Paging<'a, L, P> {
    pub(crate) ledger: &'a L,
    pub(crate) pager: &'a P,
    /// What is worth which severity, and when a page is over.
    pub(crate) config: &'a PagerDuty,
    /// The clock, and until when to wait for others.
    pub(crate) patient: Patient<'a>,
    pub(crate) holder: &'a Holder,
}

const DUTY: &str = "pager/of/";

fn duty_key(place: &str) -> String {
    bounded(&format!("{DUTY}{place}"), 700)
}

/// An alarm has an entry of its own: its pages end with it, whatever becomes of the group's deployments.
fn alarm_place(decision: &RollbackDecision) -> String {
    format!("alarm/{}/{}", watch::subject(decision), decision.alarm.name)
}

/// Whether something is still to be sent of what this entry holds.
pub(crate) async fn owes(ledger: &impl Ledger, entry: &DeploymentId) -> Result<bool, PortError> {
    let duty = of_entry(&entry.0, ledger.read(&entry.0).await?.as_ref())?;
    Ok(duty.next(&BTreeSet::new()).is_some())
}

fn of_entry(key: &str, entry: Option<&Value>) -> Result<Duty, PortError> {
    entry.map(Duty::deserialize).transpose().map(Option::unwrap_or_default).map_err(|error| PortError::Permanent {
        what: format!("reading the ledger's entry `{key}`"),
        detail: format!("{error}; delete the entry, and resolve the group's pages by hand"),
    })
}

impl<L: Ledger, P: Pager> Paging<'_, L, P> {
    /// What the story of a deployment asks for and has not been sent.
    pub(crate) async fn story(&self, story: &Story) -> Sent {
        let (mut sent, mut errors) = self.asked(&story.group.to_string(), &page::asked(story, self.config)).await;
        // It wakes nobody, so it comes last.
        match self.change(story).await {
            Ok(words) => sent.extend(words),
            Err(error) => errors.push(error),
        }
        (sent, errors)
    }

    /// The page that the traffic is not back; nothing where the event names nobody.
    pub(crate) async fn not_restored(&self, restored: &TrafficRestored, page: Option<Page>) -> Sent {
        match (Asked::one(restored.deployment_id.clone(), page), page::place_of(restored)) {
            (Some(asked), Some(place)) => self.asked(&place, &asked).await,
            _ => Sent::default(),
        }
    }

    /// Adds to what is known of the pages of `place`, a group, an ECS service or an alarm, and sends what is due there.
    pub(crate) async fn asked(&self, place: &str, asked: &Asked) -> Sent {
        if asked.is_nothing() {
            return self.left_over(place).await;
        }
        match self.amend(place, |duty| duty.hear(place, asked)).await {
            Ok(duty) => self.settle_or_list(place, duty).await,
            Err(error) => (Vec::new(), vec![error]),
        }
    }

    /// Sends what was left over at `place`, for an event that asks for nothing itself: that it fails is no reason to try this event again.
    async fn left_over(&self, place: &str) -> Sent {
        let (sent, errors) = match self.read(place).await {
            Ok((_, duty)) => self.settle_or_list(place, duty).await,
            Err(error) => (Vec::new(), vec![error]),
        };
        for error in errors {
            tracing::warn!(place, "a page still waits to be sent, and the schedule tries again: {error}");
        }
        (sent, Vec::new())
    }

    /// What the schedule sends of what an entry holds.
    pub(crate) async fn owed(&self, entry: &DeploymentId) -> Sent {
        let place = entry.0.strip_prefix(DUTY).unwrap_or(&entry.0);
        match self.read(place).await {
            Ok((_, duty)) => self.settle_or_list(place, duty).await,
            Err(error) => (Vec::new(), vec![error]),
        }
    }

    /// Sends what is due; the schedule is to do it where that fails. Lambda tries an event for some minutes, and PagerDuty may be down for longer.
    async fn settle_or_list(&self, place: &str, duty: Duty) -> Sent {
        let (mut sent, mut errors) = Sent::default();
        let outcome = self.settle(place, duty, &mut sent, &mut errors).await;
        errors.extend(outcome.err());
        if !errors.is_empty() {
            let entry = DeploymentId(duty_key(place));
            let listed = open::add(self.ledger, self.patient, &entry, Kind::Pager).await;
            errors.extend(listed.err());
        }
        (sent, errors)
    }

    /// Sends what is due, or waits until whoever is at it has done so.
    async fn settle(
        &self,
        place: &str,
        mut duty: Duty,
        sent: &mut Vec<String>,
        errors: &mut Vec<PortError>,
    ) -> Result<(), PortError> {
        let key = bounded(&format!("pager/lease/{place}"), 700);
        while duty.next(&BTreeSet::new()).is_some() {
            let now = self.patient.clock.now();
            match lease::take(self.ledger, &key, self.holder, now).await? {
                Taken::Mine(lease) => {
                    let outcome = self.send_all(place, sent, errors).await;
                    // If this fails, the lease runs out by itself.
                    let _ = lease.release().await;
                    return outcome;
                }
                Taken::Busy | Taken::Done(_) if now.plus(LOOK_AGAIN) < self.patient.until => {
                    self.patient.clock.sleep(LOOK_AGAIN).await;
                    duty = self.read(place).await?.1;
                }
                Taken::Busy | Taken::Done(_) => {
                    return Err(PortError::Transient {
                        what: format!("paging for `{place}`"),
                        detail: "another invocation has been at it all the time".to_owned(),
                        retry_after: None,
                    });
                }
            }
        }
        Ok(())
    }

    /// Sends step by step what the entry says at that moment. A key for which one fails is left for the next try, and holds up no other.
    async fn send_all(
        &self,
        place: &str,
        sent: &mut Vec<String>,
        errors: &mut Vec<PortError>,
    ) -> Result<(), PortError> {
        let mut failed = BTreeSet::new();
        let mut duty = self.read(place).await?.1;
        while let Some(step) = duty.next(&failed) {
            match self.pager.send(&step.event).await {
                Ok(()) => sent.push(step.word.clone()),
                Err(Unsent::Unfit(error)) => {
                    tracing::error!(
                        key = step.key,
                        "PagerDuty does not take this event, and it is not tried again: {error}"
                    );
                }
                Err(unsent) => {
                    let is_answered = !matches!(unsent, Unsent::Unanswered(_));
                    errors.push(unsent.into());
                    failed.insert(step.key.clone());
                    if !is_answered {
                        duty = self.amend(place, |duty| duty.tried(&step)).await?;
                    }
                    continue;
                }
            }
            duty = self.note_done(place, &step, duty).await;
        }
        Ok(())
    }

    /// Done is done: where that cannot be remembered, it is done again at worst, which its key makes harmless.
    async fn note_done(&self, place: &str, step: &Step, mut duty: Duty) -> Duty {
        match self.amend(place, |duty| duty.done(step)).await {
            Ok(duty) => duty,
            Err(error) => {
                tracing::error!(key = step.key, "this was sent to PagerDuty and cannot be remembered: {error}");
                duty.done(step);
                duty
            }
        }
    }

    async fn read(&self, place: &str) -> Result<(Option<Value>, Duty), PortError> {
        let key = duty_key(place);
        let entry = self.ledger.read(&key).await?;
        let duty = of_entry(&key, entry.as_ref())?;
        Ok((entry, duty))
    }

    /// Changes what is remembered of a group's pages, and returns it as it then is.
    async fn amend(&self, place: &str, change: impl Fn(&mut Duty)) -> Result<Duty, PortError> {
        let key = duty_key(place);
        for _ in 0..RACES {
            let (entry, old) = self.read(place).await?;
            let mut next = old.clone();
            change(&mut next);
            let expires = self.patient.clock.now().plus(KEPT);
            if next == old || self.ledger.replace(&key, entry.as_ref(), &json!(next), expires).await? {
                return Ok(next);
            }
        }
        Err(PortError::Transient {
            what: format!("changing the ledger's entry `{key}`"),
            detail: format!("others changed it {RACES} times in between"),
            retry_after: None,
        })
    }

    /// The change event of a deployment that went well, at most once. A change event has no key by which PagerDuty would know it again, and one
    /// that stands there twice looks like two deployments to whoever searches for the cause at night; one that is missing is found in Slack. So
    /// what got no answer is not repeated, and the claim comes first: a process that dies in between has sent it once or not at all.
    async fn change(&self, story: &Story) -> Result<Vec<String>, PortError> {
        let Some(event) = page::change(story, self.config) else { return Ok(Vec::new()) };
        let (key, id) = (format!("pager/{}/change", story.deployment), &story.deployment);
        let now = self.patient.clock.now();
        if !self.ledger.claim(&key, &json!({"at": now}), now.plus(KEPT)).await? {
            return Ok(Vec::new());
        }
        match self.pager.change(&event).await {
            Ok(()) => return Ok(vec!["change".to_owned()]),
            Err(Unsent::NotTaken(error)) => {
                self.ledger.release(&key).await?;
                return Err(error);
            }
            Err(Unsent::Unanswered(error)) => {
                tracing::warn!(deployment.id = %id, "whether PagerDuty has the change event is not known, and it is not sent again: {error}");
            }
            // Its pages tell by themselves whether PagerDuty takes anything. A key of an event orchestration or a ruleset (`R…`) takes pages alone.
            Err(unsent) => {
                tracing::error!(deployment.id = %id, "PagerDuty does not take the change event; with `pagerduty.changes: none` none is sent: {unsent}");
            }
        }
        Ok(Vec::new())
    }

    /// The page for an alarm that is left to a person.
    pub(crate) async fn alarm(&self, decision: &RollbackDecision, region: &str) -> Sent {
        let Some(page) = page::alarm(decision, region, self.config) else {
            tracing::info!(alarm.name = decision.alarm.name, "not paging: the environment's severity is `none`");
            return Sent::default();
        };
        match (&decision.group, &decision.deployment_id) {
            (Some(group), Some(deployment)) if watch::holds(decision) => {
                // The alarm's own end is not its end.
                let forget = |watch: &mut watch::Watch| watch.paged = None;
                let forgotten = watch::change(self.ledger, decision, self.patient.clock.now(), forget).await;
                let asked = Asked::one(deployment.clone(), Some(page));
                let (sent, mut errors) = match asked {
                    Some(asked) => self.asked(&group.to_string(), &asked).await,
                    None => Sent::default(),
                };
                errors.extend(forgotten.err());
                (sent, errors)
            }
            _ => self.alarm_alone(decision, page).await,
        }
    }

    /// The page for an alarm that ends when the alarm is OK again.
    async fn alarm_alone(&self, decision: &RollbackDecision, page: Page) -> Sent {
        let red = watch::changed(decision);
        // Written down before it is sent, so that its end finds it.
        let note = |watch: &mut watch::Watch| watch.paged = watch.paged.max(Some(red));
        match watch::change(self.ledger, decision, self.patient.clock.now(), note).await {
            Ok(watch) if watch.is_over(red) => {
                let name = &decision.alarm.name;
                tracing::info!(alarm.name = name, "not paging: the alarm was OK again before this was heard of");
                Sent::default()
            }
            Ok(_) => {
                let page = Page { since: red, until: Until::Success, ..page };
                let asked = Asked::one(DeploymentId("red".to_owned()), Some(page));
                match asked {
                    Some(asked) => self.asked(&alarm_place(decision), &asked).await,
                    None => Sent::default(),
                }
            }
            Err(error) => (Vec::new(), vec![error]),
        }
    }

    /// The end of such a page: that the alarm is OK is to it what a success is to a deployment's.
    pub(crate) async fn alarm_over(&self, decision: &RollbackDecision) -> Sent {
        // What went red in the very moment was so before.
        let over = watch::changed(decision).plus(Duration::from_millis(1));
        let ok = DeploymentId("ok".to_owned());
        let asked = Asked { deployment: ok, pages: Vec::new(), end: None, succeeded: Some(over) };
        self.asked(&alarm_place(decision), &asked).await
    }
}

#[cfg(test)]
mod tests;
