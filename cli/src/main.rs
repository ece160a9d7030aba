//! The command-line program `greenlight`: reads the arguments, calls the engine, prints. Knows nothing of how anything is done.

mod check;
mod configuration;
mod history;
mod lint;
mod rehearse;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Stands guard around AWS CodeDeploy, and rehearses it on a laptop.
#[derive(Parser)]
#[command(name = "greenlight", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a service's checks against a URL, as the hooks do
    Check(check::Arguments),
    /// Run a whole deployment on this machine, in virtual time
    Rehearse(rehearse::Arguments),
    /// Count a deployment history: the five DORA numbers of a team, before it installs anything
    History(history::Arguments),
    /// Look for mistakes in the configuration, all at once
    Lint(lint::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Rehearse(arguments) => rehearse::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        terminal::complain(&format!("error: {error:#}"));
        ExitCode::from(2)
    })
}
