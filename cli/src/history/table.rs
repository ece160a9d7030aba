//! The numbers as tables for a terminal. Pure; knows nothing of it but its width and whether it has colours.

use domain::text::visible;
use dora::bands::Band;
use dora::{Cause, Figures};
use rehearsal::report::text::{Paint, Style};

use super::NOTHING;
use super::counted::{History, Recovery, spoken_cause};
use super::words::{self, NONE, Number, Stretch, brief, five, median, percent, whole};
use crate::terminal::wrapped;

/// So many failures are listed, the newest of them; the page and JSON have all.
const FAILURES: usize = 20;

/// The whole text.
pub(super) fn text(history: &History, style: Style) -> String {
    let mut out = String::new();
    if history.assessments.is_empty() {
        paragraph(&mut out, NOTHING, style, None);
    } else {
        paragraph(&mut out, &words::extent(&history.figures, history.groups.len()), style, Some(Paint::Bold));
        out.push('\n');
        numbers(&mut out, &history.figures, style);
        besides(&mut out, &history.figures, style);
        if history.groups.len() > 1 {
            let rows = history.groups.iter().map(|group| (words::group(group), Some(&group.figures)));
            figures(&mut out, ("By group", ["", "group"]), &rows.collect::<Vec<_>>(), style);
        }
        let rows = words::folded(&history.figures.weeks).into_iter().map(|stretch| match stretch {
            Stretch::Week(week) => (words::day(week.from), Some(&week.figures)),
            Stretch::Empty(weeks) => (words::without(weeks), None),
        });
        figures(&mut out, ("Week by week (UTC, from Monday)", ["", "week of"]), &rows.collect::<Vec<_>>(), style);
        failures(&mut out, history, style);
    }
    if let Some(left_out) = words::left_out(&history.left_out) {
        out.push('\n');
        paragraph(&mut out, &left_out, style, Some(Paint::Yellow));
    }
    if !history.remarks.is_empty() {
        out.push('\n');
    }
    for remark in &history.remarks {
        paragraph(&mut out, remark, style, Some(Paint::Dim));
    }
    out
}

fn paragraph(out: &mut String, text: &str, style: Style, paint: Option<Paint>) {
    for line in wrapped(text, style.width) {
        let line = paint.map_or_else(|| line.clone(), |paint| style.paint(&line, paint));
        out.push_str(&format!("{line}\n"));
    }
}

fn of_band(band: Option<Band>) -> (&'static str, Option<Paint>) {
    match band {
        Some(band @ (Band::Elite | Band::High)) => (band.word(), Some(Paint::Green)),
        Some(band @ Band::Medium) => (band.word(), Some(Paint::Yellow)),
        Some(band @ Band::Low) => (band.word(), Some(Paint::Red)),
        None => (NONE, None),
    }
}

/// The widths of the columns of the five numbers: name, value (more where one needs it), level.
const NAME: usize = 27;
const VALUE: usize = 25;
const BAND: usize = 8;

/// The five numbers, one a line.
fn numbers(out: &mut String, of: &Figures, style: Style) {
    let numbers = five(of);
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let whole = |number: &Number| {
        if number.besides.is_empty() { number.value.clone() } else { format!("{} ({})", number.value, number.besides) }
    };
    let from = widest(&mut numbers.iter().map(|number| number.from.chars().count()));
    let beside = VALUE.max(widest(&mut numbers.iter().map(|number| whole(number).chars().count())));
    // Where all of it has no room in a line, what stands besides the value comes below it.
    let is_beside = NAME + 1 + beside + 1 + BAND + from <= style.width;
    let alone = widest(&mut numbers.iter().map(|number| number.value.chars().count()));
    let width = if is_beside { beside } else { alone.max(VALUE.min(beside)) };
    for number in numbers {
        let (word, paint) = of_band(number.band);
        let padded = format!("{word:<BAND$}");
        let band = paint.map_or_else(|| padded.clone(), |paint| style.paint(&padded, paint));
        let value = if is_beside { whole(&number) } else { number.value.clone() };
        let from = style.paint(&number.from, Paint::Dim);
        out.push_str(&format!("{:<NAME$} {value:<width$} {band}{from}\n", number.name));
        if !is_beside && !number.besides.is_empty() {
            out.push_str(&format!("{:<NAME$} ({})\n", "", number.besides));
        }
    }
}

/// What else can be said of all deployments together.
fn besides(out: &mut String, of: &Figures, style: Style) {
    let mut line = |name: &str, value: &str| {
        for (number, part) in wrapped(value, style.width.saturating_sub(28)).iter().enumerate() {
            out.push_str(&format!("{:<27} {part}\n", if number == 0 { name } else { "" }));
        }
    };
    let success = format!("{} ({} of {})", percent(of.success_rate()), of.succeeded, of.deployments);
    line("Success rate", &success);
    if let Some(took) = of.duration {
        line(
            "Duration to the shift's end",
            &format!("p50 {}, p95 {}, longest {}", whole(took.p50), whole(took.p95), whole(took.longest)),
        );
    }
    if let Some(took) = of.total_duration {
        line("  with the wait after it", &format!("p50 {}, p95 {}", whole(took.p50), whole(took.p95)));
    }
    let taken =
        if of.taken_back > 0 { format!(", {} of them after it had succeeded", of.taken_back) } else { String::new() };
    let failed = if of.failed_rollbacks > 0 {
        format!("; rollbacks that failed: {}", of.failed_rollbacks)
    } else {
        String::new()
    };
    line("Rolled back", &format!("{}{taken}{failed}", of.rolled_back));
    let causes: Vec<String> = of.causes.iter().map(|(cause, number)| cause_of(*cause, *number)).collect();
    let causes = if causes.is_empty() { "none".to_owned() } else { causes.join(", ") };
    line("Failures", &causes);
    for (event, hook) in &of.hooks {
        let took =
            hook.took.map(|took| format!(", p50 {}, p95 {}", whole(took.p50), whole(took.p95))).unwrap_or_default();
        line(&visible(event), &format!("{} runs, {} failed{took}", hook.runs, hook.failed));
    }
}

fn cause_of(cause: Cause, number: usize) -> String {
    format!("{number} {}", spoken_cause(Some(cause)))
}

/// The columns of a table of figures: two lines of heading, and what stands below.
type Column = ([&'static str; 2], fn(&Figures) -> String);
const COLUMNS: [Column; 9] = [
    (["deploy-", "ments"], |of| of.deployments.to_string()),
    (["failed", ""], |of| (of.deployments - of.succeeded).to_string()),
    (["rolled", "back"], |of| of.rolled_back.to_string()),
    (["change", "failed"], |of| percent(of.change_failure_rate())),
    (["lead", "p50"], |of| median(of.lead_time)),
    (["took", "p50"], |of| median(of.duration)),
    (["took", "p95"], |of| of.duration.map_or_else(|| NONE.to_owned(), |took| brief(took.p95))),
    (["recov-", "ery p50"], |of| median(of.recovery)),
    (["rework", ""], |of| if of.deployments == 0 { NONE.to_owned() } else { of.rework.to_string() }),
];

fn figures(out: &mut String, (title, first): (&str, [&str; 2]), rows: &[(String, Option<&Figures>)], style: Style) {
    out.push_str(&format!("\n{}\n", style.paint(title, Paint::Bold)));
    let cells: Vec<Option<[String; 9]>> =
        rows.iter().map(|(_, of)| of.map(|of| COLUMNS.map(|(_, cell)| cell(of)))).collect();
    let mut widths =
        COLUMNS.map(|(heading, _)| heading.map(|line| line.chars().count()).into_iter().max().unwrap_or(0));
    for row in cells.iter().flatten() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let named = rows.iter().filter(|(_, of)| of.is_some());
    let names = named.map(|(name, _)| name.chars().count()).chain(first.map(|line| line.chars().count())).max();
    let names = names.unwrap_or(0);
    let least: usize = widths.iter().sum();
    // A blank more between the columns where there is room, and the names on lines of their own where there is none.
    let gap = if names + least + 2 * widths.len() <= style.width { 2 } else { 1 };
    let beside = names + least + gap * widths.len() <= style.width;
    let lead = if beside { names } else { first.map(|line| line.chars().count()).into_iter().max().unwrap_or(0) };
    let row = |name: &str, cells: &[String]| {
        let mut line = format!("{name:<lead$}");
        for (width, cell) in widths.iter().zip(cells) {
            line.push_str(&format!("{:gap$}{cell:>width$}", ""));
        }
        line.trim_end().to_owned()
    };
    for (number, first) in first.into_iter().enumerate() {
        let heading: Vec<String> =
            COLUMNS.iter().filter_map(|(lines, _)| lines.get(number)).map(ToString::to_string).collect();
        out.push_str(&format!("{}\n", style.paint(&row(first, &heading), Paint::Dim)));
    }
    for ((name, _), cells) in rows.iter().zip(&cells) {
        let Some(cells) = cells else {
            paragraph(out, name, style, Some(Paint::Dim));
            continue;
        };
        if beside {
            out.push_str(&format!("{}\n", row(name, cells)));
        } else {
            paragraph(out, name, style, None);
            out.push_str(&format!("{}\n", row("", cells)));
        }
    }
}

fn failures(out: &mut String, history: &History, style: Style) {
    if history.failures.is_empty() {
        return;
    }
    out.push_str(&format!("\n{}\n", style.paint("What failed, the newest first", Paint::Bold)));
    for failure in history.failures.iter().rev().take(FAILURES) {
        let recovery = match failure.recovery {
            Recovery::After(took) => format!("well again after {}", whole(took)),
            Recovery::WithEarlier => "not well since an earlier one".to_owned(),
            Recovery::Untimed => "well again, the record does not tell when".to_owned(),
            Recovery::NotYet => "not well again in this history".to_owned(),
        };
        // Where there is no word of ours for it there is CodeDeploy's.
        let code =
            failure.said.split(':').next().filter(|code| failure.cause == Some(Cause::Other) && !code.is_empty());
        let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
        let line = format!("{} {}: {}{code}; {recovery}", failure.group, failure.id, spoken_cause(failure.cause));
        for (number, line) in wrapped(&line, style.width.saturating_sub(18)).iter().enumerate() {
            let lead = if number == 0 { failure.at.day_and_time() } else { String::new() };
            let lead = lead.trim_end_matches(" UTC");
            out.push_str(&format!("{lead:<16}  {line}\n"));
        }
    }
    if let Some(more) = history.failures.len().checked_sub(FAILURES).filter(|more| *more > 0) {
        out.push_str(&format!("… and {more} more; --html and --format json have all\n"));
    }
}
