//! What was read, counted: by the rules of `dora`, group by group, with what was left out and how it was counted. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId, GroupName, LifecycleEvent, Platform, ROLLS_BACK, Status};
use domain::text::{bounded, count, visible};
use domain::time::Timestamp;
use dora::{Assessment, Cause, Figures, HookRun, Record, assess, figures};

use super::choose::Choice;
use super::read::Found;

/// What CodeDeploy says of a failure is repeated up to so many characters.
const SAID: usize = 300;

/// A history in numbers.
pub(super) struct History {
    /// Everything that was counted, rollbacks included, by when it ended.
    pub(super) assessments: Vec<Assessment>,
    /// All groups together.
    pub(super) figures: Figures,
    /// Each group alone, by name.
    pub(super) groups: Vec<Group>,
    /// What failed or was taken back, the oldest first.
    pub(super) failures: Vec<Failure>,
    /// What was not counted: how many, and what.
    pub(super) left_out: Vec<(usize, String)>,
    /// How it was counted, and why a number is missing.
    pub(super) remarks: Vec<String>,
}

/// One deployment group.
pub(super) struct Group {
    pub(super) name: GroupName,
    /// As the configuration tells it.
    pub(super) environment: Option<String>,
    pub(super) figures: Figures,
}

/// A deployment that did harm.
pub(super) struct Failure {
    pub(super) at: Timestamp,
    pub(super) group: GroupName,
    pub(super) id: DeploymentId,
    /// `None` for one that had succeeded and was taken back.
    pub(super) cause: Option<Cause>,
    /// CodeDeploy's code and sentence; text from outside.
    pub(super) said: String,
    pub(super) recovery: Recovery,
}

/// How a failure was mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovery {
    /// It began an outage, which took this long.
    After(Duration),
    /// It belongs to an outage that an earlier failure had begun.
    WithEarlier,
    /// Nothing in the history has succeeded since.
    NotYet,
}

/// How a cause reads.
pub(super) fn spoken_cause(cause: Option<Cause>) -> &'static str {
    match cause {
        Some(Cause::Alarm) => "stopped by an alarm",
        Some(Cause::Hook) => "a hook failed",
        Some(Cause::TimeOut) => "timed out",
        Some(Cause::StoppedAndRolledBack) => "stopped and rolled back",
        Some(Cause::Other) => "another reason",
        None => "taken back after it succeeded",
    }
}

/// Counts what was read.
pub(super) fn counted(found: Found, choice: &Choice) -> History {
    let Found { mut deployments, courses, repeated, other_targets } = found;
    let disbelieved = disbelieve(&mut deployments);
    let mut out = LeftOut::default();
    let mut records: BTreeMap<GroupName, Vec<Record>> = BTreeMap::new();
    let mut failed: BTreeMap<DeploymentId, String> = BTreeMap::new();
    let strays = courses.keys().filter(|id| !deployments.contains_key(*id)).count();
    for (id, deployment) in deployments {
        if let Some(why) = out.reason(&deployment, choice) {
            *out.of.entry(why).or_default() += 1;
            // One in flight counts nowhere, but it may be the rollback of one that does.
            if deployment.platform == Some(Platform::Server) || why == NOT_CHOSEN {
                continue;
            }
        }
        if let Some(error) = &deployment.error {
            failed.insert(id.clone(), bounded(&visible(&format!("{}: {}", error.code, error.message)), SAID));
        }
        records.entry(deployment.group.clone()).or_default().push(record(deployment, courses.get(&id)));
    }
    let is_meant = |at: Timestamp| choice.since.is_none_or(|from| at >= from) && choice.until.is_none_or(|to| at < to);
    let mut history = History {
        assessments: Vec::new(),
        figures: Figures::default(),
        groups: Vec::new(),
        failures: Vec::new(),
        left_out: Vec::new(),
        remarks: Vec::new(),
    };
    let (mut outside, mut by_target, mut of) = (0, 0, 0);
    for (name, records) in records {
        let assessments = assess(&records);
        let failures = failures(&assessments, &failed);
        history.failures.extend(failures.into_iter().filter(|failure| is_meant(failure.at)));
        let whole = assessments.len();
        let meant: Vec<Assessment> = assessments.into_iter().filter(|one| is_meant(one.ended)).collect();
        outside += whole - meant.len();
        if meant.is_empty() {
            continue;
        }
        let ids: BTreeSet<&DeploymentId> =
            meant.iter().filter(|one| !one.is_rollback && one.status == Status::Succeeded).map(|one| &one.id).collect();
        of += ids.len();
        by_target += records.iter().filter(|one| one.shifted.is_some() && ids.contains(&one.deployment.id)).count();
        let environment = choice.environments.get(&name).cloned();
        history.groups.push(Group { name, environment, figures: figures(&meant) });
        history.assessments.extend(meant);
    }
    history.assessments.sort_by_key(|one| (one.ended, one.id.clone()));
    history.failures.sort_by_key(|one| (one.at, one.id.clone()));
    history.figures = figures(&history.assessments);
    history.left_out = out.told(choice, [(outside, OUTSIDE), (strays, STRAYS), (other_targets, OTHER_TARGETS)]);
    history.remarks = remarks(&history, (by_target, of), repeated, disbelieved);
    history
}

/// What Greenlight wrote into a description is believed only where the history bears it out: a person can write it as well. Greenlight itself asks its
/// table, which is not at hand here. Says how many were not believed; they count as deployments.
fn disbelieve(deployments: &mut BTreeMap<DeploymentId, Deployment>) -> usize {
    let is_borne_out = |one: &Deployment, original: &DeploymentId| {
        deployments.get(original).is_some_and(|original| {
            original.group == one.group
                && original.status == Status::Succeeded
                && original.completed.is_some_and(|ended| one.created.is_some_and(|created| ended <= created))
        })
    };
    let described = deployments.values().filter_map(|one| {
        let original = one.rolls_back.as_ref()?;
        (one.described(ROLLS_BACK) == Some(original.0.as_str()) && !is_borne_out(one, original)).then(|| one.id.clone())
    });
    let wrong: Vec<DeploymentId> = described.collect();
    for id in &wrong {
        if let Some(one) = deployments.get_mut(id) {
            one.rolls_back = None;
        }
    }
    wrong.len()
}

/// With what the deployment target tells, where that was read.
fn record(deployment: Deployment, course: Option<&Vec<LifecycleEvent>>) -> Record {
    let mut record = Record::of(deployment);
    let Some(course) = course else { return record };
    if record.deployment.status == Status::Succeeded {
        record.shifted = course.iter().filter_map(|event| event.ended).max();
    }
    // Lifecycle events run whether a hook is behind them or not; only the AppSpec tells.
    let hooked: Vec<&str> = record.deployment.app_spec.hooked_events().into_iter().flatten().collect();
    let runs = course.iter().filter(|event| hooked.contains(&event.name.as_str())).filter_map(|event| {
        let succeeded = match event.status.as_str() {
            "Succeeded" => true,
            "Failed" => false,
            _ => return None,
        };
        Some(HookRun { lifecycle_event: event.name.clone(), started: event.started?, ended: event.ended?, succeeded })
    });
    record.hooks = runs.collect();
    record
}

/// What did harm in one group, in the order of its course.
fn failures(assessments: &[Assessment], said: &BTreeMap<DeploymentId, String>) -> Vec<Failure> {
    let (mut found, mut open): (Vec<Failure>, usize) = (Vec::new(), 0);
    for one in assessments {
        let taken = one.takes_back.as_ref().map(|taken| (taken.at, taken.id.clone(), None));
        let failed = one.failure.map(|cause| (one.ended, one.id.clone(), Some(cause)));
        for (at, id, cause) in taken.into_iter().chain(failed) {
            let said = said.get(&id).cloned().unwrap_or_default();
            found.push(Failure { at, group: one.group.clone(), id, cause, said, recovery: Recovery::NotYet });
        }
        if let Some(took) = one.recovery {
            for (number, failure) in found.iter_mut().skip(open).enumerate() {
                failure.recovery = if number == 0 { Recovery::After(took) } else { Recovery::WithEarlier };
            }
            open = found.len();
        }
    }
    found
}

const NOT_CHOSEN: &str = "of other groups";
const SERVER: &str = "on servers (EC2 and on premises), which have no traffic to shift";
const IN_FLIGHT: &str = "in flight";
const WITHOUT_TIMES: &str = "without any time";
const OUTSIDE: &str = "that ended outside of --since and --until";
const STRAYS: &str = "targets of deployments that were not read";
const OTHER_TARGETS: &str = "targets that are neither an ECS service nor a Lambda function";

#[derive(Default)]
struct LeftOut {
    of: BTreeMap<&'static str, usize>,
    statuses: BTreeSet<String>,
}

impl LeftOut {
    fn reason(&mut self, one: &Deployment, choice: &Choice) -> Option<&'static str> {
        if choice.groups.as_ref().is_some_and(|groups| !groups.contains(&one.group)) {
            return Some(NOT_CHOSEN);
        }
        if one.platform == Some(Platform::Server) {
            return Some(SERVER);
        }
        if !one.status.is_terminal() {
            self.statuses.insert(bounded(&visible(one.status.as_str()), 40));
            return Some(IN_FLIGHT);
        }
        one.completed.or(one.started).or(one.created).is_none().then_some(WITHOUT_TIMES)
    }

    fn told<const N: usize>(&self, choice: &Choice, more: [(usize, &'static str); N]) -> Vec<(usize, String)> {
        let spoken = |what: &'static str| match what {
            NOT_CHOSEN if choice.by_configuration => "of groups that the configuration does not name".to_owned(),
            IN_FLIGHT => {
                let statuses: Vec<&str> = self.statuses.iter().map(String::as_str).collect();
                format!("{IN_FLIGHT} ({})", statuses.join(", "))
            }
            _ => what.to_owned(),
        };
        let own = [IN_FLIGHT, SERVER, WITHOUT_TIMES, NOT_CHOSEN].map(|what| (self.of.get(what).copied(), what));
        let own = own.into_iter().map(|(number, what)| (number.unwrap_or(0), what));
        own.chain(more).filter(|(number, _)| *number > 0).map(|(number, what)| (number, spoken(what))).collect()
    }
}

fn remarks(history: &History, (by_target, of): (usize, usize), repeated: usize, disbelieved: usize) -> Vec<String> {
    let of_all = &history.figures;
    let mut remarks = Vec::new();
    if of_all.deployments > 0 && of_all.lead_time.is_none() {
        remarks.push(
            "No lead time: no deployment that brought something new into production says `commit_time=…` in its description. How a pipeline \
             puts it there: docs/metrics.md."
                .to_owned(),
        );
    }
    if of_all.deployments > 0 && of_all.recovery.is_none() {
        let why = if history.failures.is_empty() {
            "nothing has failed"
        } else {
            "no deployment has succeeded since what failed"
        };
        remarks.push(format!("No recovery time: {why}."));
    }
    if of_all.deployments > 0 && of_all.changes == 0 {
        remarks.push(
            "No change failure rate: every deployment brought again what was there or had been tried.".to_owned(),
        );
    }
    if of > by_target {
        remarks.push(format!(
            "The duration ends with the traffic shift, which only the deployment targets tell (`greenlight history --help`). For {} of {of} deployments \
             that succeeded they were not read: there the termination wait is taken off the end.",
            of - by_target
        ));
    }
    if repeated > 0 {
        remarks.push(format!("{} read more than once and counted once.", verb(repeated, "record")));
    }
    if disbelieved > 0 {
        remarks.push(format!(
            "{} `{ROLLS_BACK}=…` in the description, but the history has no such deployment of the group that had succeeded before: counted as \
             a deployment, not as a rollback.",
            if disbelieved == 1 { "1 deployment says".to_owned() } else { format!("{disbelieved} deployments say") }
        ));
    }
    remarks
}

fn verb(number: usize, noun: &str) -> String {
    format!("{} {}", count(number, noun), if number == 1 { "was" } else { "were" })
}
