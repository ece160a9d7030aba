//! Whatever becomes of the events and of the calls: after one reconciliation exactly what the rules make of the whole history is published, each
//! once. Histories, losses, orders and failures are drawn from a seed; the history is told twice, once to CodeDeploy's record and once to the
//! rules, so that what is gathered is held against what happened.

use std::collections::{BTreeMap, BTreeSet};

use domain::events::TrafficRestored;
use dora::{HookRun, Labels, Record, assess, measures, of_traffic_restored};
use serde::Deserialize;
use serde_json::{Value, json};

use super::world::{Fact, World, changed, event, schedule};
use super::*;

/// How many histories are played.
const SEEDS: u64 = 60;
/// The next change of the group comes so much later at the earliest: what ends in the same minute cannot be told apart (see `once`).
const APART: u64 = 150;
/// How often nothing fails while the schedule rings.
const CALM: Duration = Duration::from_hours(3 * 24);

/// Half of the histories take months.
fn is_long(seed: u64) -> bool {
    seed % 2 == 1
}

/// What one history is, and what was left of it where.
struct Play {
    rng: fastrand::Rng,
    facts: Vec<Fact>,
    /// The same for the rules.
    records: BTreeMap<GroupName, Vec<Record>>,
    /// The ledger's entries by other functions, by when they are written.
    notes: Vec<(String, Value)>,
    tags: Vec<(String, String)>,
    restored: Vec<TrafficRestored>,
    /// Events by when they are delivered.
    events: Vec<(Timestamp, Value)>,
    last: Timestamp,
    number: usize,
}

/// How one deployment goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Course {
    Succeeds,
    SucceedsAndIsTakenBack,
    ClaimsARollback,
    HookFails,
    TimesOut,
    OwnAlarm,
    GreenlightStops,
    GreenlightStopsWithoutRollback,
    PersonStops,
    PersonStopsWithRollback,
}

const COURSES: [Course; 13] = [
    Course::Succeeds,
    Course::Succeeds,
    Course::Succeeds,
    Course::Succeeds,
    Course::SucceedsAndIsTakenBack,
    Course::ClaimsARollback,
    Course::HookFails,
    Course::TimesOut,
    Course::OwnAlarm,
    Course::GreenlightStops,
    Course::GreenlightStopsWithoutRollback,
    Course::PersonStops,
    Course::PersonStopsWithRollback,
];

impl Play {
    fn of(seed: u64) -> Self {
        let mut play = Self {
            rng: fastrand::Rng::with_seed(seed),
            facts: Vec::new(),
            records: BTreeMap::new(),
            notes: Vec::new(),
            tags: Vec::new(),
            restored: Vec::new(),
            events: Vec::new(),
            last: BEGIN,
            number: 0,
        };
        for group in ["orchestrator", "burst-overflow"] {
            let group = GroupName { application: "mangaassist".into(), deployment_group: group.into() };
            let mut at = BEGIN.plus(play.seconds(1, 3600));
            let (mut revision, mut good) = (0, None);
            let gap = if is_long(seed) { (24 * 3600, 40 * 24 * 3600) } else { (APART, 12 * 3600) };
            for _ in 0..play.rng.usize(4..=12) {
                // Now and then the same is deployed once more.
                revision += u32::from(play.rng.u32(0..100) < 80);
                let course = *play.rng.choice(&COURSES).unwrap();
                at = play.deploy(&group, at, course, revision, &mut good);
                at = at.plus(play.seconds(gap.0, gap.1));
            }
        }
        play
    }

    fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.rng.u64(from * 1000..=to * 1000))
    }

    fn new_id(&mut self) -> DeploymentId {
        self.number += 1;
        // No id says which came first.
        DeploymentId(format!("d-{:03}{}", self.rng.u32(0..1000), self.number))
    }

    /// One deployment and what follows from it; gives when all of it is over.
    fn deploy(
        &mut self,
        group: &GroupName,
        at: Timestamp,
        course: Course,
        revision: u32,
        good: &mut Option<DeploymentId>,
    ) -> Timestamp {
        let id = self.new_id();
        let has_succeeded =
            matches!(course, Course::Succeeds | Course::SucceedsAndIsTakenBack | Course::ClaimsARollback);
        let (status, code) = match course {
            Course::HookFails => (Status::Failed, "HOOK_EXECUTION_FAILURE"),
            Course::TimesOut => (Status::Failed, "TIMEOUT"),
            Course::OwnAlarm => (Status::Stopped, "ALARM_ACTIVE"),
            _ if has_succeeded => (Status::Succeeded, ""),
            _ => (Status::Stopped, "MANUAL_STOP"),
        };
        let definition = format!("arn:task-definition/{}:{}", group.deployment_group, self.number);
        let committed = at.minus(self.seconds(60, 90_000));
        let mut description = "git_sha=0badcafe".to_owned();
        let mut record_committed = None;
        match self.rng.u32(0..3) {
            0 => {
                description += &format!(" commit_time={committed}");
                record_committed = Some(committed);
            }
            1 => {
                self.tags.push((format!("{}@{definition}", dora::COMMIT_TIME_TAG), committed.to_string()));
                record_committed = Some(committed).filter(|_| has_succeeded);
            }
            _ => {}
        }
        if let (Course::ClaimsARollback, Some(good)) = (course, &*good) {
            description += &format!(" greenlight_rolls_back={good}");
        }
        let started = at.plus(self.seconds(0, 5));
        let (events, hooks, shifted) = self.lifecycle(started, course);
        let completed = shifted.plus(if self.rng.bool() { self.seconds(0, 3600) } else { Duration::ZERO });
        let error = (!code.is_empty()).then(|| DeploymentError { code: code.into(), message: String::new() });
        let mut deployment = Deployment {
            id: id.clone(),
            group: group.clone(),
            status,
            description,
            created: Some(at),
            started: Some(started),
            completed: Some(completed),
            error,
            revision_id: Some(format!("sha256:{revision}")),
            ..build::deployment()
        };
        deployment.revision.task_definition = Some(definition);
        // As CodeDeploy's adapter reads it out of the description; whether it is believed is up to the rules.
        deployment.rolls_back =
            deployment.described(domain::deployment::ROLLS_BACK).map(|of| DeploymentId(of.to_owned()));
        let is_rolled_back = !has_succeeded
            && !matches!(course, Course::GreenlightStopsWithoutRollback | Course::PersonStops)
            && (course == Course::PersonStopsWithRollback || self.rng.u32(0..100) < 85);
        let back = is_rolled_back.then(|| self.new_id());
        deployment.rolled_back_by.clone_from(&back);
        let is_greenlights = matches!(course, Course::GreenlightStops | Course::GreenlightStopsWithoutRollback);
        if is_greenlights {
            self.notes.push((format!("stop/{id}"), json!({"stopped": completed, "alarm": "web-5xx"})));
        }
        let record = Record {
            deployment: deployment.clone(),
            shifted: has_succeeded.then_some(shifted),
            hooks,
            committed: record_committed,
            stopped_by_alarm: is_greenlights && back.is_none(),
            is_confirmed_rollback: false,
        };
        let (lag, linked_after) = (self.seconds(0, 20), self.seconds(0, 25));
        self.add(record, Fact { deployment, events, lag, linked_after });
        let mut over = completed;
        if let Some(back) = back {
            let creator = "codeDeployRollback".to_owned();
            let began = completed.plus(self.seconds(0, 4));
            over = self.go_back(group, &id, &back, began, (creator, String::new()));
        }
        if course == Course::SucceedsAndIsTakenBack {
            let back = self.new_id();
            let description = format!("greenlight_rolls_back={id} for the alarm web-5xx");
            let began = completed.plus(self.seconds(APART, 1800));
            over = self.go_back(group, &id, &back, began, ("user".to_owned(), description));
        }
        if has_succeeded {
            *good = Some(id);
        }
        over
    }

    /// The lifecycle events, the hooks among them, and when the last one ended.
    fn lifecycle(&mut self, from: Timestamp, course: Course) -> (Vec<LifecycleEvent>, Vec<HookRun>, Timestamp) {
        let (mut events, mut hooks, mut at) = (Vec::new(), Vec::new(), from);
        let names = ["Install", "BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"];
        let is_good = matches!(course, Course::Succeeds | Course::SucceedsAndIsTakenBack | Course::ClaimsARollback);
        // Where it breaks off: at a hook when a hook fails, anywhere else otherwise.
        let breaks_off = match course {
            _ if is_good => names.len(),
            Course::HookFails => *self.rng.choice(&[1, 3]).unwrap(),
            Course::TimesOut => 0,
            _ => self.rng.usize(0..names.len()),
        };
        for (index, name) in names.into_iter().enumerate() {
            if index > breaks_off {
                events.push(LifecycleEvent::undated(name, "Skipped"));
                continue;
            }
            let (started, ended) = (at, at.plus(self.seconds(1, 300)));
            let status = if index == breaks_off { "Failed" } else { "Succeeded" };
            let (name_of, is_hook) = (name.to_owned(), name.ends_with("AllowTraffic") && name != "AllowTraffic");
            // A stop is not the hook's answer.
            if is_hook && (index < breaks_off || course == Course::HookFails) {
                let succeeded = index < breaks_off;
                hooks.push(HookRun { lifecycle_event: name_of.clone(), started, ended, succeeded });
            }
            events.push(LifecycleEvent {
                name: name_of,
                status: status.to_owned(),
                started: Some(started),
                ended: Some(ended),
            });
            at = ended;
        }
        (events, hooks, at)
    }

    /// The rollback of a deployment; now and then it fails.
    fn go_back(
        &mut self,
        group: &GroupName,
        original: &DeploymentId,
        id: &DeploymentId,
        began: Timestamp,
        (creator, description): (String, String),
    ) -> Timestamp {
        let is_good = self.rng.u32(0..100) < 85;
        let completed = began.plus(self.seconds(APART, 600));
        let deployment = Deployment {
            id: id.clone(),
            group: group.clone(),
            status: if is_good { Status::Succeeded } else { Status::Failed },
            creator,
            description,
            created: Some(began),
            started: Some(began),
            completed: Some(completed),
            rolls_back: Some(original.clone()),
            revision_id: Some(format!("sha256:{id}")),
            ..build::deployment()
        };
        let shifted = is_good.then(|| completed.minus(Duration::from_secs(20)));
        let events =
            shifted.map(|end| LifecycleEvent { ended: Some(end), ..lifecycle("AllowTraffic", "Succeeded", 0, 0) });
        // Greenlight's own is noted; those of a person are not, and are judged by the history.
        let is_confirmed_rollback = deployment.creator == "user" && self.rng.bool();
        if is_confirmed_rollback {
            self.notes.push((format!("late/{original}"), json!({"redeployed_by": id})));
        }
        let record = Record { shifted, is_confirmed_rollback, ..Record::of(deployment.clone()) };
        let lag = self.seconds(0, 20);
        self.add(record, Fact { lag, events: events.into_iter().collect(), ..Fact::of(deployment) });
        if is_good {
            let told = json!({"deployment_id": original, "group": group, "at": completed, "seconds_since_alarm": 31.5});
            let mut told = event("traffic-restored", &told);
            told["time"] = json!(completed);
            let restored = TrafficRestored::deserialize(&told["detail"]).unwrap();
            self.notes.push((format!("ending/{original}/restored"), json!({"told": completed, "detail": restored})));
            self.restored.push(restored);
            self.deliver(completed, &told);
        }
        completed
    }

    fn add(&mut self, record: Record, fact: Fact) {
        let deployment = &record.deployment;
        let state = match deployment.status {
            Status::Succeeded => "SUCCESS",
            Status::Failed => "FAILURE",
            _ => "STOP",
        };
        let told = |state: &str| {
            let mut told = changed(&deployment.id.0, state);
            told["detail"]["deploymentGroup"] = json!(deployment.group.deployment_group);
            told
        };
        let (mut start, mut end) = (told("START"), told(state));
        let (began, ended) = (deployment.created.unwrap(), deployment.completed.unwrap());
        (start["time"], end["time"]) = (json!(began), json!(ended));
        self.last = self.last.max(ended);
        self.records.entry(deployment.group.clone()).or_default().push(record);
        self.facts.push(fact);
        self.deliver(began, &start);
        self.deliver(ended, &end);
    }

    /// Lost, late, twice, or as it should be.
    fn deliver(&mut self, at: Timestamp, told: &Value) {
        let late = self.seconds(0, 3);
        match self.rng.u32(0..8) {
            0 | 1 => {}
            2 => {
                let late = self.seconds(60, 6 * 3600);
                self.events.push((at.plus(late), told.clone()));
            }
            3 | 4 => {
                let again = self.seconds(0, 300);
                self.events.push((at.plus(late), told.clone()));
                self.events.push((at.plus(late + again), told.clone()));
            }
            _ => self.events.push((at.plus(late), told.clone())),
        }
    }

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
