//! The project, read and built once for all tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rehearsal::expect::{Held, hold};
use rehearsal::project::{Places, Project};
use rehearsal::run::{Runner, Setting, scenario as run_scenario};
use rehearsal::scenario::Scenario;
use rehearsal::world::World;
use serde_json::Value;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the workspace")
}

pub(crate) fn project() -> &'static Project {
    static PROJECT: OnceLock<Project> = OnceLock::new();
    PROJECT.get_or_init(|| Project::open(root(), &Places::default()).expect("the project can be rehearsed"))
}

/// The functions' binaries; the first test that needs them has cargo build them.
pub(crate) fn binaries() -> &'static BTreeMap<String, PathBuf> {
    static BINARIES: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    BINARIES.get_or_init(|| project().build(env!("CARGO")).expect("the functions build"))
}

/// The setting of a run in a folder of its own.
pub(crate) fn setting(run: &str) -> Setting {
    project().setting(binaries(), &format!("tests/{run}"))
}

/// The setting of a scenario's run, in a folder of its name.
pub(crate) fn setting_for(scenario: &Scenario) -> Setting {
    setting_in(&scenario.name, scenario)
}

/// The same in a folder of another name.
pub(crate) fn setting_in(folder: &str, scenario: &Scenario) -> Setting {
    project().setting_for(scenario, binaries(), &format!("tests/{folder}"))
}

pub(crate) fn scenario(name: &str) -> Scenario {
    rehearsal::scenario::find(&project().scenarios, name).expect("the scenario exists").clone()
}

/// Runs a scenario; the world as it was left, and what came of the expectations.
pub(crate) fn run(setting: Setting, scenario: &Scenario) -> (World, Vec<Held>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let world = runtime
        .block_on(run_scenario(setting, scenario.clone(), |_| {}))
        .unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
    let held = hold(scenario, world.record());
    (world, held)
}

/// Invokes a function once in the world of the sample events; whether it failed, and its answer.
pub(crate) fn ask(setting: Setting, function: &str, event: Value) -> (bool, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut world = World::new(Arc::clone(&setting.template), setting.config.clone(), Scenario::for_serve());
    world.open_for_samples();
    let answer = runtime.block_on(async {
        let mut runner = Runner::open(setting, world, 0, false).await.expect("the rehearsal opens");
        runner.ask(function, event).await.expect("an answer")
    });
    let failed = answer.headers.iter().any(|(name, _)| name == "x-amz-function-error");
    (failed, String::from_utf8_lossy(&answer.body).into_owned())
}

/// The expectations that did not come true, one a line.
pub(crate) fn unmet(held: &[Held]) -> String {
    let lines: Vec<String> =
        held.iter().filter(|held| !held.met).map(|held| format!("{}; seen: {}", held.what, held.seen)).collect();
    lines.join("\n")
}
