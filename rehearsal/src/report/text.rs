//! The timeline and the summary for a terminal. Pure: entries in, text out; whoever calls prints. Knows nothing of
//! the terminal but its width and whether it has colours.

use domain::time::{Timestamp, spoken};
use serde_json::Value;

use super::{Finished, alarms};
use crate::timeline::{Entry, Tone};

/// What is known of the terminal.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Whether it shows colours.
    pub colour: bool,
}

/// The column in which the text of an entry begins: time, who, a mark.
const INDENT: usize = 34;
const WHO: usize = 21;
const BAR: usize = 20;
/// The column in which the text begins of what an alarm led to: time, a mark.
const ALARM: usize = 11;

/// What a text is painted with, where there are colours.
#[derive(Clone, Copy, Debug)]
pub enum Paint {
    /// As it should be.
    Green,
    /// Not as it should be.
    Red,
    /// To be looked at.
    Yellow,
    /// Beside the point.
    Dim,
    /// A heading.
    Bold,
}

impl Style {
    /// The text, painted where there are colours.
    pub fn paint(self, text: &str, paint: Paint) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Green => "32",
            Paint::Red => "31",
            Paint::Yellow => "33",
            Paint::Dim => "2",
            Paint::Bold => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Words in lines of at most `width` characters; a word that is longer stands alone.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let needed = line.chars().count() + usize::from(!line.is_empty()) + word.chars().count();
            if needed > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

pub(super) fn clock_of(seconds: f64) -> String {
    let whole = seconds as u64;
    if whole >= 3600 {
        format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
    } else {
        format!("{:02}:{:02}", whole / 60, whole % 60)
    }
}

/// A bar for the share of production traffic on the new version.
pub fn bar(percent: f64) -> String {
    let filled = ((percent / 100.0) * BAR as f64).round() as usize;
    format!("{}{}", "█".repeat(filled), "░".repeat(BAR.saturating_sub(filled)))
}

/// A tone as a mark and what it is painted with.
pub(super) fn marked(tone: Tone) -> (&'static str, Option<Paint>) {
    match tone {
        Tone::Plain => ("·", None),
        Tone::Good => ("✓", Some(Paint::Green)),
        Tone::Warning => ("!", Some(Paint::Yellow)),
        Tone::Bad => ("✗", Some(Paint::Red)),
    }
}

/// One entry of the timeline.
pub fn entry(entry: &Entry, style: Style) -> String {
    let (mark, paint) = marked(entry.tone);
    let width = style.width.saturating_sub(INDENT).max(30);
    let who: String = entry.who.name().chars().take(WHO).collect();
    let paint_tone = |text: &str| paint.map_or_else(|| text.to_owned(), |paint| style.paint(text, paint));
    let mut out = format!(
        "{} {} {} ",
        style.paint(&format!("{:>8}", clock_of(entry.seconds)), Paint::Dim),
        style.paint(&format!("{who:<WHO$}"), Paint::Bold),
        paint_tone(mark),
    );
    for (index, line) in wrap(&entry.what, width).iter().enumerate() {
        if index > 0 {
            out.push('\n');
            out.push_str(&" ".repeat(INDENT - 1));
        }
        out.push_str(&paint_tone(line));
    }
    if let Some(weight) = entry.weight {
        out.push('\n');
        out.push_str(&" ".repeat(INDENT - 1));
        out.push_str(&format!(
            "old {:>3.0} % {} new {weight:.0} %",
            100.0 - weight,
            style.paint(&bar(weight), Paint::Green)
        ));
    }
    for detail in &entry.details {
        for (index, line) in wrap(detail, width.saturating_sub(2)).iter().enumerate() {
            out.push('\n');
            out.push_str(&" ".repeat(INDENT - 1));
            out.push_str(&style.paint(&format!("{} {line}", if index == 0 { "-" } else { " " }), Paint::Dim));
        }
    }
    out
}

/// The heading of a scenario.
pub fn heading(name: &str, title: &str, style: Style) -> String {
    let lines = wrap(&format!("Scenario {name}: {title}"), style.width);
    let lines: Vec<String> = lines.iter().map(|line| style.paint(line, Paint::Bold)).collect();
    format!("\n{}\n{}\n", lines.join("\n"), "─".repeat(style.width.min(100)))
}

/// What the alarms led to, by the clock of the timeline; empty where none led to anything.
pub fn alarms(notices: &[Value], start: Timestamp, style: Style) -> String {
    let (lines, besides) = alarms::lines(notices);
    if lines.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", style.paint("What the alarms led to", Paint::Bold));
    let width = style.width.saturating_sub(ALARM).max(30);
    for line in &lines {
        let (mark, paint) = marked(line.tone);
        let at = clock_of(line.at.since(start).as_secs_f64());
        let text = |text: &str| paint.map_or_else(|| text.to_owned(), |paint| style.paint(text, paint));
        for (index, part) in wrap(&line.what, width).iter().enumerate() {
            let lead = if index == 0 { format!("{at:>8} {} ", text(mark)) } else { " ".repeat(ALARM) };
            out.push_str(&format!("{lead}{}\n", text(part)));
        }
    }
    if besides > 0 {
        out.push_str(&format!("{}… and {besides} more\n", " ".repeat(ALARM)));
    }
    out
}

/// The summary of one scenario: what its alarms led to, every expectation, and how long it took.
pub fn summary(finished: &Finished, style: Style) -> String {
    let record = finished.world.record();
    let mut out = alarms(record.notices(), finished.start(), style);
    out.push('\n');
    for held in &finished.held {
        let width = style.width.saturating_sub(4).max(40);
        let (mark, paint) = if held.met { ("✓", Paint::Green) } else { ("✗", Paint::Red) };
        // What comes on lines of its own is a difference, and stays as it is.
        let (seen, lines) = held.seen.split_once('\n').unwrap_or((&held.seen, ""));
        let text = if held.met { held.what.clone() } else { format!("{}; seen: {seen}", held.what) };
        for (index, line) in wrap(&text, width).iter().enumerate() {
            let lead = if index == 0 { style.paint(mark, paint) } else { " ".to_owned() };
            out.push_str(&format!("{lead} {line}\n"));
        }
        for line in lines.lines().filter(|_| !held.met) {
            let painted = match line.chars().next() {
                Some('-') => style.paint(line, Paint::Red),
                Some('+') => style.paint(line, Paint::Green),
                _ => line.to_owned(),
            };
            out.push_str(&format!("    {painted}\n"));
        }
    }
    let verdict = if finished.met() { style.paint("met", Paint::Green) } else { style.paint("not met", Paint::Red) };
    out.push_str(&format!(
        "{}: {verdict}. {} of virtual time in {} of real time.\n",
        finished.scenario.name,
        spoken(std::time::Duration::from_secs(finished.world.elapsed().as_secs())),
        spoken(finished.took)
    ));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Who;

    #[test]
    fn an_entry_keeps_to_the_width_of_the_terminal() {
        let shown = Entry {
            at: Timestamp(0),
            seconds: 3725.0,
            who: Who::Function("before-allow-traffic".to_owned()),
            what: "explains: one of four checks failed and this sentence is long enough to need a second line"
                .to_owned(),
            tone: Tone::Bad,
            weight: Some(10.0),
            service: None,
            details: vec![
                "`health_check` fail: expected status 200, observed status 500 and a body that goes on and on"
                    .to_owned(),
            ],
        };
        let text = entry(&shown, Style { width: 80, colour: false });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.starts_with(" 1:02:05 before-allow-traffic  ✗ explains"), "{text}");
        assert!(text.contains("old  90 % ██░░░░░░░░░░░░░░░░░░ new 10 %"), "{text}");
    }

    #[test]
    fn what_an_alarm_led_to_keeps_to_the_width_and_stands_at_the_timelines_time() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/slack-notifier/traffic-not-restored.json");
        let notice: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let start = Timestamp::parse("2026-03-03T10:09:00Z").unwrap();
        let text = alarms(&[notice], start, Style { width: 80, colour: false });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(
            text.starts_with("\nWhat the alarms led to\n   04:12 ✗ the traffic of orchestrator is not back"),
            "{text}"
        );
        assert_eq!(alarms(&[], start, Style { width: 80, colour: false }), "");
    }
}
