//! `rate(...)` and `cron(...)`: when a schedule fires next.
//!
//! Knows nothing of clocks: the caller says what time it is, in milliseconds since 1970, and gets such a time back.

use std::collections::BTreeSet;

use thiserror::Error;
use time::util::days_in_month;
use time::{Date, Month, OffsetDateTime, Time};

const MINUTE_MS: u64 = 60_000;
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const SATURDAY: u8 = 7;

/// A schedule expression of EventBridge, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleExpression {
    /// `rate(5 minutes)`: once every so often.
    Rate {
        /// The time between two firings.
        every_ms: u64,
    },
    /// `cron(0 8 ? * MON-FRI *)`: at the minutes that fit all six fields.
    Cron(Cron),
}

/// The six fields of a cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: BTreeSet<u16>,
    hours: BTreeSet<u16>,
    days: Days,
    months: BTreeSet<u16>,
    years: BTreeSet<u16>,
}

/// One of the two day fields; the other one is `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    OfMonth(Vec<DayOfMonth>),
    /// 1 is Sunday.
    OfWeek(Vec<DayOfWeek>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DayOfMonth {
    Each(BTreeSet<u16>),
    Last,
    NearestWeekday(u8),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DayOfWeek {
    Each(BTreeSet<u16>),
    Nth(u8, u8),
    LastOf(u8),
}

/// Why a schedule expression was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot read the schedule `{expression}`: {reason}")]
pub struct ScheduleError {
    /// The expression as written.
    pub expression: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ScheduleExpression {
    /// Reads an expression as it stands in a template.
    pub fn parse(expression: &str) -> Result<Self, ScheduleError> {
        let inside = |name: &str| expression.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        let parsed = if let Some(rate) = inside("rate") {
            parse_rate(rate)
        } else if let Some(cron) = inside("cron") {
            Cron::parse(cron).map(Self::Cron)
        } else {
            Err("expected `rate(...)` or `cron(...)`; one-time schedules cannot be rehearsed".to_owned())
        };
        parsed.map_err(|reason| ScheduleError { expression: expression.to_owned(), reason })
    }

    /// The next time it fires, strictly after the given one; nothing when a cron expression has run out of years.
    ///
    /// A rate counts from the time given, so pass when it fired last, or when the stack was deployed.
    pub fn next_after(&self, epoch_ms: u64) -> Option<u64> {
        match self {
            Self::Rate { every_ms } => epoch_ms.checked_add(*every_ms),
            Self::Cron(cron) => cron.next_after(epoch_ms),
        }
    }
}

fn parse_rate(text: &str) -> Result<ScheduleExpression, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [count, unit] = words.as_slice() else {
        return Err("a rate is a number and a unit, as in `rate(5 minutes)`".to_owned());
    };
    let count: u64 = count.parse().ok().filter(|count| *count > 0).ok_or("the number must be whole and positive")?;
    let (singular, minutes) = match unit.trim_end_matches('s') {
        "minute" => ("minute", 1),
        "hour" => ("hour", 60),
        "day" => ("day", 24 * 60),
        _ => return Err(format!("unknown unit `{unit}`; known are minutes, hours and days")),
    };
    // AWS refuses the whole deployment over this letter.
    if (count == 1) != (*unit == singular) {
        return Err("the unit is singular for 1 and plural otherwise, as in `1 minute` and `5 minutes`".to_owned());
    }
    Ok(ScheduleExpression::Rate { every_ms: count.saturating_mul(minutes * MINUTE_MS) })
}

impl Cron {
    fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, of_month, months, of_week, years] = fields.as_slice() else {
            return Err(format!(
                "expected six fields (minutes, hours, day of month, month, day of week, year), saw {}",
                fields.len()
            ));
        };
        let days = match (*of_month, *of_week) {
            ("?", "?") | (_, _) if (*of_month == "?") == (*of_week == "?") => {
                return Err("exactly one of day of month and day of week must be `?`".to_owned());
            }
            ("?", days) => Days::OfWeek(days.split(',').map(day_of_week).collect::<Result<_, _>>()?),
            (days, _) => Days::OfMonth(days.split(',').map(day_of_month).collect::<Result<_, _>>()?),
        };
        Ok(Self {
            minutes: numbers("minutes", minutes, 0, 59, &[])?,
            hours: numbers("hours", hours, 0, 23, &[])?,
            days,
            months: numbers("month", months, 1, 12, &MONTHS)?,
            years: numbers("year", years, 1970, 2199, &[])?,
        })
    }

    fn next_after(&self, epoch_ms: u64) -> Option<u64> {
        let first_ms = (epoch_ms / MINUTE_MS + 1) * MINUTE_MS;
        let first = OffsetDateTime::from_unix_timestamp(i64::try_from(first_ms / 1000).ok()?).ok()?;
        let year = u16::try_from(first.year()).ok()?;
        for year in self.years.range(year..) {
            for month in &self.months {
                let month = Month::try_from(u8::try_from(*month).ok()?).ok()?;
                for day in self.days.of(i32::from(*year), month) {
                    let date = Date::from_calendar_date(i32::from(*year), month, day).ok()?;
                    if date < first.date() {
                        continue;
                    }
                    for (hour, minute) in self.hours.iter().flat_map(|hour| self.minutes.iter().map(move |m| (hour, m)))
                    {
                        let time = Time::from_hms(u8::try_from(*hour).ok()?, u8::try_from(*minute).ok()?, 0).ok()?;
                        let candidate = date.with_time(time).assume_utc();
                        if candidate >= first {
                            return u64::try_from(candidate.unix_timestamp()).ok().map(|seconds| seconds * 1000);
                        }
                    }
                }
            }
        }
        None
    }
}

impl Days {
    /// The days of one month that fit, in order.
    fn of(&self, year: i32, month: Month) -> BTreeSet<u8> {
        let length = days_in_month(month, year);
        let weekday = |day: u8| {
            Date::from_calendar_date(year, month, day).map_or(0, |date| date.weekday().number_days_from_sunday() + 1)
        };
        let fits = |day: &u8| match self {
            Self::OfMonth(days) => days.iter().any(|wanted| match wanted {
                DayOfMonth::Each(set) => set.contains(&u16::from(*day)),
                DayOfMonth::Last => *day == length,
                DayOfMonth::NearestWeekday(wanted) => *day == nearest_weekday(*wanted, length, weekday),
            }),
            Self::OfWeek(days) => days.iter().any(|wanted| match wanted {
                DayOfWeek::Each(set) => set.contains(&u16::from(weekday(*day))),
                DayOfWeek::Nth(wanted, nth) => weekday(*day) == *wanted && day.div_ceil(7) == *nth,
                DayOfWeek::LastOf(wanted) => weekday(*day) == *wanted && day + 7 > length,
            }),
        };
        (1..=length).filter(fits).collect()
    }
}

/// The working day closest to the wanted one, without leaving the month.
fn nearest_weekday(wanted: u8, length: u8, weekday: impl Fn(u8) -> u8) -> u8 {
    let wanted = wanted.min(length);
    match weekday(wanted) {
        SATURDAY if wanted == 1 => 3,
        SATURDAY => wanted - 1,
        1 if wanted == length => wanted - 2,
        1 => wanted + 1,
        _ => wanted,
    }
}

fn day_of_month(part: &str) -> Result<DayOfMonth, String> {
    if part == "L" {
        return Ok(DayOfMonth::Last);
    }
    if let Some(day) = part.strip_suffix('W') {
        return single("day of month", day, 1, 31, &[]).map(DayOfMonth::NearestWeekday);
    }
    numbers("day of month", part, 1, 31, &[]).map(DayOfMonth::Each)
}

fn day_of_week(part: &str) -> Result<DayOfWeek, String> {
    const FIELD: &str = "day of week";
    if part == "L" {
        return Ok(DayOfWeek::Each(BTreeSet::from([u16::from(SATURDAY)])));
    }
    if let Some(day) = part.strip_suffix('L') {
        return single(FIELD, day, 1, 7, &WEEKDAYS).map(DayOfWeek::LastOf);
    }
    if let Some((day, nth)) = part.split_once('#') {
        return Ok(DayOfWeek::Nth(single(FIELD, day, 1, 7, &WEEKDAYS)?, single(FIELD, nth, 1, 5, &[])?));
    }
    numbers(FIELD, part, 1, 7, &WEEKDAYS).map(DayOfWeek::Each)
}

/// A list of values, ranges and steps.
fn numbers(field: &str, text: &str, least: u16, most: u16, names: &[&str]) -> Result<BTreeSet<u16>, String> {
    let mut found = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (number(field, from, least, most, names)?, number(field, to, least, most, names)?),
            None => {
                let from = number(field, range, least, most, names)?;
                (from, if step.is_some() { most } else { from })
            }
        };
        let step = match step {
            Some(step) => number(field, step, 1, most, &[])?,
            None => 1,
        };
        if from > to {
            return Err(format!("{field} `{part}` runs backwards; write two ranges"));
        }
        found.extend((from..=to).step_by(usize::from(step)));
    }
    Ok(found)
}

fn single(field: &str, text: &str, least: u16, most: u16, names: &[&str]) -> Result<u8, String> {
    number(field, text, least, most, names).map(|number| u8::try_from(number).unwrap_or(u8::MAX))
}

fn number(field: &str, text: &str, least: u16, most: u16, names: &[&str]) -> Result<u16, String> {
    let named = names.iter().position(|name| name.eq_ignore_ascii_case(text)).and_then(|at| u16::try_from(at + 1).ok());
    named
        .or_else(|| text.parse().ok())
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("{field} `{text}` is not in {least} to {most}"))
}
