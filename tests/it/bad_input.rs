//! Wrong events, wrong settings, wrong configuration: what the binaries say then, and that a hook still answers CodeDeploy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rehearsal::run::Setting;
use rehearsal::template::Template;

use crate::project::{ask, root, run, scenario, setting};

/// Runs the healthy deployment with a configuration that the functions get in place of the good one.
#[track_caller]
fn check_configuration(folder: &str, text: &str, expected: &str) {
    let setting = Setting { config_text: text.to_owned(), ..setting(folder) };
    let (world, _) = run(setting, &scenario("healthy"));
    let record = world.record();
    let verdicts = record.verdicts();
    let first = verdicts.first().expect("the hook answers all the same");
    assert_eq!((first.hook.as_str(), first.verdict.as_str()), ("before-allow-traffic", "Failed"));
    let reason = first.published.as_ref().and_then(|published| published.get("reason")?.as_str()).unwrap_or_default();
    assert!(reason.contains(expected), "the hook says: {reason}");
    let lasted =
        record.deployments().next().and_then(|deployment| Some(deployment.completed?.since(deployment.created)));
    assert!(lasted.is_some_and(|lasted| lasted < Duration::from_mins(5)), "the deployment is not held up: {lasted:?}");
}

#[test]
fn a_misspelt_key_in_the_configuration_is_answered_with_its_place() {
    check_configuration(
        "bad-key",
        "version: 1\nservcies: []\n",
        "greenlight.yaml:2:1: unknown key `servcies`; did you mean `services`?",
    );
}

#[test]
fn mistakes_in_the_files_shape_and_inside_a_check_are_answered_together() {
    let text = "version: 1\nservices:\n  - name: orchestrator\n    codedeploy: { application: mangaassist, deployment_group: orchestrator }\n    \
                before_allow_traffic:\n      budget: 120\n      checks:\n        - { name: a, get: /, expect: { body: { matches: '(' } } }\n";
    let budget = "greenlight.yaml:6:7: `budget` needs a span of time such as `2m`, not the number 120\n";
    check_configuration("bad-check", text, &format!("{budget}greenlight.yaml:8:48: `(` is no regular expression: "));
}

#[test]
fn a_file_that_is_no_yaml_is_answered_with_its_place() {
    check_configuration("bad-yaml", "version: 1\nservices: [\n", "greenlight.yaml:");
}

#[test]
fn a_service_that_nobody_configured_is_answered_with_what_to_add() {
    let text = "version: 1\nservices:\n  - name: other\n    codedeploy: { application: mangaassist, deployment_group: orchestratr }\n";
    check_configuration("bad-service", text, "mangaassist/orchestrator");
}

#[test]
fn a_configuration_that_is_not_there_is_answered_with_where_it_was_looked_for() {
    let text = std::fs::read_to_string(root().join("template.yaml")).expect("the template is there");
    let broken = text.replace("/opt/greenlight.yaml", "/nowhere/greenlight.yaml");
    let template = Template::read(&broken, &BTreeMap::new()).expect("the template is still one");
    let setting = Setting { template: Arc::new(template), ..setting("no-config") };
    let (world, _) = run(setting, &scenario("healthy"));
    let verdicts = world.record().verdicts();
    let first = verdicts.first().expect("the hook answers all the same");
    assert_eq!(first.verdict, "Failed");
    let published = first.published.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(published.contains("/nowhere/greenlight.yaml") && published.contains("GREENLIGHT_CONFIG"), "{published}");
}

/// Invokes a function once, on a template in which one text has been replaced by another; its error message.
fn error_of(folder: &str, function: &str, event: &str, from: &str, to: &str) -> String {
    let text = std::fs::read_to_string(root().join("template.yaml")).expect("the template is there");
    let template = Template::read(&text.replace(from, to), &BTreeMap::new()).expect("the template is still one");
    let setting = Setting { template: Arc::new(template), ..setting(folder) };
    let event = serde_json::from_str(event).expect("the event is JSON");
    let (failed, text) = ask(setting, function, event);
    assert!(failed, "{function} took it: {text}");
    text
}

#[test]
fn an_event_that_is_none_is_refused_with_what_was_expected() {
    let cases = [
        ("before-allow-traffic", r#"{"hello":"world"}"#, "DeploymentId"),
        ("after-allow-traffic", r"[]", "DeploymentId"),
        ("alarm-rollback", r#"{"hello":"world"}"#, "alarm"),
        ("deployment-metrics", r#"{"hello":"world"}"#, "EventBridge event"),
        (
            "slack-notifier",
            r#"{"source":"aws.ec2","detail-type":"x","time":"2026-01-05T09:00:00Z","detail":{}}"#,
            "event pattern",
        ),
        ("hook-watchdog", r#"{"hello":"world"}"#, "on-failure"),
    ];
    for (function, event, expected) in cases {
        let text = error_of(&format!("bad-event-{function}"), function, event, "", "");
        assert!(text.contains(expected), "{function} says: {text}");
    }
}

#[test]
fn a_variable_that_is_missing_is_named() {
    let event =
        std::fs::read_to_string(root().join("events/deployment-metrics/codedeploy-success.json")).expect("a sample");
    for function in ["deployment-metrics", "slack-notifier"] {
        let text = error_of(&format!("no-table-{function}"), function, &event, "TABLE_NAME:", "TABLE_NAMED:");
        assert!(text.contains("`TABLE_NAME` is not set"), "{function} says: {text}");
    }
}
