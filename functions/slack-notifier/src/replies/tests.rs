//! What Greenlight's own events say.

use domain::events::{Heard, Notice};
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{decision, decision_alone, over, restored, verdict};
use crate::blocks::render;
use crate::fakes::readable;
use crate::thread::Reply;

/// The event of a file in `events/slack-notifier`, with changes to its detail.
fn notice(file: &str, changes: &Value) -> Notice {
    let path = format!("{}/../../events/slack-notifier/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        event["detail"][key] = value.clone();
    }
    match Heard::parse(&event).unwrap().1 {
        Heard::Notice(notice) => *notice,
        other => panic!("{other:?}"),
    }
}

fn reply(file: &str, changes: &Value) -> Reply {
    match notice(file, changes) {
        Notice::HookVerdict(event) => verdict(&event, false, "eu-west-1"),
        Notice::RollbackDecision(event) if event.resolves => over(&event, None),
        Notice::RollbackDecision(event) => decision(&event, "eu-west-1"),
        Notice::TrafficRestored(event) => restored(&event, false, "Act now: look."),
    }
}

fn said(reply: &Reply) -> String {
    format!("{} important={}\n{}", reply.key, reply.important, readable(&render(&reply.message)))
}

#[test]
fn a_failed_verdict_names_each_failed_finding_with_what_was_observed() {
    assert_snapshot!(said(&reply("hook-verdict-failed", &json!({}))), @r#"
    verdict/BeforeAllowTraffic/before-allow-traffic important=true
    :x: *BeforeAllowTraffic* failed in 1.8 s:
    :x: `health_check` expected status 200, observed status 500, body "no database" (GET http://mangaassist-1234567890.eu-west-1.elb.amazonaws.com:8443/health)
    (BeforeAllowTraffic failed: `health_check` fail: expected status 200, observed status 500, body "no database" (GET http://mangaassist-1234567890.eu-west-1.elb.amazonaws.com:8443/health; took 41 ms))
    "#);
}

#[test]
fn a_passed_verdict_is_one_line() {
    assert_snapshot!(said(&reply("hook-verdict-succeeded", &json!({}))), @"
    verdict/AfterAllowTraffic/after-allow-traffic important=false
    :white_check_mark: *AfterAllowTraffic* passed in 1.5 s: all 3 checks passed
    (AfterAllowTraffic passed: all 3 checks passed)
    ");
}

#[test]
fn a_verdict_that_codedeploy_did_not_take_says_who_answers_instead() {
    assert_snapshot!(said(&reply("hook-verdict-succeeded", &json!({"reported": false}))), @"
    verdict/AfterAllowTraffic/after-allow-traffic important=true
    :white_check_mark: *AfterAllowTraffic* passed in 1.5 s: all 3 checks passed
    :warning: CodeDeploy could not be told of this in time; `hook-watchdog` tells it in the hook's place.
    (AfterAllowTraffic passed: all 3 checks passed)
    ");
}

#[test]
fn where_the_lifecycle_event_is_not_known_the_watchdogs_own_name_is_not_used() {
    let changes = json!({"lifecycle_event": null});
    assert_snapshot!(said(&reply("hook-verdict-of-the-watchdog", &changes)), @"
    verdict/unknown/hook-watchdog important=true
    :x: *a hook* failed: the hook `CodeDeployHook_after-allow-traffic` ended without an answer: Runtime exited with error: signal: killed
    (a hook failed: the hook `CodeDeployHook_after-allow-traffic` ended without an answer: Runtime exited with error: signal: killed)
    ");
}

#[test]
fn retried_and_doubtful_findings_are_told_too() {
    let findings = json!([
        {"name": "slow", "outcome": "degraded", "observed": "status 200", "tries": 3},
        {"name": "tls", "outcome": "inconclusive", "expected": "valid for 14 days"},
    ]);
    let changes =
        json!({"findings": findings, "reason": "2 checks passed, 1 of them degraded", "verdict": "Succeeded"});
    assert_snapshot!(said(&reply("hook-verdict-failed", &changes)), @"
    verdict/BeforeAllowTraffic/before-allow-traffic important=false
    :white_check_mark: *BeforeAllowTraffic* passed in 1.8 s: 2 checks passed, 1 of them degraded
    :grey_question: `tls` expected valid for 14 days, inconclusive
    :warning: `slow` observed status 200 after 3 tries
    (BeforeAllowTraffic passed: 2 checks passed, 1 of them degraded)
    ");
}

#[test]
fn a_skipped_verdict_is_loud_and_its_reason_cannot_ping_anybody() {
    let changes = json!({"skipped": "INC-42 <!channel>", "reason": "let through UNCHECKED: `ada` asked for it, because: INC-42 <!channel>", "findings": []});
    assert_snapshot!(said(&reply("hook-verdict-succeeded", &changes)), @"
    verdict/AfterAllowTraffic/after-allow-traffic important=true
    :warning: *AfterAllowTraffic* skipped in 1.5 s: let through UNCHECKED: `ada` asked for it, because: INC-42 &lt;!channel&gt;
    (AfterAllowTraffic skipped: let through UNCHECKED: `ada` asked for it, because: INC-42 &lt;!channel&gt;)
    ");
}

#[test]
fn a_remark_behind_the_deciding_finding_is_kept() {
    let finding = json!({"name": "health_check", "outcome": "fail", "observed": "status 500"});
    let other = json!({"name": "chat", "outcome": "fail", "observed": "status 500"});
    let changes =
        json!({"findings": [finding.clone()], "reason": "`health_check` fail: status 500. It is the first deployment"});
    let text = said(&reply("hook-verdict-failed", &changes));
    assert!(
        text.contains(
            ":x: *BeforeAllowTraffic* failed in 1.8 s: It is the first deployment\n:x: `health_check` observed"
        ),
        "{text}"
    );
    let reason = "2 of 2 checks failed; the first: `health_check` fail: status 500. It is the first deployment";
    let text = said(&reply("hook-verdict-failed", &json!({"findings": [finding, other], "reason": reason})));
    assert!(text.contains("failed in 1.8 s: 2 of 2 checks failed. It is the first deployment\n"), "{text}");
}

#[test]
fn a_decision_names_alarm_data_points_reason_and_next_step() {
    assert_snapshot!(said(&reply("rollback-decision", &json!({}))), @"
    decision/orchestrator-http-5xx/StopAndRollBack/2026-03-03T10:11:11.402Z important=true
    :octagonal_sign: *Alarm `orchestrator-http-5xx` stops the deployment and rolls it back.* `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began
    *Observed:* 37.5, 34.62 (newest first) against a threshold of 1
    *Watches:* 5xx rate of the worse target group, in percent
    *Since:* 10:11:11 UTC
    *Deployment:* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-SAMPLE001?region=eu-west-1|d-SAMPLE001> of orchestrator:42 (3f9c2d71)
    *Next:* see that all traffic is on the old version again, which is told within 2 minutes; find the cause before the same version is deployed again
    (Alarm orchestrator-http-5xx stops the deployment and rolls it back: `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began)
    ");
    assert_snapshot!(said(&reply("rollback-decision-alert", &json!({}))), @"
    decision/orchestrator-error-log-5x/Alert/2026-03-03T10:10:31.118Z important=true
    :bell: *Alarm `orchestrator-error-log-5x` is to be looked at.* `orchestrator-error-log-5x` went to ALARM during the deployment `d-SAMPLE001` of `orchestrator`; its configured action is `alert`
    *Observed:* 9.5, 7.25 (newest first) against a threshold of 5
    *Watches:* error lines, as a multiple of what is usual
    *Since:* 10:10:31 UTC
    *Deployment:* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-SAMPLE001?region=eu-west-1|d-SAMPLE001> of orchestrator:42 (3f9c2d71)
    *Next:* look at the alarm; to roll back by hand: `aws deploy stop-deployment --deployment-id d-SAMPLE001 --auto-rollback-enabled`
    (Alarm orchestrator-error-log-5x is to be looked at: `orchestrator-error-log-5x` went to ALARM during the deployment `d-SAMPLE001` of `orchestrator`; its configured action is `alert`)
    ");
    assert!(!reply("rollback-decision", &json!({"decision": "Ignore"})).important);
}

#[test]
fn a_decision_without_a_deployment_says_what_it_is_about() {
    let Notice::RollbackDecision(event) = notice("rollback-decision-alert", &json!({"deployment_id": null})) else {
        panic!("a decision")
    };
    assert_snapshot!(readable(&render(&decision_alone(&event, "eu-west-1", None))), @"
    :bell: *Alarm `orchestrator-error-log-5x` is to be looked at.* `orchestrator-error-log-5x` went to ALARM during the deployment `d-SAMPLE001` of `orchestrator`; its configured action is `alert`
    *Observed:* 9.5, 7.25 (newest first) against a threshold of 5
    *Watches:* error lines, as a multiple of what is usual
    *Since:* 10:10:31 UTC
    *Next:* look at the alarm; to roll back by hand: `aws deploy stop-deployment --deployment-id d-SAMPLE001 --auto-rollback-enabled`
    ~ orchestrator
    ~ production
    ~ mangaassist/orchestrator
    (Alarm orchestrator-error-log-5x is to be looked at: `orchestrator-error-log-5x` went to ALARM during the deployment `d-SAMPLE001` of `orchestrator`; its configured action is `alert`)
    ");
}

#[test]
fn restored_traffic_is_told_in_seconds() {
    assert_snapshot!(said(&reply("traffic-restored", &json!({}))), @"
    restored important=true
    :leftwards_arrow_with_hook: *All traffic is back on the old version, 31.5 s after the alarm.* Alarm `orchestrator-http-5xx`.
    *Observed:* all production traffic is on the old version
    (All traffic is back on the old version, 31.5 s after the alarm.)
    ");
    let changes = json!({"restored": false, "seconds_since_alarm": null, "observed": "60 % is on the new version"});
    assert_snapshot!(said(&reply("traffic-restored", &changes)), @"
    not-restored important=true
    :rotating_light: *The traffic is not back on the old version, 30.2 s after Greenlight heard of the alarm.* Alarm `orchestrator-http-5xx`. Act now: look.
    *Observed:* 60 % is on the new version
    (The traffic is not back on the old version, 30.2 s after Greenlight heard of the alarm.)
    ");
}
