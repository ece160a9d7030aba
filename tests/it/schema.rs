//! The JSON Schema of the configuration: it is the one that the types make, and it takes and refuses what the functions do.

use std::io::Write;
use std::process::{Command, Stdio};

use domain::config::{load_reviewed, schema, yaml};
use serde_json::{Value, json};

use crate::docs::{blocks, configuration};
use crate::project::root;

const FILE: &str = "config/greenlight.schema.json";

#[test]
fn the_schema_is_the_one_that_the_types_make() {
    let checked_in = std::fs::read_to_string(root().join(FILE)).unwrap_or_default();
    assert!(
        checked_in == format!("{:#}\n", schema()),
        "`{FILE}` is stale; renew it with `cargo greenlight lint --schema > {FILE}`"
    );
}

#[test]
fn the_sample_names_its_schema_for_editors() {
    let sample = std::fs::read_to_string(root().join("config/greenlight.yaml")).expect("the sample is there");
    assert!(sample.starts_with("# yaml-language-server: $schema=greenlight.schema.json\n"));
}

/// The configurations that are shown somewhere, with where they stand, but for those that are shown for their mistakes.
fn shown() -> Vec<(String, String)> {
    let mut shown = Vec::new();
    let mut names = vec!["config/greenlight.yaml".to_owned()];
    let examples = std::fs::read_dir(root().join("docs/examples")).expect("the folder is there");
    names.extend(examples.map(|entry| format!("docs/examples/{}", entry.expect("an entry").file_name().display())));
    for name in names {
        let text = std::fs::read_to_string(root().join(&name)).expect("the file is there");
        if let Err(error) = load_reviewed(&name, &text, checks::review) {
            panic!("an example does not load: {error}");
        }
        shown.push((name, text));
    }
    for page in ["docs/configuration.md", "docs/tickets.md", "README.md"] {
        let blocks = blocks(page);
        for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "yaml") {
            let Some(text) = configuration(&block.text) else { continue };
            // What is told of a wrong configuration stands in the block that follows it.
            if blocks.get(index + 1).is_some_and(|next| next.language == "text") {
                continue;
            }
            let at = format!("{}:{}", block.page, block.line);
            if let Err(error) = load_reviewed("greenlight.yaml", &text, checks::review) {
                panic!("the example at {at} does not load: {error}");
            }
            shown.push((at, text));
        }
    }
    shown
}

/// Each is a mistake of its own kind, below a service.
const BROKEN: [&str; 46] = [
    "alarms: [{ name: \"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:x\", action: alert }]",
    "alarms: [{ name: \"x \", action: alert }]",
    "rollback_limit: { rollbacks: 0 }",
    "rollback_limit: { rollbacks: -1 }",
    "endpoint: { test: https://a }",
    "endpoints: { test: a.example }",
    "endpoints: [https://a]",
    "environment: 5",
    "alarms: [{ name: x, action: rollbak }]",
    "alarms: [{ name: x }]",
    "alarms: { name: x, action: alert }",
    "slack: { channel: '#deploys' }",
    "slack: { mention: '@team' }",
    "slack: { quiet: failures }",
    "slack: { token: 'env:T' }",
    "links: { dashboard: 'http://a.example' }",
    "before_allow_traffic: { budget: 120 }",
    "before_allow_traffic: { budget: 2 minutes }",
    "before_allow_traffic: { require: { alarms_quiet: maybe } }",
    "before_allow_traffic: { require: { alarm_quiet: true } }",
    "after_allow_traffic: { require: {} }",
    "after_allow_traffic: { checks: [{ get: / }] }",
    "after_allow_traffic: { checks: [{ name: a }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, post: / }] }",
    "after_allow_traffic: { checks: [{ name: a, get: 5 }] }",
    "after_allow_traffic: { checks: [{ name: a, get: }] }",
    "after_allow_traffic: { checks: [{ name: a, post: /, json: 1, body: x }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, severity: hard }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, retries: -1 }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, retries: { times: 1 } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, capture: { x: data.id } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, headers: { x: 1 } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, headers: { a b: x } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, expect: { status: 99 } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, expect: { status: [2x] } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, expect: { body: {} } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, expect: { body: { contains: '' } } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, expect: { json: { $.a: { matches: '' } } } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, expect: { json: { $.a: { contains: '' } } } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, expect: { json: { a: 1 } } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, expect: { json: { $.a: { gtee: 1 } } } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, expect: { json: { $.a: {} } } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, expect: { json: { $.a: { exists: 'yes' } } } }] }",
    "after_allow_traffic: { checks: [{ name: a, get: /, expect: { json: { $.a: { length: { size: 1 } } } } }] }",
    "after_allow_traffic: { checks: [{ name: a, invoke: {}, expect: { status: 200 } }] }",
    "after_allow_traffic: { checks: [{ name: a, websocket: /ws, form: { a: b } }] }",
];

/// The same, as whole files.
const BROKEN_FILES: [&str; 15] = [
    "services: []",
    "version: 2\nservices: []",
    "version: 1",
    "version: 1\nslack: { token: 'env:T' }\nservices: []",
    "version: 1\nslack: { webhook: https://hooks.slack.com/services/x }\nservices: []",
    "version: 1\nslack: { token: 'env:T', channel: C, webhook: 'env:W' }\nservices: []",
    "version: 1\nslack: { webhook: 'env:W', mention: everyone }\nservices: []",
    "- version: 1",
    "version: 1\nticket: { body: {} }\nservices: []",
    "version: 1\nticket: { url: 'http://a.example/x', body: {} }\nservices: []",
    "version: 1\nticket: { url: 'https://a.example/{{ service }}', body: {} }\nservices: []",
    "version: 1\nticket: { url: 'https://a.example', body: [1] }\nservices: []",
    "version: 1\nticket: { url: 'https://a.example', body: {}, headers: { Authorization: x } }\nservices: []",
    "version: 1\nticket: { url: 'https://a.example', body: {}, link: browse/7 }\nservices: []",
    "version: 1\nticket: { url: 'https://a.example', body: {}, find: { url: 'https://a.example/q', link: '{{ answer.url }}' } }\nservices: []",
];

fn broken() -> Vec<(String, String)> {
    let service = "version: 1\nservices:\n  - name: a\n    codedeploy: { application: app, deployment_group: group }\n";
    let below = BROKEN.iter().map(|line| ((*line).to_owned(), format!("{service}    {line}\n")));
    below.chain(BROKEN_FILES.iter().map(|text| ((*text).to_owned(), (*text).to_owned()))).collect()
}

#[test]
fn every_example_that_is_shown_is_taken() {
    assert!(shown().len() > 8, "{}", shown().len());
}

#[test]
fn what_is_broken_is_refused_by_the_functions() {
    for (name, text) in broken() {
        assert!(load_reviewed("greenlight.yaml", &text, checks::review).is_err(), "taken: {name}");
    }
}

/// Python's `jsonschema`, which knows nothing of this project: 0 when every document is as it should be.
const VALIDATOR: &str = r#"
import json, sys
from jsonschema import Draft7Validator
given = json.load(sys.stdin)
Draft7Validator.check_schema(given["schema"])
validator = Draft7Validator(given["schema"])
wrong = [f"{name}: {error.message}" for name, document in given["valid"] for error in validator.iter_errors(document)]
wrong += [f"taken: {name}" for name, document in given["broken"] if validator.is_valid(document)]
print("\n".join(wrong))
sys.exit(1 if wrong else 0)
"#;

#[test]
#[expect(clippy::disallowed_methods, reason = "where Python is comes from outside")]
fn an_independent_validator_takes_every_example_and_refuses_every_mistake() {
    let Ok(python) = std::env::var("GREENLIGHT_PYTHON") else {
        println!("GREENLIGHT_PYTHON is not set: the schema is tried with Python's `jsonschema` in .ci/run");
        return;
    };
    let documents = |texts: Vec<(String, String)>| -> Vec<(String, Value)> {
        texts.into_iter().map(|(name, text)| (name, yaml::parse(&text).expect("it is YAML").value)).collect()
    };
    let (valid, broken) = (documents(shown()), documents(broken()));
    assert!(valid.len() > 8 && broken.len() > 40, "{} and {}", valid.len(), broken.len());
    let mut child = Command::new(python)
        .args(["-c", VALIDATOR])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let given = json!({ "schema": schema(), "valid": valid, "broken": broken }).to_string();
    child.stdin.take().expect("a pipe").write_all(given.as_bytes()).expect("Python reads");
    let output = child.wait_with_output().expect("Python ends");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{complained}");
}
