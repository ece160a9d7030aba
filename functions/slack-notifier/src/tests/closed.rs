//! A sink that takes nothing until somebody changes something: for a day it is left alone, another one tells of it, and nothing is lost.

use std::time::Duration;

use clock::Clock;
use domain::deployment::Status;
use domain::ports::PortError;
use serde_json::{Value, json};
use testkit::{clock, run_on};

use crate::world::{BOT, PAGER, World, changed, decision, ended, minute, stopped, verdict, with};

fn world(sinks: &str) -> (World, Clock) {
    let (mut world, clock) = (World::new(sinks), clock());
    world.ports.clock = clock.clone();
    (world, clock)
}

fn counted(world: &World) -> Vec<String> {
    let measures = world.ports.metrics.0.borrow();
    measures.iter().map(|measure| format!("{} {:?} {}", measure.name, measure.dimensions, measure.value)).collect()
}

#[test]
fn an_archived_channel_is_left_alone_for_a_day_told_by_the_pager_and_then_gets_all_of_it() {
    let (world, clock) = world(&format!("{BOT}{PAGER}"));
    world.slack().is_archived.set(true);
    run_on(&clock, async {
        world.hear(&changed("d-1", "START")).await.unwrap();
        world.hear(&verdict("Succeeded")).await.unwrap();
        assert_eq!(counted(&world), [r#"NotificationsRefused [("Sink", "slack")] 1"#]);
        assert_eq!(
            world.pages(),
            [
                "trigger greenlight/sink/slack/C1 warning: Greenlight cannot tell anything in Slack: posting to Slack failed: is_archived; unarchive it"
            ]
        );
        // Somebody unarchives it. Nothing tells us so before the day is over.
        world.slack().is_archived.set(false);
        world.record(ended(Status::Succeeded));
        world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
        clock.sleep(Duration::from_hours(23)).await;
        world.hear(&minute()).await.unwrap();
        assert_eq!(world.slack().messages.borrow().len(), 0);
        clock.sleep(Duration::from_hours(2)).await;
        world.hear(&minute()).await.unwrap();
    });
    assert_eq!(world.slack().messages.borrow().len(), 3);
    let sink: Vec<String> = world.keys().into_iter().filter(|key| key.contains("/sink/")).collect();
    assert_eq!(sink, ["trigger greenlight/sink/slack/C1", "resolve greenlight/sink/slack/C1"]);
    assert_eq!(counted(&world).len(), 1);
    let table = world.ports.ledger.0.borrow();
    assert!(!table.keys().any(|key| key.starts_with("closed/")), "{table:?}");
}

#[test]
fn a_mended_secret_is_tried_at_once() {
    let (world, clock) = world(BOT);
    world.slack().is_archived.set(true);
    run_on(&clock, async {
        world.hear(&verdict("Succeeded")).await.unwrap();
        world.slack().is_archived.set(false);
        world.hear(&minute()).await.unwrap();
        assert_eq!(world.slack().messages.borrow().len(), 0);
        "another token".clone_into(&mut world.ports.sinks.secret.borrow_mut());
        world.hear(&minute()).await.unwrap();
    });
    assert_eq!(world.slack().messages.borrow().len(), 2);
}

#[test]
fn what_refuses_after_a_day_again_is_counted_again_and_is_no_news() {
    let (world, clock) = world(&format!("{BOT}{PAGER}"));
    world.slack().is_archived.set(true);
    run_on(&clock, async {
        for _ in 0..3 {
            world.hear(&changed("d-1", "START")).await.unwrap();
            clock.sleep(Duration::from_hours(25)).await;
        }
    });
    assert_eq!((counted(&world).len(), world.keys()), (3, vec!["trigger greenlight/sink/slack/C1".to_owned()]));
}

#[test]
fn a_pager_that_refuses_is_told_in_slack_once_and_pages_when_it_is_mended() {
    let (world, clock) = world(&format!("{BOT}{PAGER}"));
    world.record(stopped());
    run_on(&clock, async {
        let refusal = PortError::Permanent { what: "paging".into(), detail: "invalid routing key".into() };
        world.ports.sinks.pager.trouble.borrow_mut().push_back(refusal);
        for _ in 0..2 {
            world.hear(&changed("d-1", "STOP")).await.unwrap();
        }
        let told = "Nothing reaches PagerDuty any more: paging failed: invalid routing key";
        assert_eq!(world.slack().read().matches(told).count(), 1, "{}", world.slack().read());
        assert_eq!(counted(&world), [r#"NotificationsRefused [("Sink", "pagerduty")] 1"#]);
        assert!(world.keys().is_empty());
        "another key".clone_into(&mut world.ports.sinks.secret.borrow_mut());
        let told = world.hear(&minute()).await.unwrap();
        assert_eq!(told["pager"], serde_json::json!(["trigger"]), "{told} {:?}", world.ports.ledger.0.borrow());
    });
    assert_eq!(world.keys(), ["trigger greenlight/mangaassist/orchestrator"]);
}

/// An alarm that needs a person and has no deployment: a message by itself.
fn alarm(service: &str) -> Value {
    with(decision(None, "Alert"), &json!({"page": false, "service": service}))
}

fn closed(world: &World) -> Vec<String> {
    let table = world.ports.ledger.0.borrow();
    table.keys().filter(|key| key.starts_with("closed/")).cloned().collect()
}

#[test]
fn a_story_in_an_archived_channel_closes_that_channel_and_not_the_one_that_took_its_place() {
    let (mut world, clock) = world(&format!("{BOT}{PAGER}"));
    run_on(&clock, async { world.hear(&changed("d-1", "START")).await.unwrap() });
    world.config.slack.as_mut().unwrap().channel = Some("C2".to_owned());
    world.slack().refuses.borrow_mut().insert("C1", "is_archived");
    run_on(&clock, async {
        world.hear(&verdict("Succeeded")).await.unwrap();
        assert_eq!(closed(&world), ["closed/slack/C1"]);
        let told = world.hear(&alarm("worker")).await.unwrap();
        assert_eq!(told["slack"], json!(["headline"]));
    });
    let channels: Vec<String> = world.slack().messages.borrow().iter().map(|it| it.channel.clone()).collect();
    assert_eq!(channels, ["C1", "C2"]);
}
