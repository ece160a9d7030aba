//! Reads the configuration's text: every problem in it at once, each with its line, its column and what to write instead. Knows nothing
//! of files.

use std::fmt;

use super::check::Check;
use super::mend::{self, MOST};
use super::path::{Path, Step};
use super::review::review;
use super::service::Config;
use super::yaml::{self, Document, Place};
use crate::text::without_credentials;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where; always a place inside the file.
    pub place: Place,
    /// What, and what to write instead.
    pub message: String,
}

/// A configuration that cannot be used, with everything that is known to be wrong in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file's name, as it was given.
    pub file: String,
    /// What is wrong, in the file's order; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{}:{}: {}", self.file, problem.place.line, problem.place.column, problem.message)?;
        }
        Ok(())
    }
}

/// What a review finds, before it is known where that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What it is about, from where the review began.
    pub path: Path,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// Whether it rests on all names and captured values of the block, or on all services, being known. Where a check's name or a service could
    /// not be read, it may only follow from that, and is not told.
    pub rests_on_names: bool,
}

impl Remark {
    /// A remark that rests on nothing but what it is about.
    pub fn new(path: Path, message: impl Into<String>) -> Self {
        Self { path, message: message.into(), rests_on_names: false }
    }
}

/// Looks at the checks of one block for what their types cannot rule out: names, references, expressions. Its remarks begin at the
/// list of checks. The engine that runs the checks (the crate `checks`) has the one that counts.
pub type Reviewer = fn(&[Check]) -> Vec<Remark>;

/// Reads a configuration without having its checks reviewed; `file` is only named in errors.
pub fn load(file: &str, text: &str) -> Result<Config, ConfigError> {
    load_reviewed(file, text, |_| Vec::new())
}

/// Reads a configuration and has every block of checks reviewed; `file` is only named in errors.
pub fn load_reviewed(file: &str, text: &str, reviewer: Reviewer) -> Result<Config, ConfigError> {
    let reading = read(file, text, reviewer)?;
    match reading.mistakes {
        None => Ok(reading.config),
        Some(mistakes) => Err(mistakes),
    }
}

/// A configuration as far as it could be read.
pub(super) struct Reading {
    /// With stand-ins where something was wrong.
    pub(super) config: Config,
    /// Everything that is wrong with it.
    pub(super) mistakes: Option<ConfigError>,
    /// The places of what is wrong or stands in for something wrong.
    pub(super) doubtful: Vec<Path>,
}

/// Reads what can be read; an error where nothing can be made of it.
pub(super) fn read(file: &str, text: &str, reviewer: Reviewer) -> Result<Reading, ConfigError> {
    let failed = |mut problems: Vec<Problem>| {
        problems.sort_by_key(|problem| problem.place);
        problems.dedup();
        if problems.len() > MOST {
            problems.truncate(MOST);
            let place = problems.last().map(|problem| problem.place).unwrap_or_default();
            problems.push(Problem { place, message: format!("there are more problems; these are the first {MOST}") });
        }
        for problem in &mut problems {
            problem.place = inside(problem.place, text);
            // Whatever it says, and however badly an address was written: a password in it is repeated nowhere.
            problem.message = without_credentials(&problem.message);
        }
        ConfigError { file: file.to_owned(), problems }
    };
    let (document, slips) =
        yaml::read(text).map_err(|error| failed(vec![Problem { place: error.place, message: error.message }]))?;
    let mended = mend::read(document, slips.iter().filter_map(|slip| slip.stand_in.clone()));
    let document = &mended.document;
    let mut problems: Vec<Problem> =
        slips.iter().map(|slip| Problem { place: slip.error.place, message: slip.error.message.clone() }).collect();
    problems.extend(mended.problems.iter().cloned());
    let mut doubtful: Vec<Path> = mended.paths.iter().cloned().collect();
    let Some(config) = mended.config else { return Err(failed(problems)) };
    let mut remarks = review(&config, document);
    let services = Path::top().key("services");
    let services_are_known = !mended.paths.iter().any(|path| path.is_within(&services));
    remarks.retain(|remark| services_are_known || !remark.rests_on_names);
    for (at, checks) in blocks(&config) {
        let names_are_known = !mended.paths.iter().any(|path| names_something(path, &at));
        let of_block = reviewer(checks).into_iter().filter(|remark| names_are_known || !remark.rests_on_names);
        remarks.extend(of_block.map(|remark| Remark { path: at.join(&remark.path), ..remark }));
    }
    // What was put in place of something wrong has mistakes of its own; they are not the user's.
    remarks.retain(|remark| !mended.paths.iter().any(|path| remark.path.is_within(path)));
    problems.extend(remarks.iter().map(|remark| told(document, remark)));
    doubtful.extend(remarks.into_iter().map(|remark| remark.path));
    let mistakes = (!problems.is_empty()).then(|| failed(problems));
    Ok(Reading { config, mistakes, doubtful })
}

fn told(document: &Document, remark: &Remark) -> Problem {
    Problem { place: document.nearest_place(&remark.path), message: remark.message.clone() }
}

/// Every block of checks, with the path of its list.
fn blocks(config: &Config) -> Vec<(Path, &[Check])> {
    let services = Path::top().key("services");
    let mut blocks: Vec<(Path, &[Check])> = Vec::new();
    for (index, service) in config.services.iter().enumerate() {
        let at = services.entry(index);
        blocks.push((at.key("before_allow_traffic").key("checks"), &service.before_allow_traffic.checks));
        blocks.push((at.key("after_allow_traffic").key("checks"), &service.after_allow_traffic.checks));
    }
    blocks
}

/// Whether what was mended at `path` is a check of the block, its name or its captured values.
fn names_something(path: &Path, block: &Path) -> bool {
    match path.below(block).as_ref().map(Path::steps) {
        Some([] | [Step::Entry(_)]) => true,
        Some([Step::Entry(_), Step::Key(key), ..]) => matches!(key.as_str(), "name" | "capture"),
        _ => false,
    }
}

/// The parser sees the end of a file a line below its last one: the place that an editor can go to.
fn inside(place: Place, text: &str) -> Place {
    let lines: Vec<&str> = text.lines().collect();
    let line = place.line.clamp(1, lines.len().max(1));
    let length = lines.get(line - 1).map_or(0, |line| line.chars().count());
    let column = if line < place.line { length + 1 } else { place.column.clamp(1, length + 1) };
    Place { line, column }
}

#[cfg(test)]
mod tests;
