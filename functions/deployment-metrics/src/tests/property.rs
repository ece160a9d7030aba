//! Whatever becomes of the events and of the calls: after one reconciliation exactly what the rules make of the whole history is published, each
//! once. Histories, losses, orders and failures are drawn from a seed; the history is told twice, once to CodeDeploy's record and once to the
//! rules, so that what is gathered is held against what happened.

mod history;

use std::collections::BTreeSet;

use dora::{Labels, assess, measures, of_traffic_restored};
use serde_json::{Value, json};

use super::world::{World, schedule};
use super::*;
use history::{Play, is_long};

/// How many histories are played.
const SEEDS: u64 = 60;
/// How often nothing fails while the schedule rings.
const CALM: Duration = Duration::from_hours(3 * 24);

impl Play {
    /// Greenlight is installed at some time in the middle: what was told before, nobody heard.
    fn install_late(&mut self) {
        let installed = BEGIN.plus(Duration::from_secs(self.rng.u64(0..=self.last.since(BEGIN).as_secs())));
        self.events.retain(|(at, _)| *at >= installed);
    }

    /// What the rules make of the whole history, without what ended before the first look at its group, unless an event told of it.
    fn expected(&self, world: &World, told: &BTreeSet<String>) -> Vec<String> {
        let since = |group: &GroupName| {
            let mark = world.noted(&format!("metrics/since/{group}")).unwrap();
            Timestamp::parse(mark["since"].as_str().unwrap()).unwrap()
        };
        let mut expected = Vec::new();
        for (group, records) in &self.records {
            let (labels, since) = (Labels::of(Some(group), &world.config, None), since(group));
            for one in records {
                let of = &one.deployment;
                if of.completed.unwrap() <= since && !told.contains(&of.id.0) {
                    continue;
                }
                // Thirty days of the group are known before each.
                let from = of.created.unwrap().minus(Duration::from_hours(30 * 24));
                let known = records.iter().filter(|other| other.deployment.created.unwrap() >= from);
                let assessed = assess(&known.cloned().collect::<Vec<_>>());
                expected.extend(assessed.iter().filter(|it| it.id == of.id).flat_map(|it| measures(it, &labels)));
            }
        }
        for restored in &self.restored {
            let group = restored.group.as_ref().unwrap();
            let is_told = told.contains(&format!("{}/restored", restored.deployment_id));
            if restored.at > since(group) || is_told {
                expected.extend(of_traffic_restored(restored, &Labels::of(Some(group), &world.config, None)));
            }
        }
        let mut lines: Vec<String> = expected.iter().map(|measure| format!("{measure:?}")).collect();
        lines.sort_unstable();
        lines
    }
}

/// What came of a history.
struct Played {
    /// How much was published before the last reconciliation.
    before: usize,
    /// How much is never counted, as it ended before the first look.
    past: usize,
}

/// Plays one history with everything that can go wrong, and then reconciles once.
fn play(seed: u64) -> Played {
    let mut play = Play::of(seed);
    let world = World::new(play.facts.clone());
    world.ports.tags.0.borrow_mut().clone_from(&play.tags);
    for (key, value) in play.notes.clone() {
        world.note(&key, value);
    }
    // The schedule rings now and then, too.
    let hours = play.last.since(BEGIN).as_secs() / 3600;
    for _ in 0..3 {
        let at = BEGIN.plus(Duration::from_secs(play.rng.u64(0..=hours) * 3600));
        play.events.push((at, schedule()));
    }
    match seed % 3 {
        0 => play.install_late(),
        1 => play.events.push((BEGIN, schedule())),
        _ => {}
    }
    let ports = &world.ports;
    let failures = play.rng.u64(..);
    world.fail(Some(failures));
    let mut queue: Vec<(Timestamp, u32, Value)> = play.events.iter().map(|(at, told)| (*at, 0, told.clone())).collect();
    let mut told = BTreeSet::new();
    // CloudWatch takes two weeks. In a long history all is well for once every three days.
    let calm = (1..).map(|number| BEGIN.plus(number * CALM)).take_while(|at| is_long(seed) && *at < play.last);
    let calm: Vec<Timestamp> = calm.collect();
    queue.extend(calm.iter().map(|at| (*at, 0, schedule())));
    while !queue.is_empty() {
        queue.sort_by_key(|(at, tries, _)| std::cmp::Reverse((*at, *tries)));
        let (at, tries, event) = queue.pop().unwrap();
        world.wait_until(at);
        if calm.contains(&at) {
            world.fail(None);
            world.hear(&event).unwrap();
            world.fail(Some(failures ^ at.0.unsigned_abs()));
            continue;
        }
        let detail = |key: &str| event["detail"][key].as_str();
        let taken = ports.metrics.taken.borrow().len();
        let heard = world.hear(&event);
        // An event counts, whatever it is that CloudWatch took and when it ended.
        if ports.metrics.taken.borrow().len() > taken {
            told.extend(detail("deploymentId").map(str::to_owned));
            told.extend(detail("deployment_id").map(|id| format!("{id}/restored")));
        }
        // Lambda tries again after one and after two minutes.
        match heard {
            Ok(_) => {}
            Err(_) if tries < 2 => queue.push((world.now().plus((tries + 1) * MINUTE), tries + 1, event)),
            Err(error) => {
                // What the schedule heals calls nobody. It rings so rarely here that what it misses is old.
                let told = format!("{error:#}");
                let is_for_good = told.contains("killed") || told.contains("InvalidParameterValue");
                assert!(event == schedule() || is_for_good, "seed {seed}: {} {told}", event["detail-type"]);
            }
        }
    }
    world.fail(None);
    let before = ports.metrics.taken.borrow().len();
    // As long as CloudWatch may take to show what is old.
    world.wait_until(play.last.plus(Duration::from_hours(56)));
    let summary = world.hear(&schedule()).unwrap();
    assert_eq!((&summary["left"], &summary["waiting"]), (&json!(0), &json!(0)), "seed {seed}");
    let mut published: Vec<String> = ports.metrics.taken.borrow().iter().map(|one| format!("{one:?}")).collect();
    published.sort_unstable();
    let expected = play.expected(&world, &told);
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|one| !those.contains(one)).take(8).cloned().collect()
    };
    let (more, less) = (only(&published, &expected), only(&expected, &published));
    assert!(
        published == expected,
        "seed {seed}: {} for {}\nmore: {more:#?}\nless: {less:#?}",
        published.len(),
        expected.len()
    );
    // The mark moves with what is counted, and nothing is looked for twice.
    assert_eq!(world.hear(&schedule()).unwrap()["published"], 0, "seed {seed}");
    let everything = play.expected(&world, &play.facts.iter().map(|fact| fact.deployment.id.0.clone()).collect());
    Played { before, past: everything.len() - expected.len() }
}

#[test]
fn any_order_duplication_loss_and_failure_followed_by_one_reconciliation_gives_the_same_numbers() {
    let played: Vec<Played> = (0..SEEDS).map(play).collect();
    let all = |of: fn(&Played) -> usize| -> Vec<usize> { played.iter().map(of).collect() };
    assert!(all(|one| one.before).iter().filter(|before| **before == 0).count() < 3, "the events are heard at all");
    let past = all(|one| one.past);
    assert!(past.iter().step_by(3).filter(|past| **past > 0).count() > 10, "some had a past: {past:?}");
    // Those that Greenlight was there for from the beginning lose nothing.
    assert!(past.iter().skip(1).step_by(3).all(|past| *past == 0), "{past:?}");
}
