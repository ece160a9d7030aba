//! Asks cargo for the functions' binaries. Knows nothing of what they are run for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Why there are no binaries.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo could not be started.
    #[error(
        "could not start `{cargo} build`: {error}; the rehearsal runs the real binaries, so it needs a Rust toolchain"
    )]
    NoCargo {
        /// What was tried.
        cargo: String,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// Cargo could not build them; its own words stand above.
    #[error("`cargo build` of the functions failed; its messages stand above")]
    Failed,
    /// A binary that the template names is none of the workspace's.
    #[error(
        "the template runs the binary `{0}`, but the workspace has no such binary; see `BuildProperties.Binary` in the template"
    )]
    Missing(String),
}

/// What `cargo test` and `cargo run` tell the program that they start. `ring`'s build script asks for these, so with them left in place
/// `ring` and everything on top of it would be built anew by each of the two.
const OF_THE_OUTER_CARGO: [&str; 7] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// Builds the binaries (each named as its package) and tells where they are. Cargo's progress goes to standard error.
///
/// # Errors
/// When one of them cannot be built.
pub fn functions(root: &Path, cargo: &str, names: &[String]) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["build", "--message-format=json-render-diagnostics"]).stderr(Stdio::inherit());
    for name in names {
        command.args(["--package", name]);
    }
    for name in OF_THE_OUTER_CARGO {
        command.env_remove(name);
    }
    let output = command.output().map_err(|error| BuildError::NoCargo { cargo: cargo.to_owned(), error })?;
    if !output.status.success() {
        return Err(BuildError::Failed);
    }
    let mut found = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        let name = message.pointer("/target/name").and_then(Value::as_str);
        let file = message.get("executable").and_then(Value::as_str);
        if let (Some(name), Some(file)) = (name, file) {
            found.insert(name.to_owned(), PathBuf::from(file));
        }
    }
    match names.iter().find(|name| !found.contains_key(*name)) {
        Some(missing) => Err(BuildError::Missing(missing.clone())),
        None => Ok(found),
    }
}
