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
    let text = world.slack().messages.borrow().iter().map(|it| it.content.to_string()).collect::<String>();
    assert!(text.contains("*Greenlight reaches PagerDuty again,*"), "{text}");
    assert!(!text.contains("*Nothing reaches PagerDuty any more,*"), "{text}");
}

#[test]
fn what_two_are_refused_in_the_same_moment_is_told_and_counted_once() {
    let (world, clock) = world(&format!("{BOT}{PAGER}"));
    let refusal = || PortError::Permanent { what: "paging".into(), detail: "invalid routing key".into() };
    world.ports.sinks.pager.trouble.borrow_mut().extend([refusal(), refusal(), refusal()]);
    run_on(&clock, async {
        let page = |service: &str| with(alarm(service), &json!({"page": true}));
        let (one, two) = (page("worker"), page("web"));
        let (one, two) = tokio::join!(world.hear(&one), world.hear(&two));
        one.and(two).unwrap();
    });
    let told = "Nothing reaches PagerDuty any more";
    assert_eq!(world.slack().read().matches(told).count(), 1, "{}", world.slack().read());
    assert_eq!(counted(&world), [r#"NotificationsRefused [("Sink", "pagerduty")] 1"#]);
}

#[test]
fn a_refusal_says_its_day_and_the_way_out_which_is_taken_at_once() {
    let (world, clock) = world(&format!("{BOT}{PAGER}"));
    let refusal = PortError::Permanent { what: "paging".into(), detail: "invalid routing key".into() };
    world.record(stopped());
    run_on(&clock, async {
        world.ports.sinks.pager.trouble.borrow_mut().push_back(refusal);
        world.hear(&changed("d-1", "STOP")).await.unwrap();
        let text = world.slack().messages.borrow().iter().map(|it| it.content.to_string()).collect::<String>();
        assert!(text.contains("deletes the entry `closed/pagerduty/us` of"), "{text}");
        assert!(text.contains(&format!("since {}", clock.now().day_and_time())), "{text}");
        assert!(world.ports.ledger.0.borrow_mut().remove("closed/pagerduty/us").is_some());
        world.hear(&minute()).await.unwrap();
    });
    assert_eq!(world.keys(), ["trigger greenlight/mangaassist/orchestrator"]);
    let text = world.slack().read();
    assert!(text.contains("Greenlight reaches PagerDuty again."), "{text}");
}

#[test]
fn a_deleted_entry_reopens_slack_and_ends_its_page() {
    let (world, clock) = world(&format!("{BOT}{PAGER}"));
    world.slack().refuses.borrow_mut().insert("C1", "is_archived");
    run_on(&clock, async {
        world.hear(&alarm("worker")).await.unwrap();
        let page = world.ports.sinks.pager.sent.borrow()[0].to_string();
        assert!(page.contains("`closed/slack/C1`"), "{page}");
        world.slack().refuses.borrow_mut().clear();
        world.ports.ledger.0.borrow_mut().remove("closed/slack/C1");
        world.hear(&minute()).await.unwrap();
    });
    assert_eq!(world.keys(), ["trigger greenlight/sink/slack/C1", "resolve greenlight/sink/slack/C1"]);
    assert_eq!(world.slack().messages.borrow().len(), 1);
}

#[test]
fn a_token_that_many_channels_share_is_one_page_and_opens_all_of_them_when_it_is_mended() {
    let (mut world, clock) = world(&format!("{BOT}{PAGER}"));
    let channels = ["C1", "C2", "C3"];
    for channel in channels {
        world.slack().refuses.borrow_mut().insert(channel, "missing_scope");
    }
    for channel in channels {
        world.config.slack.as_mut().unwrap().channel = Some(channel.to_owned());
        run_on(&clock, async { world.hear(&alarm(channel)).await.unwrap() });
    }
    assert_eq!(world.keys(), ["trigger greenlight/sink/slack/token"]);
    assert_eq!(closed(&world).len(), 3);
    world.slack().refuses.borrow_mut().clear();
    world.config.slack.as_mut().unwrap().channel = Some("C4".to_owned());
    run_on(&clock, async { world.hear(&alarm("C4")).await.unwrap() });
    assert_eq!(world.keys()[1..], ["resolve greenlight/sink/slack/token"]);
    assert!(closed(&world).is_empty(), "{:?}", closed(&world));
}

#[test]
fn the_page_of_a_channel_that_is_no_longer_configured_ends_and_that_of_another_stays() {
    let (mut world, clock) = world(&format!("{BOT}{PAGER}"));
    world.config.services[0].slack.channel = Some("C2".to_owned());
    world.slack().refuses.borrow_mut().extend([("C1", "is_archived"), ("C2", "is_archived")]);
    run_on(&clock, async {
        world.hear(&alarm("worker")).await.unwrap();
        world.hear(&changed("d-1", "START")).await.unwrap();
    });
    world.config.slack.as_mut().unwrap().channel = Some("C9".to_owned());
    run_on(&clock, async { world.hear(&alarm("web")).await.unwrap() });
    assert_eq!(
        world.keys(),
        ["trigger greenlight/sink/slack/C1", "trigger greenlight/sink/slack/C2", "resolve greenlight/sink/slack/C1"]
    );
}

#[test]
fn a_pause_that_a_sink_asks_for_is_kept_by_whoever_comes_next() {
    let (world, clock) = world(BOT);
    let pause = |seconds| PortError::Transient {
        what: "posting to Slack".into(),
        detail: "HTTP 429".into(),
        retry_after: Some(Duration::from_secs(seconds)),
    };
    run_on(&clock, async {
        for (asked, kept) in [(60, 60), (86_400, 15 * 60)] {
            let service = format!("worker-{asked}");
            world.slack_fails([Some(pause(asked))]);
            assert!(world.hear(&alarm(&service)).await.is_err());
            let before = world.slack().messages.borrow().len();
            clock.sleep(Duration::from_secs(kept - 10)).await;
            let error = world.hear(&alarm(&service)).await.unwrap_err().to_string();
            assert!(error.contains("it asked for a pause until"), "{error}");
            assert_eq!(world.slack().messages.borrow().len(), before);
            clock.sleep(Duration::from_secs(6)).await;
            // What is left of it fits into the invocation.
            world.hear(&alarm(&service)).await.unwrap();
            assert_eq!(world.slack().messages.borrow().len(), before + 1);
        }
    });
    assert!(counted(&world).is_empty());
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
