//! A table and a CloudWatch that fail as they are told to, or by chance. Knows nothing of what is counted.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use clock::Clock;
use domain::ports::{Ledger, Measure, Metrics, PortError, Unpublished};
use domain::time::Timestamp;
use serde_json::Value;
use testkit::fakes::throttled;
use testkit::ledger::Table;

/// Which of the calls fail, by chance.
#[derive(Debug, Default)]
pub(super) struct Chance {
    rng: RefCell<Option<fastrand::Rng>>,
}

impl Chance {
    pub(super) fn seed(&self, seed: u64) {
        *self.rng.borrow_mut() = Some(fastrand::Rng::with_seed(seed));
    }
    pub(super) fn stop(&self) {
        *self.rng.borrow_mut() = None;
    }
    /// In `percent` of a hundred cases.
    pub(super) fn strikes(&self, percent: u32) -> bool {
        self.rng.borrow_mut().as_mut().is_some_and(|rng| rng.u32(0..100) < percent)
    }
}

/// The table; a call that fails may have taken effect.
#[derive(Default)]
pub(super) struct Book {
    pub(super) table: Table,
    pub(super) chance: Chance,
    /// So many more calls that write go well, and then none.
    pub(super) writes_left: Cell<Option<usize>>,
    /// The answers to claims get lost, so that the adapter asks twice and finds its own entry.
    pub(super) claims_twice: Cell<bool>,
    /// When the entries expire that were written by calls.
    expires: RefCell<BTreeMap<String, Timestamp>>,
}

impl Book {
    /// Loses what has expired.
    pub(super) fn forget(&self, now: Timestamp) {
        let mut expires = self.expires.borrow_mut();
        self.table.0.borrow_mut().retain(|key, _| expires.get(key).is_none_or(|until| *until > now));
        expires.retain(|_, until| *until > now);
    }

    fn keep(&self, key: &str, until: Timestamp) {
        self.expires.borrow_mut().insert(key.to_owned(), until);
    }

    async fn write<R>(&self, work: impl AsyncFnOnce() -> Result<R, PortError>) -> Result<R, PortError> {
        if let Some(left) = self.writes_left.get() {
            self.writes_left.set(Some(left.saturating_sub(1)));
            if left == 0 {
                return Err(throttled());
            }
        }
        if self.chance.strikes(3) {
            return Err(throttled());
        }
        let done = work().await;
        if self.chance.strikes(3) { Err(throttled()) } else { done }
    }
}

impl Ledger for Book {
    async fn claim(&self, key: &str, value: &Value, expires: Timestamp) -> Result<bool, PortError> {
        if self.claims_twice.get() {
            self.table.claim(key, value, expires).await?;
        }
        self.write(async || {
            let won = self.table.claim(key, value, expires).await?;
            if won {
                self.keep(key, expires);
            }
            Ok(won)
        })
        .await
    }
    async fn read(&self, key: &str) -> Result<Option<Value>, PortError> {
        if self.chance.strikes(3) { Err(throttled()) } else { self.table.read(key).await }
    }
    async fn replace(
        &self,
        key: &str,
        from: Option<&Value>,
        to: &Value,
        expires: Timestamp,
    ) -> Result<bool, PortError> {
        self.write(async || {
            let won = self.table.replace(key, from, to, expires).await?;
            if won {
                self.keep(key, expires);
            }
            Ok(won)
        })
        .await
    }
    async fn release(&self, key: &str) -> Result<(), PortError> {
        self.write(async || self.table.release(key).await).await
    }
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Throttled,
    Refused,
    /// No answer, and it was taken.
    LostTaken,
    /// No answer, and it was not.
    Lost,
    /// The process dies before it is sent.
    DiesBefore,
    /// The process dies when it has been taken.
    DiesAfter,
}

/// CloudWatch.
pub(super) struct CloudWatch {
    pub(super) taken: RefCell<Vec<Measure>>,
    pub(super) requests: Cell<usize>,
    /// What becomes of the next requests; then all go well.
    pub(super) fates: RefCell<VecDeque<Fate>>,
    pub(super) chance: Chance,
    pub(super) clock: Clock,
    /// How often somebody looked what shows.
    pub(super) looks: Cell<usize>,
    /// Whether what was taken shows.
    pub(super) shows: Cell<bool>,
}

impl Metrics for CloudWatch {
    async fn publish(&self, measures: &[Measure]) -> Result<(), Unpublished> {
        self.requests.set(self.requests.get() + 1);
        self.clock.sleep(Duration::from_millis(100)).await;
        // CloudWatch's own limits.
        assert!((1..=1000).contains(&measures.len()));
        let (oldest, newest) =
            (self.clock.now().minus(Duration::from_hours(14 * 24)), self.clock.now().plus(Duration::from_hours(2)));
        assert!(measures.iter().all(|measure| measure.at >= oldest && measure.at <= newest), "two weeks");
        let take = || self.taken.borrow_mut().extend_from_slice(measures);
        let any = [Fate::Throttled, Fate::Refused, Fate::LostTaken, Fate::Lost, Fate::DiesBefore, Fate::DiesAfter];
        let fate = self.fates.borrow_mut().pop_front();
        let fate = fate.or_else(|| any.into_iter().find(|_| self.chance.strikes(8)));
        let permanent =
            || PortError::Permanent { what: "PutMetricData".into(), detail: "InvalidParameterValue".into() };
        match fate {
            None => take(),
            Some(Fate::Throttled) => return Err(Unpublished::Refused(throttled())),
            Some(Fate::Refused) => return Err(Unpublished::Refused(permanent())),
            Some(Fate::LostTaken) => {
                take();
                return Err(Unpublished::Unanswered(throttled()));
            }
            Some(Fate::Lost) => return Err(Unpublished::Unanswered(throttled())),
            Some(Fate::DiesBefore) => std::future::pending().await,
            Some(Fate::DiesAfter) => {
                take();
                std::future::pending::<()>().await;
            }
        }
        Ok(())
    }

    async fn shown(&self, measure: &Measure) -> Result<f64, PortError> {
        self.looks.set(self.looks.get() + 1);
        let minute = |measure: &Measure| measure.at.0.div_euclid(60_000);
        let is_same = |other: &&Measure| {
            other.name == measure.name && other.dimensions == measure.dimensions && minute(other) == minute(measure)
        };
        let taken = self.taken.borrow();
        Ok(if self.shows.get() { taken.iter().filter(is_same).count() as f64 } else { 0.0 })
    }
}
