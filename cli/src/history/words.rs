//! How the numbers read, in a terminal and on a page alike. Pure.

use std::time::Duration;

use domain::text::{count, visible};
use domain::time::{Timestamp, spoken};
use dora::bands::{self, Band};
use dora::{Figures, Spread, Week};

use super::counted::Group;

/// Stands where there is nothing to compute a number from.
pub(super) const NONE: &str = "—";

/// One of the five numbers.
pub(super) struct Number {
    pub(super) name: &'static str,
    /// The number itself.
    pub(super) value: String,
    /// More of it, such as p95; empty where there is none.
    pub(super) besides: String,
    /// `None` where there is no number, or where DORA gives no levels.
    pub(super) band: Option<Band>,
    /// What it was computed from.
    pub(super) from: String,
}

/// DORA's five numbers.
pub(super) fn five(of: &Figures) -> [Number; 5] {
    let spread = |name, spread: Option<Spread>, band: fn(Duration) -> Band, noun: &str| Number {
        name,
        value: spread.map_or_else(|| NONE.to_owned(), |spread| whole(spread.p50)),
        besides: spread.map(|spread| format!("p95 {}", whole(spread.p95))).unwrap_or_default(),
        band: spread.map(|spread| band(spread.p50)),
        from: match noun {
            "recovery" => recoveries(spread.map_or(0, |spread| spread.count)),
            noun => count(spread.map_or(0, |spread| spread.count), noun),
        },
    };
    let rate = of.change_failure_rate();
    [
        Number {
            name: "Deployment frequency",
            value: of.per_week().map_or_else(|| NONE.to_owned(), |rate| format!("{} a week", decimal(rate))),
            besides: String::new(),
            band: of.per_week().map(bands::of_frequency),
            from: format!("{} in {} days", of.deployments, of.days),
        },
        spread("Lead time for changes", of.lead_time, bands::of_lead_time, "deployment"),
        Number {
            name: "Change failure rate",
            value: percent(rate),
            besides: String::new(),
            band: rate.map(bands::of_change_failure_rate),
            from: format!("{} of {}", of.change_failures, count(of.changes, "change")),
        },
        spread("Failed deployment recovery", of.recovery, bands::of_recovery, "recovery"),
        Number {
            name: "Rework rate",
            value: percent(of.rework_rate()),
            besides: String::new(),
            band: None,
            from: format!("{} of {}", of.rework, of.deployments),
        },
    ]
}

fn recoveries(number: usize) -> String {
    if number == 1 { "1 recovery".to_owned() } else { format!("{number} recoveries") }
}

/// `spoken`, without a fraction of a second where there is more than a second.
pub(super) fn whole(took: Duration) -> String {
    if took < Duration::from_secs(1) {
        spoken(took)
    } else {
        spoken(Duration::from_secs(took.as_secs_f64().round() as u64))
    }
}

/// A span in at most seven characters, for columns and axes: `45 s`, `6.2 min`, `16 min`, `3.4 h`, `12 d`.
pub(super) fn brief(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let (number, unit) = match seconds {
        ..59.5 => (seconds.round(), "s"),
        ..3570.0 => (seconds / 60.0, "min"),
        ..172_800.0 => (seconds / 3600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    if number < 9.95 { format!("{} {unit}", decimal(number)) } else { format!("{number:.0} {unit}") }
}

/// The median of a spread, or a dash.
pub(super) fn median(spread: Option<Spread>) -> String {
    spread.map_or_else(|| NONE.to_owned(), |spread| brief(spread.p50))
}

/// `17.5 %`, or a dash.
pub(super) fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| NONE.to_owned(), |rate| format!("{} %", decimal(rate)))
}

/// One digit after the point, unless it is a zero.
pub(super) fn decimal(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// The day in UTC, `2026-01-05`.
pub(super) fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// So many weeks in a row without anything are told in one line.
const FOLDED: usize = 3;

/// A week of a table, or many of them in which nothing was.
pub(super) enum Stretch<'a> {
    Week(&'a Week),
    Empty(usize),
}

/// The weeks, with those folded that have nothing to tell; else a few deployments years apart are a table of a thousand lines.
pub(super) fn folded(weeks: &[Week]) -> Vec<Stretch<'_>> {
    let is_empty = |week: &Week| {
        let of = &week.figures;
        of.deployments + of.rolled_back + of.failed_rollbacks == 0 && of.recovery.is_none()
    };
    let mut stretches = Vec::new();
    for run in weeks.chunk_by(|one, next| is_empty(one) && is_empty(next)) {
        if run.len() >= FOLDED {
            stretches.push(Stretch::Empty(run.len()));
        } else {
            stretches.extend(run.iter().map(Stretch::Week));
        }
    }
    stretches
}

/// `… 812 weeks without a deployment`.
pub(super) fn without(weeks: usize) -> String {
    format!("… {weeks} weeks without a deployment")
}

/// A group's name, with its environment where that is known.
pub(super) fn group(group: &Group) -> String {
    let name = visible(&group.name.to_string());
    match &group.environment {
        Some(environment) => format!("{name} ({})", visible(environment)),
        None => name,
    }
}

/// `52 deployments of 3 groups, 2026-01-05 to 2026-02-15`.
pub(super) fn extent(of: &Figures, groups: usize) -> String {
    let from_to = of.span.map(|(first, last)| format!(", {} to {}", day(first), day(last))).unwrap_or_default();
    format!("{} of {}{from_to}", count(of.deployments, "deployment"), count(groups, "group"))
}

/// `left out: 2 in flight (InProgress), 1 …`; `None` when nothing was.
pub(super) fn left_out(left_out: &[(usize, String)]) -> Option<String> {
    let parts: Vec<String> = left_out.iter().map(|(number, what)| format!("{number} {what}")).collect();
    (!parts.is_empty()).then(|| format!("left out: {}", parts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brief_span_keeps_to_seven_characters() {
        let cases = [
            (0.0, "0 s"),
            (0.4, "0 s"),
            (59.4, "59 s"),
            (59.6, "1 min"),
            (372.0, "6.2 min"),
            (597.0, "10 min"),
            (972.0, "16 min"),
            (3569.0, "59 min"),
            (3571.0, "1 h"),
            (12_240.0, "3.4 h"),
            (172_799.0, "48 h"),
            (181_440.0, "2.1 d"),
            (86_400.0 * 36_500.0, "36500 d"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(brief(Duration::from_secs_f64(seconds)), expected, "{seconds}");
            assert!(expected.len() <= 7);
        }
    }

    #[test]
    fn of_nothing_there_is_a_dash_for_each_number() {
        for number in five(&Figures::default()) {
            assert_eq!((number.value.as_str(), number.band), (NONE, None), "{}", number.name);
        }
    }
}
