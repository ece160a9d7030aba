//! Publishing under a key exactly once, as far as that can be had. Knows nothing of what is measured.
//!
//! The ledger's entry says how far it came: `publishing` (claimed, with the deadline of whoever claimed it), a record (done), or `uncertain`.
//! CloudWatch takes all values of a request or none, adds them up, and has neither a token that makes a second request harmless nor a way to
//! take a value back. So:
//!
//! - Refused: nothing was taken. Throttling is waited out as far as the time goes; then the claim is given back, and Lambda tries again.
//! - No answer, or a process that was killed between the claim and the record: the values may have been taken. The entry stays as uncertain,
//!   and whoever comes when CloudWatch must show them looks whether it does, and publishes again only when it does not.
//! - Published and not recorded: likewise, so it is found, not repeated.
//!
//! The worst that can happen is that a deployment is counted twice: where no answer came and what was taken does not show in time, or where
//! another deployment of the group ended in the same minute, so that nobody can tell whose value shows. It is never lost. That is the
//! harmless one of the two: a doubled deployment hardly moves a rate and can be seen, a failure that is missing hides.

use std::time::Duration;

use anyhow::Context;
use domain::deployment::DeploymentId;
use domain::ports::{DeploymentRecords, Deployments, Ledger, Measure, Metrics, TaskDefinitionTags, Unpublished};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::Shift;

/// How long it is remembered what was published: longer than anybody looks back for what is missing.
const KEPT: Duration = Duration::from_hours(90 * 24);
/// How old a value may be: CloudWatch takes two weeks ("PutMetricData", CloudWatch API reference); less some hours, as the request takes its time
/// and clocks differ.
const TAKEN: Duration = Duration::from_hours(14 * 24 - 2);
/// How old it may be when it is sent for the first time: should no answer come, there must be time left to see whether it shows ([`SHOWS_LATE`], and
/// two hours until the schedule comes), and to send it again.
const BEGUN: Duration = Duration::from_hours(14 * 24 - 2 - 54);
/// When a value must show, by how old it was when it was sent. "Data points with time stamps from 24 hours ago or longer can take at least 48 hours
/// to become available for `GetMetricData` or `GetMetricStatistics`", those between 3 and 24 hours old "as much as 2 hours" ("PutMetricData"); of
/// younger ones a minute or two are seen.
const SHOWS: [(Duration, Duration); 2] =
    [(Duration::from_hours(3), Duration::from_mins(10)), (Duration::from_hours(24), Duration::from_hours(3))];
const SHOWS_LATE: Duration = Duration::from_hours(52);
/// The first wait after throttling; each further one is twice as long, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What a request and the note of its outcome may take: a request is begun only while so much is left.
const FOR_A_REQUEST: Duration = Duration::from_secs(10);
// Whoever gives up for want of time leaves none in which another deployment would be begun, however long the pause was by chance.
const _: () = assert!(FOR_A_REQUEST.as_millis() + LONGEST_PAUSE.as_millis() <= crate::RESERVE.as_millis());

/// The keys that tell what is open from a record.
const PUBLISHING: &str = "publishing";
const UNCERTAIN: &str = "uncertain";

/// What became of one thing to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was published now.
    Published,
    /// An earlier try had published it without hearing so: CloudWatch shows it.
    Found,
    /// It had been published.
    DoneBefore,
    /// Another invocation is at it.
    Busy,
    /// An earlier try may have published it, and CloudWatch need not show it yet.
    Uncertain,
    /// CloudWatch takes it no more, or would not show in time whether it has.
    TooOld,
    /// There is nothing to measure of it.
    Nothing,
    /// It has not ended.
    NotEnded,
}

impl Outcome {
    pub(crate) fn summary(self, deployment: &DeploymentId) -> Value {
        let word = match self {
            Outcome::Published => "published",
            Outcome::Found => "published by an earlier try, as CloudWatch shows",
            Outcome::DoneBefore => "published before",
            Outcome::Busy => "another invocation is publishing it",
            Outcome::Uncertain => "it may have been published; the schedule looks whether CloudWatch shows it",
            Outcome::TooOld => "it is too old for CloudWatch",
            Outcome::Nothing => {
                "there is nothing to measure: it is a rollback that neither mended nor took back anything, or was made by Auto Scaling"
            }
            Outcome::NotEnded => "it has not ended",
        };
        json!({"deployment": deployment, "outcome": word})
    }

    /// Whether a later look is needed.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Outcome::Busy | Outcome::Uncertain | Outcome::NotEnded)
    }
}

/// How far an entry came; `None` when it is a record.
enum Open {
    /// Claimed by somebody who has until then.
    Publishing(Timestamp),
    /// It may have been taken, at this time at the latest.
    Uncertain(Timestamp),
}

impl Open {
    fn read(entry: &Value) -> Option<Self> {
        // What cannot be read has been so for ever: else it would stay open for ever.
        let time = |of: &Value, key: &str| of.get(key)?.as_str().and_then(Timestamp::parse);
        if let Some(publishing) = entry.get(PUBLISHING) {
            return Some(Self::Publishing(time(publishing, "until").unwrap_or_default()));
        }
        let uncertain = entry.get(UNCERTAIN)?;
        Some(Self::Uncertain(time(uncertain, "since").unwrap_or_default()))
    }
}

/// How long after it was sent a value of that age must show.
fn shows_after(age: Duration) -> Duration {
    SHOWS.into_iter().find(|(younger, _)| age < *younger).map_or(SHOWS_LATE, |(_, after)| after)
}

impl<D, L, M, T> Shift<'_, D, L, M, T>
where
    D: Deployments + DeploymentRecords,
    L: Ledger,
    M: Metrics,
    T: TaskDefinitionTags,
{
    /// Whether the ledger has a record of it.
    pub(crate) async fn is_done(&self, key: &str) -> anyhow::Result<bool> {
        let entry = self.ports.ledger.read(key).await?;
        Ok(entry.is_some_and(|entry| Open::read(&entry).is_none()))
    }

    /// Publishes under a key, once. `is_alone` tells whether nothing else puts a value into a measure's metric and minute.
    ///
    /// # Errors
    /// When it was not published, or when that is not known.
    pub(crate) async fn publish(
        &self,
        key: &str,
        measures: &[Measure],
        is_alone: impl Fn(&Measure) -> bool,
    ) -> anyhow::Result<Outcome> {
        // A hook may have run days before the deployment ended; one value that is too old would have all of them refused.
        let younger = |age: Duration| -> Vec<Measure> {
            let oldest = self.now().minus(age);
            measures.iter().filter(|measure| measure.at > oldest).cloned().collect()
        };
        let mut fitting = younger(BEGUN);
        let mine = json!({PUBLISHING: {"holder": self.holder.id, "until": self.holder.until}});
        if !self.ports.ledger.claim(key, &mine, self.kept()).await? {
            // It was young enough when somebody began, so it is seen to the end.
            fitting = younger(TAKEN);
            if let Some(outcome) = self.take_over(key, &mine, fitting.first(), is_alone).await? {
                return Ok(outcome);
            }
        }
        if fitting.len() < measures.len() {
            let left_out = measures.len() - fitting.len();
            tracing::warn!(key, left_out, "values are left out that are too old for CloudWatch, which takes two weeks");
        }
        if fitting.is_empty() {
            let outcome = if measures.is_empty() { Outcome::Nothing } else { Outcome::TooOld };
            self.record(key, &mine, &json!({"published": 0, "left_out": measures.len()})).await;
            return Ok(outcome);
        }
        self.send(key, &mine, &fitting).await
    }

    /// There is an entry already: what it says, or `None` when it is ours now.
    async fn take_over(
        &self,
        key: &str,
        mine: &Value,
        witness: Option<&Measure>,
        is_alone: impl Fn(&Measure) -> bool,
    ) -> anyhow::Result<Option<Outcome>> {
        let ledger = &self.ports.ledger;
        let seen = ledger.read(key).await?;
        // Our own claim, whose answer was lost on the way, so that it was sent twice.
        if seen.as_ref() == Some(mine) {
            return Ok(None);
        }
        if let Some(entry) = &seen {
            let now = self.now();
            let since = match Open::read(entry) {
                None => return Ok(Some(Outcome::DoneBefore)),
                Some(Open::Publishing(until)) if until > now => return Ok(Some(Outcome::Busy)),
                Some(Open::Publishing(since) | Open::Uncertain(since)) => since,
            };
            if let Some(witness) = witness {
                if now < since.plus(shows_after(since.since(witness.at))) {
                    return Ok(Some(Outcome::Uncertain));
                }
                if is_alone(witness) && self.ports.metrics.shown(witness).await? > 0.0 {
                    tracing::info!(key, "an earlier try has published it, as CloudWatch shows");
                    self.record(key, entry, &json!({"published": "by an earlier try", "found": now})).await;
                    return Ok(Some(Outcome::Found));
                }
                tracing::warn!(
                    key,
                    "an earlier try may have published it, and CloudWatch does not show it, so it is published again"
                );
            }
        }
        let won = ledger.replace(key, seen.as_ref(), mine, self.kept()).await?;
        Ok((!won).then_some(Outcome::Busy))
    }

    async fn send(&self, key: &str, mine: &Value, measures: &[Measure]) -> anyhow::Result<Outcome> {
        let mut pause = PAUSE;
        loop {
            match self.ports.metrics.publish(measures).await {
                Ok(()) => {
                    self.record(key, mine, &json!({"published": measures.len(), "at": self.now()})).await;
                    return Ok(Outcome::Published);
                }
                Err(Unpublished::Refused(error)) => {
                    // Half of it by chance, so that those who were throttled together do not come back together.
                    let wait = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
                    if error.is_transient() && self.remaining() > wait + FOR_A_REQUEST {
                        self.ports.clock.sleep(wait).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                        continue;
                    }
                    if let Err(error) = self.ports.ledger.release(key).await {
                        tracing::warn!(key, %error, "the claim was not given back; the schedule finds it when it has run out");
                    }
                    return Err(Unpublished::Refused(error))
                        .with_context(|| format!("`{key}` was not published, and is tried again"));
                }
                Err(Unpublished::Unanswered(error)) => {
                    let uncertain = json!({UNCERTAIN: {"since": self.now()}});
                    self.record(key, mine, &uncertain).await;
                    return Err(Unpublished::Unanswered(error)).with_context(|| {
                        format!(
                            "`{key}` may have been published or not; the schedule looks whether CloudWatch shows it"
                        )
                    });
                }
            }
        }
    }

    /// Puts what became of it in the place of a claim. Where that fails, the claim runs out and is uncertain then, so nothing is lost; failing
    /// now would only make Lambda try again before CloudWatch can tell.
    async fn record(&self, key: &str, from: &Value, to: &Value) {
        match self.ports.ledger.replace(key, Some(from), to, self.kept()).await {
            Ok(true) => {}
            Ok(false) => tracing::info!(key, "the entry has changed in the meantime"),
            Err(error) => {
                tracing::error!(key, %error, "what became of it cannot be remembered; the schedule looks whether CloudWatch shows it");
            }
        }
    }

    pub(crate) fn kept(&self) -> Timestamp {
        self.now().plus(KEPT)
    }
}
