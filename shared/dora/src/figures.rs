//! Many assessments as numbers: counts, rates, spreads, week by week.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::deployment::Status;
use domain::time::Timestamp;

use crate::{Assessment, Cause, TakenBack};

/// A week in milliseconds.
const WEEK: i64 = 7 * DAY;
/// A day in milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;
/// The first Monday of the epoch, 1970-01-05T00:00:00Z.
const MONDAY: i64 = 4 * 24 * 60 * 60 * 1000;

/// How a time is spread over many deployments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Over how many.
    pub count: usize,
    /// The median: half took no longer.
    pub p50: Duration,
    /// 95 of a hundred took no longer. Of fewer than twenty it is the longest.
    pub p95: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Spread {
    /// By the nearest rank: of `n` values in order, p95 is the `⌈0.95 n⌉`th, so each is a value that occurred. `None` of none.
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut times: Vec<Duration> = times.into_iter().collect();
        times.sort_unstable();
        let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).checked_sub(1)?).copied();
        Some(Self { count: times.len(), p50: rank(50)?, p95: rank(95)?, longest: *times.last()? })
    }
}

/// How a lifecycle event's hooks went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookFigures {
    /// How many ran.
    pub runs: usize,
    /// How many of them failed.
    pub failed: usize,
    /// How long they took.
    pub took: Option<Spread>,
}

/// What one week came to, by when deployments ended (UTC, Monday to Sunday).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Week {
    /// Its Monday, 00:00 UTC.
    pub from: Timestamp,
    /// The numbers of that week alone; it has no `weeks` of its own.
    pub figures: Figures,
}

/// The numbers of a history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// When the first deployment ended, and the last.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Over how many days deployments are spread: whole days (UTC), seven at least, since fewer tell nothing of a week; 0 of no deployment.
    pub days: u64,
    /// Deployments that have ended; a rollback is none.
    pub deployments: usize,
    /// Of them, those that CodeDeploy calls succeeded.
    pub succeeded: usize,
    /// Of them, those that brought something new.
    pub changes: usize,
    /// Of the changes, those that did harm: they failed, or were taken back after they had succeeded.
    pub change_failures: usize,
    /// Why deployments failed; of any, also of those that were no change.
    pub causes: BTreeMap<Cause, usize>,
    /// Deployments that were rolled back, those included that were taken back after they had succeeded.
    pub rolled_back: usize,
    /// Of them, those that were taken back after they had succeeded.
    pub taken_back: usize,
    /// Rollbacks that did not succeed.
    pub failed_rollbacks: usize,
    /// Deployments that were made to mend a failure.
    pub rework: usize,
    /// From the start to the shift's end.
    pub duration: Option<Spread>,
    /// From the start to the very end.
    pub total_duration: Option<Spread>,
    /// From the commit to production.
    pub lead_time: Option<Spread>,
    /// From a failure until the group was well again.
    pub recovery: Option<Spread>,
    /// By lifecycle event.
    pub hooks: BTreeMap<String, HookFigures>,
    /// Week by week, the oldest first, those without a deployment included.
    pub weeks: Vec<Week>,
}

fn percent(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

impl Figures {
    /// How many of a hundred deployments succeeded; `None` of none.
    pub fn success_rate(&self) -> Option<f64> {
        percent(self.succeeded, self.deployments)
    }

    /// How many of a hundred changes did harm; `None` of none. Of a short time it may be over a hundred: what is taken back counts when it is taken back,
    /// and may have been brought before.
    pub fn change_failure_rate(&self) -> Option<f64> {
        percent(self.change_failures, self.changes)
    }

    /// How many of a hundred deployments were made to mend a failure; `None` of none.
    pub fn rework_rate(&self) -> Option<f64> {
        percent(self.rework, self.deployments)
    }

    /// Deployments a week, over `days`; `None` of none. Not over weeks of the calendar: a Sunday at one end would make a whole week of itself.
    pub fn per_week(&self) -> Option<f64> {
        (self.deployments > 0).then(|| self.deployments as f64 * 7.0 / self.days.max(7) as f64)
    }
}

/// The whole days from the one in which the first falls to the one in which the last does, both included.
fn days(first: Timestamp, last: Timestamp) -> u64 {
    let day = |at: Timestamp| at.0.div_euclid(DAY);
    u64::try_from(day(last) - day(first) + 1).unwrap_or_default().max(7)
}

/// The numbers of these assessments, of one group or of many. A deployment belongs to the week in which it ended, and so does what was taken back to
/// the week in which that was asked for.
pub fn figures(of: &[Assessment]) -> Figures {
    figures_between(of, None, None)
}

/// [`figures`] of what ended from `since` on and before `until`, which the caller has picked out: days at either end in which nothing was deployed are
/// then days nonetheless. Where one of them is not given, the first or the last ending stands in for it.
pub fn figures_between(of: &[Assessment], since: Option<Timestamp>, until: Option<Timestamp>) -> Figures {
    let mut by_week: BTreeMap<i64, Part> = BTreeMap::new();
    let week_of = |at: Timestamp| (at.0 - MONDAY).div_euclid(WEEK);
    for one in of {
        by_week.entry(week_of(one.ended)).or_default().ended.push(one);
        if let Some(taken) = &one.takes_back {
            by_week.entry(week_of(taken.at)).or_default().taken_back.push(taken);
        }
    }
    let whole =
        Part { ended: of.iter().collect(), taken_back: of.iter().filter_map(|one| one.takes_back.as_ref()).collect() };
    let mut all = whole.figures();
    if let Some((first, last)) = all.span {
        // `until` is the first moment that is not meant.
        all.days = days(since.unwrap_or(first), until.map_or(last, |until| Timestamp(until.0 - 1)));
    }
    if let (Some((first, _)), Some((last, _))) = (by_week.first_key_value(), by_week.last_key_value()) {
        let week = |number: i64| Week {
            from: Timestamp(number * WEEK + MONDAY),
            figures: by_week.get(&number).map(Part::figures).unwrap_or_default(),
        };
        all.weeks = (*first..=*last).map(week).collect();
    }
    all
}

/// What falls into one stretch of time.
#[derive(Default)]
struct Part<'a> {
    ended: Vec<&'a Assessment>,
    taken_back: Vec<&'a TakenBack>,
}

impl Part<'_> {
    fn figures(&self) -> Figures {
        let deployments = || self.ended.iter().filter(|one| !one.is_rollback);
        let count = |holds: &dyn Fn(&Assessment) -> bool| deployments().filter(|one| holds(one)).count();
        let ends = || deployments().map(|one| one.ended);
        let taken_back = self.taken_back.len();
        let mut causes = BTreeMap::new();
        for cause in deployments().filter_map(|one| one.failure) {
            *causes.entry(cause).or_insert(0) += 1;
        }
        let mut runs: BTreeMap<&str, Vec<(bool, Duration)>> = BTreeMap::new();
        for run in deployments().flat_map(|one| &one.hooks) {
            runs.entry(&run.lifecycle_event).or_default().push((run.succeeded, run.ended.since(run.started)));
        }
        let hooks = runs.into_iter().map(|(event, runs)| {
            let failed = runs.iter().filter(|(succeeded, _)| !succeeded).count();
            let took = Spread::of(runs.iter().map(|(_, took)| *took));
            (event.to_owned(), HookFigures { runs: runs.len(), failed, took })
        });
        let failures_taken_back = self.taken_back.iter().filter(|taken| taken.is_change).count();
        let failed_rollbacks = self.ended.iter().filter(|one| one.is_rollback && one.status != Status::Succeeded);
        let span = ends().min().zip(ends().max());
        Figures {
            span,
            days: span.map_or(0, |(first, last)| days(first, last)),
            deployments: deployments().count(),
            succeeded: count(&|one| one.status == Status::Succeeded),
            changes: count(&|one| one.is_change),
            change_failures: count(&Assessment::is_change_failure) + failures_taken_back,
            causes,
            rolled_back: count(&|one| one.rolled_back) + taken_back,
            taken_back,
            failed_rollbacks: failed_rollbacks.count(),
            rework: count(&|one| one.is_rework),
            duration: Spread::of(deployments().filter_map(|one| one.duration)),
            total_duration: Spread::of(deployments().filter_map(|one| one.total_duration)),
            lead_time: Spread::of(deployments().filter_map(|one| one.lead_time)),
            recovery: Spread::of(self.ended.iter().filter_map(|one| one.recovery)),
            hooks: hooks.collect(),
            weeks: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(seconds: impl IntoIterator<Item = u64>) -> Option<[u64; 3]> {
        let spread = Spread::of(seconds.into_iter().map(Duration::from_secs))?;
        Some([spread.p50, spread.p95, spread.longest].map(|took| took.as_secs()))
    }

    #[test]
    fn a_percentile_is_a_value_that_occurred() {
        assert_eq!(spread([]), None);
        assert_eq!(spread([7]), Some([7, 7, 7]));
        assert_eq!(spread([9, 1]), Some([1, 9, 9]));
        // Of up to nineteen p95 is the longest, of twenty the longest but one.
        assert_eq!(spread((1..=19).rev()), Some([10, 19, 19]));
        assert_eq!(spread((1..=20).rev()), Some([10, 19, 20]));
        assert_eq!(spread(1..=100), Some([50, 95, 100]));
    }

    #[test]
    fn nothing_has_no_rate() {
        let none = Figures::default();
        let rates = [none.success_rate(), none.change_failure_rate(), none.rework_rate(), none.per_week()];
        assert_eq!(rates, [None; 4]);
        // Three quarters, and more than all where what was taken back had come before.
        let some = Figures { deployments: 4, succeeded: 3, changes: 1, change_failures: 2, ..none };
        assert_eq!(
            (some.success_rate(), some.change_failure_rate(), some.rework_rate()),
            (Some(75.0), Some(200.0), Some(0.0))
        );
    }
}
