//! The examples in the documentation: what is shown there is read by the code that it is about, and what is said to be refused is refused
//! in those words.

use std::collections::{BTreeMap, BTreeSet};

use domain::alarm::{AlarmFact, AlarmState};
use domain::config::load_reviewed;
use domain::deployment::{DeploymentId, Revision};
use domain::events::{Decision, Heard, Notice, RollbackDecision, TrafficRestored};
use domain::time::Timestamp;
use serde_json::Value;

use crate::project::root;

const SERVICE: &str =
    "version: 1\nservices:\n  - name: a\n    codedeploy: { application: app, deployment_group: group }\n";

/// A fenced block.
pub(crate) struct Block {
    pub(crate) page: &'static str,
    /// The line of its fence.
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) text: String,
}

fn page(page: &str) -> String {
    std::fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

pub(crate) fn blocks(name: &'static str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (line, text) in page(name).lines().enumerate() {
        match (text.strip_prefix("```"), blocks.last_mut().filter(|_| is_open)) {
            (Some(_), Some(_)) => is_open = false,
            (Some(language), None) => {
                is_open = true;
                blocks.push(Block { page: name, line: line + 1, language: language.to_owned(), text: String::new() });
            }
            (None, Some(block)) => block.text.push_str(&format!("{text}\n")),
            (None, None) => {}
        }
    }
    blocks
}

/// The configuration that a block shows or is a part of; `None` when it is something else, such as an AppSpec.
pub(crate) fn configuration(text: &str) -> Option<String> {
    let indented = |by: usize| text.replace('\n', &format!("\n{:by$}", ""));
    match text.split([':', '\n']).next()? {
        "version" if text.contains("\nservices:") => Some(text.to_owned()),
        "services" => Some(format!("version: 1\n{text}")),
        "before_allow_traffic" | "alarms" => Some(format!("{SERVICE}    {}", indented(4))),
        "- name" => Some(format!("{SERVICE}    after_allow_traffic:\n      checks:\n        {}", indented(8))),
        _ => None,
    }
}

#[test]
fn every_configuration_is_taken_or_refused_as_the_page_says() {
    let mut read = 0;
    for name in ["docs/configuration.md", "docs/notifications.md", "docs/tickets.md", "README.md"] {
        let blocks = blocks(name);
        for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "yaml") {
            let Some(text) = configuration(&block.text) else {
                assert_eq!(name, "README.md", "{name}:{}: this is no part of a configuration", block.line);
                continue;
            };
            read += 1;
            // What is told of a wrong configuration stands in the block that follows it.
            let told = blocks.get(index + 1).filter(|next| next.language == "text").map(|next| next.text.trim_end());
            let refused = load_reviewed("greenlight.yaml", &text, checks::review).err().map(|error| error.to_string());
            assert_eq!(refused.as_deref(), told, "{name}:{}", block.line);
        }
    }
    assert!(read >= 9, "the pages show {read} configurations");
}

#[test]
fn every_event_is_one_that_the_functions_understand_and_each_of_its_fields_is_explained() {
    let text = page("docs/events.md");
    let mut shown = Vec::new();
    for block in blocks("docs/events.md").iter().filter(|block| block.language == "json") {
        let event: Value =
            serde_json::from_str(&block.text).unwrap_or_else(|error| panic!("{}:{}: {error}", block.page, block.line));
        if event.get("detail-type").is_none() {
            continue;
        }
        let (envelope, heard) =
            Heard::parse(&event).unwrap_or_else(|error| panic!("{}:{}: {error}", block.page, block.line));
        let Heard::Notice(notice) = heard else {
            panic!("{}:{}: this is none of Greenlight's own", block.page, block.line)
        };
        // No field is left out that is published, and none is shown that is not.
        let published = notice.detail().expect("a notice can be written");
        assert_eq!(envelope.detail, published, "{}:{}", block.page, block.line);
        let mut fields = Vec::new();
        names(&envelope.detail, &mut fields);
        for field in fields {
            let is_explained = text.contains(&format!("`{field}`")) || text.contains(&format!(".{field}`"));
            assert!(is_explained, "{}:{}: the page does not explain `{field}`", block.page, block.line);
        }
        shown.push(envelope.detail_type);
    }
    shown.dedup();
    assert_eq!(shown, ["Hook Verdict", "Rollback Decision", "Traffic Restored"]);
}

/// A decision that has everything; a field that is added to the type is missed here by the compiler.
fn decision() -> Notice {
    let id = || Some(DeploymentId("d-1".to_owned()));
    Notice::RollbackDecision(RollbackDecision {
        alarm: AlarmFact {
            name: String::new(),
            arn: None,
            state: AlarmState::Ok,
            previous: None,
            changed_at: None,
            reason: String::new(),
            metric: None,
            threshold: None,
            datapoints: Vec::new(),
            suppressed_by: None,
        },
        deployment_id: id(),
        group: None,
        ecs: None,
        service: None,
        environment: None,
        revision: Revision::default(),
        restores: Some(Revision::default()),
        rollback_deployment_id: id(),
        decision: Decision::Alert,
        reason: String::new(),
        next_step: String::new(),
        page: false,
        resolves: false,
        at: Timestamp(0),
    })
}

/// The same of restored traffic.
fn restored() -> Notice {
    Notice::TrafficRestored(TrafficRestored {
        deployment_id: DeploymentId("d-1".to_owned()),
        rollback_deployment_id: None,
        group: None,
        ecs: None,
        service: None,
        environment: None,
        alarm: String::new(),
        restored: true,
        observed: String::new(),
        seconds_since_alarm: None,
        seconds_since_event: 0.0,
        at: Timestamp(0),
    })
}

#[test]
fn every_field_of_a_decision_and_of_restored_traffic_is_in_an_example() {
    let page = page("docs/events.md");
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for block in blocks("docs/events.md").iter().filter(|block| block.language == "json") {
        let event: Value = serde_json::from_str(&block.text).expect("read by the test above");
        let (Some(kind), Some(detail)) = (event["detail-type"].as_str(), event.get("detail")) else { continue };
        let mut fields = Vec::new();
        names(detail, &mut fields);
        shown.entry(kind.to_owned()).or_default().extend(fields);
    }
    for notice in [decision(), restored()] {
        let mut fields = Vec::new();
        names(&notice.detail().expect("a notice can be written"), &mut fields);
        for field in fields {
            assert!(shown[notice.detail_type()].contains(&field), "no `{}` shows `{field}`", notice.detail_type());
        }
    }
    for decision in ["StopAndRollBack", "RedeployPrevious", "Alert", "Ignore"] {
        assert!(page.contains(&format!("| `{decision}` |")), "the page does not explain `{decision}`");
    }
}

/// Every key in a value, however deep.
fn names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                found.push(name.clone());
                names(member, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}
