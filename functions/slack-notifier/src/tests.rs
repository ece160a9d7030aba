//! What is told, and told once: duplicates, events out of order, a Slack or a PagerDuty that is down, two invocations at a time.

mod closed;
mod concurrent;
mod in_order;
mod late;
mod outbox;
mod unanswered;

use std::time::Duration;

use domain::deployment::Status;
use domain::lease::Holder;
use insta::assert_snapshot;
use testkit::{build, run};

use crate::world::{BOT, PAGER, WEBHOOK, World, changed, decision, down, ended, restored, rollback, stopped, verdict};

#[test]
fn a_deployment_is_one_message_and_its_thread_however_often_its_events_arrive() {
    let world = World::new(BOT);
    run(async {
        for _ in 0..2 {
            world.hear(&changed("d-1", "START")).await.unwrap();
            world.hear(&verdict("Succeeded")).await.unwrap();
        }
        world.record(ended(Status::Succeeded));
        for _ in 0..2 {
            world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
        }
    });
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) was deployed. Production runs the new version. Nothing to do.
        BeforeAllowTraffic passed: all 2 checks passed
        orchestrator (production) was deployed. Production runs the new version. Nothing to do.
    ");
    assert_eq!(world.slack().messages.borrow()[0].updates, 1);
}

#[test]
fn events_out_of_order_never_turn_the_headline_back() {
    let world = World::new(BOT);
    run(async {
        world.hear(&verdict("Succeeded")).await.unwrap();
        world.record(ended(Status::Succeeded));
        world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
        // A reading from before the ending, as a lagging record would give it.
        world.record(build::deployment());
        world.hear(&changed("d-1", "START")).await.unwrap();
    });
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) was deployed. Production runs the new version. Nothing to do.
        BeforeAllowTraffic passed: all 2 checks passed
        orchestrator (production) was deployed. Production runs the new version. Nothing to do.
    ");
}

#[test]
fn a_lost_ending_is_told_with_the_next_event() {
    let world = World::new(BOT);
    world.record(ended(Status::Succeeded));
    run(world.hear(&verdict("Succeeded"))).unwrap();
    // The verdict was given eight seconds after the deployment had ended.
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) was deployed. Production runs the new version. Nothing to do.
        orchestrator (production) was deployed. Production runs the new version. Nothing to do.
        BeforeAllowTraffic passed: all 2 checks passed
    ");
}

/// Every order of these, by swapping (Heap's algorithm).
fn orders<T: Clone>(items: &mut Vec<T>, size: usize, visit: &mut impl FnMut(&[T])) {
    if size <= 1 {
        return visit(items);
    }
    for index in 0..size {
        orders(items, size - 1, visit);
        items.swap(if size.is_multiple_of(2) { index } else { 0 }, size - 1);
    }
}

#[test]
fn a_rollback_reads_the_same_in_whatever_order_its_events_arrive() {
    let mut course = vec![
        (decision(Some("d-1"), "StopAndRollBack"), build::deployment(), rollback(Status::Created)),
        (changed("d-1", "STOP"), stopped(), rollback(Status::Created)),
        (changed("d-2", "START"), stopped(), rollback(Status::InProgress)),
        (restored(), stopped(), rollback(Status::InProgress)),
        (changed("d-2", "SUCCESS"), stopped(), rollback(Status::Succeeded)),
    ];
    let mut headlines = std::collections::BTreeSet::new();
    orders(&mut course, 5, &mut |course| {
        let world = World::new(&format!("{BOT}{PAGER}"));
        run(async {
            for (event, deployment, rollback) in course {
                world.record(deployment.clone());
                world.record(rollback.clone());
                world.hear(event).await.unwrap();
            }
        });
        headlines.insert(world.slack().messages.borrow()[0].content.to_string());
        let roots = world.slack().messages.borrow().iter().filter(|message| message.thread.is_none()).count();
        assert_eq!(roots, 1);
        let text = world.slack().read();
        for once in ["stops the deployment", "31.5 s", "(production) was stopped by"] {
            let replies = text.lines().skip(1).filter(|line| line.contains(once)).count();
            assert_eq!(replies, 1, "{once} in\n{text}");
        }
        // That it is back is said by the one that is heard first.
        let back = text
            .lines()
            .skip(1)
            .filter(|line| line.contains("is rolled back: production") || line.contains("All traffic is back"));
        assert_eq!(back.count(), 1, "{text}");
        let paged = world.paged();
        assert!(paged == ["trigger", "resolve"] || paged.is_empty(), "{paged:?}");
    });
    assert_eq!(headlines.len(), 1, "{headlines:#?}");
    let headline = headlines.pop_first().unwrap();
    assert!(headline.contains("orchestrator (production) was stopped by an alarm, and is rolled back"), "{headline}");
}

#[test]
fn a_rollback_is_told_in_the_thread_of_what_it_rolls_back() {
    let world = World::new(&format!("{BOT}{PAGER}"));
    run(async {
        world.hear(&changed("d-1", "START")).await.unwrap();
        world.hear(&decision(Some("d-1"), "StopAndRollBack")).await.unwrap();
        world.record(stopped());
        world.hear(&changed("d-1", "STOP")).await.unwrap();
        world.record(rollback(Status::InProgress));
        world.hear(&changed("d-2", "START")).await.unwrap();
        world.hear(&restored()).await.unwrap();
        world.record(rollback(Status::Succeeded));
        world.hear(&changed("d-2", "SUCCESS")).await.unwrap();
    });
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) was stopped by an alarm, and is rolled back. Production is on the old version. Nothing is urgent: fix the cause, then deploy again.
        Alarm 5xx stops the deployment and rolls it back: it is red
        orchestrator (production) was stopped by an alarm, and is rolling back. Production is going back to the old version. Wait for the rollback: its end will be told here.
        orchestrator (production) is rolling back.
        All traffic is back on the old version, 31.5 s after the alarm.
        ");
    assert_eq!(world.paged(), ["trigger", "resolve"]);
}

#[test]
fn what_slack_refused_is_told_by_the_next_try_and_nothing_twice() {
    let world = World::new(BOT);
    run(async {
        // The headline fails, then the reply.
        world.slack_fails([Some(down()), None, Some(down())]);
        let error = world.hear(&verdict("Succeeded")).await.unwrap_err();
        assert_eq!(error.to_string(), "posting to Slack failed for now: HTTP 503");
        assert!(world.hear(&verdict("Succeeded")).await.is_err());
        world.hear(&verdict("Succeeded")).await.unwrap();
        // An update that fails does not hold up the reply, and is made up for.
        world.record(ended(Status::Succeeded));
        world.slack_fails([Some(down())]);
        assert!(world.hear(&changed("d-1", "SUCCESS")).await.is_err());
        world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
    });
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) was deployed. Production runs the new version. Nothing to do.
        BeforeAllowTraffic passed: all 2 checks passed
        orchestrator (production) was deployed. Production runs the new version. Nothing to do.
    ");
}

#[test]
fn neither_sink_holds_up_the_other() {
    let world = World::new(&format!("{BOT}{PAGER}"));
    world.record(stopped());
    run(async {
        world.ports.sinks.pager.trouble.borrow_mut().push_back(down());
        assert!(world.hear(&changed("d-1", "STOP")).await.is_err());
        assert_eq!((world.slack().messages.borrow().len(), world.paged().len()), (2, 0));
        world.slack_fails([Some(down())]);
        world.record(rollback(Status::Succeeded));
        assert!(world.hear(&changed("d-2", "SUCCESS")).await.is_err());
        // It is over by now; that PagerDuty did not take it is no proof that it does not have it.
        assert_eq!(world.paged(), ["resolve"]);
        world.hear(&changed("d-2", "SUCCESS")).await.unwrap();
        assert_eq!(world.paged(), ["resolve"]);
    });
}

#[test]
fn without_slack_the_pager_still_knows_the_alarm() {
    let world = World::new(PAGER);
    run(async {
        world.hear(&decision(Some("d-1"), "StopAndRollBack")).await.unwrap();
        world.record(stopped());
        world.hear(&changed("d-1", "STOP")).await.unwrap();
    });
    let summary = world.ports.sinks.pager.sent.borrow()[0]["payload"]["summary"].clone();
    assert_eq!(
        summary,
        "orchestrator (production) was stopped by an alarm, and is rolling back: alarm 5xx: 9 against a threshold of 1"
    );
}

#[test]
fn two_invocations_at_a_time_post_one_headline_that_shows_all_that_is_known() {
    let world = World::new(BOT);
    run(async {
        let (start, verdict, decision) =
            (changed("d-1", "START"), verdict("Failed"), decision(Some("d-1"), "StopAndRollBack"));
        let outcomes =
            tokio::join!(world.hear(&start), world.hear(&verdict), world.hear(&decision), world.hear(&verdict));
        for outcome in [outcomes.0, outcomes.1, outcomes.2, outcomes.3] {
            outcome.unwrap();
        }
    });
    let messages = world.slack().messages.borrow();
    assert_eq!((messages.len(), messages.iter().filter(|message| message.thread.is_none()).count()), (3, 1));
    let headline = messages[0].content.to_string();
    assert!(
        headline.contains("Alarm `5xx` fired") && headline.contains("Hook *BeforeAllowTraffic* failed"),
        "{headline}"
    );
}

#[test]
fn what_a_dead_invocation_left_behind_is_taken_over() {
    let world = World::new(BOT);
    run(async {
        let now = world.ports.clock.now();
        let dead = Holder { id: "dead".into(), until: now.minus(Duration::from_secs(1)) };
        for key in ["slack/d-1", "slack/d-1/verdict/BeforeAllowTraffic/before-allow-traffic"] {
            domain::lease::take(&world.ports.ledger, key, &dead, now.minus(Duration::from_secs(30))).await.unwrap();
        }
        world.hear(&verdict("Succeeded")).await.unwrap();
    });
    assert_eq!(world.slack().messages.borrow().len(), 2);
}

#[test]
fn a_webhook_gets_one_message_for_each_important_step() {
    let world = World::new(WEBHOOK);
    run(async {
        world.hear(&changed("d-1", "START")).await.unwrap();
        world.hear(&verdict("Succeeded")).await.unwrap();
        world.hear(&verdict("Succeeded")).await.unwrap();
        world.record(ended(Status::Succeeded));
        world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
        world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
    });
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) is being deployed. Production is where it was: CodeDeploy has not told of any shift. Nothing to do.
    orchestrator (production) was deployed. Production runs the new version. Nothing to do.
    ");
    let last = world.slack().messages.borrow()[1].content.to_string();
    assert!(last.contains("|d-1>"), "{last}");
}

#[test]
fn a_webhook_that_first_hears_of_an_ending_tells_it_once() {
    let world = World::new(WEBHOOK);
    world.record(ended(Status::Succeeded));
    run(async {
        world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
        world.hear(&changed("d-1", "START")).await.unwrap();
    });
    assert_eq!(world.slack().messages.borrow().len(), 1);
}

#[test]
fn an_alarm_without_a_deployment_is_a_message_of_its_own_unless_it_changes_nothing() {
    let world = World::new(BOT);
    run(async {
        for _ in 0..2 {
            world.hear(&decision(None, "Alert")).await.unwrap();
            world.hear(&decision(None, "Ignore")).await.unwrap();
        }
    });
    assert_snapshot!(world.slack().read(), @"
    Alarm 5xx is to be looked at: it is red
    ");
}

#[test]
fn an_alarm_that_two_services_name_is_told_for_each() {
    let world = World::new(BOT);
    for service in ["orchestrator", "chat", "chat"] {
        let mut event = decision(None, "Alert");
        event["detail"]["service"] = service.into();
        run(world.hear(&event)).unwrap();
    }
    assert_eq!(world.slack().messages.borrow().len(), 2);
}

#[test]
fn an_unknown_group_is_told_by_its_name() {
    let world = World::new(BOT);
    let mut deployment = build::deployment();
    deployment.group.deployment_group = "other".into();
    world.record(deployment);
    run(world.hear(&changed("d-1", "START"))).unwrap();
    assert_snapshot!(world.slack().read(), @"
    mangaassist/other is being deployed. Production is where it was: CodeDeploy has not told of any shift. Nothing to do.
    ");
}

#[test]
fn an_ending_waits_for_its_facts_to_be_complete() {
    let mut world = World::new(BOT);
    world.ports.patience = Duration::from_millis(1500);
    // The record lags behind the event; the stop that an alarm asked for looks like a person's until the decision is heard.
    world.ports.deployments.set([build::deployment(), stopped()]);
    run(async {
        let (stop, decision) = (changed("d-1", "STOP"), decision(Some("d-1"), "StopAndRollBack"));
        let later = async {
            world.ports.clock.sleep(Duration::from_millis(300)).await;
            world.ports.deployments.set([stopped()]);
            world.hear(&decision).await
        };
        let (first, second) = tokio::join!(world.hear(&stop), later);
        first.and(second).unwrap();
    });
    let text = world.slack().read();
    assert!(text.contains("stopped by an alarm") && !text.contains("by a person"), "{text}");
}
