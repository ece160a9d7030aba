//! Fifty events of one deployment at the same time, in random order, with a Slack that throttles, breaks and does not answer, and invocations that
//! die: one thread, complete, every reply once, in order.

use std::collections::BTreeSet;
use std::time::Duration;

use clock::Clock;
use domain::deployment::{DeploymentId, Status};
use domain::time::Timestamp;
use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::run_on;

use crate::blocks::render;
use crate::memory::{Known, recall};
use crate::story::Story;
use crate::tale::Tale;
use crate::world::{BOT, World, changed, decision, minute, restored, rollback, stopped, verdict, with};

/// As long as the function may take.
pub(super) const LIMIT: Duration = Duration::from_mins(1);

pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

fn at(event: Value, second: usize) -> Value {
    with(event, &json!({"at": format!("2026-03-03T10:07:{second:02}Z")}))
}

/// What happened, each once.
pub(super) fn course() -> Vec<Value> {
    let hook =
        |name: &str, second| at(with(verdict("Succeeded"), &json!({"hook": name, "lifecycle_event": name})), second);
    let red = |name: &str, word: &str, second| {
        let mut event = at(decision(Some("d-1"), word), second);
        event["detail"]["alarm"]["name"] = name.into();
        event
    };
    let mut course = vec![
        changed("d-1", "START"),
        changed("d-1", "READY"),
        hook("BeforeInstall", 1),
        hook("AfterInstall", 2),
        hook("BeforeAllowTraffic", 3),
        hook("AfterAllowTraffic", 5),
        red("5xx", "StopAndRollBack", 6),
        red("p95", "Alert", 7),
        changed("d-1", "STOP"),
        changed("d-2", "START"),
        at(restored(), 30),
        changed("d-2", "SUCCESS"),
    ];
    course.push(with(hook("BeforeAllowTraffic", 9), &json!({"deployment_id": "d-2"})));
    course
}

#[test]
fn fifty_events_at_once_are_one_thread_complete_and_in_order_a_hundred_times_over() {
    let (mut late, mut found) = (0, 0);
    for seed in 1..=100 {
        let (was_late, was_found) = one_run(seed);
        late += was_late;
        found += was_found;
    }
    // The runs are no proof where what they are about does not happen in them.
    assert!(late > 0 && found > 0, "{late} late, {found} found");
}

fn one_run(seed: u64) -> (usize, usize) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let clock = Clock::idle(Timestamp::parse("2026-03-03T10:07:31Z").unwrap());
    let mut world = World::new(BOT);
    world.ports.clock = clock.clone();
    world.ports.settle = Duration::from_secs(2);
    world.ports.patience = Duration::from_secs(1);
    world.record(rollback(Status::InProgress));
    world.slack().rate.set(Some(12));
    *world.slack().chance.borrow_mut() = seed;
    let course = course();
    // Each once, and others again.
    let mut events: Vec<Value> = (0..50)
        .map(|index| course[if index < course.len() { index } else { dice.roll(course.len()) }].clone())
        .collect();
    for index in (1..events.len()).rev() {
        events.swap(index, dice.roll(index + 1));
    }
    let delays: Vec<Duration> = events.iter().map(|_| Duration::from_millis(dice.roll(3000) as u64)).collect();
    run_on(&clock, async {
        let told = events.iter().zip(&delays).map(|(event, delay)| {
            let (world, clock) = (&world, &clock);
            async move {
                clock.sleep(*delay).await;
                // Lambda tries again after one minute and after two, and then the schedule has to do.
                for pause in [60, 120, 0] {
                    // A process that hangs is killed at its deadline.
                    let outcome = Box::pin(clock.timeout(LIMIT, world.hear_within(event, LIMIT))).await;
                    if matches!(outcome, Ok(Ok(_))) {
                        return;
                    }
                    clock.sleep(Duration::from_secs(pause)).await;
                }
            }
        });
        let world_moves_on = async {
            clock.sleep(Duration::from_millis(800)).await;
            world.record(stopped());
            clock.sleep(Duration::from_millis(800)).await;
            world.record(rollback(Status::Succeeded));
        };
        tokio::join!(join_all(told), world_moves_on);
        for _ in 0..15 {
            clock.sleep(Duration::from_mins(1)).await;
            drop(Box::pin(clock.timeout(LIMIT, world.hear_within(&minute(), LIMIT))).await);
        }
        let known: Known<Story> = recall(&world.ports.ledger, &DeploymentId("d-1".to_owned())).await.unwrap().unwrap();
        check(seed, &world, &known)
    })
}

fn check(seed: u64, world: &World, known: &Known<Story>) -> (usize, usize) {
    let messages = world.slack().messages.borrow();
    let table = world.ports.ledger.0.borrow();
    let text = || format!("seed {seed}:\n{}", messages.iter().map(|it| it.mark.clone()).collect::<Vec<_>>().join("\n"));
    // One headline, in its final state.
    let roots: Vec<_> = messages.iter().filter(|message| message.thread.is_none()).collect();
    assert_eq!(roots.len(), 1, "{}", text());
    assert_eq!(roots[0].content, render(&known.story.headline()), "{}", text());
    assert!(known.story.is_rolled_back() && known.story.alarm.is_some(), "{}", text());
    // Every reply once.
    let marks: BTreeSet<&str> = messages.iter().map(|message| message.mark.as_str()).collect();
    assert_eq!(marks.len(), messages.len(), "{}", text());
    let expected = [
        "slack/d-1/verdict/BeforeInstall/BeforeInstall",
        "slack/d-1/verdict/AfterInstall/AfterInstall",
        "slack/d-1/verdict/BeforeAllowTraffic/BeforeAllowTraffic",
        "slack/d-1/verdict/AfterAllowTraffic/AfterAllowTraffic",
        "slack/d-2/verdict/BeforeAllowTraffic/BeforeAllowTraffic",
        "slack/d-1/decision/5xx/StopAndRollBack/2026-03-03T10:07:00.000Z",
        "slack/d-1/decision/p95/Alert/2026-03-03T10:07:00.000Z",
        "slack/d-1/end/STOP",
        "slack/d-1/restored",
        "slack/d-1/ready",
    ];
    for key in expected {
        assert!(marks.contains(key), "{key} is missing; {}", text());
    }
    // Nothing waits, and nothing was told that nobody has recorded.
    for (key, entry) in table.iter().filter(|(key, _)| key.starts_with("slack/d-1/") || key.starts_with("slack/d-2/")) {
        assert!(entry.get("told").is_some() && marks.contains(key.as_str()), "{key}: {entry}; {}", text());
    }
    // In order, or with the remark.
    let told = |mark: &str| Timestamp::parse(table[mark]["at"].as_str().unwrap()).unwrap();
    let (mut up_to, mut late) = (Timestamp::default(), 0);
    for reply in messages.iter().filter(|message| message.thread.is_some()) {
        let at = told(&reply.mark);
        let says_late = reply.content.to_string().contains("Heard of late");
        assert!(at >= up_to || says_late, "{} stands too low; {}", reply.mark, text());
        late += usize::from(says_late);
        up_to = up_to.max(at);
    }
    assert_eq!(table["open/stories"]["stories"], json!({}), "{}", text());
    let found = table.values().filter(|entry| entry.get("found").is_some()).count();
    (late, found)
}
