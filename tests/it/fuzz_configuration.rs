//! Configurations that nobody would write: whatever the file holds, it is read or refused with a place. For a longer run:
//! `PROPTEST_CASES=100000 cargo test -p tests --test it fuzz`.

use domain::config::{load, load_reviewed, yaml};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::mutation::{cases, changed, changes, json};
use crate::project::root;

/// Keys and words of the format, and texts that its parts are sensitive to.
const WORDS: &[&str] = &[
    "version",
    "services",
    "slack",
    "pagerduty",
    "token",
    "channel",
    "webhook",
    "routing_key",
    "name",
    "environment",
    "codedeploy",
    "application",
    "deployment_group",
    "endpoints",
    "test",
    "production",
    "before_allow_traffic",
    "after_allow_traffic",
    "budget",
    "require",
    "tasks_running",
    "checks",
    "get",
    "post",
    "invoke",
    "payload",
    "websocket",
    "grpc_health",
    "service",
    "url",
    "headers",
    "json",
    "body",
    "form",
    "timeout",
    "retries",
    "times",
    "backoff",
    "needs",
    "capture",
    "header",
    "regex",
    "always",
    "severity",
    "dry_run",
    "expect",
    "status",
    "latency",
    "contains",
    "matches",
    "sha256",
    "certificate",
    "valid_for",
    "alarms",
    "action",
    "rollback",
    "alert",
    "fail",
    "warn",
    "gte",
    "exists",
    "length",
    "eq",
    "true",
    "1",
    "2m",
    "2xx",
    "$.a",
    "$.a.b[*]",
    "(",
    "{{ a }}",
    "{{ env:A }}",
    "{{ secret:a#b }}",
    "secret:a#b",
    "env:A",
    "https://a.example",
    "a",
    "b",
    "<<",
    "",
    "a, expected `b`",
    "`",
];

fn sample() -> String {
    std::fs::read_to_string(root().join("config/greenlight.yaml")).expect("the sample is there")
}

/// The larger of the documentation's examples: it has captures, matchers and retries.
fn example() -> Value {
    let text =
        std::fs::read_to_string(root().join("docs/examples/own-application.yaml")).expect("the example is there");
    yaml::parse(&text).expect("it is YAML").value
}

/// What must hold of any text.
fn check(text: &str) -> Result<(), TestCaseError> {
    let lines: Vec<&str> = text.lines().collect();
    for outcome in [load("g.yaml", text), load_reviewed("g.yaml", text, checks::review)] {
        match outcome {
            Ok(config) => {
                let written = serde_json::to_string(&config).expect("a configuration can be written");
                let again = load("g.yaml", &written);
                prop_assert_eq!(again.as_ref(), Ok(&config), "{}", written);
            }
            Err(error) => {
                prop_assert!(!error.problems.is_empty() && error.problems.len() <= 101);
                prop_assert!(error.problems.is_sorted_by_key(|problem| problem.place));
                for problem in &error.problems {
                    let (line, column) = (problem.place.line, problem.place.column);
                    prop_assert!(line >= 1 && line <= lines.len().max(1), "{}", error);
                    let length = lines.get(line - 1).map_or(0, |line| line.chars().count());
                    prop_assert!(column >= 1 && column <= length + 1, "{}", error);
                    prop_assert!(!problem.message.is_empty() && problem.message.chars().count() < 2000, "{}", error);
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_json_is_read_or_refused_with_a_place(value in json(WORDS)) {
        check(&value.to_string())?;
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_place(text in "[ -~\\n\\täß✓\u{0}\u{feff}]{0,80}") {
        check(&text)?;
    }

    #[test]
    fn any_tangle_of_yamls_own_signs_is_read_or_refused_with_a_place(
        parts in vec(proptest::sample::select(&[
            "- ", "? ", ": ", "a: ", "b:\n", "\n", "\n  ", "\n    ", "[", "]", "{", "}", ", ", "&x ", "*x", "!t ", "!!int ", "|\n", ">\n",
            "\"", "'", "# c\n", "---\n", "...\n", "%YAML 1.2\n", "\t", "~", "1", "<<: ", "version: 1\n", "services:\n",
        ][..]), 0..40),
    ) {
        check(&parts.concat())?;
    }

    #[test]
    fn a_changed_sample_is_read_or_refused_with_a_place(changes in changes(WORDS), from_example in any::<bool>()) {
        let original = if from_example { example() } else { yaml::parse(&sample()).expect("the sample is YAML").value };
        check(&changed(original, changes).to_string())?;
    }

    #[test]
    fn a_sample_with_letters_changed_is_read_or_refused_with_a_place(
        edits in vec((any::<usize>(), 0..12_usize, "[ -~\\n]{0,6}"), 0..6),
    ) {
        let mut text: Vec<char> = sample().chars().collect();
        for (at, length, new) in edits {
            let from = at % (text.len() + 1);
            let to = (from + length).min(text.len());
            text.splice(from..to, new.chars());
        }
        check(&text.iter().collect::<String>())?;
    }
}

#[test]
fn a_file_that_is_deeper_or_larger_than_any_configuration_is_refused_and_not_died_of() {
    let deep = |open: &str, close: &str| format!("services: {}{}", open.repeat(20_000), close.repeat(20_000));
    for text in [deep("[", "]"), deep("{ a: ", "}"), "- ".repeat(100_000), format!("{}a: 1", " ".repeat(100_000))] {
        let error = load_reviewed("g.yaml", &text, checks::review).expect_err("that is no configuration");
        assert!(!error.problems.is_empty());
    }
}
