//! `greenlight lint` from outside: what it says of a file and which status it ends with.

#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod program;

use std::path::{Path, PathBuf};

use program::{greenlight, root};
use serde_json::Value;

/// Runs `greenlight lint …` in a folder; status, standard output, standard error.
fn lint(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    greenlight("lint", folder, arguments)
}

/// A folder of its own with a `greenlight.yaml` in it.
fn folder(name: &str, text: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("greenlight-lint-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("greenlight.yaml"), text).unwrap();
    folder
}

const WRONG: &str = "version: 1
services:
  - name: orchestrator
    codedeploy: { application: mangaassist, deploymentgroup: chat }
    after_allow_traffic:
      budget: 120
      checks:
        - { name: create, post: /orders, capture: { id: id }, expect: { status: [200, 201, 202, 203, 204], json: { $.n: { gtee: 1 } } } }
        - { name: read, get: '/orders/{{ idd }}' }
";

#[test]
fn the_projects_own_file_is_valid_and_is_found_from_anywhere_within() {
    let (status, out, error) = lint(root(), &[]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    assert!(out.starts_with("config/greenlight.yaml is valid: 2 services, "), "{out}");
    let (status, out, _) = lint(&root().join("cli/src"), &[]);
    assert_eq!(status, Some(0), "{out}");
}

#[test]
fn every_problem_is_shown_with_its_line_and_a_mark_below_the_word() {
    let folder = folder("wrong", WRONG);
    let (status, out, _) = lint(&folder, &[]);
    assert_eq!(status, Some(1));
    let expected = "\
greenlight.yaml:4:45: unknown key `deploymentgroup`; did you mean `deployment_group`?
 4 |     codedeploy: { application: mangaassist, deploymentgroup: chat }
   |                                             ^^^^^^^^^^^^^^^
greenlight.yaml:6:7: `budget` needs a span of time such as `2m`, not the number 120
 6 |       budget: 120
   |       ^^^^^^
greenlight.yaml:8:53: `id` is no JSONPath (RFC 9535): it begins with `$`; did you mean `$.id`?
 8 |         - { name: create, post: /orders, capture: { id: id }, expect: …
   |                                                     ^^
greenlight.yaml:8:123: `gtee` is no matcher; did you mean `gte`? (valid: gte, gt, lte, lt, eq, ne, matches, contains, exists, length)
 8 | …3, 204], json: { $.n: { gtee: 1 } } } }
   |                          ^^^^
greenlight.yaml:9:25: `{{ idd }}` refers to nothing; did you mean `id`?
 9 |         - { name: read, get: '/orders/{{ idd }}' }
   |                         ^^^
greenlight.yaml: 5 problems
";
    assert_eq!(out, expected, "{out}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_program_gets_the_same_as_one_document() {
    let folder = folder("json", WRONG);
    let (status, out, _) = lint(&folder, &["--format", "json"]);
    assert_eq!(status, Some(1));
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((document["valid"].as_bool(), document["file"].as_str()), (Some(false), Some("greenlight.yaml")));
    let problems = document["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 5);
    assert_eq!(problems[1]["line"], 6);
    assert_eq!(problems[1]["column"], 7);
    std::fs::remove_dir_all(folder).unwrap();
    let (status, out, _) = lint(root(), &["--format", "json"]);
    assert_eq!(status, Some(0));
    assert_eq!(out, "{\"file\":\"config/greenlight.yaml\",\"valid\":true,\"problems\":[]}\n");
}

#[test]
fn a_problem_at_the_end_of_the_file_has_a_place_too() {
    let folder = folder("end", "version: 1\nservices: [\n\n");
    let (status, out, _) = lint(&folder, &[]);
    assert_eq!(status, Some(1), "{out}");
    assert!(out.starts_with("greenlight.yaml:") && out.contains("this is not YAML: ") && out.contains('^'), "{out}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_cannot_be_read_ends_with_2_and_says_which() {
    let empty = std::env::temp_dir().join(format!("greenlight-lint-none-{}", std::process::id()));
    std::fs::create_dir_all(&empty).unwrap();
    let cases: [(&[&str], &str); 3] = [
        (&[], "and no `greenlight.yaml` in it; say where the file is"),
        (&["nowhere.yaml"], "could not read `nowhere.yaml`"),
        (&["--format", "xml"], "xml"),
    ];
    for (arguments, expected) in cases {
        let (status, out, error) = lint(&empty, arguments);
        assert_eq!((status, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    std::fs::remove_dir_all(empty).unwrap();
}

#[test]
fn a_password_in_an_address_is_repeated_nowhere_however_badly_it_is_written() {
    for (number, address) in
        ["ftp://ada:hunter2@host", "ada:hunter2@host.example", "https:/ada:hunter2@host", "https://ada:hunter2/x@h x"]
            .iter()
            .enumerate()
    {
        let text = format!(
            "version: 1\nservices:\n  - name: a\n    codedeploy: {{ application: b, deployment_group: c }}\n    \
             endpoints: {{ test: \"{address}\" }}\n    after_allow_traffic:\n      checks:\n        - {{ name: a, get: \"ftp://ada:hunter2@host\" }}\n        \
             - {{ name: b, grpc_health: {{ url: \"ws://ada:hunter2@host\" }} }}\n"
        );
        let folder = folder(&format!("password-{number}"), &text);
        for arguments in [&[][..], &["--format", "json"]] {
            let (status, out, error) = lint(&folder, arguments);
            assert_eq!(status, Some(1), "{out}");
            assert!(!format!("{out}{error}").contains("hunter2"), "{out}{error}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
