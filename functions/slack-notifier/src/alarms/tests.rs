//! What alarms led to: rolling services of ECS, pages, traffic that is late, and alarms that are OK again; duplicates and orders of them.

mod flock;
mod rolling;
mod urgent;

use domain::deployment::{Deployment, DeploymentId, Status};
use domain::time::Timestamp;
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{build, run};

use crate::fakes::readable;
use crate::world::{
    BOT, PAGER, WEBHOOK, World, changed, decision, down, ended, of_ecs, over, restored, rollback, stopped, with,
};

const SERVICE: &str = "ecs-svc/9223370493423413672";

fn both() -> World {
    World::new(&format!("{BOT}{PAGER}"))
}

fn not_restored() -> Value {
    with(
        restored(),
        &json!({"restored": false, "observed": "the rollback `d-2` is `InProgress`", "seconds_since_alarm": 120.0}),
    )
}

fn back_after_all() -> Value {
    with(restored(), &json!({"seconds_since_alarm": 360.0}))
}

fn of_worker(event: &Value) -> Value {
    with(of_ecs(event.clone()), &json!({"deployment_id": SERVICE, "rollback_deployment_id": "ecs-svc/2"}))
}

fn left_to_a_person(deployment: Option<&str>) -> Value {
    let changes = json!({
        "page": true, "group": build::group(), "service": "orchestrator", "environment": "production",
        "reason": "3 rollbacks in the last hour, so this one is left to a person", "next_step": "now: stop it by hand",
    });
    with(decision(deployment, "Alert"), &changes)
}

#[test]
fn traffic_that_is_late_pages_once_and_is_resolved_once_when_it_is_back_after_all() {
    let world = both();
    run(async {
        world.record(stopped());
        world.record(rollback(Status::InProgress));
        world.hear(&changed("d-1", "STOP")).await.unwrap();
        for _ in 0..2 {
            world.hear(&not_restored()).await.unwrap();
        }
        assert_snapshot!(readable(&world.slack().messages.borrow()[0].content), @"
        # :red_circle: orchestrator (production) was stopped by an alarm, and is not rolled back yet
        *Production* may be on either version: the rollback has not finished.
        *You:* Act now: open the deployment. Unless the rollback is about to end, move the traffic to the old version by hand.
        Alarm `5xx` fired.
        Last seen of the rollback: the rollback `d-2` is `InProgress`
        | *Environment* production
        | *Revision* orchestrator:42
        | *Commit* 01234567
        | *Started by* a person or a pipeline
        | *Duration* 7 min
        | *Configuration* Canary10Percent5Minutes
        | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
        | *Rollback* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2>
        (orchestrator (production) was stopped by an alarm, and is not rolled back yet. Production may be on either version: the rollback has not finished. Act now: open the deployment. Unless the rollback is about to end, move the traffic to the old version by hand.)
        ");
        for _ in 0..2 {
            world.hear(&back_after_all()).await.unwrap();
        }
        world.record(rollback(Status::Succeeded));
        world.hear(&changed("d-2", "SUCCESS")).await.unwrap();
    });
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) was stopped by an alarm, and is rolled back. Production is on the old version. Nothing is urgent: fix the cause, then deploy again.
        orchestrator (production) was stopped by a person, and is rolling back. Production is going back to the old version. Wait for the rollback: its end will be told here.
        The traffic is not back on the old version, 2 min after the alarm.
        orchestrator (production) is rolling back.
        All traffic is back on the old version after all, 6 min after the alarm.
    ");
    assert_eq!(
        world.pages(),
        [
            "trigger greenlight/mangaassist/orchestrator warning: orchestrator (production) was stopped by a person, and is rolling back: MANUAL_STOP: stopped",
            "trigger greenlight/mangaassist/orchestrator/rollback critical: orchestrator (production) is not back on the old version: the rollback `d-2` is `InProgress` (alarm 5xx)",
            "resolve greenlight/mangaassist/orchestrator",
            "resolve greenlight/mangaassist/orchestrator/rollback",
        ]
    );
}

#[test]
fn that_the_traffic_is_not_back_is_not_told_when_it_is_by_now() {
    let world = both();
    run(async {
        world.record(stopped());
        world.record(rollback(Status::InProgress));
        world.hear(&back_after_all()).await.unwrap();
        world.hear(&not_restored()).await.unwrap();
    });
    let text = world.slack().read();
    assert!(text.contains("All traffic is back") && !text.contains("not back"), "{text}");
    assert!(world.pages().iter().all(|page| !page.contains("/rollback")), "{:?}", world.pages());
}

#[test]
fn a_page_that_the_traffic_is_not_back_needs_neither_codedeploy_nor_slack() {
    let world = both();
    world.ports.deployments.readings.borrow_mut().clear();
    run(async {
        assert!(world.hear(&not_restored()).await.is_err(), "the rest is tried again");
        assert!(world.hear(&not_restored()).await.is_err());
    });
    assert_eq!(world.paged(), ["trigger"]);
}

#[test]
fn a_rollback_that_fails_pages_although_the_stop_was_acknowledged_and_the_next_success_ends_both() {
    let world = both();
    run(async {
        world.record(stopped());
        world.hear(&decision(Some("d-1"), "StopAndRollBack")).await.unwrap();
        world.record(rollback(Status::Failed));
        world.hear(&changed("d-2", "FAILURE")).await.unwrap();
        world.hear(&changed("d-2", "FAILURE")).await.unwrap();
        // A success of before, heard of late, ends nothing of it.
        let former = Deployment {
            id: DeploymentId("d-0".into()),
            completed: Some(Timestamp(1_772_000_000_000)),
            ..ended(Status::Succeeded)
        };
        world.record(former);
        world.hear(&changed("d-0", "SUCCESS")).await.unwrap();
        let now = world.ports.clock.now();
        world.record(Deployment { id: DeploymentId("d-5".into()), completed: Some(now), ..ended(Status::Succeeded) });
        world.hear(&changed("d-5", "SUCCESS")).await.unwrap();
        world.hear(&changed("d-5", "SUCCESS")).await.unwrap();
    });
    assert_eq!(
        world.keys(),
        [
            "trigger greenlight/mangaassist/orchestrator",
            "trigger greenlight/mangaassist/orchestrator/rollback",
            "resolve greenlight/mangaassist/orchestrator",
            "resolve greenlight/mangaassist/orchestrator/rollback",
        ]
    );
}

#[test]
fn an_alarm_that_is_left_to_a_person_pages_and_is_the_headline_until_the_deployment_has_ended_otherwise() {
    let world = both();
    run(async {
        for _ in 0..2 {
            world.hear(&left_to_a_person(Some("d-1"))).await.unwrap();
        }
        assert_snapshot!(readable(&world.slack().messages.borrow()[0].content), @"
        # :red_circle: orchestrator (production) is being deployed, and a red alarm needs a person
        *Production* is where it was: CodeDeploy has not told of any shift.
        *You:* Act now: stop it by hand
        Alarm `5xx` is red and left to a person: 3 rollbacks in the last hour, so this one is left to a person
        | *Environment* production
        | *Revision* orchestrator:42
        | *Commit* 01234567
        | *Started by* a person or a pipeline
        | *Duration* not started
        | *Configuration* Canary10Percent5Minutes
        | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
        (orchestrator (production) is being deployed, and a red alarm needs a person. Production is where it was: CodeDeploy has not told of any shift. Act now: stop it by hand)
        ");
        // The alarm dips, and the bad version keeps its traffic.
        for _ in 0..2 {
            world.hear(&with(over(Some("d-1")), &json!({"group": build::group()}))).await.unwrap();
        }
        assert_snapshot!(world.slack().read(), @"
        orchestrator (production) is being deployed, and still needs a person. Production is where it was: CodeDeploy has not told of any shift. Act now: stop it by hand
            Alarm 5xx needs a person now: 3 rollbacks in the last hour, so this one is left to a person
            Alarm 5xx is OK again, 6 min after it went to ALARM.
        ");
        let told = readable(&world.slack().messages.borrow()[2].content);
        assert!(told.contains("*Still open:* Act now: stop it by hand") && !told.contains("*Next:*"), "{told}");
        assert_eq!(world.paged(), ["trigger"]);
        world.record(stopped());
        world.record(rollback(Status::InProgress));
        for _ in 0..2 {
            world.hear(&changed("d-1", "STOP")).await.unwrap();
        }
    });
    let headline = readable(&world.slack().messages.borrow()[0].content);
    assert!(!headline.contains("Act now") && !headline.contains("left to a person"), "{headline}");
    assert_eq!(
        world.pages(),
        [
            "trigger greenlight/mangaassist/orchestrator/alarm/5xx critical: orchestrator (production): 3 rollbacks in the last hour, so this one is left to a person",
            "trigger greenlight/mangaassist/orchestrator warning: orchestrator (production) was stopped by a person, and is rolling back: MANUAL_STOP: stopped",
            "resolve greenlight/mangaassist/orchestrator/alarm/5xx",
        ]
    );
    let page = world.ports.sinks.pager.sent.borrow()[0].clone();
    assert_eq!(
        page["payload"]["custom_details"],
        json!({
            "alarm": "5xx", "observed": "9 against a threshold of 1", "watches": null, "since": "2026-03-03T10:07:00.000Z",
            "deployment": "d-1", "revision": "unknown revision", "decision": "Alert",
            "reason": "3 rollbacks in the last hour, so this one is left to a person", "to_do": "Act now: stop it by hand",
        })
    );
}

#[test]
fn a_page_for_an_alarm_waits_for_nobody_and_is_not_sent_when_the_alarm_is_ok_by_now() {
    let world = both();
    world.ports.deployments.readings.borrow_mut().clear();
    run(async {
        assert!(world.hear(&left_to_a_person(Some("d-1"))).await.is_err(), "CodeDeploy is down, which is tried again");
    });
    assert_eq!(world.paged(), ["trigger"]);
    let world = both();
    run(async {
        world.hear(&with(over(None), &json!({"group": build::group()}))).await.unwrap();
        world.hear(&left_to_a_person(None)).await.unwrap();
    });
    assert_eq!(world.paged(), Vec::<String>::new());
    assert_snapshot!(world.slack().read(), @"
    Alarm 5xx is OK again, 6 min after it went to ALARM.
    ");
}

#[test]
fn an_alarm_without_a_deployment_is_corrected_in_place_when_it_is_ok_again_and_told_anew_when_it_is_red_again() {
    let world = World::new(BOT);
    run(async {
        for _ in 0..2 {
            world.hear(&decision(None, "Alert")).await.unwrap();
        }
        for _ in 0..2 {
            world.hear(&over(None)).await.unwrap();
        }
        assert_snapshot!(readable(&world.slack().messages.borrow()[0].content), @"
        :white_check_mark: *Alarm `5xx` is OK again, 6 min after it went to ALARM.*
        :bell: *Alarm `5xx` is to be looked at.* it is red
        *Observed:* 9 against a threshold of 1
        *Since:* 10:07:00 UTC
        *Next:* look
        (Alarm 5xx is OK again, 6 min after it went to ALARM.)
        ");
        assert_eq!(world.slack().messages.borrow()[0].updates, 1);
        let mut again = decision(None, "Alert");
        again["detail"]["alarm"]["changed_at"] = "2026-03-03T10:20:00Z".into();
        world.hear(&again).await.unwrap();
    });
    assert_snapshot!(world.slack().read(), @"
    Alarm 5xx is OK again, 6 min after it went to ALARM.
    Alarm 5xx is to be looked at: it is red
    ");
}

#[test]
fn a_webhook_that_cannot_correct_a_message_gets_another() {
    let world = World::new(WEBHOOK);
    run(async {
        world.hear(&decision(None, "Alert")).await.unwrap();
        world.hear(&over(None)).await.unwrap();
        world.hear(&over(None)).await.unwrap();
    });
    assert_snapshot!(world.slack().read(), @"
    Alarm 5xx is to be looked at: it is red
    Alarm 5xx is OK again, 6 min after it went to ALARM.
    ");
}

#[test]
fn an_alarm_that_is_ok_again_is_told_in_the_thread_where_it_was_told() {
    let world = World::new(BOT);
    run(async {
        world.hear(&with(decision(Some("d-1"), "Alert"), &json!({"service": "orchestrator"}))).await.unwrap();
        // The deployment has ended since, so the event does not name it.
        world.record(ended(Status::Succeeded));
        world.hear(&with(over(None), &json!({"service": "orchestrator"}))).await.unwrap();
    });
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) was deployed. Production runs the new version. Nothing to do.
        Alarm 5xx is to be looked at: it is red
        Alarm 5xx is OK again, 6 min after it went to ALARM.
    ");
}

#[test]
fn an_alarm_that_is_ok_again_and_was_told_nowhere_is_told_nowhere() {
    let world = both();
    run(world.hear(&over(None))).unwrap();
    assert_eq!((world.slack().messages.borrow().len(), world.paged().len()), (0, 0));
}

#[test]
fn a_pager_that_is_down_is_tried_again_and_holds_up_no_message() {
    let world = both();
    world.ports.sinks.pager.trouble.borrow_mut().push_back(down());
    run(async {
        assert!(world.hear(&left_to_a_person(None)).await.is_err());
        assert_eq!((world.slack().messages.borrow().len(), world.paged().len()), (1, 0));
        world.hear(&left_to_a_person(None)).await.unwrap();
    });
    assert_eq!((world.slack().messages.borrow().len(), world.paged().len()), (1, 1));
}

#[test]
fn nothing_in_a_decision_pings_anybody_or_is_too_long() {
    let world = both();
    let flood = "<!channel> & `x` ".repeat(2_000);
    let alarm = json!({"name": flood, "state": "ALARM", "reason": flood, "metric": flood, "datapoints": [9.0], "threshold": 1.0});
    let changes = json!({
        "alarm": alarm, "reason": flood, "next_step": flood, "service": flood, "environment": flood,
        "restores": {"lambda_version": flood}, "revision": {"git_sha": flood},
    });
    run(async {
        for event in
            [left_to_a_person(None), left_to_a_person(Some("d-1")), of_worker(&decision(None, "StopAndRollBack"))]
        {
            world.hear(&with(event, &changes)).await.unwrap();
        }
    });
    for message in world.slack().messages.borrow().iter() {
        let text = message.content.to_string();
        assert!(!text.contains("<!") && text.len() < 30_000, "{} bytes", text.len());
        for block in message.content["blocks"].as_array().unwrap().iter().filter(|block| block["text"].is_object()) {
            assert!(block["text"]["text"].as_str().unwrap().chars().count() <= 3000);
        }
    }
    for page in world.ports.sinks.pager.sent.borrow().iter() {
        let size = |pointer: &str| page.pointer(pointer).and_then(Value::as_str).unwrap().chars().count();
        assert!(size("/dedup_key") <= 255 && size("/payload/summary") <= 1024, "{page}");
        assert!(page.to_string().len() < 500_000, "{} bytes", page.to_string().len());
    }
}
