//! The rules of the house, as far as a test can hold them.

use std::path::{Path, PathBuf};

use crate::project::root;

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(root(), ".rs", &mut found);
    found
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("readable");
            (path, text)
        })
        .collect()
}

#[test]
fn a_release_build_unwinds() {
    // `cargo lambda build` adds `panic = "abort"` when the profile does not say; an aborted hook answers nobody.
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("the manifest is there");
    let release = manifest.split("[profile.release]").nth(1).expect("there is a release profile");
    let release = release.split("\n[").next().unwrap_or_default();
    assert!(release.lines().any(|line| line.trim() == "panic = \"unwind\""), "{release}");
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = sources()
        .iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "these do not begin with `//!`: {silent:?}");
}

#[test]
fn no_file_has_grown_out_of_its_room() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > 410)
        .map(|(path, lines)| format!("{}: {lines}", path.display()))
        .collect();
    assert!(long.is_empty(), "split these: {long:?}");
}

#[test]
fn the_domain_knows_nothing_of_the_outside() {
    let manifest = std::fs::read_to_string(root().join("shared/domain/Cargo.toml")).expect("the manifest is there");
    for outside in ["aws", "tokio", "reqwest", "hyper", "lambda_runtime", "clock", "outbound"] {
        assert!(!manifest.lines().any(|line| line.starts_with(outside)), "`domain` depends on `{outside}`");
    }
}

#[test]
fn every_function_begins_thin() {
    for entry in std::fs::read_dir(root().join("functions")).expect("there are functions").flatten() {
        let main = std::fs::read_to_string(entry.path().join("src/main.rs")).expect("every function has a main.rs");
        assert!(main.lines().count() <= 60, "{}: main.rs only wires", entry.path().display());
        assert!(!main.contains("if "), "{}: main.rs decides nothing", entry.path().display());
    }
}

#[test]
fn every_sample_event_is_explained() {
    let readme = std::fs::read_to_string(root().join("events/README.md")).expect("events/README.md is there");
    let mut samples = Vec::new();
    files(&root().join("events"), ".json", &mut samples);
    for sample in samples {
        let name = sample.file_name().expect("a file has a name").to_string_lossy().into_owned();
        assert!(readme.contains(&name), "events/README.md does not say what `{name}` is for");
    }
}
