//! `greenlight rehearse`: which scenarios, where from, and how they are shown. Knows nothing of how they are run.

mod record;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use clock::Clock;
use domain::deployment::Platform;
use rehearsal::project::{Places, Project, find_root, read_scenario};
use rehearsal::report::{Finished, html, json, telling, text};
use rehearsal::run::{Runner, scenario as run_scenario};
use rehearsal::scenario::{Scenario, find};
use rehearsal::world::World;
use rehearsal::{expect, timeline::Entry};

use crate::terminal::{Channel, print, style};

/// The scenario that runs when none is named.
const DEFAULT: &str = "default";
/// Where `serve` listens when not told otherwise.
const PORT: u16 = 9400;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// One JSON document per scenario and line, in place of the timeline
    #[arg(long, global = true)]
    json: bool,
    /// The application that plays the new version, in place of the sample
    #[arg(long, global = true, value_name = "URL")]
    green: Option<String>,
    /// The application that plays the old version, in place of the sample
    #[arg(long, global = true, value_name = "URL")]
    blue: Option<String>,
    /// The template, in place of template.yaml
    #[arg(long, global = true, value_name = "FILE")]
    template: Option<PathBuf>,
    /// The configuration, in place of config/greenlight.yaml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of the scenarios, in place of tests/scenarios
    #[arg(long, global = true, value_name = "FOLDER")]
    scenarios: Option<PathBuf>,
    /// A parameter of the template that is not to have its default
    #[arg(long = "parameter", global = true, value_name = "NAME=VALUE")]
    parameters: Vec<String>,
}

#[derive(Subcommand)]
enum Command {
    /// The scenarios, with one line each
    List,
    /// Run scenarios by name or path, or `all` of them
    Run {
        /// Names, paths of files, or `all`
        #[arg(required = true)]
        names: Vec<String>,
        /// Write down everything that people are told, for the scenarios that expect it to be as recorded
        #[arg(long)]
        record: bool,
    },
    /// Keep the AWS endpoint and the Runtime API up, for `cargo lambda invoke` and `cargo lambda watch`
    Serve {
        /// The port on 127.0.0.1; 0 for one that the system chooses
        #[arg(long, default_value_t = PORT)]
        port: u16,
    },
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let here = std::env::current_dir().context("could not read the current folder")?;
    let root = find_root(&here)?;
    let mut places = Places {
        template: arguments.template.clone(),
        config: arguments.config.clone(),
        scenarios: arguments.scenarios.clone(),
        parameters: BTreeMap::new(),
    };
    for parameter in &arguments.parameters {
        let (name, value) = parameter
            .split_once('=')
            .with_context(|| format!("`{parameter}` is no parameter: write `--parameter NAME=VALUE`"))?;
        places.parameters.insert(name.to_owned(), value.to_owned());
    }
    let project = Project::open(&root, &places)?;
    match &arguments.command {
        Some(Command::List) => list(&project),
        Some(Command::Serve { port }) => serve(&project, *port, arguments),
        Some(Command::Run { names, record }) => {
            let mut chosen = choose(&project, names)?;
            if *record {
                chosen = record::recordable(chosen, names)?;
            }
            rehearse(&project, chosen, arguments, *record)
        }
        None => rehearse(&project, choose(&project, &[DEFAULT.to_owned()])?, arguments, false),
    }
}

fn list(project: &Project) -> anyhow::Result<ExitCode> {
    let width = project.scenarios.iter().map(|scenario| scenario.name.len()).max().unwrap_or_default();
    for scenario in &project.scenarios {
        print(&format!("{:width$}  {}", scenario.name, scenario.title))?;
    }
    for (_, why) in &project.broken {
        crate::terminal::complain(why);
    }
    Ok(if project.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn choose(project: &Project, names: &[String]) -> anyhow::Result<Vec<Scenario>> {
    let mut chosen = Vec::new();
    for name in names {
        // Of a broken file its name is all that is known of the scenario in it.
        let own = |path: &Path| path.file_stem().is_some_and(|stem| stem == name.as_str());
        let is_known = project.scenarios.iter().any(|scenario| scenario.name == *name);
        let broken: Vec<&str> = project
            .broken
            .iter()
            .filter(|(path, _)| name == "all" || !is_known && own(path))
            .map(|(_, why)| why.as_str())
            .collect();
        if !broken.is_empty() && !Path::new(name).is_file() {
            bail!("{}", broken.join("\n"));
        }
        if name == "all" {
            chosen.extend(project.scenarios.iter().cloned());
        } else if Path::new(name).is_file() {
            chosen.push(read_scenario(Path::new(name))?);
        } else {
            chosen.push(find(&project.scenarios, name).map_err(anyhow::Error::msg)?.clone());
        }
    }
    Ok(chosen)
}

#[expect(clippy::disallowed_methods, reason = "this is the command line's edge: cargo tells its own path")]
fn build(project: &Project) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    crate::terminal::complain("building the functions; the first time takes a few minutes");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    Ok(project.build(&cargo)?)
}

fn rehearse(
    project: &Project,
    scenarios: Vec<Scenario>,
    arguments: &Arguments,
    recording: bool,
) -> anyhow::Result<ExitCode> {
    let mut scenarios = scenarios;
    for scenario in &mut scenarios {
        project.check(scenario)?;
        point_at(scenario, arguments)?;
    }
    let binaries = build(project)?;
    let style = style(Channel::Output);
    let clock = Clock::system();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut finished = Vec::new();
    for scenario in scenarios {
        let setting = project.setting_for(&scenario, &binaries, &scenario.name);
        if !arguments.json {
            print(&text::heading(&scenario.name, &scenario.title, style))?;
        }
        let started = clock.now();
        let mut printed: anyhow::Result<()> = Ok(());
        let show = |entry: &Entry| {
            if !arguments.json && printed.is_ok() {
                printed = print(&text::entry(entry, style));
            }
        };
        let world = runtime.block_on(run_scenario(setting.clone(), scenario.clone(), show))?;
        printed?;
        let mut scenario = scenario;
        if recording {
            crate::terminal::complain(&record::record(&mut scenario, world.record())?);
        }
        let held = expect::hold(&scenario, world.record());
        let run = Finished { scenario, world, held, took: clock.now().since(started) };
        if arguments.json {
            print(&json::document(&run).to_string())?;
        } else {
            print(&telling::told(run.world.record(), style))?;
            print(&text::summary(&run, style))?;
            if !run.met() {
                print(&format!("The functions' logs are in {}", setting.folder.display()))?;
            }
        }
        finished.push(run);
    }
    let met = finished.iter().filter(|run| run.met()).count();
    if !arguments.json {
        let page = project.setting(&binaries, "").folder.join("report.html");
        std::fs::write(&page, html::page(&finished))
            .with_context(|| format!("could not write `{}`", page.display()))?;
        if finished.len() > 1 {
            for run in finished.iter().filter(|run| !run.met()) {
                print(&format!("not met: {}", run.scenario.name))?;
            }
            print(&format!("{met} of {} scenarios met", finished.len()))?;
        }
        print(&format!("Report: {}", page.display()))?;
    }
    Ok(if met == finished.len() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Puts the user's own applications in the places of the sample's versions.
fn point_at(scenario: &mut Scenario, arguments: &Arguments) -> anyhow::Result<()> {
    for (option, url) in [("--green", &arguments.green), ("--blue", &arguments.blue)] {
        let Some(url) = url else { continue };
        let fits = url
            .parse::<http::Uri>()
            .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some());
        anyhow::ensure!(fits, "`{option} {url}` is no address; write it as `{option} http://127.0.0.1:8080`");
        anyhow::ensure!(
            scenario.deployments.iter().all(|plan| plan.platform == Platform::Ecs),
            "`{option}` stands for a web application on ECS, but the scenario `{}` deploys a Lambda function",
            scenario.name
        );
    }
    scenario.blue.url.clone_from(&arguments.blue);
    for plan in &mut scenario.deployments {
        plan.green.url.clone_from(&arguments.green);
    }
    Ok(())
}

fn serve(project: &Project, port: u16, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let binaries = build(project)?;
    let style = style(Channel::Output);
    let setting = project.setting(&binaries, "serve");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut scenario = Scenario::for_serve();
    point_at(&mut scenario, arguments)?;
    runtime.block_on(async {
        let mut world =
            World::starting_at(Clock::system().now(), setting.template.clone(), setting.config.clone(), scenario);
        world.open_for_samples();
        let folder = setting.folder.clone();
        let runner = Runner::open(setting, world, port, true).await?;
        let address = runner.address();
        let environment = folder.join("environment");
        std::fs::write(&environment, runner.environment())
            .with_context(|| format!("could not write `{}`", environment.display()))?;
        print(&format!(
            "AWS and the Runtime API are up on {address}. In another terminal:\n\n  cargo lambda invoke -A {} -P {} before-allow-traffic --data-file events/before-allow-traffic/ecs.json\n\nor, to have your changes built and run as you save them:\n\n  cargo lambda watch -A 127.0.0.1 -P 9000 --env-file {}\n  cargo lambda invoke -A 127.0.0.1 -P 9000 before-allow-traffic --data-file events/before-allow-traffic/ecs.json\n\nCtrl-C ends it.\n",
            address.ip(),
            address.port(),
            environment.display(),
        ))?;
        let stop = async {
            let _ = tokio::signal::ctrl_c().await;
        };
        runner
            .serve(stop, |entry| {
                let _ = print(&text::entry(entry, style));
            })
            .await?;
        anyhow::Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
