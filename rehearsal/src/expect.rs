//! What must come of a scenario, held against what came of it. Knows nothing of how it was run.

use domain::time::{Timestamp, spoken};
use serde::Serialize;

use crate::scenario::{Expectation, ExpectedDeployment, ExpectedVerdict, Scenario};
use crate::timeline::{Tone, Who};
use crate::world::{DeploymentRecord, Record};

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
        .filter(|call| call.outcome.starts_with("AccessDenied"))
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

fn planned(record: Record<'_>, nth: usize) -> Option<&DeploymentRecord> {
    record.deployments().find(|deployment| deployment.creator == "user" && deployment.plan == nth.checked_sub(1))
}

fn last_planned(record: Record<'_>) -> Option<&DeploymentRecord> {
    record.deployments().filter(|deployment| deployment.creator == "user").last()
}

fn one(expectation: &Expectation, record: Record<'_>) -> Held {
    match expectation {
        Expectation::Deployment(expected) => deployment(expected, record),
        Expectation::Production(colour) => {
            let green = last_planned(record).and_then(|deployment| record.production_is_green(&deployment.id));
            let seen = match green {
                Some(true) => "green",
                Some(false) => "blue",
                None => "neither",
            };
            Held {
                what: format!("all production traffic is on {colour} in the end"),
                met: seen == colour,
                seen: format!("it is on {seen}"),
            }
        }
        Expectation::PeakTraffic { at_most } => {
            let peak = last_planned(record).map_or(0.0, |deployment| record.peak_weight(&deployment.id));
            Held {
                what: format!("the new version never has more than {at_most} % of production traffic"),
                met: peak <= *at_most,
                seen: format!("it had {peak} % at the most"),
            }
        }
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
        Expectation::Metric { name, sum } => {
            let seen = record.metric_sum(name);
            Held {
                what: format!("the metric `{name}` sums up to {sum}"),
                met: (seen - sum).abs() < 1e-9,
                seen: format!("{seen}"),
            }
        }
        Expectation::Calls { call, times } => {
            let seen = record
                .calls()
                .iter()
                .filter(|made| format!("{}:{}", made.service, made.operation) == *call && made.outcome == "ok")
                .count();
            Held { what: format!("`{call}` succeeds {times} time(s)"), met: seen == *times, seen: format!("{seen}") }
        }
        Expectation::RestoredWithin(limit) => {
            let what = format!("all traffic is back on the old version within {} of the alarm", spoken(limit.0));
            match restored(record) {
                Some(took) => Held { what, met: took <= limit.0, seen: format!("after {}", spoken(took)) },
                None => Held { what, met: false, seen: "there was no alarm, or traffic never came back".to_owned() },
            }
        }
        Expectation::DeadLetters(count) => {
            let seen = record.dead_letters().len();
            let queues: Vec<&str> = record.dead_letters().iter().map(|(queue, _)| queue.as_str()).collect();
            Held {
                what: format!("{count} event(s) end in dead-letter queues"),
                met: seen == *count,
                seen: if queues.is_empty() { "0".to_owned() } else { format!("{seen}: {}", queues.join(", ")) },
            }
        }
        Expectation::EndedWithin(limit) => {
            let what = format!("every planned deployment ends within {} of its start", spoken(limit.0));
            let slowest = record
                .deployments()
                .filter(|deployment| deployment.creator == "user")
                .map(|deployment| deployment.completed.map(|at| at.since(deployment.created)))
                .max_by_key(|took| took.unwrap_or(std::time::Duration::MAX));
            match slowest {
                Some(Some(took)) => {
                    Held { what, met: took <= limit.0, seen: format!("the slowest took {}", spoken(took)) }
                }
                _ => Held { what, met: false, seen: "one has not ended".to_owned() },
            }
        }
    }
}

fn list<T: AsRef<str>>(items: &[T]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ") }
}

fn restored(record: Record<'_>) -> Option<std::time::Duration> {
    let alarm: Timestamp = record
        .timeline()
        .iter()
        .find(|entry| entry.who == Who::CloudWatch && entry.tone == Tone::Bad && entry.what.contains("goes to ALARM"))?
        .at;
    let back = record
        .timeline()
        .iter()
        .find(|entry| entry.at >= alarm && entry.weight == Some(0.0) && entry.tone == Tone::Good)?
        .at;
    Some(back.since(alarm))
}

fn deployment(expected: &ExpectedDeployment, record: Record<'_>) -> Held {
    let mut what = format!("deployment {} ends {}", expected.nth, expected.status);
    if let Some(error) = &expected.error {
        what.push_str(&format!(" with {error}"));
    }
    if let Some(rollback) = &expected.rollback {
        what.push_str(&format!(", and its rollback {rollback}"));
    }
    let Some(seen) = planned(record, expected.nth) else {
        return Held { what, met: false, seen: "there was no such deployment".to_owned() };
    };
    let error = seen.error.as_ref().map(|(code, _)| code.clone());
    let rollback = seen
        .rolled_back_by
        .as_ref()
        .and_then(|id| record.deployments().find(|deployment| deployment.id == *id))
        .map(|deployment| deployment.status.as_str().to_owned());
    let mut text = format!("{} is {}", seen.id, seen.status.as_str());
    if let Some(error) = &error {
        text.push_str(&format!(" with {error}"));
    }
    text.push_str(
        &rollback.as_ref().map_or_else(|| ", not rolled back".to_owned(), |status| format!(", its rollback {status}")),
    );
    let met = seen.status.as_str() == expected.status
        && expected.error.as_ref().is_none_or(|wanted| error.as_ref() == Some(wanted))
        && expected.rollback == rollback;
    Held { what, met, seen: text }
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
