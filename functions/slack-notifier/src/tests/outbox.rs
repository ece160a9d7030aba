//! What waits in a thread's outbox: told in order, once, by whoever comes next, and nothing of it is lost.

use std::time::Duration;

use clock::Clock;
use domain::deployment::Status;
use domain::ports::{PortError, Unsent};
use domain::time::Timestamp;
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::run_on;

use crate::fakes::{Trouble, readable};
use crate::world::{
    BOT, WEBHOOK, World, changed, decision, down, ended, late, minute, redeploy, stopped, verdict, with,
};

/// The world some seconds after its events happened.
fn world(sinks: &str) -> (World, Clock) {
    let clock = Clock::idle(Timestamp::parse("2026-03-03T10:07:10Z").unwrap());
    let mut world = World::new(sinks);
    world.ports.clock = clock.clone();
    world.ports.settle = Duration::from_secs(2);
    (world, clock)
}

fn marks(world: &World) -> Vec<String> {
    world.slack().messages.borrow().iter().map(|message| message.mark.clone()).collect()
}

fn at(event: Value, at: &str) -> Value {
    with(event, &json!({"at": at}))
}

#[test]
fn what_happened_first_stands_first_when_both_are_heard_within_the_settling_time() {
    let (world, clock) = world(BOT);
    run_on(&clock, async {
        let (second, first) = (at(decision(Some("d-1"), "Alert"), "2026-03-03T10:07:10Z"), verdict("Succeeded"));
        let later = async {
            clock.sleep(Duration::from_millis(900)).await;
            world.hear(&first).await
        };
        let (one, other) = tokio::join!(world.hear(&second), later);
        one.and(other).unwrap();
    });
    let marks = marks(&world);
    assert_eq!(marks.len(), 3, "{marks:?}");
    assert!(marks[1].contains("verdict") && marks[2].contains("decision"), "{marks:?}");
}

#[test]
fn what_is_heard_of_after_that_is_told_at_the_end_and_says_when_it_was() {
    let (world, clock) = world(BOT);
    run_on(&clock, async {
        world.hear(&at(decision(Some("d-1"), "Alert"), "2026-03-03T10:07:10Z")).await.unwrap();
        clock.sleep(Duration::from_mins(5)).await;
        world.hear(&verdict("Succeeded")).await.unwrap();
    });
    assert_snapshot!(readable(&world.slack().messages.borrow()[2].content), @"
    :white_check_mark: *BeforeAllowTraffic* passed in 5 ms: all 2 checks passed
    ~ :hourglass: Heard of late: this was at 10:07:07 UTC.
    (BeforeAllowTraffic passed: all 2 checks passed)
    ");
}

#[test]
fn what_was_taken_without_an_answer_is_found_and_not_posted_again() {
    let (world, clock) = world(BOT);
    run_on(&clock, async {
        // The headline, then the reply.
        world.slack().trouble.borrow_mut().extend([Some(Trouble::Taken), Some(Trouble::Taken)]);
        let moment = Duration::from_millis(1500);
        for _ in 0..2 {
            // No time is left to look in the same invocation.
            assert!(world.hear_within(&verdict("Succeeded"), moment).await.is_err());
        }
        world.hear(&verdict("Succeeded")).await.unwrap();
    });
    assert_eq!(marks(&world), ["slack/d-1", "slack/d-1/verdict/BeforeAllowTraffic/before-allow-traffic"]);
}

#[test]
fn a_webhook_that_does_not_answer_is_asked_again_rather_than_never() {
    let (world, clock) = world(WEBHOOK);
    run_on(&clock, async {
        world.slack().trouble.borrow_mut().push_back(Some(Trouble::Taken));
        assert!(world.hear(&changed("d-1", "START")).await.is_err());
        world.hear(&changed("d-1", "START")).await.unwrap();
    });
    assert_eq!(marks(&world), ["slack/d-1", "slack/d-1"]);
}

#[test]
fn what_a_holder_posted_before_it_died_is_found_and_the_schedule_goes_on() {
    let (world, clock) = world(BOT);
    let limit = Duration::from_mins(1);
    run_on(&clock, async {
        // It dies with the headline posted and nothing recorded; the next one with the reply.
        for dies_after in [0, 0] {
            world.slack().trouble.borrow_mut().extend((0..dies_after).map(|_| None).chain([Some(Trouble::Dies)]));
            let event = verdict("Succeeded");
            assert!(Box::pin(clock.timeout(limit, world.hear_within(&event, limit))).await.is_err());
        }
        world.hear(&minute()).await.unwrap();
    });
    assert_eq!(marks(&world), ["slack/d-1", "slack/d-1/verdict/BeforeAllowTraffic/before-allow-traffic"]);
}

#[test]
fn the_schedule_heals_what_lambda_has_given_up() {
    let (world, clock) = world(BOT);
    run_on(&clock, async {
        world.slack_fails((0..40).map(|_| Some(down())));
        assert!(world.hear(&changed("d-1", "START")).await.is_err());
        assert!(world.hear(&verdict("Succeeded")).await.is_err());
        world.record(ended(Status::Succeeded));
        assert!(world.hear(&changed("d-1", "SUCCESS")).await.is_err());
        let mut minutes = 0;
        while world.slack().messages.borrow().is_empty() {
            clock.sleep(Duration::from_mins(1)).await;
            world.hear(&minute()).await.unwrap();
            minutes += 1;
            assert!(minutes < 60);
        }
    });
    assert_snapshot!(world.slack().read(), @"
    orchestrator (production) was deployed. Production runs the new version. Nothing to do.
        orchestrator (production) was deployed. Production runs the new version. Nothing to do.
        BeforeAllowTraffic passed: all 2 checks passed
    ");
}

#[test]
fn a_lost_ending_is_told_by_the_schedule_which_then_closes_the_story() {
    let (world, clock) = world(BOT);
    run_on(&clock, async {
        world.hear(&changed("d-1", "START")).await.unwrap();
        world.record(ended(Status::Succeeded));
        let told = world.hear(&minute()).await.unwrap();
        assert_eq!(told["slack"], json!(["end/SUCCESS"]));
        assert_eq!(world.hear(&minute()).await.unwrap()["open"], 0);
    });
    assert_eq!(world.slack().messages.borrow().len(), 2);
}

#[test]
fn a_rollback_whose_events_are_lost_is_told_to_its_end() {
    let (world, clock) = world(BOT);
    run_on(&clock, async {
        world.hear(&changed("d-1", "START")).await.unwrap();
        world.record(stopped());
        world.record(crate::world::rollback(Status::InProgress));
        for _ in 0..2 {
            world.hear(&minute()).await.unwrap();
        }
        world.record(crate::world::rollback(Status::Succeeded));
        for _ in 0..12 {
            clock.sleep(Duration::from_mins(1)).await;
            world.hear(&minute()).await.unwrap();
        }
        assert_eq!(world.hear(&minute()).await.unwrap()["open"], 0);
    });
    let text = world.slack().read();
    assert!(text.contains("is rolling back") && text.contains("is rolled back: production"), "{text}");
}

#[test]
fn a_story_that_never_ends_is_dropped_after_four_days() {
    let (world, clock) = world(BOT);
    run_on(&clock, async {
        world.hear(&changed("d-1", "START")).await.unwrap();
        // What is open for long is looked after every ten minutes.
        for (hours, open) in [(95, 1), (2, 0)] {
            clock.sleep(Duration::from_hours(hours)).await;
            let mut seen = serde_json::Value::Null;
            for _ in 0..10 {
                clock.sleep(Duration::from_mins(1)).await;
                seen = world.hear(&minute()).await.unwrap()["open"].clone();
            }
            assert_eq!(seen, open);
        }
    });
}

#[test]
fn an_equal_headline_is_not_sent_again_and_what_slack_does_not_take_is_told_in_plain_text() {
    let (world, clock) = world(BOT);
    run_on(&clock, async {
        for _ in 0..3 {
            world.hear(&changed("d-1", "START")).await.unwrap();
        }
        assert_eq!(world.slack().messages.borrow()[0].updates, 0);
        let refusal = PortError::Permanent { what: "posting to Slack".into(), detail: "invalid_blocks".into() };
        world.slack().trouble.borrow_mut().push_back(Some(Trouble::Unsent(Unsent::Unfit(refusal))));
        world.hear(&verdict("Succeeded")).await.unwrap();
    });
    assert_eq!(
        world.slack().messages.borrow()[1].content,
        json!({"text": "BeforeAllowTraffic passed: all 2 checks passed"})
    );
}

#[test]
fn where_the_workspace_forbids_changes_the_headline_stays_and_the_replies_go_on() {
    let (world, clock) = world(BOT);
    run_on(&clock, async {
        world.hear(&changed("d-1", "START")).await.unwrap();
        world.record(ended(Status::Succeeded));
        let refusal = PortError::Permanent { what: "updating".into(), detail: "edit_window_closed".into() };
        let refused = || Some(Trouble::Unsent(Unsent::Unfit(refusal.clone())));
        world.slack().trouble.borrow_mut().extend([refused(), refused()]);
        world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
        assert_eq!(world.hear(&minute()).await.unwrap()["open"], 0);
    });
    let text = world.slack().read();
    assert!(text.starts_with("orchestrator (production) is being deployed") && text.contains("was deployed"), "{text}");
}

#[test]
fn a_quiet_channel_hears_nothing_of_what_goes_well_and_all_of_what_does_not() {
    let (world, clock) = world("slack: { token: env:T, channel: C1, quiet: true, mention: S0ONCALL }\n");
    run_on(&clock, async {
        world.hear(&changed("d-1", "START")).await.unwrap();
        world.hear(&verdict("Succeeded")).await.unwrap();
        world.record(ended(Status::Succeeded));
        world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
        world.hear(&minute()).await.unwrap();
        assert_eq!(world.hear(&minute()).await.unwrap()["open"], 0);
        assert!(world.slack().messages.borrow().is_empty());
        // What had gone well is taken back: now it is news, and the thread is complete.
        world.record(redeploy(Status::InProgress));
        world.hear(&late()).await.unwrap();
    });
    let marks = marks(&world);
    for told in ["verdict/", "end/SUCCESS", "decision/"] {
        assert_eq!(marks.iter().filter(|mark| mark.contains(told)).count(), 1, "{told} in {marks:?}");
    }
}

#[test]
fn bad_news_mention_whom_the_configuration_names_once_and_show_in_the_channel() {
    let (world, clock) = world("slack: { token: env:T, channel: C1, mention: S0ONCALL }\n");
    let mut quiet = World::new("slack: { token: env:T, channel: C1, quiet: true, mention: here }\n");
    quiet.ports.clock = clock.clone();
    run_on(&clock, async {
        world.hear(&changed("d-1", "START")).await.unwrap();
        world.hear(&with(verdict("Failed"), &json!({"reason": "<!channel> said no"}))).await.unwrap();
        world.record(ended(Status::Failed));
        world.hear(&changed("d-1", "FAILURE")).await.unwrap();
        quiet.record(stopped());
        quiet.hear(&changed("d-1", "STOP")).await.unwrap();
    });
    let messages = world.slack().messages.borrow();
    // The verdict leads to the ending, and one piece of bad news is shouted once.
    let shouted: Vec<bool> = messages.iter().map(|message| message.broadcast).collect();
    assert_eq!(shouted, [false, false, true]);
    let texts: Vec<String> = messages.iter().map(|message| message.content.to_string()).collect();
    assert!(texts[2].contains("<!subteam^S0ONCALL> ") && !texts[1].contains("subteam"), "{texts:?}");
    assert!(texts.iter().all(|text| !text.contains("<!channel>")), "{texts:?}");
    // Where the headline comes with it, that mentions, and the reply neither mentions nor shows in the channel.
    let messages = quiet.slack().messages.borrow();
    let mentions: Vec<bool> = messages.iter().map(|it| it.content.to_string().contains("<!here>")).collect();
    assert_eq!((mentions[0], mentions.iter().filter(|it| **it).count()), (true, 1), "{mentions:?}");
    assert!(messages.iter().all(|message| !message.broadcast));
}

#[test]
fn a_service_is_told_in_its_own_channel() {
    let (mut world, clock) = world(BOT);
    world.config.services[0].slack.channel = Some("C2".to_owned());
    run_on(&clock, async {
        world.hear(&verdict("Succeeded")).await.unwrap();
    });
    let channels: Vec<String> = world.slack().messages.borrow().iter().map(|it| it.channel.clone()).collect();
    assert_eq!(channels, ["C2", "C2"]);
}

#[test]
fn beyond_sixty_replies_they_are_counted_and_a_long_one_says_what_is_missing() {
    let (world, clock) = world(BOT);
    run_on(&clock, async {
        world.slack_fails((0..400).map(|_| Some(down())));
        let flood = "&".repeat(5000);
        for index in 0..63 {
            let findings: Vec<Value> = (0..20)
                .map(|nth| json!({"name": format!("{nth}"), "outcome": "fail", "expected": flood, "observed": flood, "target": "", "tries": 1}))
                .collect();
            let event = with(verdict("Failed"), &json!({"hook": format!("hook-{index:02}"), "findings": findings}));
            assert!(world.hear_within(&event, Duration::from_secs(3)).await.is_err());
        }
        world.slack().trouble.borrow_mut().clear();
        world.hear_within(&minute(), Duration::from_mins(1)).await.unwrap();
    });
    let messages = world.slack().messages.borrow();
    assert_eq!(messages.len(), 1 + 60 + 1);
    assert_eq!(
        messages[61].content["text"],
        "There was no room for 3 more replies; the logs of the functions have them."
    );
    let reply = messages[1].content.to_string();
    assert!(reply.len() <= 12_000 && reply.contains("more line"), "{}", reply.len());
}
