//! What must come of a scenario, held against what came of it. Knows nothing of how it was run.

mod calls;
mod deployments;
mod metrics;
mod notices;
#[cfg(test)]
mod tests;
mod told;

use serde::Serialize;

use crate::scenario::{Expectation, ExpectedVerdict, Scenario};
use crate::world::Record;

/// An expectation and what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// What was expected, in words.
    pub what: String,
    /// Whether it came true.
    pub met: bool,
    /// What was seen.
    pub seen: String,
}

/// Holds every expectation of a scenario against the record of its run. Three come by themselves: least privilege, that what was to go wrong did, and
/// that Slack pings nobody whom the configuration does not name.
pub fn hold(scenario: &Scenario, record: Record<'_>) -> Vec<Held> {
    let mut held: Vec<Held> = scenario.expect.iter().map(|expectation| one(scenario, expectation, record)).collect();
    let (faults, missed) = record.faults();
    if faults > 0 {
        held.push(Held {
            what: "every fault of the scenario strikes".to_owned(),
            met: missed.is_empty(),
            seen: if missed.is_empty() { format!("{faults} struck") } else { format!("never: {}", missed.join(", ")) },
        });
    }
    held.extend(told::pings_nobody_else(record));
    let refused: Vec<String> = record
        .calls()
        .iter()
        .filter(|call| call.outcome.starts_with("AccessDenied") && !call.injected)
        .map(|call| format!("{} by {}", call.operation, call.function))
        .collect();
    held.push(Held {
        what: "the policies of the template allow every call that is made".to_owned(),
        met: refused.is_empty(),
        seen: if refused.is_empty() {
            format!("{} calls, none refused", record.calls().len())
        } else {
            format!("refused: {}", refused.join(", "))
        },
    });
    held
}

fn one(scenario: &Scenario, expectation: &Expectation, record: Record<'_>) -> Held {
    match expectation {
        Expectation::Deployment(expected) => deployments::ends(expected, record),
        Expectation::Production(expected) => deployments::production(expected, record),
        Expectation::PeakTraffic(expected) => deployments::peak(expected, record),
        Expectation::Decision(expected) => notices::decision(expected, record),
        Expectation::Restored(expected) => notices::restored(expected, record),
        Expectation::Verdict(expected) => verdict(expected, record),
        Expectation::SlackMessages(count) => told::messages(*count, record),
        Expectation::SlackSays(text) => told::says(text, true, record),
        Expectation::SlackSaysNot(text) => told::says(text, false, record),
        Expectation::SlackRepeatsNothing => told::repeats_nothing(record),
        Expectation::SlackPings(expected) => told::pings(expected, record),
        Expectation::SlackBroadcasts(expected) => told::broadcasts(expected, record),
        Expectation::Pages(expected) => told::pages(expected, record),
        Expectation::PageSeverities(expected) => told::severities(expected, record),
        Expectation::Changes(expected) => told::changes(expected, record),
        Expectation::Tickets(expected) => told::tickets(expected, record),
        Expectation::Told(_) => told::recorded(scenario, record),
        Expectation::Metric(expected) => metrics::comes_to(expected, record),
        Expectation::Alarm { name, state } => metrics::alarm_is(name, *state, record),
        Expectation::Calls(expected) => calls::made(expected, record),
        Expectation::CallsPerInvocation { function, at_most } => calls::per_invocation(function, *at_most, record),
        Expectation::Errors { function, times } => calls::errors(function, *times, record),
        Expectation::RestoredWithin(expected) => deployments::restored_within(expected, record),
        Expectation::DeadLetters(count) => {
            let seen = record.dead_letters().len();
            let queues: Vec<&str> = record.dead_letters().iter().map(|(queue, _)| queue.as_str()).collect();
            Held {
                what: format!("{count} event(s) end in dead-letter queues"),
                met: seen == *count,
                seen: if queues.is_empty() { "0".to_owned() } else { format!("{seen}: {}", queues.join(", ")) },
            }
        }
        Expectation::EndedWithin(limit) => deployments::ended_within(limit.0, record),
    }
}

fn list<T: AsRef<str>>(items: &[T]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ") }
}

fn verdict(expected: &ExpectedVerdict, record: Record<'_>) -> Held {
    let mut what = format!("{} reports {}", expected.hook, expected.verdict);
    if let Some(says) = &expected.says {
        what.push_str(&format!(" and says `{says}`"));
    }
    let of_hook: Vec<_> = record.verdicts().into_iter().filter(|verdict| verdict.hook == expected.hook).collect();
    let fits = |published: &Option<serde_json::Value>| {
        let text = published.as_ref().map(ToString::to_string).unwrap_or_default();
        expected
            .says
            .as_ref()
            .is_none_or(|says| text.contains(says.as_str()) || unescaped(&text).contains(says.as_str()))
    };
    let met = of_hook.iter().any(|verdict| verdict.verdict == expected.verdict && fits(&verdict.published));
    let seen: Vec<String> = of_hook
        .iter()
        .map(|verdict| {
            let reason = verdict.published.as_ref().and_then(|published| published.get("reason")?.as_str());
            format!("{}: {}", verdict.verdict, reason.unwrap_or("nothing was published"))
        })
        .collect();
    Held { what, met, seen: if seen.is_empty() { "it reported nothing".to_owned() } else { seen.join("; ") } }
}

/// JSON text with its quotation marks as a reader writes them.
fn unescaped(text: &str) -> String {
    text.replace("\\\"", "\"")
}
