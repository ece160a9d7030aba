//! A service that ECS itself deploys: a message of its own, and no question to CodeDeploy.

use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{run, run_on};

use super::{back_after_all, both, not_restored, of_worker};
use crate::fakes::readable;
use crate::world::{BOT, World, decision, restored, with};

#[test]
fn a_service_that_ecs_deploys_has_a_message_of_its_own_and_codedeploy_is_not_asked() {
    let mut world = both();
    let clock = world.soon();
    world.ports.deployments.readings.borrow_mut().clear();
    let stop = of_worker(&decision(None, "StopAndRollBack"));
    let revision = |number: u32| json!({"task_definition": format!("arn:aws:ecs:us-east-1:111122223333:task-definition/worker:{number}")});
    let stop = with(stop, &json!({"revision": revision(42), "restores": revision(41)}));
    run_on(&clock, async {
        for _ in 0..2 {
            world.hear(&stop).await.unwrap();
        }
        assert_snapshot!(readable(&world.slack().messages.borrow()[0].content), @"
        # :large_orange_circle: worker (production) is being rolled back by an alarm
        *Production* is going back to the old version, worker:41.
        *You:* Wait for the rollback: its end will be told here.
        Alarm `5xx` fired: 9 against a threshold of 1.
        | *Service* worker
        | *Environment* production
        | *Revision* worker:42
        | *ECS service* main/worker
        | *Deployment* `ecs-svc/9223370493423413672`
        | *Goes back to* worker:41
        (worker (production) is being rolled back by an alarm. Production is going back to the old version, worker:41. Wait for the rollback: its end will be told here.)
        ");
        for event in [not_restored(), not_restored(), back_after_all(), back_after_all()] {
            world.hear(&of_worker(&event)).await.unwrap();
        }
    });
    assert_snapshot!(readable(&world.slack().messages.borrow()[0].content), @"
    # :large_orange_circle: worker (production) was rolled back by an alarm
    *Production* is on the old version, worker:41.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    Alarm `5xx` fired: 9 against a threshold of 1.
    | *Service* worker
    | *Environment* production
    | *Revision* worker:42
    | *ECS service* main/worker
    | *Deployment* `ecs-svc/9223370493423413672`
    | *Goes back to* worker:41
    (worker (production) was rolled back by an alarm. Production is on the old version, worker:41. Nothing is urgent: fix the cause, then deploy again.)
    ");
    assert_snapshot!(world.slack().read(), @"
    worker (production) was rolled back by an alarm. Production is on the old version, worker:41. Nothing is urgent: fix the cause, then deploy again.
        Alarm 5xx rolls the service back: it is red
        The traffic is not back on the old version, 2 min after the alarm.
        All traffic is back on the old version after all, 6 min after the alarm.
    ");
    assert_snapshot!(readable(&world.slack().messages.borrow()[1].content), @"
    :octagonal_sign: *Alarm `5xx` rolls the service back.* it is red
    *Observed:* 9 against a threshold of 1
    *Since:* 10:07:00 UTC
    *Deployment:* `ecs-svc/9223370493423413672` of worker:42, goes back to worker:41 by `ecs-svc/2`
    *Next:* look
    (Alarm 5xx rolls the service back: it is red)
    ");
    assert_eq!(
        world.keys(),
        [
            "trigger greenlight/ecs/main/worker",
            "trigger greenlight/ecs/main/worker/rollback",
            "resolve greenlight/ecs/main/worker",
            "resolve greenlight/ecs/main/worker/rollback",
        ]
    );
}

#[test]
fn an_ecs_service_that_is_back_before_its_decision_is_heard_reads_the_same() {
    let told = |events: [Value; 2]| {
        let world = World::new(BOT);
        for event in events {
            run(world.hear(&of_worker(&event))).unwrap();
        }
        let messages = world.slack().messages.borrow();
        (messages[0].content.clone(), messages.len())
    };
    let stop = || decision(None, "StopAndRollBack");
    assert_eq!(told([stop(), restored()]), told([restored(), stop()]));
}

#[test]
fn an_alert_about_a_service_that_ecs_deploys_starts_no_thread_that_nobody_would_end() {
    let world = World::new(BOT);
    run(async {
        world.hear(&of_worker(&decision(None, "Alert"))).await.unwrap();
        world.hear(&of_worker(&decision(None, "StopAndRollBack"))).await.unwrap();
        let other = json!({"name": "p95", "state": "ALARM", "reason": "slow", "datapoints": []});
        world.hear(&with(of_worker(&decision(None, "Alert")), &json!({"alarm": other}))).await.unwrap();
    });
    assert_snapshot!(world.slack().read(), @"
    Alarm 5xx is to be looked at: it is red
    worker (production) is being rolled back by an alarm. Production is going back to the old version. Wait for the rollback: its end will be told here.
        Alarm 5xx rolls the service back: it is red
        Alarm p95 is to be looked at: it is red
    ");
}
