//! What an alarm saw, in words. Pure; knows nothing of where it is told.

use domain::alarm::AlarmFact;
use domain::hook::{Finding, Outcome};

/// The fact that fails when an alarm is red, and only then (docs/configuration.md, `require`).
const ALARMS_QUIET: &str = "alarms_quiet";

/// Whether a hook has found an alarm red.
pub(crate) fn is_red(finding: &Finding) -> bool {
    finding.name == ALARMS_QUIET && finding.outcome == Outcome::Fail
}

/// A number as a person reads it: 34.61538461538461 is 34.62, and what is too small for that is left as it is.
fn number(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    if value.abs() < 0.1 { value.to_string() } else { rounded.to_string() }
}

/// What an alarm saw, in words: `12, 9 (newest first) against a threshold of 5`.
pub(crate) fn observed(alarm: &AlarmFact) -> String {
    let points: Vec<String> = alarm.datapoints.iter().take(5).map(|point| number(*point)).collect();
    let threshold = alarm.threshold.map(|it| format!(" against a threshold of {}", number(it))).unwrap_or_default();
    match points.as_slice() {
        [] => alarm.reason.clone(),
        [one] => format!("{one}{threshold}"),
        _ => format!("{} (newest first){threshold}", points.join(", ")),
    }
}
