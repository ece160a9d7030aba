//! Events that nobody would send: whatever arrives, it is decoded or refused, and never ends a function. For a longer run:
//! `PROPTEST_CASES=100000 cargo test -p tests --test it fuzz`.

use std::path::Path;
use std::sync::OnceLock;

use domain::events::{Heard, Notice};
use hook::codedeploy::payload::decode;
use hook_watchdog::record::Record;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::mutation::{cases, changed, changes, json as any_json};
use crate::project::root;

/// Keys and words of the events, and texts that their readers are sensitive to.
const WORDS: &[&str] = &[
    "source",
    "detail-type",
    "detail",
    "time",
    "resources",
    "Records",
    "Sns",
    "Message",
    "alarmData",
    "alarmArn",
    "alarmName",
    "state",
    "previousState",
    "value",
    "reason",
    "reasonData",
    "timestamp",
    "actionsSuppressedBy",
    "configuration",
    "metrics",
    "expression",
    "returnData",
    "ALARM",
    "OK",
    "INSUFFICIENT_DATA",
    "CloudWatch Alarm State Change",
    "DeploymentId",
    "LifecycleEventHookExecutionId",
    "deploymentId",
    "requestContext",
    "requestPayload",
    "responsePayload",
    "functionArn",
    "condition",
    "errorMessage",
    "greenlight",
    "aws.codedeploy",
    "aws.events",
    "CodeDeploy Deployment State-change Notification",
    "Hook Verdict",
    "Rollback Decision",
    "Traffic Restored",
    "2026-01-05T09:00:00Z",
    "2023-08-04T12: 36: 15.490+0000",
    "+0000",
    "é+0000",
    "{}",
    "{\"threshold\":1}",
    "d-1",
    "arn:aws:lambda:us-east-2:1:function:x:3",
    "arn:",
    "",
];

/// Every sample of `events/`.
fn samples() -> &'static [Value] {
    static SAMPLES: OnceLock<Vec<Value>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let mut found = Vec::new();
        read(&root().join("events"), &mut found);
        assert!(found.len() > 20, "there are {} samples", found.len());
        found
    })
}

fn read(folder: &Path, found: &mut Vec<Value>) {
    let mut paths: Vec<_> = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "json") {
            let text = std::fs::read_to_string(&path).expect("readable");
            found.push(serde_json::from_str(&text).expect("every sample is JSON"));
        }
    }
}

/// A sample with something changed, or anything at all. An SNS message is JSON within the JSON, and is changed as such.
fn event() -> impl Strategy<Value = Value> {
    let sample = (any::<prop::sample::Index>(), changes(WORDS), any::<bool>()).prop_map(|(index, changes, within)| {
        let mut sample = index.get(samples()).clone();
        let message = sample.pointer("/Records/0/Sns/Message").and_then(Value::as_str);
        match message.and_then(|text| serde_json::from_str(text).ok()).filter(|_| within) {
            Some(message) => {
                if let Some(text) = sample.pointer_mut("/Records/0/Sns/Message") {
                    *text = json!(changed(message, changes).to_string());
                }
                sample
            }
            None => changed(sample, changes),
        }
    });
    prop_oneof![4 => sample, 1 => any_json(WORDS)]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_hooks_payload_is_decoded_or_refused(event in event()) {
        let _ = decode(&event).map_err(|error| error.to_string());
    }

    #[test]
    fn a_watchdogs_record_is_decoded_or_refused(event in event()) {
        match Record::parse(&event) {
            Ok(record) => {
                prop_assert!(!record.function().is_empty());
                prop_assert!(record.reason().chars().count() < 2000 + record.function().chars().count());
                let _ = decode(&record.request_payload).map_err(|error| error.to_string());
            }
            Err(error) => prop_assert!(error.to_string().contains("requestPayload")),
        }
    }

    #[test]
    fn an_alarm_in_any_shape_is_decoded_or_refused(event in event()) {
        match alarm_rollback::event::parse(&event) {
            Ok(transitions) => prop_assert!(!transitions.is_empty()),
            Err(error) => prop_assert!(error.chain().all(|cause| !cause.to_string().is_empty())),
        }
    }

    #[test]
    fn an_event_of_the_bus_is_decoded_or_refused_and_a_notice_survives_being_sent_again(event in event()) {
        match Heard::parse(&event) {
            Ok((_, Heard::Notice(notice))) => {
                let sent = json!({
                    "source": "greenlight", "detail-type": notice.detail_type(), "time": "2026-01-05T09:00:00Z",
                    "detail": notice.detail().expect("a notice can be written"),
                });
                let (_, heard) = Heard::parse(&sent).expect("what was sent can be read");
                prop_assert_eq!(heard, Heard::Notice(notice));
            }
            Ok(_) => {}
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn an_appspec_is_read_or_refused(text in "[ -~\\n]{0,60}", event in event()) {
        for text in [text, event.to_string()] {
            let _ = domain::appspec::read(&text).map_err(|error| error.to_string());
        }
    }
}

#[test]
fn every_notice_among_the_samples_is_reached() {
    let mut kinds: Vec<&str> = samples()
        .iter()
        .filter_map(|sample| Heard::parse(sample).ok())
        .filter_map(
            |(_, heard)| if let Heard::Notice(notice) = heard { Some(Notice::detail_type(&notice)) } else { None },
        )
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["Hook Verdict", "Rollback Decision", "Traffic Restored"]);
}
