//! `greenlight lint`: reads a configuration as the hooks do, and shows every problem with the line that it is in. Knows nothing of what
//! may be wrong.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use domain::config::{Config, Problem, load_reviewed, schema};
use domain::text::{count, credentials_in, visible};
use serde_json::json;

use crate::configuration;
use crate::terminal::print;

/// How wide a line of the file is shown at most, in characters.
const WIDTH: usize = 70;
/// How much of it stands before the place that is pointed at, where it has to be cut.
const BEFORE: usize = 24;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The file; without it `config/greenlight.yaml` of the project, or `greenlight.yaml` in this folder
    file: Option<PathBuf>,
    /// How the problems are told
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Print the JSON Schema of the configuration in place of looking at a file
    #[arg(long, conflicts_with_all = ["file", "format"])]
    schema: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line for each, and the place in the file below it
    Text,
    /// One JSON document
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.schema {
        print(&format!("{:#}", schema()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let file = configuration::file(arguments.file.as_deref())?;
    let text = std::fs::read_to_string(&file).with_context(|| format!("could not read `{}`", file.display()))?;
    let name = file.display().to_string();
    let outcome = load_reviewed(&name, &text, checks::review);
    let problems = outcome.as_ref().err().map_or(&[][..], |error| &error.problems);
    match arguments.format {
        Format::Json => print(&document(&name, problems).to_string())?,
        Format::Text => {
            for problem in problems {
                let message = visible(&problem.message);
                print(&format!("{name}:{}:{}: {message}", problem.place.line, problem.place.column))?;
                print(&pointed_at(problem, &text))?;
            }
            match &outcome {
                Ok(config) => print(&format!("{name} is valid: {}", contents(config)))?,
                Err(error) => print(&format!("{name}: {}", count(error.problems.len(), "problem")))?,
            }
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn contents(config: &Config) -> String {
    let checks = config
        .services
        .iter()
        .map(|service| service.before_allow_traffic.checks.len() + service.after_allow_traffic.checks.len())
        .sum();
    let alarms = config.services.iter().map(|service| service.alarms.len()).sum();
    format!("{}, {}, {}", count(config.services.len(), "service"), count(checks, "check"), count(alarms, "alarm"))
}

fn document(file: &str, problems: &[Problem]) -> serde_json::Value {
    let problems: Vec<serde_json::Value> = problems
        .iter()
        .map(
            |problem| json!({ "line": problem.place.line, "column": problem.place.column, "message": problem.message }),
        )
        .collect();
    json!({ "file": file, "valid": problems.is_empty(), "problems": problems })
}

/// The line of the file, cut to what fits, with a mark below the word that is meant.
fn pointed_at(problem: &Problem, text: &str) -> String {
    let whole = text.lines().nth(problem.place.line - 1).unwrap_or_default();
    let secrets = credentials_in(whole);
    // As many characters as there were, so that the mark stands where it should; a password is not repeated.
    let shown = |(at, c): (usize, char)| match c {
        _ if secrets.iter().any(|secret| secret.contains(&at)) => '*',
        _ if visible(c.encode_utf8(&mut [0; 4])) != c.to_string() => ' ',
        _ => c,
    };
    let line: Vec<char> = whole.char_indices().map(shown).collect();
    let at = problem.place.column - 1;
    let is_word = |c: &&char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '.');
    let word = line.iter().skip(at).take_while(is_word).count().max(1);
    let from = if at + word > WIDTH { at.saturating_sub(BEFORE) } else { 0 };
    let shown: String = line.iter().skip(from).take(WIDTH).collect();
    let (before, after) = (if from > 0 { "…" } else { "" }, if line.len() > from + WIDTH { "…" } else { "" });
    let number = problem.place.line.to_string();
    let gutter = " ".repeat(number.len());
    let indent = " ".repeat(at - from + before.chars().count());
    format!(" {number} | {before}{shown}{after}\n {gutter} | {indent}{}", "^".repeat(word.min(WIDTH - (at - from))))
        .trim_end()
        .to_owned()
}
