//! What is expected of what people are told: in Slack, by PagerDuty, in tickets. Knows nothing of how it came about.

use super::{Held, list};
use crate::scenario::{ExpectedTicket, Scenario};
use crate::told;
use crate::world::{Record, SlackMessage};

pub(super) fn messages(count: usize, record: Record<'_>) -> Held {
    let seen = record.slack().iter().filter(|message| message.thread_ts.is_none()).count();
    Held {
        what: format!("{count} message(s) in the channel, one for each deployment"),
        met: seen == count,
        seen: format!("{seen}"),
    }
}

pub(super) fn says(text: &str, wanted: bool, record: Record<'_>) -> Held {
    let found = record.slack().iter().find(|message| message.visible().contains(text));
    Held {
        what: if wanted { format!("Slack says `{text}`") } else { format!("Slack does not say `{text}`") },
        met: found.is_some() == wanted,
        seen: found.map_or_else(|| "nowhere".to_owned(), |message| message.fallback().to_owned()),
    }
}

pub(super) fn repeats_nothing(record: Record<'_>) -> Held {
    let mut seen = std::collections::BTreeSet::new();
    let is_repeated =
        |message: &&SlackMessage| !seen.insert((message.channel.clone(), message.thread_ts.clone(), message.visible()));
    let twice: Vec<&str> = record.slack().iter().filter(is_repeated).map(SlackMessage::fallback).collect();
    Held {
        what: "no message stands twice in the channel or in a thread".to_owned(),
        met: twice.is_empty(),
        seen: if twice.is_empty() { "each stands once".to_owned() } else { format!("twice: {}", twice.join(", ")) },
    }
}

fn exactly(what: &str, expected: &[String], seen: &[&str]) -> Held {
    Held {
        what: format!("{what}: {}", list(expected)),
        met: seen.iter().copied().eq(expected.iter().map(String::as_str)),
        seen: list(seen),
    }
}

/// As many as are expected, each with its text, in order.
fn in_order(what: &str, expected: &[String], seen: &[&str]) -> Held {
    let met =
        seen.len() == expected.len() && seen.iter().zip(expected).all(|(seen, text)| seen.contains(text.as_str()));
    Held { what: format!("{what}: {}", list(expected)), met, seen: list(seen) }
}

pub(super) fn pings(expected: &[String], record: Record<'_>) -> Held {
    let seen: Vec<&str> = record.slack().iter().flat_map(|message| &message.pings).map(String::as_str).collect();
    exactly("Slack pings", expected, &seen)
}

pub(super) fn broadcasts(expected: &[String], record: Record<'_>) -> Held {
    let seen: Vec<&str> =
        record.slack().iter().filter(|message| message.broadcast).map(SlackMessage::fallback).collect();
    in_order("the channel sees these replies too", expected, &seen)
}

pub(super) fn pages(expected: &[String], record: Record<'_>) -> Held {
    let seen: Vec<&str> = record.pages().iter().map(|page| page.action.as_str()).collect();
    exactly("PagerDuty gets", expected, &seen)
}

pub(super) fn severities(expected: &[String], record: Record<'_>) -> Held {
    let triggers = record.pages().iter().filter(|page| page.action == "trigger");
    let seen: Vec<&str> = triggers.map(|page| page.severity.as_str()).collect();
    exactly("the pages are", expected, &seen)
}

pub(super) fn changes(expected: &[String], record: Record<'_>) -> Held {
    let seen: Vec<&str> = record.changes().iter().map(|change| change.summary.as_str()).collect();
    in_order("PagerDuty gets the change events", expected, &seen)
}

pub(super) fn tickets(expected: &[ExpectedTicket], record: Record<'_>) -> Held {
    let texts: Vec<String> = record.tickets().iter().map(crate::world::PostedTicket::visible).collect();
    let seen: Vec<&str> = texts.iter().map(|text| text.lines().next().unwrap_or_default()).collect();
    let says: Vec<String> = expected.iter().filter_map(|ticket| ticket.says.clone()).collect();
    let fits = |(text, expected): (&String, &ExpectedTicket)| {
        expected.says.as_ref().is_none_or(|says| text.contains(says.as_str()))
    };
    Held {
        what: match (expected.len(), says.as_slice()) {
            (count, []) => format!("{count} ticket(s)"),
            (count, says) => format!("{count} ticket(s), which say {}", list(says)),
        },
        met: texts.len() == expected.len() && texts.iter().zip(expected).all(fits),
        seen: format!("{}: {}", texts.len(), list(&seen)),
    }
}

/// What comes from outside, a commit's author or an alarm's reason, must never ping anybody: only the configuration names who is.
pub(super) fn pings_nobody_else(record: Record<'_>) -> Option<Held> {
    let allowed = record.may_be_mentioned();
    let others: Vec<&str> =
        record.mentioned().iter().map(String::as_str).filter(|name| !allowed.contains(name)).collect();
    (!record.slack().is_empty()).then(|| Held {
        what: "Slack pings nobody whom the configuration does not name".to_owned(),
        met: others.is_empty(),
        seen: if others.is_empty() { "nobody".to_owned() } else { others.join(", ") },
    })
}

pub(super) fn recorded(scenario: &Scenario, record: Record<'_>) -> Held {
    let what = "people are told what was recorded".to_owned();
    let renew = format!("`cargo rehearse run {} --record` writes it", scenario.name);
    let Some(recorded) = &scenario.recorded else {
        let seen = "the scenario came from no file, so nothing lies beside it".to_owned();
        return Held { what, met: false, seen };
    };
    let file = recorded.file.display();
    let now = told::text(scenario, record);
    let seen = match &recorded.text {
        None => format!("there is no `{file}` yet; {renew}"),
        Some(text) if *text == now => return Held { what, met: true, seen: "word for word".to_owned() },
        Some(text) => {
            let lines = told::difference(text, &now);
            format!("not what `{file}` has (-), but this (+). If that is as it should be, {renew}:\n{lines}")
        }
    };
    Held { what, met: false, seen }
}
