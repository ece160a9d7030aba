//! What people are told, for a terminal: the Slack threads as they look there, and beside them pages, change events and tickets. Pure. Knows nothing of
//! who said it.

use domain::time::Timestamp;

use super::slack;
use super::text::{Paint, Style, clock_of, marked, wrap};
use crate::timeline::Tone;
use crate::world::{Page, Record, SlackMessage};

/// The column in which a line about PagerDuty or a ticket begins: time, a mark.
const ASIDE: usize = 11;

/// Everything that people are told: each Slack thread below its message, then what the pager and the keeper of tickets got.
pub fn told(record: Record<'_>, style: Style) -> String {
    let mut out = String::new();
    for thread in slack::threads(record.slack()) {
        out.push_str(&heading(thread.root, style));
        out.push_str(&message(thread.root, style));
        for reply in thread.replies {
            out.push_str(&self::reply(reply, style));
        }
    }
    let start = record.started();
    let pages: Vec<_> = record.pages().iter().map(|page| (page.at, page_tone(page), spoken(page))).collect();
    out.push_str(&aside("PagerDuty", &pages, start, style));
    let changes: Vec<_> =
        record.changes().iter().map(|change| (change.at, Tone::Plain, change.summary.clone())).collect();
    out.push_str(&aside("PagerDuty, change events", &changes, start, style));
    let tickets = record.tickets().iter().map(|ticket| {
        let first = ticket.visible().lines().next().unwrap_or_default().to_owned();
        (ticket.at, Tone::Warning, format!("{} at {}: {first}", ticket.key(), ticket.to))
    });
    out.push_str(&aside("Tickets", &tickets.collect::<Vec<_>>(), start, style));
    out
}

fn heading(root: &SlackMessage, style: Style) -> String {
    let updates = match root.updates {
        1 => "(1 update)".to_owned(),
        updates => format!("({updates} updates)"),
    };
    format!(
        "\n{} {}\n",
        style.paint(&format!("Slack, channel {}", root.channel), Paint::Bold),
        style.paint(&updates, Paint::Dim)
    )
}

/// What a screen reader says in place of what is shown.
fn read_out(message: &SlackMessage) -> String {
    format!("read out: {}", slack::plain(message.fallback()).replace('\n', " / "))
}

fn message(root: &SlackMessage, style: Style) -> String {
    let width = style.width.saturating_sub(8).max(30);
    let paint = slack::colour(root).map(slack::tone).and_then(|tone| marked(tone).1);
    let edge = paint.map_or_else(|| "┃".to_owned(), |paint| style.paint("┃", paint));
    let mut out = String::new();
    for (index, line) in slack::lines(root).iter().flat_map(|line| wrap(line, width)).enumerate() {
        let text = if index == 0 { style.paint(&line, Paint::Bold) } else { line };
        out.push_str(format!("  {edge} {text}").trim_end());
        out.push('\n');
    }
    for line in wrap(&read_out(root), width) {
        out.push_str(&format!("  {edge} {}\n", style.paint(&line, Paint::Dim)));
    }
    out
}

fn reply(reply: &SlackMessage, style: Style) -> String {
    let width = style.width.saturating_sub(18).max(20);
    let mut out = String::new();
    let mut lines: Vec<String> = slack::lines(reply).iter().flat_map(|line| wrap(line, width)).collect();
    let shown = lines.len();
    if reply.broadcast {
        lines.push("(shown in the channel, too)".to_owned());
    }
    lines.extend(wrap(&read_out(reply), width));
    for (index, line) in lines.iter().enumerate() {
        let lead = if index == 0 {
            format!("  ├─ {} ", slack::posted(reply))
        } else {
            format!("  │  {} ", " ".repeat(8))
        };
        let line = if index < shown { line.clone() } else { style.paint(line, Paint::Dim) };
        out.push_str(&format!("{}{line}\n", style.paint(&lead, Paint::Dim)));
    }
    out
}

/// How an event at PagerDuty is to be taken.
pub(super) fn page_tone(page: &Page) -> Tone {
    match (page.action.as_str(), page.severity.as_str()) {
        ("trigger", "critical" | "error") => Tone::Bad,
        ("trigger", _) => Tone::Warning,
        ("resolve", _) => Tone::Good,
        _ => Tone::Plain,
    }
}

/// An event at PagerDuty in one line.
pub(super) fn spoken(page: &Page) -> String {
    let what = match (page.action.as_str(), page.was_open) {
        ("trigger", true) => format!("{}, added to the open page: {}", page.severity, page.summary),
        ("trigger", false) => format!("{}: {}", page.severity, page.summary),
        (action, _) => action.to_owned(),
    };
    format!("{what} ({})", page.dedup_key)
}

fn aside(title: &str, lines: &[(Timestamp, Tone, String)], start: Timestamp, style: Style) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", style.paint(title, Paint::Bold));
    for (at, tone, what) in lines {
        let (mark, paint) = marked(*tone);
        let text = |text: &str| paint.map_or_else(|| text.to_owned(), |paint| style.paint(text, paint));
        for (index, part) in wrap(what, style.width.saturating_sub(ASIDE).max(30)).iter().enumerate() {
            let at = clock_of(at.since(start).as_secs_f64());
            let lead = if index == 0 { format!("{at:>8} {} ", text(mark)) } else { " ".repeat(ASIDE) };
            out.push_str(&format!("{lead}{}\n", text(part)));
        }
    }
    out
}
