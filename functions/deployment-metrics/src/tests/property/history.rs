//! Histories drawn from a seed: what is deployed and how it goes, and which of its events come, when and how often. Knows nothing of what is made of
//! them.

use std::collections::BTreeMap;

use domain::events::TrafficRestored;
use dora::{HookRun, Record};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::world::{Fact, changed, event};
use super::super::*;

/// The next change of the group comes so much later at the earliest: what ends in the same minute cannot be told apart (see `once`).
const APART: u64 = 150;

/// Half of the histories take months.
pub(super) fn is_long(seed: u64) -> bool {
    seed % 2 == 1
}

/// What one history is, and what was left of it where.
pub(super) struct Play {
    pub(super) rng: fastrand::Rng,
    pub(super) facts: Vec<Fact>,
    /// The same for the rules.
    pub(super) records: BTreeMap<GroupName, Vec<Record>>,
    /// The ledger's entries by other functions, by when they are written.
    pub(super) notes: Vec<(String, Value)>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) restored: Vec<TrafficRestored>,
    /// Events by when they are delivered.
    pub(super) events: Vec<(Timestamp, Value)>,
    pub(super) last: Timestamp,
    pub(super) number: usize,
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
    pub(super) fn of(seed: u64) -> Self {
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

    pub(super) fn seconds(&mut self, from: u64, to: u64) -> Duration {
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
}
