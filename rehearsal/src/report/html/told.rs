//! What people are told, on the page: the Slack threads, and beside them pages, change events and tickets. Knows nothing of who said it.

use domain::time::Timestamp;

use super::super::{slack, telling};
use super::{class, escape};
use crate::timeline::Tone;
use crate::world::{Record, SlackMessage};

/// The sections about everything that people are told.
pub(super) fn told(record: Record<'_>) -> String {
    let mut out = String::from("<h3>Slack</h3>");
    if record.slack().is_empty() {
        out.push_str("<p class=\"foot\">Nothing is posted.</p>");
    }
    for thread in slack::threads(record.slack()) {
        let edge = slack::colour(thread.root).map(slack::tone).map_or("", class);
        out.push_str(&format!("<div class=\"thread {edge}\"><p class=\"foot\">{}</p>", about(thread.root)));
        out.push_str(&format!("<div class=\"message\">{}</div>", message(thread.root)));
        for reply in thread.replies {
            let broadcast = if reply.broadcast { "<em>shown in the channel, too</em>" } else { "" };
            let edge = slack::colour(reply).map(slack::tone).map_or("", class);
            out.push_str(&format!(
                "<div class=\"reply {edge}\"><time>{}</time>{}{broadcast}</div>",
                slack::posted(reply),
                message(reply)
            ));
        }
        out.push_str("</div>");
    }
    let pages = record.pages().iter().map(|page| (page.at, telling::page_tone(page), telling::spoken(page)));
    out.push_str(&table("PagerDuty", pages.collect()));
    let changes = record.changes().iter().map(|change| (change.at, Tone::Plain, change.summary.clone()));
    out.push_str(&table("PagerDuty, change events", changes.collect()));
    let tickets = record
        .tickets()
        .iter()
        .map(|ticket| (ticket.at, Tone::Warning, format!("{} at {}\n{}", ticket.key(), ticket.to, ticket.visible())));
    out.push_str(&table("Tickets", tickets.collect()));
    out
}

fn about(root: &SlackMessage) -> String {
    let updates = match root.updates {
        1 => "1 update".to_owned(),
        updates => format!("{updates} updates"),
    };
    format!("channel {}, {updates}", escape(&root.channel))
}

fn message(message: &SlackMessage) -> String {
    let lines: Vec<String> = slack::lines(message)
        .iter()
        .enumerate()
        .map(|(index, line)| if index == 0 { format!("<b>{}</b>", escape(line)) } else { escape(line) })
        .collect();
    let read_out = escape(&slack::plain(message.fallback()));
    let pings = if message.pings.is_empty() { String::new() } else { format!("pings {}; ", message.pings.join(", ")) };
    format!("{}<small>{}read out: {read_out}</small>", lines.join("<br>"), escape(&pings))
}

fn table(title: &str, rows: Vec<(Timestamp, Tone, String)>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut out = format!("<h3>{title}</h3><table class=\"timeline\">");
    for (at, tone, what) in rows {
        let what = escape(&what).replace('\n', "<br>");
        out.push_str(&format!("<tr class=\"{}\"><td>{}</td><td>{what}</td></tr>", class(tone), at.time_of_day()));
    }
    out.push_str("</table>");
    out
}
