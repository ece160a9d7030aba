//! The golden history of the crate `dora`, through the whole function: 56 records of four groups over six weeks, most events lost, some late, out of
//! order or twice, and a look by the schedule every ten days. What CloudWatch has then is held against the sums that were worked out by hand
//! (`shared/dora/tests/it/golden.rs`; the records one by one, with their reasons, stand there).
//!
//! The file is CodeDeploy's record as the AWS CLI prints it, when all was over. What a running Greenlight knows besides is given as it would have been:
//! - `d-ORC000005` was stopped by Greenlight, which the record calls a person's stop: `alarm-rollback` has left `stop/…`. `d-ORC000015` and
//!   `d-STO000005` were stopped by persons, and nothing is left of them. As `d-ORC000005` was rolled back, it is a failure either way.
//! - `d-ORC000021` was taken back by Greenlight: `alarm-rollback` has left `late/…`, which names `d-ORC000022`. What other descriptions say of rolling
//!   back is a person's word (`d-STO000009`, `d-STO000011`; `d-WRK000002` is lying), and nothing is left of it.
//! - No target is there any more, so the shift's end is reckoned from the termination wait, as the sums by hand are.

use std::collections::BTreeMap;

use super::world::{Fact, World, changed, schedule};
use super::*;

#[expect(dead_code, reason = "the tests of the rules tell assessments by it, too")]
#[path = "../../../../shared/dora/tests/it/reading.rs"]
mod reading;

const CONFIG: &str = "version: 1\nservices:\n  - { name: o, codedeploy: { application: shop, deployment_group: orchestrator } }\n  - { name: b, codedeploy: { application: shop, deployment_group: burst-overflow } }\n  - { name: s, codedeploy: { application: web, deployment_group: storefront } }\n  - { name: w, environment: test, codedeploy: { application: web, deployment_group: worker } }\n";

/// What is counted, in the order of [`BY_HAND`].
const COUNTS: [&str; 6] = ["Deployments", "DeploymentSucceeded", "Changes", "ChangeFailure", "RolledBack", "Rework"];
/// Of each group, and of the fleet: the sums of the counts, how many recoveries, and the sum of their seconds.
const BY_HAND: [(&str, [f64; 6], usize, f64); 6] = [
    // 42 + 45 + 60 + 90 + 122 + 2220 + 7500.
    ("orchestrator", [23.0, 15.0, 18.0, 8.0, 6.0, 9.0], 7, 10_079.0),
    // 100 + 180 + 1322.
    ("storefront", [8.0, 6.0, 8.0, 3.0, 3.0, 3.0], 3, 1602.0),
    // 240 + 2070.
    ("burst-overflow", [8.0, 5.0, 7.0, 2.0, 1.0, 3.0], 2, 2310.0),
    ("worker", [3.0, 3.0, 3.0, 0.0, 0.0, 0.0], 0, 0.0),
    ("the fleet", [42.0, 29.0, 36.0, 13.0, 10.0, 15.0], 12, 13_991.0),
    // The fleet without `worker`, which is of another environment.
    ("production", [39.0, 26.0, 33.0, 13.0, 10.0, 15.0], 12, 13_991.0),
];

/// The days on which the schedule comes, first when Greenlight is installed: each time CloudWatch still takes everything since the last time.
const DAYS: [&str; 6] = ["2026-02-01", "2026-02-11", "2026-02-21", "2026-03-03", "2026-03-13", "2026-03-16"];

/// The state that CodeDeploy's event tells of an ending.
fn state(status: &Status) -> &'static str {
    match status {
        Status::Succeeded => "SUCCESS",
        Status::Failed => "FAILURE",
        _ => "STOP",
    }
}

/// What comes when: of every eight endings one event as it should be, one twice, one late by up to a day, and of the others none.
fn events(history: &[Deployment], rng: &mut fastrand::Rng) -> Vec<(Timestamp, Value)> {
    let mut events = Vec::new();
    for deployment in history {
        let Some(completed) = deployment.completed else { continue };
        let mut told = changed(&deployment.id.0, state(&deployment.status));
        told["detail"]["application"] = json!(deployment.group.application);
        told["detail"]["deploymentGroup"] = json!(deployment.group.deployment_group);
        let soon = completed.plus(Duration::from_millis(rng.u64(0..3000)));
        match rng.u32(0..8) {
            0 => events.push((soon, told)),
            1 => events.extend([(soon, told.clone()), (soon.plus(Duration::from_secs(rng.u64(0..600))), told)]),
            2 => events.push((soon.plus(Duration::from_secs(rng.u64(0..86_400))), told)),
            _ => {}
        }
    }
    events
}

/// Sums and numbers of what CloudWatch has, by whose it is and metric.
fn published(world: &World) -> BTreeMap<(String, &'static str), (usize, f64)> {
    let mut sums = BTreeMap::<_, (usize, f64)>::new();
    for measure in world.ports.metrics.taken.borrow().iter() {
        let of = |name: &str| measure.dimensions.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
        let whose = of("DeploymentGroup").or_else(|| of("Environment")).unwrap_or("the fleet".to_owned());
        let (number, sum) = sums.entry((whose, measure.name)).or_default();
        (*number, *sum) = (*number + 1, *sum + measure.value);
    }
    sums
}

/// Plays the six weeks with what becomes of the events by a seed, or without any event. Gives how many events were heard.
fn play(seed: Option<u64>) -> usize {
    let history: Vec<Deployment> = reading::golden().into_iter().map(|record| record.deployment).collect();
    assert_eq!(history.len(), 56);
    let mut rng = fastrand::Rng::with_seed(seed.unwrap_or_default());
    let mut queue = if seed.is_some() { events(&history, &mut rng) } else { Vec::new() };
    let heard = queue.len();
    queue.extend(DAYS.map(|day| (Timestamp::parse(&format!("{day}T00:00:00Z")).unwrap(), schedule())));
    queue.sort_by_key(|(at, _)| *at);
    // The record shows each end some seconds late, and links rollbacks later still.
    let mut seconds = |most| Duration::from_secs(rng.u64(0..most));
    let facts = history.into_iter().map(|one| Fact { lag: seconds(20), linked_after: seconds(25), ..Fact::of(one) });
    let mut world = World::new(facts);
    world.config = build::config(CONFIG);
    world.note("stop/d-ORC000005", json!({"stopped": "2026-02-05T11:04:00Z", "alarm": "orchestrator-http-5xx"}));
    world.note("late/d-ORC000021", json!({"redeployed_by": "d-ORC000022", "alarm": "orchestrator-http-5xx"}));
    for (at, event) in queue {
        world.wait_until(at);
        let heard = world.hear(&event).unwrap();
        assert!(heard.get("ignored").is_none(), "{heard}");
        assert!(heard.get("left").is_none_or(|left| *left == 0), "{heard}");
    }
    assert_eq!(world.hear(&schedule()).unwrap()["published"], 0);
    let published = published(&world);
    let of = |whose: &str, name| published.get(&(whose.to_owned(), name)).copied().unwrap_or_default();
    for (whose, counts, recoveries, seconds) in BY_HAND {
        assert_eq!(COUNTS.map(|name| of(whose, name).1).to_vec(), counts, "{whose}, seed {seed:?}");
        assert_eq!(of(whose, "FailedDeploymentRecoverySeconds"), (recoveries, seconds), "{whose}, seed {seed:?}");
        // A 0 or a 1 of each deployment; what was taken back has a second value of `RolledBack` and `ChangeFailure`.
        let each = ["Deployments", "DeploymentSucceeded", "Changes", "Rework"].map(|name| of(whose, name).0 as f64);
        assert_eq!(each.to_vec(), [counts[0]; 4], "{whose}, seed {seed:?}");
    }
    heard
}

#[test]
fn the_golden_history_gives_the_sums_by_hand_whatever_becomes_of_the_events() {
    let heard: Vec<usize> = (0..8).map(|seed| play(Some(seed))).collect();
    // Of the 55 that have ended most are heard of by the schedule alone.
    assert!(heard.iter().all(|heard| (10..45).contains(heard)), "{heard:?}");
    assert_eq!(play(None), 0);
}
