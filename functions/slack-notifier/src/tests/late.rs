//! A deployment that had succeeded and is taken back: one thread, whatever the order, and its pages.

use std::time::Duration;

use clock::Clock;
use domain::deployment::{Deployment, DeploymentError, Status};
use domain::time::Timestamp;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::orders;
use crate::fakes::readable;
use crate::world::{BOT, PAGER, World, changed, decision, ended, late, of_ecs, redeploy, restored, stopped, with};
use testkit::{build, run, run_on};

fn way_back(is_back: bool) -> Value {
    with(restored(), &json!({"rollback_deployment_id": "d-3", "restored": is_back, "seconds_since_alarm": 372.0}))
}

#[test]
fn a_late_rollback_is_told_in_the_thread_of_the_deployment_that_had_succeeded() {
    let mut world = World::new(&format!("{BOT}{PAGER}"));
    let clock = world.soon();
    run_on(&clock, async {
        world.record(ended(Status::Succeeded));
        world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
        world.hear(&late()).await.unwrap();
        world.record(redeploy(Status::InProgress));
        world.hear(&changed("d-3", "START")).await.unwrap();
        assert_snapshot!(readable(&world.slack().messages.borrow()[0].content), @"
        # :large_orange_circle: orchestrator (production) was deployed, and is being rolled back by an alarm
        *Production* is going back to the old version, orchestrator:41.
        *You:* Wait for the rollback: its end will be told here.
        Alarm `5xx` fired: 9 against a threshold of 1.
        | *Environment* production
        | *Revision* orchestrator:42
        | *Commit* 01234567
        | *Started by* a person or a pipeline
        | *Duration* 7 min
        | *Configuration* Canary10Percent5Minutes
        | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
        | *Rollback* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-3?region=eu-west-1|d-3> to orchestrator:41
        (orchestrator (production) was deployed, and is being rolled back by an alarm. Production is going back to the old version, orchestrator:41. Wait for the rollback: its end will be told here.)
        ");
        world.hear(&way_back(true)).await.unwrap();
        world.record(redeploy(Status::Succeeded));
        world.hear(&changed("d-3", "SUCCESS")).await.unwrap();
    });
    assert_snapshot!(readable(&world.slack().messages.borrow()[0].content), @"
    # :large_orange_circle: orchestrator (production) was deployed, then rolled back by an alarm
    *Production* is on the old version, orchestrator:41.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    Alarm `5xx` fired: 9 against a threshold of 1.
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* 01234567
    | *Started by* a person or a pipeline
    | *Duration* 7 min
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    | *Rollback* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-3?region=eu-west-1|d-3> to orchestrator:41
    (orchestrator (production) was deployed, then rolled back by an alarm. Production is on the old version, orchestrator:41. Nothing is urgent: fix the cause, then deploy again.)
    ");
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) was deployed, then rolled back by an alarm. Production is on the old version, orchestrator:41. Nothing is urgent: fix the cause, then deploy again.
        orchestrator (production) was deployed. Production runs the new version. Nothing to do.
        Alarm 5xx takes back what had succeeded: it is red
        orchestrator (production) is rolling back.
        All traffic is back on the old version, 6 min 12 s after the alarm.
        ");
    assert_snapshot!(readable(&world.slack().messages.borrow()[2].content), @"
    :rewind: *Alarm `5xx` takes back what had succeeded.* it is red
    *Observed:* 9 against a threshold of 1
    *Since:* 10:07:00 UTC
    *Deployment:* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>, goes back to orchestrator:41 by <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-3?region=eu-west-1|d-3>
    *Next:* look
    (Alarm 5xx takes back what had succeeded: it is red)
    ");
    assert_eq!(
        world.pages(),
        [
            "trigger greenlight/mangaassist/orchestrator warning: orchestrator (production) was deployed, and is being rolled back by an alarm: alarm 5xx: 9 against a threshold of 1",
            "resolve greenlight/mangaassist/orchestrator",
        ]
    );
}

#[test]
fn a_late_rollback_reads_the_same_in_whatever_order_its_events_arrive() {
    let mut course = vec![
        (changed("d-1", "SUCCESS"), redeploy(Status::Created)),
        (late(), redeploy(Status::Created)),
        (changed("d-3", "START"), redeploy(Status::InProgress)),
        (way_back(true), redeploy(Status::InProgress)),
        (changed("d-3", "SUCCESS"), redeploy(Status::Succeeded)),
    ];
    let mut headlines = std::collections::BTreeSet::new();
    orders(&mut course, 5, &mut |course| {
        let world = World::new(&format!("{BOT}{PAGER}"));
        world.record(ended(Status::Succeeded));
        run(async {
            for (event, redeploy) in course.iter().chain(course) {
                world.record(redeploy.clone());
                world.hear(event).await.unwrap();
            }
        });
        let messages = world.slack().messages.borrow();
        headlines.insert(messages[0].content.to_string());
        assert_eq!(messages.iter().filter(|message| message.thread.is_none()).count(), 1);
        drop(messages);
        let text = world.slack().read();
        for once in ["takes back what had succeeded", "6 min 12 s", "(production) was deployed. "] {
            let replies = text.lines().skip(1).filter(|line| line.contains(once)).count();
            assert_eq!(replies, 1, "{once} in\n{text}");
        }
        // That it is back is said by the one that is heard first.
        let back = text
            .lines()
            .skip(1)
            .filter(|line| line.contains("is rolled back: production") || line.contains("All traffic is back"));
        assert_eq!(back.count(), 1, "{text}");
        let actions = world.paged();
        // Where its end was heard of first, nobody is woken for it.
        assert!(actions == ["trigger", "resolve"] || actions.is_empty(), "{actions:?}");
    });
    assert_eq!(headlines.len(), 1, "{headlines:#?}");
}

#[test]
fn a_late_rollback_that_fails_pages_anew_and_its_own_rollback_has_no_message() {
    let world = World::new(&format!("{BOT}{PAGER}"));
    run(async {
        world.record(ended(Status::Succeeded));
        world.hear(&late()).await.unwrap();
        let error = DeploymentError { code: "ECS_UPDATE_ERROR".into(), message: "no task set".into() };
        world.record(domain::deployment::Deployment { error: Some(error), ..redeploy(Status::Failed) });
        world.hear(&changed("d-3", "FAILURE")).await.unwrap();
        // CodeDeploy rolls the redeployment back: to the bad version.
        let id = domain::deployment::DeploymentId("d-4".into());
        let rolls_back = Some(domain::deployment::DeploymentId("d-3".into()));
        world.record(domain::deployment::Deployment { id, rolls_back, status: Status::Succeeded, ..build::rollback() });
        world.hear(&changed("d-4", "SUCCESS")).await.unwrap();
    });
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) was deployed, and the rollback failed. Production may be on either version: the rollback did not finish. Act now: see why the rollback failed, and deploy the old version by hand.
        orchestrator (production) was deployed. Production runs the new version. Nothing to do.
        Alarm 5xx takes back what had succeeded: it is red
        orchestrator (production): the rollback failed. Act now: see why the rollback failed, and deploy the old version by hand.
    ");
    assert_eq!(
        world.pages(),
        [
            "trigger greenlight/mangaassist/orchestrator warning: orchestrator (production) was deployed, and is being rolled back by an alarm: alarm 5xx: 9 against a threshold of 1",
            "trigger greenlight/mangaassist/orchestrator/rollback critical: orchestrator (production) was deployed, and the rollback failed: alarm 5xx: 9 against a threshold of 1",
        ]
    );
}

#[test]
fn without_a_decision_the_redeployment_alone_shows_that_it_was_taken_back() {
    let world = World::new(BOT);
    world.record(ended(Status::Succeeded));
    world.record(redeploy(Status::InProgress));
    run(world.hear(&changed("d-3", "START"))).unwrap();
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) was deployed, and is being rolled back. Production is going back to the old version. Wait for the rollback: its end will be told here.
        orchestrator (production) was deployed. Production runs the new version. Nothing to do.
        orchestrator (production) is rolling back.
    ");
}

#[test]
fn a_description_that_claims_a_rollback_greenlight_knows_nothing_of_gets_a_thread_of_its_own() {
    // Of a good deployment, of one that another deployment takes back, and of none at all.
    for (of, noted) in [("d-1", None), ("d-1", Some("d-9")), ("d-X", None)] {
        let world = World::new(&format!("{BOT}{PAGER}"));
        world.record(ended(Status::Succeeded));
        let rolls_back = Some(domain::deployment::DeploymentId(of.into()));
        let description = format!("greenlight_rolls_back={of}");
        let claim = domain::deployment::Deployment { rolls_back, description, ..redeploy(Status::InProgress) };
        world.ports.deployments.set([claim]);
        if let Some(noted) = noted {
            world.ports.ledger.0.borrow_mut().insert(format!("late/{of}"), json!({"redeployed_by": noted}));
        }
        run(async {
            world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
            world.hear(&changed("d-3", "START")).await.unwrap();
        });
        let text = world.slack().read();
        assert!(!text.contains("roll"), "{of}: {text}");
        let messages = world.slack().messages.borrow();
        assert_eq!(messages.iter().filter(|message| message.thread.is_none()).count(), 2, "{of}: {text}");
        assert_eq!(messages[0].updates, 0, "{of}");
    }
    // A rollback whose original CodeDeploy does not know any more is told by itself.
    let world = World::new(BOT);
    let rolls_back = Some(domain::deployment::DeploymentId("d-X".into()));
    world.record(domain::deployment::Deployment { rolls_back, status: Status::Succeeded, ..build::rollback() });
    run(world.hear(&changed("d-2", "SUCCESS"))).unwrap();
    assert!(world.slack().read().contains("was restored"), "{}", world.slack().read());
}

#[test]
fn a_person_who_takes_back_by_hand_what_had_ended_well_is_told_in_its_thread() {
    let world = World::new(BOT);
    let good = ended(Status::Succeeded);
    let began = good.completed.map(|at| at.plus(std::time::Duration::from_mins(5)));
    world.record(good);
    let by_hand = domain::deployment::Deployment {
        description: "greenlight_rolls_back=d-1".into(),
        created: began,
        started: began,
        ..redeploy(Status::InProgress)
    };
    world.ports.deployments.set([by_hand]);
    run(world.hear(&changed("d-3", "START"))).unwrap();
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) was deployed, and is being rolled back. Production is going back to the old version. Wait for the rollback: its end will be told here.
        orchestrator (production) was deployed. Production runs the new version. Nothing to do.
        orchestrator (production) is rolling back.
    ");
}

#[test]
fn a_redeployment_that_is_just_being_noted_is_believed() {
    let world = World::new(BOT);
    world.record(ended(Status::Succeeded));
    world.record(redeploy(Status::InProgress));
    let lease = json!({"lease": {"holder": "x", "until": "2026-03-03T10:30:00Z"}});
    world.ports.ledger.0.borrow_mut().insert("late/d-1".to_owned(), lease);
    run(world.hear(&changed("d-3", "START"))).unwrap();
    assert!(world.slack().read().contains("is being rolled back"), "{}", world.slack().read());
}

/// Every message that was posted: whether it shows in the channel too, and whether it mentions whom the configuration names.
fn shouted(world: &World) -> Vec<String> {
    let messages = world.slack().messages.borrow();
    let loud = messages.iter().filter(|it| it.broadcast || it.content.to_string().contains("<!subteam^S0ONCALL>"));
    loud.map(|it| format!("{} {}", it.broadcast, it.content["text"].as_str().unwrap())).collect()
}

#[test]
fn a_success_that_is_taken_back_is_shouted_once_and_so_is_what_ecs_itself_deploys() {
    let sinks = "slack: { token: env:T, channel: C1, mention: S0ONCALL }\n";
    // What is told long after it happened mentions nobody.
    let clock = Clock::idle(Timestamp::parse("2026-03-03T10:08:00Z").unwrap());
    let at_the_time = || {
        let mut world = World::new(sinks);
        world.ports.clock = clock.clone();
        world
    };
    let world = at_the_time();
    world.record(ended(Status::Succeeded));
    run_on(&clock, async {
        world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
        world.hear(&late()).await.unwrap();
        world.record(redeploy(Status::InProgress));
        world.hear(&changed("d-3", "START")).await.unwrap();
        world.hear(&way_back(true)).await.unwrap();
        world.record(redeploy(Status::Succeeded));
        world.hear(&changed("d-3", "SUCCESS")).await.unwrap();
    });
    let once = shouted(&world);
    assert!(once.len() == 1 && once[0].contains("takes back what had succeeded"), "{once:?}");
    assert!(once[0].starts_with("true "), "{once:?}");
    for does in ["StopAndRollBack", "RedeployPrevious"] {
        let world = at_the_time();
        run_on(&clock, async {
            world.hear(&of_ecs(decision(Some("ecs-svc/1"), does))).await.unwrap();
            world.hear(&of_ecs(with(restored(), &json!({"deployment_id": "ecs-svc/1"})))).await.unwrap();
        });
        let once = shouted(&world);
        assert!(once.len() == 1 && once[0].starts_with("true ") && once[0].contains("Alarm 5xx"), "{does}: {once:?}");
    }
    // What leads to an ending is not: the ending is.
    let world = at_the_time();
    world.record(stopped());
    run_on(&clock, async {
        world.hear(&decision(Some("d-1"), "StopAndRollBack")).await.unwrap();
        world.hear(&changed("d-1", "STOP")).await.unwrap();
    });
    let once = shouted(&world);
    assert!(once.len() == 1 && once[0].contains("was stopped by an alarm"), "{once:?}");
}

#[test]
fn a_late_rollback_whose_beginning_is_heard_first_is_told_with_its_reason_and_below_it() {
    let clock = Clock::idle(Timestamp::parse("2026-03-03T10:07:08Z").unwrap());
    let mut world = World::new(&format!("{BOT}{PAGER}"));
    world.ports.clock = clock.clone();
    world.ports.settle = Duration::from_secs(2);
    world.ports.patience = Duration::from_secs(10);
    world.record(ended(Status::Succeeded));
    run_on(&clock, async { world.hear(&changed("d-1", "SUCCESS")).await.unwrap() });
    let began = Timestamp::parse("2026-03-03T10:07:07Z");
    world.record(Deployment { created: began, started: began, ..redeploy(Status::InProgress) });
    let start = changed("d-3", "START");
    run_on(&clock, async {
        let decided = async {
            clock.sleep(Duration::from_millis(1500)).await;
            world.hear(&late()).await
        };
        let (first, second) = tokio::join!(world.hear_within(&start, Duration::from_mins(1)), decided);
        first.and(second).unwrap();
    });
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) was deployed, and is being rolled back by an alarm. Production is going back to the old version, orchestrator:41. Wait for the rollback: its end will be told here.
        orchestrator (production) was deployed. Production runs the new version. Nothing to do.
        Alarm 5xx takes back what had succeeded: it is red
        orchestrator (production) is rolling back.
    ");
    assert_eq!(
        world.pages(),
        [
            "trigger greenlight/mangaassist/orchestrator warning: orchestrator (production) was deployed, and is being rolled back by an alarm: alarm 5xx: 9 against a threshold of 1",
        ]
    );
    // One that a person began has nobody to tell why: after a while nobody waits for that.
    let waited = run_on(&clock, async {
        clock.sleep(Duration::from_mins(2)).await;
        let world = World { ports: world.ports, ..World::new(BOT) };
        world.ports.ledger.0.borrow_mut().retain(|key, _| key.starts_with("late/"));
        let before = clock.now();
        world.hear_within(&start, Duration::from_mins(1)).await.unwrap();
        clock.now().since(before)
    });
    assert!(waited < Duration::from_secs(5), "{waited:?}");
}
