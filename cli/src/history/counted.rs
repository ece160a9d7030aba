//! What was read, counted: by the rules of `dora`, group by group, with what was left out and how it was counted. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId, GroupName, LifecycleEvent, Platform, ROLLS_BACK, Status};
use domain::redeploy::to_confirm;
use domain::text::{bounded, count, visible};
use domain::time::Timestamp;
use dora::{Assessment, Cause, Figures, Record, assess, figures_between};

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
    /// Something has succeeded since, and its record does not tell when it ended.
    Untimed,
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

/// What is told of how it was counted.
#[derive(Default)]
struct Told {
    /// Records that were read more than once.
    repeated: usize,
    /// Deployments that succeeded.
    of: usize,
    /// Of them, those whose termination wait was taken off.
    guessed: usize,
    /// Deployments that have ended, with no time of their end.
    endless: usize,
    /// Deployments that say they roll another back, and are not believed.
    disbelieved: usize,
}

/// Why there is no time of recovery, after `No recovery time:`.
pub(super) fn no_recovery(history: &History) -> &'static str {
    let is_any = |recovery| history.failures.iter().any(|failure| failure.recovery == recovery);
    if history.failures.is_empty() {
        "nothing has failed"
    } else if is_any(Recovery::Untimed) {
        "what made a group well again has no end in its record (`completeTime`)"
    } else {
        "no deployment has succeeded since what failed"
    }
}

/// Counts what was read.
pub(super) fn counted(found: Found, choice: &Choice) -> History {
    let Found { deployments, courses, repeated, other_targets, .. } = found;
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
    let figures = |of: &[Assessment]| figures_between(of, choice.since, choice.until);
    let mut told = Told { repeated, ..Told::default() };
    let mut outside = 0;
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
        let by_id: BTreeMap<&DeploymentId, &Record> = records.iter().map(|one| (&one.deployment.id, one)).collect();
        for one in meant.iter().filter(|one| !one.is_rollback) {
            let Some(record) = by_id.get(&one.id) else { continue };
            told.of += usize::from(one.status == Status::Succeeded);
            told.guessed += usize::from(is_guessed(record, one));
            told.endless += usize::from(record.deployment.completed.is_none());
            told.disbelieved += usize::from(to_confirm(&record.deployment).is_some());
        }
        let environment = choice.environments.get(&name).cloned();
        history.groups.push(Group { name, environment, figures: figures(&meant) });
        history.assessments.extend(meant);
    }
    history.assessments.sort_by_key(|one| (one.ended, one.id.clone()));
    history.failures.sort_by_key(|one| (one.at, one.id.clone()));
    history.figures = figures(&history.assessments);
    history.left_out = out.told(choice, [(outside, OUTSIDE), (strays, STRAYS), (other_targets, OTHER_TARGETS)]);
    history.remarks = remarks(&history, &told);
    history
}

/// With what the deployment target tells, where that was read.
fn record(deployment: Deployment, course: Option<&Vec<LifecycleEvent>>) -> Record {
    let record = Record::of(deployment);
    match course {
        Some(course) => record.with_course(course),
        None => record,
    }
}

/// Whether the termination wait was taken off the end of this deployment, since nothing told better when its shift ended.
fn is_guessed(record: &Record, of: &Assessment) -> bool {
    record.shifted.is_none() && of.duration < of.total_duration
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
        // A success without an end ends the incident, too; only how long it was is not known.
        let is_untimed = one.status == Status::Succeeded && one.total_duration.is_none();
        if one.recovery.is_some() || is_untimed {
            for (number, failure) in found.iter_mut().skip(open).enumerate() {
                let first = one.recovery.map_or(Recovery::Untimed, Recovery::After);
                failure.recovery = if number == 0 { first } else { Recovery::WithEarlier };
            }
            open = found.len();
        }
    }
    found
}

const NOT_CHOSEN: &str = "of other groups";
const SERVER: &str = "on servers (EC2 and on premises), which have no traffic to shift";
const IN_FLIGHT: &str = "in flight";
const UNKNOWN: &str = "with a status that is not known";
const WITHOUT_TIMES: &str = "without any time";
const OUTSIDE: &str = "that ended outside of --since and --until";
const STRAYS: &str = "targets of deployments that were not read";
const OTHER_TARGETS: &str = "targets that are neither an ECS service nor a Lambda function";

#[derive(Default)]
struct LeftOut {
    of: BTreeMap<&'static str, usize>,
    statuses: BTreeSet<String>,
    unknown: BTreeSet<String>,
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
            let is_unknown = matches!(one.status, Status::Other(_));
            let statuses = if is_unknown { &mut self.unknown } else { &mut self.statuses };
            statuses.insert(bounded(&visible(one.status.as_str()), 40));
            return Some(if is_unknown { UNKNOWN } else { IN_FLIGHT });
        }
        one.completed.or(one.started).or(one.created).is_none().then_some(WITHOUT_TIMES)
    }

    fn told<const N: usize>(&self, choice: &Choice, more: [(usize, &'static str); N]) -> Vec<(usize, String)> {
        let listed = |of: &BTreeSet<String>| of.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let spoken = |what: &'static str| match what {
            NOT_CHOSEN if choice.by_configuration => "of groups that the configuration does not name".to_owned(),
            IN_FLIGHT => format!("{IN_FLIGHT} ({})", listed(&self.statuses)),
            UNKNOWN => format!("{UNKNOWN} ({})", listed(&self.unknown)),
            _ => what.to_owned(),
        };
        let own =
            [IN_FLIGHT, UNKNOWN, SERVER, WITHOUT_TIMES, NOT_CHOSEN].map(|what| (self.of.get(what).copied(), what));
        let own = own.into_iter().map(|(number, what)| (number.unwrap_or(0), what));
        own.chain(more).filter(|(number, _)| *number > 0).map(|(number, what)| (number, spoken(what))).collect()
    }
}

fn remarks(history: &History, told: &Told) -> Vec<String> {
    let Told { repeated, of, guessed, endless, disbelieved } = *told;
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
        remarks.push(format!("No recovery time: {}.", no_recovery(history)));
    }
    if of_all.deployments > 0 && of_all.changes == 0 {
        remarks.push(
            "No change failure rate: every deployment brought again what was there or had been tried.".to_owned(),
        );
    }
    if guessed > 0 {
        remarks.push(format!(
            "The duration ends with the traffic shift, which only the deployment targets tell (`greenlight history --help`). For {guessed} of {of} \
             deployments that succeeded they were not read, and the termination wait is taken off the end."
        ));
    }
    if endless > 0 {
        remarks.push(format!(
            "{} ended without a `completeTime` in the record: no duration, lead time or recovery is told of what has none.",
            count(endless, "deployment")
        ));
    }
    if repeated > 0 {
        remarks.push(format!("{} read more than once and counted once.", verb(repeated, "record")));
    }
    if disbelieved > 0 {
        remarks.push(format!(
            "{} `{ROLLS_BACK}=…` in the description, but not of what was in production, or failed with something new: counted as a \
             deployment, not as a rollback (docs/metrics.md).",
            if disbelieved == 1 { "1 deployment says".to_owned() } else { format!("{disbelieved} deployments say") }
        ));
    }
    remarks
}

fn verb(number: usize, noun: &str) -> String {
    format!("{} {}", count(number, noun), if number == 1 { "was" } else { "were" })
}
