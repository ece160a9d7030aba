//! What must come of a scenario, held against what came of it. Knows nothing of how it was run.

mod calls;
mod deployments;
mod metrics;
mod notices;
#[cfg(test)]
mod tests;

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

/// Holds every expectation of a scenario against the record of its run. Two come by themselves: least privilege, and that what was to go wrong
/// did.
pub fn hold(scenario: &Scenario, record: Record<'_>) -> Vec<Held> {
    let mut held: Vec<Held> = scenario.expect.iter().map(|expectation| one(expectation, record)).collect();
    let (faults, missed) = record.faults();
    if faults > 0 {
        held.push(Held {
            what: "every fault of the scenario strikes".to_owned(),
            met: missed.is_empty(),
            seen: if missed.is_empty() { format!("{faults} struck") } else { format!("never: {}", missed.join(", ")) },
        });
    }
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

fn one(expectation: &Expectation, record: Record<'_>) -> Held {
    match expectation {
        Expectation::Deployment(expected) => deployments::ends(expected, record),
        Expectation::Production(expected) => deployments::production(expected, record),
        Expectation::PeakTraffic(expected) => deployments::peak(expected, record),
        Expectation::Decision(expected) => notices::decision(expected, record),
        Expectation::Restored(expected) => notices::restored(expected, record),
        Expectation::Verdict(expected) => verdict(expected, record),
        Expectation::SlackMessages(count) => {
            let seen = record.slack().iter().filter(|message| message.thread_ts.is_none()).count();
            Held {
                what: format!("{count} message(s) in the channel, one for each deployment"),
                met: seen == *count,
                seen: format!("{seen}"),
            }
        }
        Expectation::SlackSays(text) => {
            let found = record.slack().iter().find(|message| message.visible().contains(text));
            Held {
                what: format!("Slack says `{text}`"),
                met: found.is_some(),
                seen: found.map_or_else(|| "nowhere".to_owned(), |message| message.text.clone()),
            }
        }
        Expectation::SlackSaysNot(text) => {
            let found = record.slack().iter().find(|message| message.visible().contains(text));
            Held {
                what: format!("Slack does not say `{text}`"),
                met: found.is_none(),
                seen: found.map_or_else(|| "nowhere".to_owned(), |message| message.text.clone()),
            }
        }
        Expectation::SlackRepeatsNothing => {
            let mut seen = std::collections::BTreeSet::new();
            let twice: Vec<&str> = record
                .slack()
                .iter()
                .filter(|message| !seen.insert((message.thread_ts.clone(), message.visible())))
                .map(|message| message.text.as_str())
                .collect();
            Held {
                what: "no message stands twice in the channel or in a thread".to_owned(),
                met: twice.is_empty(),
                seen: if twice.is_empty() {
                    "each stands once".to_owned()
                } else {
                    format!("twice: {}", twice.join(", "))
                },
            }
        }
        Expectation::Pages(expected) => {
            let seen: Vec<&str> = record.pages().iter().map(|page| page.action.as_str()).collect();
            Held {
                what: format!("PagerDuty gets: {}", list(expected)),
                met: seen.iter().copied().eq(expected.iter().map(String::as_str)),
                seen: list(&seen),
            }
        }
        Expectation::PageSeverities(expected) => {
            let triggers = record.pages().iter().filter(|page| page.action == "trigger");
            let seen: Vec<&str> = triggers.map(|page| page.severity.as_str()).collect();
            Held {
                what: format!("the pages are: {}", list(expected)),
                met: seen.iter().copied().eq(expected.iter().map(String::as_str)),
                seen: list(&seen),
            }
        }
        Expectation::Changes(expected) => {
            let seen: Vec<&str> = record.changes().iter().map(|change| change.summary.as_str()).collect();
            let met = seen.len() == expected.len()
                && seen.iter().zip(expected).all(|(seen, text)| seen.contains(text.as_str()));
            Held { what: format!("PagerDuty gets the change events: {}", list(expected)), met, seen: list(&seen) }
        }
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
