//! Everything that people are told in a scenario as one text for a reviewer, and what is different about two of them. Pure. Knows nothing of
//! files.

use std::time::Duration;

use serde_json::Value;

use crate::report::slack;
use crate::scenario::Scenario;
use crate::world::{Change, Page, PostedTicket, Record, SlackMessage, Told};

/// How many lines that did not change are shown around those that did.
const AROUND: usize = 2;

/// What people are told, in the order in which it was; the times are counted from the scenario's start.
pub fn text(scenario: &Scenario, record: Record<'_>) -> String {
    let mut out = format!("{}: {}\n", scenario.name, scenario.title);
    let threads: Vec<&SlackMessage> = record.slack().iter().filter(|message| message.thread_ts.is_none()).collect();
    for told in record.told() {
        let (at, lines) = match told {
            Told::Message(it) => (it.at, message(it, &threads)),
            Told::Page(it) => (it.at, page(it)),
            Told::Change(it) => (it.at, change(it)),
            Told::Ticket(it) => (it.at, ticket(it)),
        };
        out.push_str(&format!("\n{} {}\n", clock(at.since(record.started())), lines.join("\n")));
    }
    if record.told().is_empty() {
        out.push_str("\nNobody is told anything.\n");
    }
    out
}

/// `1:02:03`
fn clock(since: Duration) -> String {
    let seconds = since.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn message(message: &SlackMessage, threads: &[&SlackMessage]) -> Vec<String> {
    let thread = threads.iter().position(|root| match &message.thread_ts {
        Some(ts) => root.ts == *ts,
        None => root.ts == message.ts,
    });
    let number = thread.map_or(0, |thread| thread + 1);
    let head = match (&message.thread_ts, message.broadcast) {
        (Some(_), true) => format!("Slack {}, thread {number}, shown in the channel too", message.channel),
        (Some(_), false) => format!("Slack {}, thread {number}", message.channel),
        (None, _) => format!("Slack {}, message {number}{}", message.channel, updated(message.updates)),
    };
    let mut lines = vec![head];
    lines.extend(slack::lines(message).into_iter().map(|line| format!("  | {line}").trim_end().to_owned()));
    lines.extend(slack::links(message).into_iter().map(|(label, url)| format!("  > {label}: {url}")));
    if !message.pings.is_empty() {
        lines.push(format!("  pings {}", message.pings.join(", ")));
    }
    lines.push(format!("  read out: {}", slack::plain(message.fallback()).replace('\n', " / ")));
    lines
}

fn updated(times: u32) -> String {
    match times {
        0 => String::new(),
        1 => ", in the end, updated once".to_owned(),
        times => format!(", in the end, updated {times} times"),
    }
}

fn page(page: &Page) -> Vec<String> {
    let head = match (page.action.as_str(), page.was_open) {
        ("trigger", true) => format!("PagerDuty trigger, {}, added to the open one", page.severity),
        ("trigger", false) => format!("PagerDuty trigger, {}", page.severity),
        (action, _) => format!("PagerDuty {action}"),
    };
    let mut lines = vec![head, format!("  key: {}", page.dedup_key)];
    if !page.summary.is_empty() {
        lines.push(format!("  | {}", page.summary));
    }
    lines.extend(details(&page.event));
    lines
}

fn change(change: &Change) -> Vec<String> {
    let mut lines = vec!["PagerDuty change".to_owned(), format!("  | {}", change.summary)];
    lines.extend(details(&change.event));
    lines
}

/// What an event of PagerDuty has besides its summary.
fn details(event: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned).replace('\n', " / ");
    let custom = event.pointer("/payload/custom_details").and_then(Value::as_object);
    let mut lines: Vec<String> =
        custom.into_iter().flatten().map(|(key, value)| format!("  {key}: {}", text(value))).collect();
    for link in event.get("links").and_then(Value::as_array).into_iter().flatten() {
        let part = |key: &str| link.get(key).and_then(Value::as_str).unwrap_or_default();
        lines.push(format!("  > {}: {}", part("text"), part("href")));
    }
    lines
}

fn ticket(ticket: &PostedTicket) -> Vec<String> {
    let mut lines = vec![format!("Ticket {} at {}", ticket.key(), ticket.to)];
    let body = serde_json::to_string_pretty(&ticket.body).unwrap_or_default();
    lines.extend(body.lines().map(|line| format!("  | {line}")));
    lines
}

/// The lines that are different, `-` before and `+` now, with a few around them.
pub fn difference(before: &str, now: &str) -> String {
    let (before, now): (Vec<&str>, Vec<&str>) = (before.lines().collect(), now.lines().collect());
    let steps = steps(&before, &now);
    let is_near = |index: usize| {
        let near = steps.get(index.saturating_sub(AROUND)..(index + AROUND + 1).min(steps.len()));
        near.is_some_and(|near| near.iter().any(|(mark, _)| *mark != ' '))
    };
    let (mut out, mut left_out) = (Vec::new(), false);
    for (index, (mark, line)) in steps.iter().enumerate() {
        if is_near(index) {
            if left_out && !out.is_empty() {
                out.push("  …".to_owned());
            }
            out.push(format!("{mark} {line}").trim_end().to_owned());
        }
        left_out = !is_near(index);
    }
    out.join("\n")
}

/// Every line of both, marked: the shortest way from one text to the other, by their longest common subsequence.
fn steps<'a>(before: &[&'a str], now: &[&'a str]) -> Vec<(char, &'a str)> {
    let width = now.len() + 1;
    let mut lengths = vec![0_u32; (before.len() + 1) * width];
    let at = |lengths: &[u32], old: usize, new: usize| lengths.get(old * width + new).copied().unwrap_or_default();
    for (old, line) in before.iter().enumerate().rev() {
        for (new, other) in now.iter().enumerate().rev() {
            let length = if line == other {
                at(&lengths, old + 1, new + 1) + 1
            } else {
                at(&lengths, old + 1, new).max(at(&lengths, old, new + 1))
            };
            if let Some(place) = lengths.get_mut(old * width + new) {
                *place = length;
            }
        }
    }
    let (mut old, mut new, mut steps) = (0, 0, Vec::new());
    loop {
        match (before.get(old), now.get(new)) {
            (Some(line), Some(other)) if line == other => {
                steps.push((' ', *line));
                (old, new) = (old + 1, new + 1);
            }
            (Some(line), other) if other.is_none() || at(&lengths, old + 1, new) >= at(&lengths, old, new + 1) => {
                steps.push(('-', *line));
                old += 1;
            }
            (_, Some(other)) => {
                steps.push(('+', *other));
                new += 1;
            }
            (_, None) => return steps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_is_gone_and_what_is_new_with_a_little_around_it() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n";
        let now = "a\nb\nc\nD\ne\nf\ng\nh\ni\nj\nk\nl\n";
        assert_eq!(difference(before, now), "  b\n  c\n- d\n+ D\n  e\n  f\n  …\n  j\n  k\n+ l");
        assert_eq!(difference("a\nb\n", "a\nb\n"), "");
        assert_eq!(difference("", "a\n"), "+ a");
        assert_eq!(difference("a\nb\n", "b\n"), "- a\n  b");
    }
}
