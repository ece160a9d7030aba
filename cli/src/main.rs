//! The command-line program `greenlight`: reads the arguments, calls the engine, prints. Knows nothing of how anything is done.

mod lint;
mod rehearse;

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
    /// Run a whole deployment on this machine, in virtual time
    Rehearse(rehearse::Arguments),
    /// Look for mistakes in the configuration, all at once
    Lint(lint::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Rehearse(arguments) => rehearse::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        // A closed pipe (`| head`) is no error of ours.
        let piped = error.chain().any(|cause| {
            cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
        });
        if !piped {
            complain(&format!("error: {error:#}"));
        }
        ExitCode::from(2)
    })
}

#[expect(clippy::print_stderr, reason = "this is the one place that speaks to standard error")]
pub(crate) fn complain(text: &str) {
    eprintln!("{text}");
}
