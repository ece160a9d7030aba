//! The program from outside: what it says and which status it ends with, where nothing has to be built or run for it.

#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod program;

use std::path::Path;
use std::process::{Command, Stdio};

use program::{greenlight, root};

/// Runs `greenlight rehearse …` in a folder; status, standard output, standard error.
fn rehearse(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    greenlight("rehearse", folder, arguments)
}

#[test]
fn the_list_has_one_line_for_each_scenario() {
    let (status, out, _) = rehearse(root(), &["list"]);
    assert_eq!(status, Some(0));
    let folder = std::fs::read_dir(root().join("tests/scenarios")).unwrap();
    let files = folder.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|it| it == "yaml"));
    assert_eq!(out.lines().count(), files.count(), "{out}");
    assert!(out.lines().any(|line| line.starts_with("healthy ")), "{out}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenlight"));
    let command = command.args(["rehearse", "list"]).current_dir(root());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn what_cannot_run_ends_with_2_and_says_what_to_do() {
    let scenario = std::env::temp_dir().join(format!("greenlight-{}.yaml", std::process::id()));
    std::fs::write(&scenario, "name: x\ntitle: t\ndeployments: [{ service: orchestratr }]\nexpect: []\n").unwrap();
    let path = scenario.display().to_string();
    let cases: [(&[&str], &str); 9] = [
        (&["run", "helthy"], "did you mean `healthy`?"),
        (&["run"], "<NAMES>"),
        (&["run", "healthy", "--bogus"], "--bogus"),
        (&["run", &path], "no service `orchestratr`; did you mean `orchestrator`?"),
        (&["run", "healthy", "--green", "127.0.0.1:8080"], "write it as `--green http://127.0.0.1:8080`"),
        (&["run", "healthy-lambda", "--green", "http://127.0.0.1:8080"], "deploys a Lambda function"),
        (&["run", "healthy", "--parameter", "LogLevel"], "write `--parameter NAME=VALUE`"),
        (&["run", "healthy", "--parameter", "LogLevl=INFO"], "unknown parameter `LogLevl`"),
        (&["run", "healthy", "--config", "/nowhere.yaml"], "could not read `/nowhere.yaml`"),
    ];
    for (arguments, expected) in cases {
        let (status, out, error) = rehearse(root(), arguments);
        assert_eq!(status, Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
        assert_eq!(out, "", "{arguments:?} speaks to standard output");
    }
    std::fs::remove_file(scenario).unwrap();
    let (status, _, error) = rehearse(Path::new("/"), &["list"]);
    assert_eq!(status, Some(2));
    assert!(error.contains("run this in a clone of Greenlight"), "{error}");
}
