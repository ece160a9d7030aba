//! What is open at PagerDuty, as tables over what is heard of a group.

use std::collections::{BTreeMap, BTreeSet};

use domain::config::PageSeverity;
use domain::deployment::DeploymentId;
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::Duty;
use crate::page::{About, Asked, End, Page, Until};

const PLACE: &str = "app/grp";

/// PagerDuty's side: an alert is opened by a trigger under a key that has none, and closed by a resolve ("Event Action Behavior").
#[derive(Default)]
struct Desk {
    open: BTreeMap<String, String>,
    log: Vec<String>,
}

impl Desk {
    fn take(&mut self, event: &Value) {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (action, severity) = (text("/event_action"), text("/payload/severity"));
        let key = text("/dedup_key").replace("greenlight/app/grp", "…");
        self.log.push(format!("{action} {key} {severity}").trim_end().to_owned());
        match action.as_str() {
            "trigger" => drop(self.open.insert(key, severity)),
            _ => drop(self.open.remove(&key)),
        }
    }
}

#[derive(Default)]
struct Group {
    duty: Duty,
    desk: Desk,
}

impl Group {
    fn hear(&mut self, asked: &Asked) {
        self.duty.hear(PLACE, asked);
    }

    fn send(&mut self) -> Vec<String> {
        while let Some(step) = self.duty.next(&BTreeSet::new()) {
            self.desk.take(&step.event);
            self.duty.done(&step);
        }
        std::mem::take(&mut self.desk.log)
    }

    fn hears(&mut self, asked: &Asked) -> Vec<String> {
        self.hear(asked);
        self.send()
    }
}

fn page(about: About, since: i64, urgent: bool, until: Until) -> Page {
    let key = match &about {
        About::Ending => "greenlight/app/grp".to_owned(),
        About::Rollback => "greenlight/app/grp/rollback".to_owned(),
        About::Alarm(_, name) => format!("greenlight/app/grp/alarm/{name}"),
    };
    let severity = if urgent { PageSeverity::Critical } else { PageSeverity::Warning };
    let event = json!({"event_action": "trigger", "dedup_key": key, "payload": {"severity": severity}});
    Page { about, key, since: Timestamp(since), urgent, severity, until, event }
}

fn of(deployment: &str, pages: Vec<Page>) -> Asked {
    let asked = Asked::one(DeploymentId(deployment.into()), Some(page(About::Ending, 0, false, Until::Back))).unwrap();
    Asked { pages, ..asked }
}

fn failed(deployment: &str, since: i64, urgent: bool) -> Asked {
    Asked { end: Some(End::Stopped), ..of(deployment, vec![page(About::Ending, since, urgent, Until::Back)]) }
}

fn stuck(deployment: &str, since: i64) -> Asked {
    of(deployment, vec![page(About::Rollback, since, true, Until::Back)])
}

fn back(deployment: &str) -> Asked {
    Asked { end: Some(End::Back), ..of(deployment, Vec::new()) }
}

fn succeeded(deployment: &str, at: i64) -> Asked {
    Asked { succeeded: Some(Timestamp(at)), ..of(deployment, Vec::new()) }
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_page_is_triggered_once_and_resolved_once_by_its_way_back() {
    let mut group = Group::default();
    assert_eq!(group.hears(&failed("d-1", 1, false)), ["trigger … warning"]);
    assert_eq!(group.hears(&failed("d-1", 1, false)), NOTHING);
    assert_eq!(group.hears(&back("d-1")), ["resolve …"]);
    for asked in [back("d-1"), failed("d-1", 1, false), stuck("d-1", 1)] {
        assert_eq!(group.hears(&asked), NOTHING, "{asked:?}");
    }
}

#[test]
fn what_was_safe_and_becomes_urgent_is_an_alert_of_its_own() {
    let mut group = Group::default();
    assert_eq!(group.hears(&failed("d-1", 1, false)), ["trigger … warning"]);
    assert_eq!(group.hears(&failed("d-1", 1, true)), ["trigger …/rollback critical"]);
    assert_eq!(group.hears(&stuck("d-1", 2)), NOTHING, "it is the same");
    assert_eq!(group.hears(&failed("d-1", 1, false)), NOTHING);
    assert_eq!(group.hears(&back("d-1")), ["resolve …", "resolve …/rollback"]);
    // Urgent from the start.
    assert_eq!(group.hears(&failed("d-2", 5, true)), ["trigger … critical"]);
    assert_eq!(group.hears(&failed("d-2", 5, false)), NOTHING);
}

#[test]
fn what_is_urgent_does_not_hide_behind_what_another_deployment_left_open() {
    let mut group = Group::default();
    group.hears(&failed("d-1", 1, false));
    assert_eq!(group.hears(&failed("d-2", 5, true)), ["trigger …/rollback critical"]);
    // And what is milder does not soothe it.
    let mut group = Group::default();
    group.hears(&failed("d-1", 1, true));
    assert_eq!(group.hears(&failed("d-2", 5, false)), ["trigger … critical"]);
    assert_eq!(group.hears(&back("d-2")), NOTHING, "the other is still open");
    assert_eq!(group.hears(&back("d-1")), ["resolve …"]);
}

#[test]
fn a_success_ends_what_was_before_it_and_nothing_else_whichever_is_heard_first() {
    let mut group = Group::default();
    group.hears(&failed("d-1", 10, false));
    group.hears(&stuck("d-1", 10));
    assert_eq!(group.hears(&succeeded("d-0", 9)), NOTHING, "it was before");
    assert_eq!(group.hears(&succeeded("d-2", 20)), ["resolve …", "resolve …/rollback"]);
    // What is retried after it.
    assert_eq!(group.hears(&failed("d-1", 10, true)), NOTHING);
    assert_eq!(group.hears(&succeeded("d-0", 9)), NOTHING);
    assert_eq!(group.hears(&failed("d-1", 10, true)), NOTHING);
    // What was taken back after it had succeeded is not ended by that, even where the record and the event differ by a second.
    assert_eq!(group.hears(&failed("d-2", 19, false)), ["trigger … warning"]);
}

#[test]
fn with_next_success_the_way_back_ends_nothing_and_yet_wakes_nobody_afterwards() {
    let mut group = Group::default();
    let held = |about, urgent| of("d-1", vec![page(about, 1, urgent, Until::Success)]);
    assert_eq!(group.hears(&held(About::Ending, false)), ["trigger … warning"]);
    assert_eq!(group.hears(&back("d-1")), NOTHING);
    assert_eq!(group.hears(&held(About::Rollback, true)), NOTHING);
    assert_eq!(group.hears(&succeeded("d-2", 2)), ["resolve …"]);
    // First heard of when it is back: it stays until the success all the same.
    let mut group = Group::default();
    group.hear(&back("d-1"));
    assert_eq!(group.hears(&held(About::Ending, false)), ["trigger … warning"]);
}

#[test]
fn an_alarm_that_is_left_to_a_person_ends_with_its_deployment_however_that_ends() {
    let alarm =
        |name: &str, red| of("d-1", vec![page(About::Alarm(Timestamp(red), name.into()), 5, true, Until::Stopped)]);
    let stopped = Asked { end: Some(End::Stopped), ..of("d-1", Vec::new()) };
    for end in [stopped, back("d-1"), succeeded("d-2", 6)] {
        let mut group = Group::default();
        assert_eq!(group.hears(&alarm("a", 1)), ["trigger …/alarm/a critical"]);
        assert_eq!(group.hears(&alarm("b", 1)), ["trigger …/alarm/b critical"]);
        assert_eq!(group.hears(&succeeded("d-1", 9)), NOTHING, "that it went on is what is wrong");
        // Red again, after somebody may have closed the alert at PagerDuty.
        assert_eq!(group.hears(&alarm("a", 3)), ["trigger …/alarm/a critical"]);
        let mut expected = vec!["resolve …/alarm/a", "resolve …/alarm/b"];
        if end.succeeded.is_some() {
            // An older success than the deployment's own ends nothing.
            assert_eq!(group.hears(&end), NOTHING);
            assert_eq!(group.hears(&succeeded("d-3", 10)), expected);
            continue;
        }
        assert_eq!(group.hears(&end), expected);
        expected.clear();
        assert_eq!(group.hears(&alarm("a", 4)), expected);
    }
}

#[test]
fn an_end_that_pagerduty_has_not_heard_is_told_before_the_next_page_under_its_key() {
    let mut group = Group::default();
    group.hears(&failed("d-1", 1, true));
    group.hear(&back("d-1"));
    group.hear(&failed("d-2", 5, true));
    assert_eq!(group.send(), ["resolve …", "trigger … critical"]);
}

#[test]
fn what_wakes_somebody_is_sent_first_and_a_key_that_is_left_out_holds_up_no_other() {
    let mut group = Group::default();
    group.hears(&of("d-0", vec![page(About::Alarm(Timestamp(1), "a".into()), 1, true, Until::Stopped)]));
    group.hear(&succeeded("d-1", 5));
    group.hear(&failed("d-2", 6, false));
    group.hear(&stuck("d-2", 6));
    let without = BTreeSet::from(["greenlight/app/grp/rollback".to_owned()]);
    assert_eq!(group.duty.next(&without).unwrap().word, "trigger");
    assert_eq!(group.send(), ["trigger …/rollback critical", "trigger … warning", "resolve …/alarm/a"]);
}

#[test]
fn a_groups_entry_is_bounded() {
    let mut group = Group::default();
    for number in 0..200_u32 {
        let mut asked = failed(&format!("d-{number}"), i64::from(number), false);
        // As large as an event gets.
        asked.pages[0].event["payload"]["custom_details"] = json!("x".repeat(24_000));
        group.hear(&asked);
    }
    let size = json!(group.duty).to_string().len();
    assert!(size < 400_000, "{size} bytes");
    let read: Duty = serde_json::from_value(json!(group.duty)).unwrap();
    assert_eq!(read, group.duty);
}
