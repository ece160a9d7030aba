//! What a rehearsal is made of: the template, the configuration, the scenarios and the binaries, found in the folder of a project.
//! Knows nothing of how they are run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::config::{Config, ConfigError, load, load_reviewed};

use crate::build::{self, BuildError};
use crate::run::Setting;
use crate::scenario::{Recorded, Scenario, ScenarioError};
use crate::template::{Template, TemplateError};
use crate::world::check_alarms;

/// Where the parts of a project are, when not in their usual places.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// In place of `template.yaml`.
    pub template: Option<PathBuf>,
    /// In place of the file that the template's layer holds, `config/greenlight.yaml`.
    pub config: Option<PathBuf>,
    /// In place of `tests/scenarios`.
    pub scenarios: Option<PathBuf>,
    /// Template parameters that are not to have their defaults.
    pub parameters: BTreeMap<String, String>,
}

/// Why a project cannot be rehearsed.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// No project here.
    #[error(
        "there is no `template.yaml` with a `Cargo.toml` beside it in `{0}` or above it; run this in a clone of Greenlight"
    )]
    NoProject(PathBuf),
    /// A file cannot be read.
    #[error("could not read `{path}`: {error}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// The template cannot be used.
    #[error("the template `{path}` cannot be rehearsed: {error}")]
    Template {
        /// Which.
        path: PathBuf,
        /// Why.
        error: TemplateError,
    },
    /// An alarm of the template cannot be evaluated.
    #[error("the template `{path}` cannot be rehearsed: {what}")]
    Alarm {
        /// Which template.
        path: PathBuf,
        /// Which alarm, and why.
        what: String,
    },
    /// A scenario does not fit the template and the configuration.
    #[error("the scenario `{name}` cannot be run: {what}")]
    Unfit {
        /// Its name.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(ConfigError),
    /// A scenario cannot be used.
    #[error("{0}")]
    Scenario(ScenarioError),
    /// The binaries could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// There are two scenarios of one name.
    #[error("two scenarios are named `{0}`")]
    Twice(String),
}

/// A scenario's file that cannot be used, and why.
pub type Broken = (PathBuf, String);

/// A project, read.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its folder.
    pub root: PathBuf,
    /// The fleet.
    pub template: Arc<Template>,
    /// The configuration.
    pub config: Config,
    /// Its text.
    pub config_text: String,
    /// The scenarios, by name.
    pub scenarios: Vec<Scenario>,
    /// The files among them that cannot be used: the path, and why.
    pub broken: Vec<Broken>,
}

fn read(path: &Path) -> Result<String, ProjectError> {
    std::fs::read_to_string(path).map_err(|error| ProjectError::Unreadable { path: path.to_owned(), error })
}

/// The folder of the project that `from` lies in.
///
/// # Errors
/// When it lies in none.
pub fn find_root(from: &Path) -> Result<PathBuf, ProjectError> {
    from.ancestors()
        .find(|folder| folder.join("template.yaml").is_file() && folder.join("Cargo.toml").is_file())
        .map(Path::to_owned)
        .ok_or_else(|| ProjectError::NoProject(from.to_owned()))
}

impl Project {
    /// Reads the project in `root`.
    ///
    /// # Errors
    /// When a part of it cannot be read or is wrong.
    pub fn open(root: &Path, places: &Places) -> Result<Self, ProjectError> {
        let template_path = places.template.clone().unwrap_or_else(|| root.join("template.yaml"));
        let template = Template::read(&read(&template_path)?, &places.parameters)
            .map_err(|error| ProjectError::Template { path: template_path.clone(), error })?;
        check_alarms(&template).map_err(|what| ProjectError::Alarm { path: template_path, what })?;
        let layer = template.layers.first().map_or("config/", |layer| layer.content_uri.as_str());
        let config_path = places.config.clone().unwrap_or_else(|| root.join(layer).join("greenlight.yaml"));
        let config_text = read(&config_path)?;
        let name = config_path.display().to_string();
        let config = load_reviewed(&name, &config_text, checks::review).map_err(ProjectError::Config)?;
        let folder = places.scenarios.clone().unwrap_or_else(|| root.join("tests/scenarios"));
        let (scenarios, broken) = read_scenarios(&folder)?;
        Ok(Self { root: root.to_owned(), template: Arc::new(template), config, config_text, scenarios, broken })
    }

    /// Whether a scenario fits this project: every name in it means something here.
    ///
    /// # Errors
    /// When one does not.
    pub fn check(&self, scenario: &Scenario) -> Result<(), ProjectError> {
        let unfit = |what| ProjectError::Unfit { name: scenario.name.clone(), what };
        scenario.check(&self.template, &self.config_for(scenario)).map_err(unfit)
    }

    /// Builds the functions and gives what a run needs; `folder` is where it may write.
    ///
    /// # Errors
    /// When they cannot be built.
    pub fn build(&self, cargo: &str) -> Result<BTreeMap<String, PathBuf>, ProjectError> {
        let names: Vec<String> = self.template.functions.iter().map(|function| function.binary.clone()).collect();
        Ok(build::functions(&self.root, cargo, &names)?)
    }

    /// What a run needs, with the binaries that were built; `run` names the folder that it may write into.
    pub fn setting(&self, binaries: &BTreeMap<String, PathBuf>, run: &str) -> Setting {
        // …/target/debug/<binary>: the run's folder lies beside the profile's.
        let target = binaries.values().next().and_then(|file| file.parent()?.parent().map(Path::to_owned));
        Setting {
            template: Arc::clone(&self.template),
            config: self.config.clone(),
            config_text: self.config_text.clone(),
            binaries: binaries.clone(),
            folder: target.unwrap_or_else(|| self.root.join("target")).join("rehearsal").join(run),
        }
    }

    /// What a run of this scenario needs: as above, with the scenario's own configuration where it brings one.
    pub fn setting_for(&self, scenario: &Scenario, binaries: &BTreeMap<String, PathBuf>, run: &str) -> Setting {
        let setting = self.setting(binaries, run);
        let config_text = scenario.config.clone().unwrap_or_else(|| setting.config_text.clone());
        Setting { config: self.config_for(scenario), config_text, ..setting }
    }

    /// The configuration that the rehearsal's AWS is laid out by: the scenario's own, unless that is a broken one, which only the functions get.
    fn config_for(&self, scenario: &Scenario) -> Config {
        let own = scenario.config.as_deref().and_then(|text| load(&scenario.name, text).ok());
        own.unwrap_or_else(|| self.config.clone())
    }
}

/// Reads one scenario from a file.
///
/// # Errors
/// When it cannot be read or is wrong.
pub fn read_scenario(path: &Path) -> Result<Scenario, ProjectError> {
    let mut scenario = Scenario::parse(&path.display().to_string(), &read(path)?).map_err(ProjectError::Scenario)?;
    if scenario.expects_what_was_told() {
        let file = path.with_file_name("told").join(format!("{}.txt", scenario.name));
        let text = if file.is_file() { Some(read(&file)?) } else { None };
        scenario.recorded = Some(Recorded { file, text });
    }
    Ok(scenario)
}

/// What is broken does not keep the others from being run.
fn read_scenarios(folder: &Path) -> Result<(Vec<Scenario>, Vec<Broken>), ProjectError> {
    let unreadable = |error| ProjectError::Unreadable { path: folder.to_owned(), error };
    let mut scenarios: BTreeMap<String, Scenario> = BTreeMap::new();
    let mut broken = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            match read_scenario(&path) {
                Ok(scenario) => {
                    let name = scenario.name.clone();
                    if scenarios.insert(name.clone(), scenario).is_some() {
                        return Err(ProjectError::Twice(name));
                    }
                }
                Err(error) => broken.push((path, error.to_string())),
            }
        }
    }
    broken.sort();
    Ok((scenarios.into_values().collect(), broken))
}
