//! Runs the program as somebody would who types it.

use std::path::Path;
use std::process::Command;

/// The project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Runs `greenlight <subcommand> …` in a folder; status, standard output, standard error.
pub(crate) fn greenlight(subcommand: &str, folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_greenlight"))
        .arg(subcommand)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}
