//! Measures the functions beside a bare one and beside the Python form: `cargo run --release -p benchmark`.

mod process;
mod programs;
mod report;
mod rounds;
mod stage;
mod statistics;

use std::process::ExitCode;

use clap::Parser;

/// Measures start-up, memory and many checks at once, in interleaved rounds, over HTTPS on loopback
#[derive(Debug, Parser)]
#[command(name = "benchmark")]
pub(crate) struct Arguments {
    /// How often each Rust function is started
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// In how many of the rounds the Python form is started; 0 leaves it out
    #[arg(long, default_value_t = 5)]
    python_rounds: usize,
    /// Further invocations of each process after its first
    #[arg(long, default_value_t = 10)]
    warm: u32,
    /// Only the functions of these names, beside the bare one
    #[arg(long)]
    only: Vec<String>,
    /// Take the release binaries as they are
    #[arg(long)]
    no_build: bool,
}

impl Arguments {
    /// Whether the program of that name is to be measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let run = || -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(rounds::run(&arguments))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            rounds::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
