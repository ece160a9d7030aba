//! Which configuration file is meant. Knows nothing of what stands in it.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Where a project keeps its configuration.
const OF_A_PROJECT: &str = "config/greenlight.yaml";
/// What it is called where there is no project around it.
const ALONE: &str = "greenlight.yaml";

/// The file: as given, else that of the project that this folder lies in, else the one in this folder; as it is called from here.
pub(crate) fn file(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let here = std::env::current_dir().context("could not read the current folder")?;
    let of_project = here.ancestors().map(|folder| folder.join(OF_A_PROJECT)).find(|path| path.is_file());
    let alone = || Some(here.join(ALONE)).filter(|path| path.is_file());
    let found = of_project.or_else(alone).with_context(|| {
        format!(
            "there is no `{OF_A_PROJECT}` in `{}` or above it, and no `{ALONE}` in it; say where the file is",
            here.display()
        )
    })?;
    Ok(found.strip_prefix(&here).map(Path::to_owned).unwrap_or(found))
}
