//! A run as it goes on: one line for each check that has ended and, where lines can be rewritten, below them those that still
//! run. Knows nothing of why a check came out as it did.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use checks::{Event, Watcher};
use domain::config::Check;
use domain::hook::{Finding, Outcome};
use domain::text::{bounded, visible};
use domain::time::spoken;
use rehearsal::report::text::{Paint, Style};

use super::choose::Choice;
use super::given::Interrupts;
use crate::terminal::{Channel, can_rewrite, style};

/// How many running checks are shown at a time; a block that is higher than the terminal could not be rewritten.
const SHOWN: usize = 8;

/// The sign and the colour of an outcome.
pub(super) fn sign(outcome: Outcome) -> (&'static str, Paint) {
    match outcome {
        Outcome::Pass => ("✓", Paint::Green),
        Outcome::Degraded => ("!", Paint::Yellow),
        Outcome::Inconclusive => ("?", Paint::Yellow),
        Outcome::Fail => ("✗", Paint::Red),
    }
}

/// What a block's lines stand under.
pub(super) fn heading(choice: &Choice<'_>, base: Option<&str>, style: Style) -> String {
    let at = base.map(|base| format!(" at {base}")).unwrap_or_default();
    let title = format!("{}, {}{at}", choice.service.name, choice.block);
    crate::terminal::wrapped(&title, style.width)
        .iter()
        .map(|line| style.paint(line, Paint::Bold))
        .collect::<Vec<_>>()
        .join("\n")
}

/// One block's run.
pub(super) struct Progress<'a> {
    names: Vec<String>,
    skipped: &'a BTreeSet<usize>,
    channel: Channel,
    style: Style,
    rewrites: bool,
    interrupts: &'a Interrupts,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// What is said of each running check.
    running: BTreeMap<usize, String>,
    /// How many lines stand below the last one that stays.
    lines: usize,
    /// The first thing that could not be written.
    failed: Option<anyhow::Error>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(
        checks: &[Check],
        skipped: &'a BTreeSet<usize>,
        channel: Channel,
        interrupts: &'a Interrupts,
    ) -> Self {
        Self {
            names: checks.iter().map(|check| visible(&check.name)).collect(),
            skipped,
            channel,
            style: style(channel),
            rewrites: can_rewrite(channel),
            interrupts,
            state: RefCell::default(),
        }
    }

    /// Whether everything could be written.
    pub(super) fn done(self) -> anyhow::Result<()> {
        self.state.into_inner().failed.map_or(Ok(()), Err)
    }

    fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", String::as_str)
    }

    /// Writes a line that stays, and again what is running.
    fn show(&self, state: &mut State, stays: Option<&str>) {
        let text = self.text(state, stays);
        if let Err(error) = self.channel.write(&text) {
            state.failed.get_or_insert(error);
        }
    }

    fn text(&self, state: &mut State, stays: Option<&str>) -> String {
        let mut text = String::new();
        if self.rewrites && state.lines > 0 {
            // To the beginning of the first line that does not stay; everything from there on goes.
            text.push_str(&format!("\r\u{1b}[{}A\u{1b}[J", state.lines));
        }
        if let Some(line) = stays {
            text.push_str(line);
            text.push('\n');
        }
        state.lines = 0;
        if self.rewrites {
            for (index, said) in state.running.iter().take(SHOWN) {
                let line = bounded(&format!("  … {}{said}", self.name(*index)), self.style.width.saturating_sub(1));
                text.push_str(&format!("{}\n", self.style.paint(&line, Paint::Dim)));
                state.lines += 1;
            }
            let more = state.running.len().saturating_sub(SHOWN);
            if more > 0 {
                text.push_str(&format!("{}\n", self.style.paint(&format!("  … and {more} more"), Paint::Dim)));
                state.lines += 1;
            }
        }
        text
    }

    fn ended(&self, index: usize, finding: &Finding) -> String {
        let name = self.name(index);
        if self.skipped.contains(&index) {
            return self.style.paint(&format!("  - {name}, not run"), Paint::Dim);
        }
        let (sign, paint) = sign(finding.outcome);
        let mut line = format!("  {} {name}", self.style.paint(sign, paint));
        if !matches!(finding.outcome, Outcome::Pass) {
            line.push_str(&format!(", {}", finding.outcome.word()));
        }
        let effort = finding.effort();
        if !effort.is_empty() {
            line.push_str(&self.style.paint(&format!(", {effort}"), Paint::Dim));
        }
        line
    }
}

impl Watcher for Progress<'_> {
    fn hear(&self, event: Event<'_>) {
        let mut state = self.state.borrow_mut();
        match event {
            Event::Begun { index } => {
                state.running.insert(index, String::new());
                if self.rewrites {
                    self.show(&mut state, None);
                }
            }
            Event::Retrying { index, tried, observed, pause } => {
                let said = format!(", try {tried}: {observed}; again in {}", spoken(pause));
                if self.rewrites {
                    state.running.insert(index, said);
                    self.show(&mut state, None);
                } else {
                    let line = bounded(&format!("  … {}{said}", self.name(index)), self.style.width);
                    self.show(&mut state, Some(&line));
                }
            }
            Event::Ended { index, finding } => {
                state.running.remove(&index);
                let line = self.ended(index, finding);
                self.show(&mut state, Some(&line));
            }
        }
    }

    async fn stop(&self) {
        self.interrupts.first().await;
        let line = "stopped: what runs is cancelled, and clean-ups still run; Ctrl-C again ends at once";
        self.show(&mut self.state.borrow_mut(), Some(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_rewritten_below_what_has_ended_and_never_wraps() {
        let interrupts = Interrupts::default();
        let names: Vec<String> = (0..10).map(|n| format!("check {n} with a name")).collect();
        let progress = Progress {
            names,
            skipped: &BTreeSet::new(),
            channel: Channel::Output,
            style: Style { width: 60, colour: false },
            rewrites: true,
            interrupts: &interrupts,
            state: RefCell::default(),
        };
        let mut state = State::default();
        state.running.extend((0..10).map(|index| (index, String::new())));
        let text = progress.text(&mut state, None);
        assert_eq!(text.lines().count(), 9);
        assert!(text.starts_with("  … check 0 with a name\n") && text.ends_with("  … and 2 more\n"), "{text}");
        state.running.clear();
        state.running.insert(4, format!(", try 1: {}", "x".repeat(200)));
        let text = progress.text(&mut state, Some("  ✓ check 0 with a name"));
        // Nine lines up, and everything below is cleared (ECMA-48: CUU and ED).
        let rest = text.strip_prefix("\r\u{1b}[9A\u{1b}[J  ✓ check 0 with a name\n").unwrap();
        assert!(rest.starts_with("  … check 4 with a name, try 1: xxx") && rest.ends_with("…\n"), "{rest}");
        assert_eq!(rest.trim_end_matches('\n').chars().count(), 59);
        state.running.clear();
        assert_eq!(progress.text(&mut state, Some("end")), "\r\u{1b}[1A\u{1b}[Jend\n");
    }
}
