//! DORA's four levels of performance, for the lines on a dashboard and the words beside a number.
//!
//! The values are those of the "Accelerate State of DevOps" report of 2024 (<https://dora.dev/research/2024/dora-report/>), the last one that put
//! teams into four levels. It found these among the teams that answered:
//!
//! | level | lead time | deployments | change failure rate | recovery |
//! | --- | --- | --- | --- | --- |
//! | elite | under a day | on demand, several a day | 5 % | under an hour |
//! | high | a day to a week | once a day to once a week | 20 % | under a day |
//! | medium | a week to a month | once a week to once a month | 10 % | under a day |
//! | low | a month to six | once a month to once in six | 40 % | a week to a month |
//!
//! Levels are groups of teams that answer alike, not steps of a stair: "medium" failed less often than "high", and recovered as soon. A word beside
//! one number has to be a stair, or a better number would read worse. So each function here goes up steadily, and says where it had to decide.
//! There is none for rework: the report gives no level of it.

use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const WEEK: Duration = Duration::from_hours(7 * 24);
const MONTH: Duration = Duration::from_hours(30 * 24);

/// Lead times below these are of these levels, others are low: a day, a week, a month of 30 days.
pub const LEAD_TIME: [(Duration, Band); 3] = [(DAY, Band::Elite), (WEEK, Band::High), (MONTH, Band::Medium)];
/// Recoveries below these are of these levels, others are low: an hour, a day, a week. The report gives "under a day" for high and for medium, and
/// low begins at a week; what lies between is medium here.
pub const RECOVERY: [(Duration, Band); 3] = [(HOUR, Band::Elite), (DAY, Band::High), (WEEK, Band::Medium)];
/// Change failure rates up to these, in percent, are of these levels, others are low. They are the report's rates in rising order: 10 % was the rate
/// of medium and 20 % that of high, which would call the rate that is twice as bad the better one.
pub const CHANGE_FAILURE_RATE: [(f64, Band); 3] = [(5.0, Band::Elite), (10.0, Band::High), (20.0, Band::Medium)];
/// This many deployments a week, or more, are of these levels, fewer are low: more than one on each of five working days ("several a day" cannot be
/// fewer than six in a week of five days), one a week, one in 30 days.
pub const FREQUENCY: [(f64, Band); 3] = [(6.0, Band::Elite), (1.0, Band::High), (7.0 / 30.0, Band::Medium)];

/// A level of performance, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Band {
    /// The best.
    Elite,
    /// The second.
    High,
    /// The third.
    Medium,
    /// The last.
    Low,
}

impl Band {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Band::Elite => "elite",
            Band::High => "high",
            Band::Medium => "medium",
            Band::Low => "low",
        }
    }
}

/// Of a lead time; see [`LEAD_TIME`].
pub fn of_lead_time(took: Duration) -> Band {
    first(LEAD_TIME, |limit| took < limit)
}

/// Of the time to recover from a failed deployment; see [`RECOVERY`].
pub fn of_recovery(took: Duration) -> Band {
    first(RECOVERY, |limit| took < limit)
}

/// Of a change failure rate in percent, 0 to 100; see [`CHANGE_FAILURE_RATE`].
pub fn of_change_failure_rate(percent: f64) -> Band {
    first(CHANGE_FAILURE_RATE, |limit| percent <= limit)
}

/// Of how many deployments there are a week; see [`FREQUENCY`].
pub fn of_frequency(per_week: f64) -> Band {
    first(FREQUENCY, |limit| per_week >= limit)
}

fn first<T>(limits: [(T, Band); 3], is_within: impl Fn(T) -> bool) -> Band {
    limits.into_iter().find_map(|(limit, band)| is_within(limit).then_some(band)).unwrap_or(Band::Low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_belongs_to_the_side_that_the_report_says() {
        let just_under = |limit: Duration| limit.saturating_sub(Duration::from_millis(1));
        // "less than one day", "between one day and one week", …
        assert_eq!([just_under(DAY), DAY].map(of_lead_time), [Band::Elite, Band::High]);
        assert_eq!([just_under(WEEK), WEEK].map(of_lead_time), [Band::High, Band::Medium]);
        assert_eq!([just_under(MONTH), MONTH].map(of_lead_time), [Band::Medium, Band::Low]);
        assert_eq!([just_under(HOUR), HOUR].map(of_recovery), [Band::Elite, Band::High]);
        assert_eq!([just_under(DAY), DAY].map(of_recovery), [Band::High, Band::Medium]);
        assert_eq!([just_under(WEEK), WEEK].map(of_recovery), [Band::Medium, Band::Low]);
        assert_eq!(
            [0.0, 5.0, 5.1, 10.0].map(of_change_failure_rate),
            [Band::Elite, Band::Elite, Band::High, Band::High]
        );
        assert_eq!(
            [10.1, 20.0, 20.1, 100.0].map(of_change_failure_rate),
            [Band::Medium, Band::Medium, Band::Low, Band::Low]
        );
        // One on each working day is "once per day".
        assert_eq!([50.0, 6.0, 5.0, 1.0].map(of_frequency), [Band::Elite, Band::Elite, Band::High, Band::High]);
        assert_eq!([0.9, 0.25, 0.2, 0.0].map(of_frequency), [Band::Medium, Band::Medium, Band::Low, Band::Low]);
    }

    #[test]
    fn what_is_no_number_is_not_praised() {
        assert_eq!([of_change_failure_rate(f64::NAN), of_frequency(f64::NAN)], [Band::Low, Band::Low]);
    }

    #[test]
    fn a_better_number_never_has_a_worse_word() {
        let rates: Vec<Band> = (0..=1000).map(|tenths| of_change_failure_rate(f64::from(tenths) / 10.0)).collect();
        assert!(rates.is_sorted());
        let frequencies: Vec<Band> = (0..=1000).rev().map(|tenths| of_frequency(f64::from(tenths) / 10.0)).collect();
        assert!(frequencies.is_sorted());
    }
}
