//! A group's history of several deployments, heard in a random order, with duplicates, by two invocations at a time, and with a PagerDuty that
//! takes nothing, or takes it and does not answer. In the end exactly that is open which should be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::deployment::{Deployment, DeploymentError, DeploymentId, Status};
use domain::time::Timestamp;
use serde_json::{Value, json};
use testkit::{build, run_on};

use super::{KEY, paging};
use crate::fakes::Fate;
use crate::world::{World, changed, decision, restored, with};

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

/// What becomes of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Good,
    RolledBack,
    RollbackFailed,
    RolledBackLate,
    NotRolledBack,
    TakenBack,
    LeftToAPerson,
}

const COURSES: [Course; 7] = [
    Course::Good,
    Course::RolledBack,
    Course::RollbackFailed,
    Course::RolledBackLate,
    Course::NotRolledBack,
    Course::TakenBack,
    Course::LeftToAPerson,
];

/// Something that happens: what CodeDeploy's record says from then on, and the event that tells it.
type Happening = (Vec<Deployment>, Value);

fn id(of: &str, number: usize) -> DeploymentId {
    DeploymentId(format!("{of}-{number}"))
}

/// A deployment and what happens with it, one thing a minute.
fn happenings(course: Course, number: usize, start: Timestamp) -> Vec<Happening> {
    let at = |minute: u64| start.plus(Duration::from_mins(minute));
    let (own, back) = (id("d", number), id("r", number));
    let of = |event: Value, minute: u64, more: Value| {
        let alarm = json!({
            "name": "5xx", "state": "ALARM", "reason": "crossed", "changed_at": at(minute), "threshold": 1.0, "datapoints": [9.0],
        });
        let about =
            json!({"deployment_id": own, "group": build::group(), "environment": "production", "at": at(minute)});
        let mut event = with(with(event, &about), &more);
        if event["detail"]["alarm"].is_object() {
            event["detail"]["alarm"] = alarm;
        }
        event
    };
    let runs = || Deployment { id: own.clone(), started: Some(start), ..build::deployment() };
    let ends = |status: Status, minute: u64| Deployment { status, completed: Some(at(minute)), ..runs() };
    let stopped = |rolled_back_by: Option<&DeploymentId>| Deployment {
        error: Some(DeploymentError { code: "MANUAL_STOP".into(), message: "stopped".into() }),
        rolled_back_by: rolled_back_by.cloned(),
        ..ends(Status::Stopped, 2)
    };
    let rollback =
        |status: Status| Deployment { id: back.clone(), rolls_back: Some(own.clone()), status, ..build::rollback() };
    let redeploy = |status: Status| Deployment { creator: "user".into(), ..rollback(status) };
    let heard = |id: &DeploymentId, state: &str| changed(&id.0, state);
    let stop = || of(decision(None, "StopAndRollBack"), 1, json!({}));
    let is_back = |minute: u64, is_back: bool| {
        of(restored(), minute, json!({"rollback_deployment_id": back, "restored": is_back}))
    };
    let begins = (vec![runs()], heard(&own, "START"));
    let mut all = vec![begins];
    match course {
        Course::Good => all.push((vec![ends(Status::Succeeded, 2)], heard(&own, "SUCCESS"))),
        Course::RolledBack | Course::RolledBackLate => {
            all.push((vec![], stop()));
            all.push((vec![stopped(Some(&back)), rollback(Status::InProgress)], heard(&own, "STOP")));
            all.push((vec![], heard(&back, "START")));
            if course == Course::RolledBackLate {
                all.push((vec![], is_back(3, false)));
            }
            all.push((vec![], is_back(4, true)));
            all.push((vec![rollback(Status::Succeeded)], heard(&back, "SUCCESS")));
        }
        Course::RollbackFailed => {
            all.push((vec![], stop()));
            all.push((vec![stopped(Some(&back)), rollback(Status::InProgress)], heard(&own, "STOP")));
            all.push((vec![rollback(Status::Failed)], heard(&back, "FAILURE")));
            all.push((vec![], is_back(4, false)));
        }
        Course::NotRolledBack => all.push((vec![stopped(None)], heard(&own, "STOP"))),
        Course::TakenBack => {
            all.push((vec![ends(Status::Succeeded, 2)], heard(&own, "SUCCESS")));
            all.push((
                vec![redeploy(Status::InProgress)],
                of(decision(None, "RedeployPrevious"), 3, json!({"rollback_deployment_id": back})),
            ));
            all.push((vec![], heard(&back, "START")));
            all.push((vec![redeploy(Status::Succeeded)], heard(&back, "SUCCESS")));
            all.push((vec![], is_back(4, true)));
        }
        Course::LeftToAPerson => {
            all.push((vec![], of(decision(None, "Alert"), 1, json!({"page": true, "next_step": "now: stop it"}))));
            all.push((vec![ends(Status::Succeeded, 2)], heard(&own, "SUCCESS")));
        }
    }
    all
}

/// What was sent, one a line.
fn read(sent: &[Value]) -> String {
    let lines = sent.iter().map(|event| {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let payload = [text("/payload/custom_details/deployment"), text("/payload/severity")].join(" ");
        format!("{} {} {payload}\n", text("/event_action"), text("/dedup_key"))
    });
    lines.collect()
}

/// PagerDuty's side, from what it took: the open alerts with the severity under which each was opened, which is what wakes somebody.
#[derive(Default)]
struct Desk {
    open: BTreeMap<String, String>,
    /// A deployment's pages that have been resolved.
    over: BTreeSet<(String, String)>,
    under: BTreeMap<String, BTreeSet<String>>,
}

impl Desk {
    fn of(sent: &[Value], case: &str) -> Self {
        let mut desk = Self::default();
        for event in sent {
            let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (key, deployment) = (text("/dedup_key"), text("/payload/custom_details/deployment"));
            if text("/event_action") == "trigger" {
                assert!(
                    !desk.over.contains(&(key.clone(), deployment.clone())),
                    "{deployment} was reopened, {case}: {}",
                    read(sent)
                );
                desk.under.entry(key.clone()).or_default().insert(deployment);
                desk.open.entry(key).or_insert(text("/payload/severity"));
            } else {
                desk.open.remove(&key);
                let under = desk.under.remove(&key).unwrap_or_default();
                desk.over.extend(under.into_iter().map(|deployment| (key.clone(), deployment)));
            }
        }
        desk
    }
}

/// The keys that must be open in the end, those that may be, and whether somebody must have been woken.
fn expected(courses: &[Course], until_success: bool) -> (BTreeSet<String>, BTreeSet<String>, bool) {
    let (ending, rollback, alarm) = (KEY.to_owned(), format!("{KEY}/rollback"), format!("{KEY}/alarm/5xx"));
    let (mut must, mut may, mut woken) = (BTreeSet::new(), BTreeSet::new(), false);
    for course in courses {
        match course {
            Course::Good | Course::TakenBack | Course::LeftToAPerson => {
                (must, may, woken) = (BTreeSet::new(), BTreeSet::new(), false);
            }
            _ => {}
        }
        match course {
            Course::Good => {}
            Course::RolledBack | Course::TakenBack if !until_success => {}
            Course::RolledBackLate if !until_success => {}
            Course::RolledBack | Course::TakenBack => drop(must.insert(ending.clone())),
            Course::RolledBackLate => {
                must.insert(ending.clone());
                // Unless it was heard of when it was back already.
                may.insert(rollback.clone());
            }
            Course::RollbackFailed => {
                must.extend([ending.clone(), rollback.clone()]);
                woken = true;
            }
            Course::NotRolledBack => {
                // Under the other key where a milder page hides it.
                may.extend([ending.clone(), rollback.clone()]);
                woken = true;
            }
            Course::LeftToAPerson => {
                must.insert(alarm.clone());
                woken = true;
            }
        }
    }
    may.extend(must.iter().cloned());
    (must, may, woken)
}

fn record(world: &World, deployments: &[Deployment]) {
    for deployment in deployments {
        world.record(deployment.clone());
    }
}

/// One history, to its end.
fn live(seed: u64, until_success: bool) {
    let mut chance = Chance(seed);
    let mut world = paging(if until_success { ", resolve: next_success" } else { "" });
    world.ports.clock = testkit::clock();
    let clock = world.ports.clock.clone();
    let courses: Vec<Course> = (0..=chance.below(5)).map(|_| COURSES[chance.below(COURSES.len())]).collect();
    let mut coming: Vec<Happening> = Vec::new();
    for (number, course) in courses.iter().enumerate() {
        let start = clock.now().plus(Duration::from_mins(10) * u32::try_from(number + 1).unwrap());
        coming.extend(happenings(*course, number, start));
    }
    let most = chance.below(80);
    let fates: Vec<Fate> = (0..most)
        .map(|_| match chance.below(10) {
            0 | 1 => Fate::NotTaken,
            2 => Fate::Unanswered,
            _ => Fate::Taken,
        })
        .collect();
    world.ports.sinks.pager.fates.borrow_mut().extend(fates);
    let mut coming = coming.into_iter();
    let mut waiting: Vec<Value> = Vec::new();
    run_on(&clock, async {
        loop {
            // How far events lag behind what happens differs from history to history.
            if waiting.is_empty() || chance.below(4) > 0 {
                if let Some((deployments, event)) = coming.next() {
                    record(&world, &deployments);
                    waiting.push(event);
                } else if waiting.is_empty() {
                    break;
                }
            }
            let one = waiting.swap_remove(chance.below(waiting.len()));
            let other = (!waiting.is_empty() && chance.below(3) == 0).then(|| waiting.swap_remove(0));
            let both = tokio::join!(world.hear(&one), async {
                match &other {
                    Some(event) => world.hear(event).await.map(drop),
                    None => Ok(()),
                }
            });
            // What failed is tried again, and now and then what did not.
            if both.0.is_err() || chance.below(8) == 0 {
                waiting.push(one);
            }
            waiting.extend(other.filter(|_| both.1.is_err()));
        }
    });
    let sent = world.ports.sinks.pager.sent.borrow();
    let desk = Desk::of(&sent, &format!("seed {seed}, {courses:?}"));
    let open: BTreeSet<String> = desk.open.keys().cloned().collect();
    let (must, may, woken) = expected(&courses, until_success);
    let case =
        || format!("seed {seed}, until success: {until_success}, {courses:?}, open {:?}: {}", desk.open, read(&sent));
    assert!(open.is_superset(&must) && open.is_subset(&may), "{must:?} {may:?} {}", case());
    assert!(!woken || desk.open.values().any(|severity| severity == "critical"), "nobody was woken: {}", case());
    let changes = world.ports.sinks.pager.changes.borrow();
    let of = |change: &Value| change["payload"]["custom_details"]["deployment"].to_string();
    let once: BTreeSet<String> = changes.iter().map(of).collect();
    assert_eq!(once.len(), changes.len(), "{changes:?}");
}

#[test]
fn exactly_that_is_open_in_the_end_which_should_be() {
    for seed in 0..300 {
        live(seed, seed % 2 == 1);
    }
}
