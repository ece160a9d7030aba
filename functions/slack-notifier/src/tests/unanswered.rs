//! What goes wrong while something is told: answers that never come, looking that is not allowed, headlines that somebody deletes, days in between.

use std::time::Duration;

use clock::Clock;
use domain::deployment::Status;
use domain::ports::{PortError, Unsent};
use serde_json::json;
use testkit::run_on;

use crate::fakes::{Trouble, readable};
use crate::world::{BOT, WEBHOOK, World, changed, down, ended, minute, rollback, stopped, verdict, with};

const MENTIONING: &str = "slack: { token: env:T, channel: C1, mention: S0ONCALL }\n";

fn world(sinks: &str) -> (World, Clock) {
    let mut world = World::new(sinks);
    let clock = world.soon();
    world.ports.settle = Duration::from_secs(2);
    (world, clock)
}

fn marks(world: &World) -> Vec<String> {
    world.slack().messages.borrow().iter().map(|message| message.mark.clone()).collect()
}

#[test]
fn a_headline_whose_poster_died_is_found_however_much_later() {
    let (world, clock) = world(BOT);
    let limit = Duration::from_mins(1);
    run_on(&clock, async {
        world.slack().trouble.borrow_mut().push_back(Some(Trouble::Dies));
        let event = changed("d-1", "START");
        assert!(Box::pin(clock.timeout(limit, world.hear_within(&event, limit))).await.is_err());
        clock.sleep(Duration::from_mins(5)).await;
        world.hear(&event).await.unwrap();
        world.hear(&verdict("Succeeded")).await.unwrap();
    });
    assert_eq!(marks(&world), ["slack/d-1", "slack/d-1/verdict/BeforeAllowTraffic/before-allow-traffic"]);
}

#[test]
fn where_nobody_can_look_nothing_is_posted_more_than_twice() {
    for sinks in [BOT, WEBHOOK] {
        let (world, clock) = world(sinks);
        world.slack().is_blind.set(true);
        run_on(&clock, async {
            // Every post is taken, and none is answered.
            world.slack().trouble.borrow_mut().extend((0..1000).map(|_| Some(Trouble::Taken)));
            for event in [changed("d-1", "START"), with(verdict("Failed"), &json!({"reason": "no"}))] {
                for _ in 0..4 {
                    drop(world.hear(&event).await);
                    clock.sleep(Duration::from_mins(1)).await;
                }
            }
            world.record(ended(Status::Failed));
            for _ in 0..20 {
                clock.sleep(Duration::from_mins(1)).await;
                drop(world.hear(&minute()).await);
            }
            assert_eq!(world.hear(&minute()).await.unwrap()["open"], 0, "{sinks}");
        });
        let marks = marks(&world);
        for told in ["slack/d-1", "slack/d-1/verdict/BeforeAllowTraffic/before-allow-traffic", "slack/d-1/end/FAILURE"]
        {
            assert_eq!(marks.iter().filter(|mark| *mark == told).count(), 2, "{told} of {sinks} in {marks:?}");
        }
        assert_eq!(marks.len(), 6, "{marks:?}");
    }
}

#[test]
fn a_reply_below_a_headline_that_nobody_can_find_says_what_it_is_about() {
    let (world, clock) = world(BOT);
    world.slack().is_blind.set(true);
    run_on(&clock, async {
        world.slack().trouble.borrow_mut().extend([Some(Trouble::Taken), Some(Trouble::Taken)]);
        for _ in 0..2 {
            assert!(world.hear(&changed("d-1", "START")).await.is_err());
        }
        world.hear(&verdict("Succeeded")).await.unwrap();
    });
    let messages = world.slack().messages.borrow();
    assert_eq!((messages.len(), messages[2].thread.as_deref()), (3, None));
    let reply = readable(&messages[2].content);
    assert!(reply.contains("~ orchestrator (production)") && reply.contains("|d-1>"), "{reply}");
}

#[test]
fn one_answer_that_does_not_come_holds_up_nothing() {
    for was_taken in [true, false] {
        let (world, clock) = world(BOT);
        run_on(&clock, async {
            let unanswered = || match (was_taken, down()) {
                (true, _) => Some(Trouble::Taken),
                (false, error) => Some(Trouble::Unsent(Unsent::Unanswered(error))),
            };
            // The headline, and the reply below it.
            world.slack().trouble.borrow_mut().push_back(unanswered());
            if !was_taken {
                world.slack().trouble.borrow_mut().push_back(None);
            }
            world.slack().trouble.borrow_mut().push_back(unanswered());
            world.hear(&verdict("Succeeded")).await.unwrap();
        });
        let expected = ["slack/d-1", "slack/d-1/verdict/BeforeAllowTraffic/before-allow-traffic"];
        assert_eq!(marks(&world), expected, "{was_taken}");
    }
}

#[test]
fn what_is_told_a_day_late_says_so_and_calls_nobody_where_nobody_must_act() {
    for (end, calls) in [(Status::Succeeded, false), (Status::Failed, true)] {
        let (world, clock) = world(MENTIONING);
        run_on(&clock, async {
            world.hear(&changed("d-1", "START")).await.unwrap();
            world.slack().is_archived.set(true);
            world.record(stopped());
            world.record(rollback(Status::InProgress));
            world.hear(&changed("d-1", "STOP")).await.unwrap();
            world.slack().is_archived.set(false);
            world.record(rollback(end.clone()));
            clock.sleep(Duration::from_hours(25)).await;
            for _ in 0..11 {
                clock.sleep(Duration::from_mins(1)).await;
                world.hear(&minute()).await.unwrap();
            }
        });
        let messages = world.slack().messages.borrow();
        let stop = messages.iter().find(|message| message.mark.ends_with("end/STOP")).unwrap();
        let text = stop.content.to_string();
        assert!(text.contains(":hourglass: Told late: this was on 2026-03-03 at 10:07:00 UTC."), "{text}");
        assert_eq!((stop.broadcast, text.contains("<!subteam^S0ONCALL>")), (calls, calls), "{end:?}: {text}");
    }
}

#[test]
fn a_headline_that_somebody_deletes_is_posted_anew_and_the_thread_goes_on_below_it() {
    let (world, clock) = world(BOT);
    run_on(&clock, async {
        world.hear(&changed("d-1", "START")).await.unwrap();
        world.slack().messages.borrow_mut()[0].is_deleted = true;
        world.hear(&verdict("Failed")).await.unwrap();
        world.record(ended(Status::Succeeded));
        world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
    });
    let messages = world.slack().messages.borrow();
    let threads: Vec<Option<&str>> = messages.iter().map(|message| message.thread.as_deref()).collect();
    assert_eq!(threads, [None, None, Some("2"), Some("2")]);
    assert_eq!((messages[1].mark.as_str(), messages[1].updates), ("slack/d-1", 1));
}

#[test]
fn a_reply_whose_thread_is_gone_is_told_below_a_new_headline_and_not_without_end() {
    let (world, clock) = world(BOT);
    let gone = || {
        let error = PortError::NotFound { what: "the Slack message".into(), detail: "thread_not_found".into() };
        Some(Trouble::Unsent(Unsent::Gone(error)))
    };
    run_on(&clock, async {
        world.hear(&changed("d-1", "START")).await.unwrap();
        world.slack().trouble.borrow_mut().push_back(gone());
        world.hear(&verdict("Succeeded")).await.unwrap();
        assert_eq!(world.slack().messages.borrow()[2].thread.as_deref(), Some("2"));
        // Whatever is sent, Slack says that it is gone: once for each event, and three times in all.
        for nth in 0..6 {
            world.slack().trouble.borrow_mut().clear();
            world.slack().trouble.borrow_mut().extend([gone(), None, gone()]);
            world.hear(&with(verdict("Succeeded"), &json!({"hook": format!("h{nth}")}))).await.unwrap();
        }
    });
    let headlines = world.slack().messages.borrow().iter().filter(|message| message.thread.is_none()).count();
    assert_eq!(headlines, 1 + 3);
}
