//! The rounds: every program once in each, so that what else the machine does strikes all of them alike.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use rehearsal::project::{Places, Project, find_root};

use crate::Arguments;
use crate::process::{Program, measure};
use crate::programs::{BARE, MEASURED, PYTHON, Programs, STOPPING, configuration};
use crate::report::{Measured, checks, starts, times_faster, until_the_stop, until_the_verdict};
use crate::stage::Stage;

/// Measures everything and prints the tables.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = find_root(&std::env::current_dir()?)?;
    let project = Project::open(&root, &Places::default())?;
    let folder = root.join("target/benchmark");
    std::fs::create_dir_all(&folder).with_context(|| format!("could not make `{}`", folder.display()))?;
    if !arguments.no_build {
        build(&root, arguments)?;
    }
    let unlocated = configuration("https://localhost", &[]);
    let config = rehearsed(&unlocated)?;
    let stage = Stage::open(project.template.clone(), config, &folder).await?;
    let programs = Programs { project: &project, stage: &stage, binaries: binaries(&root)?, folder };
    let check = |name: &str, path: &str| format!("        - {{ name: {name}, get: {path} }}\n");
    let small = configuration(&stage.url(), &[check("health", "/health")]);
    let one = configuration(&stage.url(), &[check("slow", "/slow")]);
    let many: Vec<String> = (1..=50).map(|number| check(&format!("slow {number}"), "/slow")).collect();
    let many = configuration(&stage.url(), &many);

    let mut all = vec![(programs.bare()?, "`lambda_runtime` alone".to_owned(), arguments.rounds)];
    for (binary, sample, what) in MEASURED.into_iter().filter(|(binary, ..)| arguments.wants(binary)) {
        all.push((programs.function(binary, binary, sample, &small)?, what.to_owned(), arguments.rounds));
    }
    if arguments.python_rounds > 0 && arguments.wants(PYTHON) {
        let what = "the calls of `after-allow-traffic` with `awslambdaric`, boto3 and httpx".to_owned();
        all.push((programs.python()?, what, arguments.python_rounds));
    }
    let sample = "after-allow-traffic/ecs";
    for (name, config) in [("one-check", &one), ("fifty-checks", &many)] {
        if !arguments.wants("after-allow-traffic") {
            continue;
        }
        let program = programs.function(name, "after-allow-traffic", sample, config)?;
        all.push((program, "checks of 100 ms".to_owned(), arguments.rounds.min(10)));
    }
    if arguments.wants("alarm-rollback") {
        let what = "an alarm that stops a deployment".to_owned();
        all.push((programs.stopping(&small)?, what, arguments.rounds));
    }
    let measured = interleaved(&all, &stage, arguments).await?;
    print(&told(&measured))
}

/// Starts every program in each round that it takes part in.
async fn interleaved(
    all: &[(Program, String, usize)],
    stage: &Stage,
    arguments: &Arguments,
) -> anyhow::Result<Vec<Measured>> {
    let mut measured: Vec<Measured> = all
        .iter()
        .map(|(program, what, _)| Measured {
            name: program.name.clone(),
            what: what.clone(),
            size: std::fs::metadata(&program.command).ok().filter(|_| program.name != PYTHON).map(|file| file.len()),
            samples: Vec::new(),
        })
        .collect();
    // The first start of each brings its file into memory and is not counted.
    for (program, ..) in all {
        let sample = measure(program, stage, 0).await?;
        complain(&format!("{}: {} [{}]", program.name, sample.answer, sample.calls.join(", ")));
        if sample.answer.contains("\"Failed\"") && program.name != "hook-watchdog"
            || sample.answer.contains("errorMessage")
            || (program.name == STOPPING && !sample.marks.iter().all(|(_, marks)| marks.stop.is_some()))
        {
            bail!("`{}` does not do what is to be measured: {}", program.name, sample.answer);
        }
    }
    for round in 0..arguments.rounds {
        for ((program, _, rounds), measured) in all.iter().zip(&mut measured) {
            // Spread over the whole run, whatever their number.
            if (round * rounds) % arguments.rounds < *rounds {
                measured.samples.push((round, measure(program, stage, arguments.warm).await?));
            }
        }
        complain(&format!("round {} of {}", round + 1, arguments.rounds));
    }
    Ok(measured)
}

fn told(measured: &[Measured]) -> String {
    let find = |name: &str| measured.iter().find(|measured| measured.name == name);
    let plain: Vec<Measured> = measured
        .iter()
        .filter(|measured| !matches!(measured.name.as_str(), "one-check" | "fifty-checks" | STOPPING))
        .cloned()
        .collect();
    let mut text = starts(&plain);
    let hook = find("after-allow-traffic");
    if let (Some(hook), Some(python)) = (hook, find(PYTHON))
        && let Some((init, cold)) = times_faster(hook, python)
    {
        text.push_str(&format!(
            "\nThe Python form takes {init:.0} times as long to start and {cold:.0} times as long to its first answer as `after-allow-traffic`.\n"
        ));
    }
    let hooks: Vec<String> = ["before-allow-traffic", "after-allow-traffic"]
        .iter()
        .filter_map(|name| find(name))
        .map(until_the_verdict)
        .collect();
    if !hooks.is_empty() {
        text.push_str("\n| from the last check's end to CodeDeploy's having the verdict, ms | first invocation | further ones |\n|---|---|---|\n");
        text.push_str(&hooks.concat());
    }
    if let (Some(stopping), Some(bare)) = (find(STOPPING), find(BARE)) {
        text.push('\n');
        text.push_str(&until_the_stop(stopping, bare));
    }
    if let (Some(one), Some(fifty)) = (find("one-check"), find("fifty-checks")) {
        text.push('\n');
        text.push_str(&checks(one, fifty));
    }
    text
}

fn rehearsed(text: &str) -> anyhow::Result<domain::config::Config> {
    // Without a check there is nothing below `checks:`.
    let text = text.replace("      checks:\n", "      budget: 1m\n");
    Ok(domain::config::load("the benchmark's configuration", &text)?)
}

/// Builds the functions and the bare one in the release profile.
fn build(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    complain("building the functions in the release profile; the first time takes many minutes");
    let mut command = Command::new(cargo());
    command.current_dir(root).args(["build", "--release", "--package", "benchmark", "--bin", BARE]);
    for (binary, ..) in MEASURED.into_iter().filter(|(binary, ..)| arguments.wants(binary)) {
        command.args(["--package", binary, "--bin", binary]);
    }
    let status = command.status().context("could not start cargo")?;
    if !status.success() {
        bail!("the functions could not be built; cargo's messages stand above");
    }
    Ok(())
}

/// Where this program lies, the release binaries lie too.
fn binaries(root: &Path) -> anyhow::Result<std::path::PathBuf> {
    let own = std::env::current_exe().context("could not find this program's own file")?;
    Ok(own.parent().map_or_else(|| root.join("target/release"), Path::to_owned))
}

#[expect(clippy::disallowed_methods, reason = "cargo tells its own path")]
fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).context("could not print")
}

/// Progress goes to standard error, so that the tables can be taken from standard output.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
