//! Many alarms with nothing in flight: one message for those of a service within a quarter of an hour.

use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::run;

use crate::fakes::readable;
use crate::world::{BOT, World, decision, over, with};

fn named(event: Value, name: usize) -> Value {
    let mut event = with(event, &json!({"service": "orchestrator", "environment": "production"}));
    event["detail"]["alarm"]["name"] = format!("alarm-{name:03}").into();
    event
}

#[test]
fn two_hundred_red_alarms_are_one_message_with_twenty_details_that_is_resolved_in_place() {
    let world = World::new(BOT);
    let one = |index| named(decision(None, "Alert"), index);
    run(async {
        for index in (0..200).chain([0, 7, 150]) {
            world.hear(&one(index)).await.unwrap();
        }
    });
    let shown = || readable(&world.slack().messages.borrow()[0].content);
    let count =
        |is_root: bool| world.slack().messages.borrow().iter().filter(|it| it.thread.is_none() == is_root).count();
    assert_eq!((count(true), count(false)), (1, 20));
    assert_snapshot!(shown(), @"
    :bell: `alarm-000`, `alarm-001` and 198 more are in ALARM, and no deployment is in flight.
    The first 20 are told below; all of them are in the log of `alarm-rollback`.
    ~ orchestrator (production)
    (orchestrator (production): 200 of 200 alarms in ALARM, and no deployment is in flight.)
    ");
    run(async {
        for index in 0..199 {
            world.hear(&named(over(None), index)).await.unwrap();
        }
    });
    assert_snapshot!(shown(), @"
    :bell: `alarm-199` is in ALARM, and no deployment is in flight.
    :white_check_mark: `alarm-000`, `alarm-001` and 197 more are OK again.
    The first 20 are told below; all of them are in the log of `alarm-rollback`.
    ~ orchestrator (production)
    (orchestrator (production): 1 of 200 alarms in ALARM, and no deployment is in flight.)
    ");
    run(world.hear(&named(over(None), 199))).unwrap();
    assert_eq!((count(true), count(false)), (1, 20));
    assert!(shown().contains("200 alarms, and all are OK again"), "{}", shown());
    // Another quarter of an hour, another message.
    let mut later = one(0);
    later["detail"]["alarm"]["changed_at"] = "2026-03-03T10:31:00Z".into();
    run(world.hear(&later)).unwrap();
    assert_eq!(count(true), 2);
}

#[test]
fn alarms_of_the_same_second_share_one_message_too() {
    let world = World::new(BOT);
    run(async {
        let events: Vec<Value> = (0..4).map(|index| named(decision(None, "Alert"), index)).collect();
        let told = tokio::join!(
            world.hear(&events[0]),
            world.hear(&events[1]),
            world.hear(&events[2]),
            world.hear(&events[3])
        );
        for outcome in [told.0, told.1, told.2, told.3] {
            outcome.unwrap();
        }
    });
    let messages = world.slack().messages.borrow();
    let roots: Vec<_> = messages.iter().filter(|it| it.thread.is_none()).collect();
    assert_eq!((roots.len(), messages.len()), (1, 5));
    assert!(readable(&roots[0].content).contains("and 2 more"), "{}", readable(&roots[0].content));
}

/// An alarm on the deployment metrics, which is about no deployment group.
fn of_delivery(event: Value, name: &str) -> Value {
    let changes = json!({
        "service": null, "group": null, "environment": "production",
        "reason": "`greenlight-delivery-success-rate` went to ALARM: Fewer than 95 % of the deployments of the last 7 days succeeded",
        "next_step": "On the CloudWatch dashboard greenlight-delivery-eu-west-1, see which deployment group fails.",
    });
    let mut event = with(event, &changes);
    let alarm = json!({"name": name, "metric": "success rate over 7 days, in percent", "threshold": 95.0, "datapoints": [80.0]});
    for (key, value) in alarm.as_object().unwrap() {
        event["detail"]["alarm"][key] = value.clone();
    }
    event
}

#[test]
fn an_alarm_that_is_about_no_deployment_says_nothing_of_one_and_is_resolved_in_place() {
    let world = World::new(BOT);
    let rate = "greenlight-delivery-success-rate";
    let shown = || readable(&world.slack().messages.borrow()[0].content);
    run(world.hear(&of_delivery(decision(None, "Alert"), rate))).unwrap();
    assert_snapshot!(shown(), @"
    :bell: *Alarm `greenlight-delivery-success-rate` is to be looked at.* `greenlight-delivery-success-rate` went to ALARM: Fewer than 95 % of the deployments of the last 7 days succeeded
    *Observed:* 80 against a threshold of 95
    *Watches:* success rate over 7 days, in percent
    *Since:* 10:07:00 UTC
    *Next:* On the CloudWatch dashboard greenlight-delivery-eu-west-1, see which deployment group fails.
    ~ production
    (Alarm greenlight-delivery-success-rate is to be looked at: `greenlight-delivery-success-rate` went to ALARM: Fewer than 95 % of the deployments of the last 7 days succeeded)
    ");
    run(world.hear(&of_delivery(decision(None, "Alert"), "greenlight-delivery-rollbacks"))).unwrap();
    assert_snapshot!(shown(), @"
    :bell: `greenlight-delivery-success-rate` and `greenlight-delivery-rollbacks` are in ALARM.
    ~ production
    (production: 2 of 2 alarms in ALARM.)
    ");
    run(world.hear(&of_delivery(over(None), rate))).unwrap();
    assert_snapshot!(shown(), @"
    :bell: `greenlight-delivery-rollbacks` is in ALARM.
    :white_check_mark: `greenlight-delivery-success-rate` is OK again.
    ~ production
    (production: 1 of 2 alarms in ALARM.)
    ");
    let messages = world.slack().messages.borrow();
    assert_eq!(messages.iter().filter(|message| message.thread.is_none()).count(), 1);
}

#[test]
fn alarms_of_two_environments_share_no_message() {
    let world = World::new(BOT);
    run(async {
        for (name, environment) in
            [("funnel-production", json!("production")), ("funnel-staging", json!("staging")), ("funnel", json!(null))]
        {
            let event = of_delivery(decision(None, "Alert"), name);
            world.hear(&with(event, &json!({"environment": environment}))).await.unwrap();
        }
    });
    let messages = world.slack().messages.borrow();
    assert_eq!(messages.iter().map(|message| message.thread.is_none()).collect::<Vec<_>>(), [true, true, true]);
    for (message, environment) in messages.iter().zip(["~ production", "~ staging", "(Alarm funnel is to be looked at"])
    {
        let text = readable(&message.content);
        assert!(text.contains(environment), "{text}");
    }
}
