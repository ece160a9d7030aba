//! Fifty events of one deployment that arrive in random order, each within the time that replies wait for what happened before them: the thread is in
//! order without exception, and nothing in it is said to be late.

use std::time::Duration;

use clock::Clock;
use domain::deployment::{Deployment, Status};
use domain::time::Timestamp;
use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::run_on;

use super::concurrent::{Dice, LIMIT, course};
use crate::world::{BOT, World, rollback, stopped};

/// What happens one after the other does so after so long.
const STEP: Duration = Duration::from_millis(100);
/// The longest way of an event: less than replies wait.
const WAY: usize = 1_500;

/// The course with the times at which each thing happens.
fn timed(begin: Timestamp) -> Vec<(Timestamp, Value)> {
    let timed = course().into_iter().zip(0_u32..).map(|(mut event, index)| {
        let at = begin.plus(STEP * index);
        event["time"] = json!(at);
        if event["source"] == "greenlight" {
            event["detail"]["at"] = json!(at);
        }
        (at, event)
    });
    timed.collect()
}

/// When the first event of this kind happens.
fn of(course: &[(Timestamp, Value)], id: &str, state: &str) -> Timestamp {
    let is_it = |event: &Value| event["detail"]["deploymentId"] == id && event["detail"]["state"] == state;
    course.iter().find(|(_, event)| is_it(event)).unwrap().0
}

fn one_run(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let begin = Timestamp::parse("2026-03-03T10:07:00Z").unwrap();
    let clock = Clock::idle(begin);
    let mut world = World::new(BOT);
    world.ports.clock = clock.clone();
    world.ports.settle = Duration::from_secs(2);
    world.ports.patience = Duration::from_secs(1);
    let course = timed(begin);
    let (stop, back, end) = (of(&course, "d-1", "STOP"), of(&course, "d-2", "START"), of(&course, "d-2", "SUCCESS"));
    let rolls = |status| Deployment { started: Some(back), ..rollback(status) };
    world.record(rolls(Status::InProgress));
    let events: Vec<(Timestamp, Value)> = (0..50)
        .map(|index| course[if index < course.len() { index } else { dice.roll(course.len()) }].clone())
        .collect();
    let ways: Vec<Duration> = events.iter().map(|_| Duration::from_millis(dice.roll(WAY) as u64)).collect();
    run_on(&clock, async {
        let told = events.iter().zip(&ways).map(|((at, event), way)| {
            let (world, clock) = (&world, &clock);
            async move {
                clock.sleep(at.plus(*way).since(begin)).await;
                world.hear_within(event, LIMIT).await.unwrap();
            }
        });
        // CodeDeploy's record has an ending when its event is sent.
        let record = async {
            clock.sleep(stop.since(begin)).await;
            world.record(Deployment { started: Some(begin), completed: Some(stop), ..stopped() });
            clock.sleep(end.since(stop)).await;
            world.record(Deployment { completed: Some(end), ..rolls(Status::Succeeded) });
        };
        tokio::join!(join_all(told), record);
    });
    let messages = world.slack().messages.borrow();
    let table = world.ports.ledger.0.borrow();
    let text = || format!("seed {seed}:\n{}", messages.iter().map(|it| it.mark.clone()).collect::<Vec<_>>().join("\n"));
    let replies: Vec<_> = messages.iter().filter(|message| message.thread.is_some()).collect();
    assert_eq!(messages.len(), replies.len() + 1, "{}", text());
    let ats: Vec<&str> = replies.iter().map(|reply| table[&reply.mark]["at"].as_str().unwrap()).collect();
    assert!(ats.is_sorted(), "{ats:?}; {}", text());
    assert!(replies.len() >= 10, "{}", text());
    assert!(replies.iter().all(|reply| !reply.content.to_string().contains("Heard of late")), "{}", text());
}

#[test]
fn what_arrives_in_time_is_told_in_order_a_hundred_times_over() {
    (1..=100).for_each(one_run);
}
