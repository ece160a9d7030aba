//! The reports for machines: their forms, and where each goes. Knows nothing of how a run is shown to a person.

mod json;
mod junit;
mod markdown;
#[cfg(test)]
pub(super) mod samples;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::ValueEnum;

use super::Ran;
use crate::terminal::Channel;

/// A form of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// `JUnit`'s XML, as CI systems read it
    Junit,
    /// One document with every finding
    Json,
    /// A table, as GitHub shows it in a job's summary
    Markdown,
}

/// Each report with its file; `None` is standard output.
pub(super) fn targets<'a>(forms: &[Form], files: &'a [PathBuf]) -> anyhow::Result<Vec<(Form, Option<&'a Path>)>> {
    ensure!(
        files.len() <= forms.len(),
        "there are more `--output` than `--report`: each report goes to one file, in the order in which both are given"
    );
    ensure!(
        forms.len() - files.len() <= 1,
        "several reports cannot share standard output; give each an `--output FILE`, in the order of the reports"
    );
    let files = files.iter().map(|file| Some(file.as_path())).chain(std::iter::repeat(None));
    Ok(forms.iter().copied().zip(files).collect())
}

/// Opens each file once, so that a run is not begun whose report nobody would get.
pub(super) fn writable(targets: &[(Form, Option<&Path>)]) -> anyhow::Result<()> {
    for file in targets.iter().filter_map(|(_, file)| *file) {
        let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
        opened.with_context(|| format!("could not write the report `{}`", file.display()))?;
    }
    Ok(())
}

/// Writes one report.
pub(super) fn write(form: Form, file: Option<&Path>, ran: &[Ran]) -> anyhow::Result<()> {
    let text = match form {
        Form::Junit => junit::document(ran),
        Form::Json => json::document(ran),
        Form::Markdown => markdown::table(ran),
    };
    match file {
        Some(file) => {
            std::fs::write(file, text).with_context(|| format!("could not write the report `{}`", file.display()))
        }
        None => Channel::Output.write(&text),
    }
}
