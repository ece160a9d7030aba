//! The report as one page without anything to fetch: the course of traffic, the timeline, the Slack threads, the verdicts. Knows nothing
//! of files.

mod told;

use domain::time::spoken;

use super::{Finished, alarms};
use crate::timeline::Tone;

const STYLE: &str = include_str!("style.css");

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The page for some runs.
pub fn page(runs: &[Finished]) -> String {
    let met = runs.iter().filter(|run| run.met()).count();
    let mut body =
        format!("<h1>Rehearsal</h1><p class=\"lead\">{met} of {} scenarios went as expected.</p>", runs.len());
    if runs.len() > 1 {
        body.push_str("<ul class=\"contents\">");
        for run in runs {
            let class = if run.met() { "good" } else { "bad" };
            body.push_str(&format!(
                "<li class=\"{class}\"><a href=\"#{0}\">{0}</a> {1}</li>",
                escape(&run.scenario.name),
                escape(&run.scenario.title)
            ));
        }
        body.push_str("</ul>");
    }
    for run in runs {
        body.push_str(&section(run));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Greenlight rehearsal</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )
}

fn section(run: &Finished) -> String {
    let record = run.world.record();
    let mut out = format!(
        "<section id=\"{}\"><h2>{} <small>{}</small></h2>",
        escape(&run.scenario.name),
        escape(&run.scenario.name),
        escape(&run.scenario.title)
    );
    out.push_str("<ul class=\"expectations\">");
    for held in &run.held {
        out.push_str(&format!(
            "<li class=\"{}\">{}<span>{}</span>{}</li>",
            if held.met { "good" } else { "bad" },
            escape(&held.what),
            escape(held.seen.split('\n').next().unwrap_or_default()),
            difference(held.seen.split_once('\n').map_or("", |(_, lines)| lines))
        ));
    }
    out.push_str("</ul>");
    out.push_str(&led_to(run));
    out.push_str(&traffic(run));
    out.push_str("<h3>What happened</h3><table class=\"timeline\">");
    for entry in record.timeline() {
        let class = class(entry.tone);
        let mut cell = escape(&entry.what);
        if let Some(weight) = entry.weight {
            cell.push_str(&format!(
                "<div class=\"bar\" role=\"img\" aria-label=\"{weight:.0} % on the new version\"><i style=\"width:{weight:.1}%\"></i></div>"
            ));
        }
        if !entry.details.is_empty() {
            cell.push_str("<ul>");
            for detail in &entry.details {
                cell.push_str(&format!("<li>{}</li>", escape(detail)));
            }
            cell.push_str("</ul>");
        }
        out.push_str(&format!(
            "<tr class=\"{class}\"><td>{}</td><th scope=\"row\">{}</th><td>{cell}</td></tr>",
            entry.at.time_of_day(),
            escape(entry.who.name())
        ));
    }
    out.push_str("</table>");
    out.push_str(&told::told(record));
    out.push_str(&format!(
        "<p class=\"foot\">{} of virtual time in {} of real time; {} AWS calls.</p></section>",
        spoken(std::time::Duration::from_secs(run.world.elapsed().as_secs())),
        spoken(run.took),
        record.calls().len()
    ));
    out
}

/// What is different, line by line; nothing where nothing is.
fn difference(lines: &str) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let marked = lines.lines().map(|line| match line.chars().next() {
        Some('-') => format!("<del>{}</del>", escape(line)),
        Some('+') => format!("<ins>{}</ins>", escape(line)),
        _ => escape(line),
    });
    format!("<pre>{}</pre>", marked.collect::<Vec<_>>().join("\n"))
}

pub(super) fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Warning => "warning",
        Tone::Bad => "bad",
    }
}

/// What the alarms led to; nothing where none led to anything.
fn led_to(run: &Finished) -> String {
    let (lines, besides) = alarms::lines(run.world.record().notices());
    if lines.is_empty() {
        return String::new();
    }
    let mut out = String::from("<h3>What the alarms led to</h3><table class=\"timeline\">");
    for line in &lines {
        out.push_str(&format!(
            "<tr class=\"{}\"><td>{}</td><td>{}</td></tr>",
            class(line.tone),
            line.at.time_of_day(),
            escape(&line.what)
        ));
    }
    out.push_str("</table>");
    if besides > 0 {
        out.push_str(&format!("<p class=\"foot\">… and {besides} more</p>"));
    }
    out
}

/// The share of production traffic on the new version over time, as a step line.
fn traffic(run: &Finished) -> String {
    let total = run.world.elapsed().as_secs_f64().max(1.0);
    let (width, height) = (900.0, 90.0);
    let (mut path, mut level) = (format!("M0 {height}"), 0.0_f64);
    for entry in run.world.record().timeline() {
        let Some(weight) = entry.weight else { continue };
        let x = entry.seconds / total * width;
        path.push_str(&format!(
            " L{x:.1} {:.1} L{x:.1} {:.1}",
            height - level * height / 100.0,
            height - weight * height / 100.0
        ));
        level = weight;
    }
    path.push_str(&format!(" L{width} {:.1} L{width} {height} Z", height - level * height / 100.0));
    format!(
        "<h3>Production traffic on the new version</h3><svg viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"traffic on the new version over time\"><path d=\"{path}\"/></svg><div class=\"axis\"><span>0</span><span>{}</span></div>",
        spoken(std::time::Duration::from_secs(run.world.elapsed().as_secs()))
    )
}
