//! What came of a run, for a person: everything that is not simply as expected, with all that is known of it. Pure; knows
//! nothing of the terminal but its width and whether it has colours.

use domain::hook::{Finding, Outcome};
use domain::text::count;
use domain::time::spoken;
use rehearsal::report::text::{Paint, Style};

use super::Ran;
use super::progress::sign;
use crate::terminal::wrapped;

/// The column in which what is said of a finding begins.
const INDENT: usize = 14;

/// The summary of all blocks.
pub(super) fn text(ran: &[Ran], style: Style) -> String {
    let mut out = String::new();
    for ran in ran {
        for (finding, _) in ran.findings().filter(|(finding, skipped)| finding.outcome != Outcome::Pass && !skipped) {
            out.push_str(&of_finding(ran, finding, style));
        }
    }
    out.push('\n');
    for ran in ran {
        let bad = ran.conclusion.findings.iter().any(|finding| !finding.outcome.is_acceptable());
        let (sign, paint) = sign(if bad { Outcome::Fail } else { Outcome::Pass });
        let line = format!("{}, {}: {} in {}", ran.service, ran.block, numbers(ran), spoken(ran.took));
        for (number, line) in wrapped(&line, style.width.saturating_sub(2)).iter().enumerate() {
            let lead = if number == 0 { style.paint(sign, paint) } else { " ".to_owned() };
            out.push_str(&format!("{lead} {line}\n"));
        }
    }
    if ran.iter().any(|ran| ran.block == "before_allow_traffic") {
        let remark =
            "The facts of `require` (tasks, targets, images, alarms) are the hook's to look at; they need AWS.";
        for line in wrapped(remark, style.width) {
            out.push_str(&format!("{}\n", style.paint(&line, Paint::Dim)));
        }
    }
    out
}

/// `3 of 5 checks passed, 1 degraded, 1 failed`.
pub(super) fn numbers(ran: &Ran) -> String {
    let findings = &ran.conclusion.findings;
    let of = |outcome| ran.findings().filter(|(finding, skipped)| finding.outcome == outcome && !skipped).count();
    let mut text = format!("{} of {} passed", of(Outcome::Pass), count(findings.len(), "check"));
    let rest = [
        (of(Outcome::Degraded), "degraded"),
        (of(Outcome::Inconclusive), "inconclusive"),
        (of(Outcome::Fail), "failed"),
        (ran.skipped.len(), "not run"),
    ];
    for (number, word) in rest.into_iter().filter(|(number, _)| *number > 0) {
        text.push_str(&format!(", {number} {word}"));
    }
    text
}

fn of_finding(ran: &Ran, finding: &Finding, style: Style) -> String {
    let (sign, paint) = sign(finding.outcome);
    let title = format!("{} ({}, {}): {}", finding.name, ran.service, ran.block, finding.outcome.word());
    let mut out = String::from("\n");
    for (number, line) in wrapped(&title, style.width.saturating_sub(2)).iter().enumerate() {
        let lead = if number == 0 { style.paint(sign, paint) } else { " ".to_owned() };
        out.push_str(&format!("{lead} {}\n", style.paint(line, Paint::Bold)));
    }
    let tries =
        if finding.tries > 0 { count(finding.tries as usize, "try").replace("trys", "tries") } else { String::new() };
    let took = finding.duration_ms.map(|ms| spoken(std::time::Duration::from_millis(ms))).unwrap_or_default();
    let peer = finding.peer.clone().unwrap_or_default();
    let rows = [
        ("expected", &finding.expected),
        ("observed", &finding.observed),
        ("target", &finding.target),
        ("peer", &peer),
        ("took", &took),
        ("tries", &tries),
    ];
    for (label, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
        for (number, line) in wrapped(value, style.width.saturating_sub(INDENT)).iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            out.push_str(&format!("    {}{line}\n", style.paint(&format!("{label:<10}"), Paint::Dim)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::report::samples::ran;

    #[test]
    fn a_summary_keeps_to_the_width_and_says_everything_of_what_went_wrong() {
        for width in [80, 120] {
            let text = text(&[ran()], Style { width, colour: false });
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for part in [
                "✗ build | a `odd` <name> (orchestrator, before_allow_traffic): fail",
                "expected $.sha = \"3f9c\"",
                "target GET https://test.example.com/version",
                "peer 10.0.1.7:443",
                "took 1.2 s tries 3 tries",
                "? overflow (orchestrator, before_allow_traffic): inconclusive",
                "✗ orchestrator, before_allow_traffic: 1 of 5 checks passed, 1 degraded, 1 inconclusive, 1 failed, 1 not run in 2 s",
            ] {
                assert!(joined.contains(part), "{part}: {text}");
            }
            assert!(!text.contains('\u{1b}'), "{text}");
        }
        assert!(text(&[ran()], Style { width: 80, colour: true }).contains("\u{1b}[31m✗\u{1b}[0m"));
    }
}
