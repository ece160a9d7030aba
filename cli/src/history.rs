//! `greenlight history`: a deployment history in, the five DORA numbers out. It counts by the rules that `deployment-metrics` publishes by
//! (`dora`). Knows nothing of AWS but what its command line prints.

mod choose;
mod counted;
mod json;
mod overlap;
mod page;
mod read;
mod table;
mod wire;
mod words;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use domain::deployment::GroupName;

use crate::terminal::{Channel, complain, print, style};
use choose::{Moment, choose};

/// How a history is fetched, for `--help`. CodeDeploy gives 25 deployments a call at most (API reference, `BatchGetDeployments`).
const HOW: &str = "\
How to fetch a history with the AWS CLI:

  One deployment group:
    aws deploy list-deployments \\
        --application-name APP --deployment-group-name GROUP \\
        --query 'deployments[]' --output text |
      xargs -n 25 aws deploy batch-get-deployments --output json \\
          --deployment-ids > history.jsonl

  Every group of the account and region, since a day:
    aws deploy list-deployments --create-time-range start=2026-10-01 \\
        --query 'deployments[]' --output text |
      xargs -n 25 aws deploy batch-get-deployments --output json \\
          --deployment-ids > history.jsonl

  When each shift ended exactly (optional; two calls a deployment):
    for id in $(aws deploy list-deployments \\
        --create-time-range start=2026-10-01 \\
        --query 'deployments[]' --output text); do
      aws deploy list-deployment-targets --deployment-id \"$id\" \\
          --query 'targetIds[]' --output text |
        xargs -n 25 aws deploy batch-get-deployment-targets --output json \\
          --deployment-id \"$id\" --target-ids
    done > targets.jsonl

  greenlight history history.jsonl targets.jsonl --html history.html

Run it once for each account and region: their groups may have the same names.

The rules it counts by: docs/metrics.md. The exit status is 0; 1 when there was
nothing to count; 2 when something could not be read.";

/// What is said where there is nothing to count.
const NOTHING: &str = "Nothing to count: there is no deployment in it that has ended.";

#[derive(Args)]
#[command(after_long_help = HOW)]
pub(crate) struct Arguments {
    /// What `aws deploy batch-get-deployments` or `get-deployment` printed, one after the other; `-` is standard input. The output of
    /// `batch-get-deployment-targets` may stand among it
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Only this deployment group, `application/group`; may be repeated
    #[arg(long = "group", value_name = "GROUP", value_parser = choose::group_name)]
    groups: Vec<GroupName>,
    /// Only the groups that this configuration names, with their environments
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only what ended on this day (UTC) or later, `2026-10-01`; also a time, `2026-10-01T12:00:00Z`
    #[arg(long, value_name = "DAY", value_parser = Moment::parse)]
    since: Option<Moment>,
    /// Only what ended on this day (UTC) or earlier; of a time, before it
    #[arg(long, value_name = "DAY", value_parser = Moment::parse)]
    until: Option<Moment>,
    /// How the numbers are told
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write them as a page with plots as well
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables
    Text,
    /// One JSON document; durations in seconds
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let found = read::files(&arguments.files)?;
    let present: BTreeSet<&GroupName> = found.deployments.values().map(|one| &one.group).collect();
    let choice = choose(arguments, &present)?;
    overlap::refuse_overlaps(&found, &choice)?;
    let history = counted::counted(found, &choice);
    let is_empty = history.assessments.is_empty();
    match arguments.format {
        Format::Json => print(&json::document(&history).to_string())?,
        Format::Text => Channel::Output.write(&table::text(&history, style(Channel::Output)))?,
    }
    if let Some(path) = &arguments.html {
        let page = page::page(&history);
        std::fs::write(path, page).with_context(|| format!("could not write the page `{}`", path.display()))?;
        complain(&format!("the page: {}", path.display()));
    }
    if is_empty {
        complain("How to fetch a history: greenlight history --help");
    }
    Ok(ExitCode::from(u8::from(is_empty)))
}
