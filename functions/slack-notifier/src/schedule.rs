//! What the notifier does every minute without having been told anything: looks after the stories that are not closed. Updates what has moved on,
//! tells endings whose events were lost, and what a sink that was down or closed could not take. Knows nothing of how any of it is told.

use std::time::Duration;

use domain::deployment::DeploymentId;
use domain::events::{Envelope, Heard};
use domain::ports::{Deployments, Ledger, Metrics, PortError};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::flock::Flock;
use crate::lone::Lone;
use crate::memory::{note_watched, recall};
use crate::open::{self, LONGEST, Open};
use crate::paging;
use crate::rolling::Rolling;
use crate::sinks::Sinks;
use crate::story::Story;
use crate::tale::{Kind, Tale};
use crate::{Shift, Told};

/// What is kept free for the stories that are begun last: no further one is begun in it.
const FOR_ONE: Duration = Duration::from_secs(20);
/// How long after an ending its facts may still be completed, before they are taken as they are.
const COMPLETED: Duration = Duration::from_mins(10);

/// For so long every story is looked after every minute; a story that is open for longer waits for a person or for a sink.
const LIVELY: Duration = Duration::from_hours(1);
/// How often it is looked after then, in minutes.
const SELDOM: i64 = 10;

/// Whether a story's turn has come in this minute.
fn is_due(open: Open, now: Timestamp) -> bool {
    now.since(open.since) <= LIVELY || (now.0 / 60_000) % SELDOM == 0
}

/// Whether nothing more is to come of a deployment by itself.
fn is_over(story: &Story, now: Timestamp) -> bool {
    let is_back = story.rollback.as_ref().is_none_or(|rollback| rollback.stage.is_ended());
    let long_ago = now > story.ended.unwrap_or(story.read_at).plus(COMPLETED);
    story.stage.is_ended() && is_back && (long_ago || !story.is_unsettled())
}

impl<D: Deployments, L: Ledger, S: Sinks, M: Metrics> Shift<'_, D, L, S, M> {
    /// Looks after what is open. Nothing here fails the invocation: the next minute comes.
    pub(crate) async fn look_after(&self, envelope: &Envelope) -> anyhow::Result<Value> {
        let (ledger, clock) = (&self.ports.ledger, &self.ports.clock);
        let list = match open::read(ledger).await {
            Ok(list) => list,
            Err(error) => {
                tracing::warn!("which stories are open is not known this minute: {error}");
                return Ok(json!({"open": null}));
            }
        };
        let (mut told, mut closed, mut stopped_at) = (Told::default(), 0, None);
        let stories = list.in_turn();
        let begun = clock.now();
        let enough = FOR_ONE.min(self.until.since(begun) / 2);
        for (id, open) in stories.iter().filter(|(_, open)| is_due(*open, begun)) {
            if clock.now().plus(enough) > self.until {
                stopped_at = Some(id.clone());
                break;
            }
            let is_dropped = clock.now().since(open.since) > LONGEST;
            if is_dropped {
                tracing::warn!(story = %id, since = %open.since, "this is open for more than four days, so it is no longer looked after");
            }
            let (looked, is_closed) =
                if is_dropped { (Told::default(), true) } else { self.look_after_one(envelope, id, *open).await };
            for error in &looked.errors {
                tracing::warn!(story = %id, "not all of it could be told; the next minute tries again: {error}");
            }
            if is_closed {
                match self.close(id, open.kind, is_dropped).await {
                    Ok(()) => closed += 1,
                    Err(error) => tracing::warn!(story = %id, "it stays on the list: {error}"),
                }
            }
            told = told.and(looked);
        }
        if stopped_at != list.stopped_at
            && let Err(error) =
                open::amend(ledger, self.patient(), |list| list.stopped_at.clone_from(&stopped_at)).await
        {
            tracing::warn!("where this run stopped is not remembered: {error}");
        }
        let still = stories.len() - closed;
        Ok(json!({"open": still, "closed": closed, "slack": told.slack, "pager": told.pager}))
    }

    /// What is told of one, and whether it can be closed.
    async fn look_after_one(&self, envelope: &Envelope, id: &DeploymentId, open: Open) -> (Told, bool) {
        let looked = match open.kind {
            Kind::Story => self.look_after_deployment(envelope, id).await,
            Kind::Rolling => self.look_after_told::<Rolling>(id).await,
            Kind::Flock => self.look_after_told::<Flock>(id).await,
            Kind::Lone => self.look_after_told::<Lone>(id).await,
            Kind::Pager => Ok(self.look_after_pages(id).await),
        };
        looked.unwrap_or_else(|error| (Told::failed(error), false))
    }

    async fn look_after_deployment(&self, envelope: &Envelope, id: &DeploymentId) -> Result<(Told, bool), PortError> {
        let ledger = &self.ports.ledger;
        let Some(known) = recall::<Story>(ledger, id).await? else { return Ok((Told::default(), true)) };
        // How its rollback stands, is in the rollback's own record.
        let rollback = known.story.rollback.filter(|rollback| !rollback.stage.is_ended()).map(|rollback| rollback.id);
        let looked = match self.look(envelope, &Heard::Schedule, rollback.as_ref().unwrap_or(id)).await {
            Err(PortError::NotFound { .. }) if rollback.is_some() => self.look(envelope, &Heard::Schedule, id).await,
            looked => looked,
        };
        let (known, of_rollback) = looked?;
        let told = self.tell_everywhere(envelope, &Heard::Schedule, &known, of_rollback).await;
        let is_closed = !told.is_open && is_over(&known.story, self.ports.clock.now());
        Ok((told, is_closed))
    }

    async fn look_after_told<T: Tale>(&self, id: &DeploymentId) -> Result<(Told, bool), PortError> {
        let Some(known) = recall::<T>(&self.ports.ledger, id).await? else { return Ok((Told::default(), true)) };
        let told = self.tell_story(&known, &[]).await;
        let is_closed = !told.is_open;
        Ok((told, is_closed))
    }

    /// Sends what PagerDuty has not taken.
    async fn look_after_pages(&self, id: &DeploymentId) -> (Told, bool) {
        let told = self.with_pager(async |paging| paging.owed(id).await).await;
        let is_closed = !told.is_open;
        (told, is_closed)
    }

    /// Takes a story off the list. An event that is heard of in the same moment puts it back.
    async fn close(&self, id: &DeploymentId, kind: Kind, is_dropped: bool) -> Result<(), PortError> {
        open::amend(&self.ports.ledger, self.patient(), |list| {
            list.stories.remove(id);
        })
        .await?;
        let is_noted = match kind {
            Kind::Story => self.unwatch::<Story>(id).await?,
            Kind::Rolling => self.unwatch::<Rolling>(id).await?,
            Kind::Flock => self.unwatch::<Flock>(id).await?,
            Kind::Lone => self.unwatch::<Lone>(id).await?,
            // What was added in between, is sent in the next minute. What was given up, is.
            Kind::Pager => is_dropped || !paging::owes(&self.ports.ledger, id).await?,
        };
        // Somebody has added to it, and took it for listed.
        if is_noted { Ok(()) } else { open::add(&self.ports.ledger, self.patient(), id, kind).await }
    }

    async fn unwatch<T: Tale>(&self, id: &DeploymentId) -> Result<bool, PortError> {
        let (ledger, now) = (&self.ports.ledger, self.ports.clock.now());
        match recall::<T>(ledger, id).await? {
            Some(known) => note_watched(ledger, &known, false, now).await,
            None => Ok(true),
        }
    }
}
