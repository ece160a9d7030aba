//! More alarms than anybody would read.

use insta::assert_snapshot;
use serde_json::json;

use super::*;

#[test]
fn the_first_twenty_are_told_and_then_that_there_are_more() {
    let states = [("Install", "Succeeded"), ("AllowTraffic", "InProgress")];
    let mut course = Course::new(described(), None, &target(&states, 10.0));
    let mut heard = Vec::new();
    for number in 0..27 {
        let alarm = json!({"name": format!("alarm-{number}"), "state": "ALARM", "reason": "x", "changed_at": "2026-03-03T10:05:00Z", "datapoints": [1.0]});
        heard.push(event("rollback-decision-alert", &json!({"alarm": alarm})));
    }
    for notice in heard.iter().chain(&heard) {
        // As the ledger adds what each event brings.
        let mut fresh = Course::new(described(), None, &target(&states, 10.0)).hear(notice).story;
        std::mem::swap(&mut course.story, &mut fresh);
        fresh.absorb(course.story.clone());
        course.story = fresh;
        let Notice::RollbackDecision(decision) = notice else { panic!() };
        course.replies.push(thread::decided(&course.story, decision, REGION));
    }
    let mut keys: Vec<String> = course.thread().into_iter().map(|reply| reply.key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 21, "{keys:?}");
    assert!(
        headline_text(&course).contains("7 more alerts than the 20 that are told below"),
        "{}",
        headline_text(&course)
    );
    let more = course.replies.iter().find(|reply| reply.key == "alerts/more").unwrap();
    assert_snapshot!(readable(&render(&more.message)), @"
    :bell: *More than 20 alarms have asked to be looked at: the others are not told here each.* How many there are stands above; each is in the log of `alarm-rollback`.
    (More than 20 alarms have asked to be looked at: the others are not told here each.)
    ");
    // What asks somebody to act is told however many there are.
    let page = event("rollback-decision-page", &json!({}));
    let asked = course.hear(&page);
    assert!(asked.replies.last().unwrap().key.starts_with("decision/"));
}

fn headline_text(course: &Course) -> String {
    readable(&render(&headline(&course.story)))
}
