//! DORA's four levels of performance, for the lines on a dashboard and the words beside a number.
//!
//! The values are those of the "Accelerate State of DevOps" report of 2024.

use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const WEEK: Duration = Duration::from_hours(7 * 24);
const MONTH: Duration = Duration::from_hours(30 * 24);

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

/// Of a lead time: under a day, a week, a month.
pub fn of_lead_time(took: Duration) -> Band {
    first([(DAY, Band::Elite), (WEEK, Band::High), (MONTH, Band::Medium)], took)
}

/// Of the time to recover from a failed deployment: under an hour, a day, a week.
pub fn of_recovery(took: Duration) -> Band {
    first([(HOUR, Band::Elite), (DAY, Band::High), (WEEK, Band::Medium)], took)
}

fn first<const N: usize>(limits: [(Duration, Band); N], took: Duration) -> Band {
    limits.into_iter().find(|(limit, _)| took < *limit).map_or(Band::Low, |(_, band)| band)
}
